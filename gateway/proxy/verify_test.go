package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestVerifyThenCommitOnOneConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		want(t, verify(t, g, "a", "b"), 250, smtp.EnhancedCode{2, 1, 0})
		if open, idle := g.backends[0].pool.size(); open != 1 || idle != 1 {
			t.Error("the connection was not given back", open, idle)
		}
		rs := commit(t, g, copyTo("a", "b"))
		want(t, rs[0], 250, smtp.EnhancedCode{2, 0, 0})
		if rs[0].Text != "taken" {
			t.Error(rs[0])
		}
		if f.dialled() != 1 || len(f.taken()) != 1 || f.taken()[0] != "Subject: x\r\n\r\nHello.\r\n" {
			t.Error(f.dialled(), f.taken())
		}
	})
}

func TestBackendsOwnWordsAtRcpt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		for s, want := range map[string]string{
			"550 5.1.1 No such user here":            "550 5.1.1 No such user here",
			"452 4.2.2 Full":                         "452 4.2.2 Full",
			"553-5.7.1 one\r\n553 5.7.1 \x1b[31mtwo": "553 5.7.1 one  [31mtwo",
			"551":                                    "551 ",
		} {
			f.set(sayTo("RCPT", s))
			if r := verify(t, g, "a", s[:3]); r.Error() != want {
				t.Errorf("%q became %q", s, r.Error())
			}
		}
		f.set(sayTo("MAIL", "550 5.7.1 Sender refused"))
		if r := verify(t, g, "a", "q"); r.Text != "Sender refused" || r.Code != 550 {
			t.Error(r)
		}
		// What tells us off is no answer for the client.
		for _, s := range []string{"530 5.7.0 STARTTLS first", "503 what", "500 what", "504 x"} {
			for _, verb := range []string{"MAIL", "RCPT"} {
				f.set(sayTo(verb, s))
				want(t, verify(t, g, "a", "r"+s[:3]+verb), 451, smtp.EnhancedCode{4, 3, 5})
			}
		}
	})
}

func TestAnswersAreRememberedForTheirTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		f.set(sayTo("RCPT TO:<no@", "550 5.1.1 no"))
		asked := func(n int, what string) {
			t.Helper()
			if got := f.count("RCPT"); got != n {
				t.Errorf("%s: asked %d times, want %d", what, got, n)
			}
		}
		verify(t, g, "a", "yes")
		verify(t, g, "other", "yes")
		asked(1, "another sender, same recipient")
		verify(t, g, "a", "no")
		want(t, verify(t, g, "other", "no"), 550, smtp.EnhancedCode{5, 1, 1})
		asked(2, "no such mailbox holds for all senders")
		r, _ := g.Verify(t.Context(), sender("a"), smtp.MailParams{}, smtp.ForwardPath{Address: smtp.Address{Local: "yes", Domain: "Y.TEST"}}, smtp.RcptParams{})
		want(t, r, 250, smtp.EnhancedCode{2, 1, 0})
		asked(2, "a domain in other letters")
		time.Sleep(time.Minute - 1)
		verify(t, g, "a", "no")
		asked(2, "a refusal before its time")
		time.Sleep(time.Nanosecond)
		verify(t, g, "a", "no")
		asked(3, "a refusal after its time")
		time.Sleep(4*time.Minute - 1)
		verify(t, g, "a", "yes")
		asked(3, "a yes before its time")
		time.Sleep(time.Nanosecond)
		verify(t, g, "a", "yes")
		asked(4, "a yes after its time")
	})
}

func TestWhatMayDifferIsNotRememberedForOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		f.set(sayTo("RCPT", "550 5.7.1 members only"))
		verify(t, g, "stranger", "list")
		verify(t, g, "stranger", "list")
		if n := f.count("RCPT"); n != 1 {
			t.Error("same sender asked", n)
		}
		f.set(nil)
		want(t, verify(t, g, "member", "list"), 250, smtp.EnhancedCode{2, 1, 0})
		want(t, verify(t, g, "stranger", "list"), 550, smtp.EnhancedCode{5, 7, 1})

		f.set(sayTo("RCPT", "450 4.2.0 greylisted"))
		verify(t, g, "a", "temp")
		f.set(sayTo("MAIL", "550 5.1.8 bad sender"))
		verify(t, g, "a", "temp")
		f.set(nil)
		want(t, verify(t, g, "a", "temp"), 250, smtp.EnhancedCode{2, 1, 0})
	})
}

func TestMemoryIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{Remember: 2}, f)
		for _, s := range []string{"1", "2", "1", "3", "1", "2"} {
			verify(t, g, "a", s)
		}
		if n := f.count("RCPT"); n != 4 { // 1 2 3, and 2 again
			t.Error("asked", n)
		}
		if len(g.answers.m) != 2 {
			t.Error(len(g.answers.m))
		}
		g = group(t, Options{Remember: -1}, f)
		verify(t, g, "a", "1")
		verify(t, g, "a", "1")
		if n := f.count("RCPT"); n != 6 {
			t.Error("asked", n)
		}
	})
}

func TestEqualQuestionsAtOnceAreOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fake{}
		f.set(func(_ *fake, line string) string {
			if strings.HasPrefix(line, "RCPT") {
				<-gate
			}
			return ""
		})
		g := group(t, Options{}, f)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { want(t, verify(t, g, "a", "b"), 250, smtp.EnhancedCode{2, 1, 0}) })
		}
		// Who asked first may leave; the others get their answer.
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := g.Verify(ctx, sender("a"), smtp.MailParams{}, rcpt("b"), smtp.RcptParams{})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		if n := f.count("RCPT"); n != 1 {
			t.Error("asked", n)
		}
	})
}

func TestWhatBackendsDoNotOfferIsRefusedAtRcpt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{offer: "SIZE_1000"}
		g := group(t, Options{}, f)
		for _, known := range []bool{false, true} {
			if known {
				if err := g.Probe(t.Context()); err != nil {
					t.Fatal(err)
				}
				want(t, verify(t, g, "a", "b"), 250, smtp.EnhancedCode{2, 1, 0})
			}
			for _, tt := range []struct {
				p    smtp.MailParams
				code int
				e    smtp.EnhancedCode
			}{
				{smtp.MailParams{SMTPUTF8: true}, 553, smtp.EnhancedCode{5, 6, 7}},
				{smtp.MailParams{RequireTLS: true}, 550, smtp.EnhancedCode{5, 7, 30}},
				{smtp.MailParams{Size: 1001}, 552, smtp.EnhancedCode{5, 3, 4}},
				{smtp.MailParams{Body: smtp.Body8BitMIME}, 554, smtp.EnhancedCode{5, 6, 3}},
			} {
				r, err := g.Verify(t.Context(), sender("a"), tt.p, rcpt("b"), smtp.RcptParams{})
				if err != nil {
					t.Error(err)
				}
				want(t, r, tt.code, tt.e)
			}
		}
		if n := f.count("MAIL"); n != 1 {
			t.Error("backend was asked", n)
		}
		if x, known := g.Offers(); !known || x.SMTPUTF8 || x.DSN || x.Size != 1000 {
			t.Errorf("%+v %t", x, known)
		}
	})
}

// A backend that lacks something is passed over for one that has it.
func TestBackendThatOffersMoreIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := &fake{}, &fake{offer: "SMTPUTF8 8BITMIME"}
		g := group(t, Options{}, a, b)
		utf8 := smtp.ForwardPath{Address: smtp.Address{Local: "ü", Domain: "y.test"}}
		r, err := g.Verify(t.Context(), sender("a"), smtp.MailParams{SMTPUTF8: true}, utf8, smtp.RcptParams{})
		if err != nil {
			t.Error(err)
		}
		want(t, r, 250, smtp.EnhancedCode{2, 1, 0})
		c := copyTo("a", "ü")
		c.Params.SMTPUTF8, c.UTF8Header, c.EightBit = true, true, true
		want(t, commit(t, g, c)[0], 250, smtp.EnhancedCode{2, 0, 0})
		if len(b.taken()) != 1 || a.count("MAIL") != 0 {
			t.Error(len(b.taken()), a.count("MAIL"))
		}
	})
}

// TestGuessesDoNotWearOutConnections: a server slows down a connection with
// many refusals, or with many questions and no mail, and so everybody's mail.
func TestGuessesDoNotWearOutConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct {
			reply string
			asked int // until another connection is used
		}{{"550 5.1.1 unknown", maxRefused}, {"250 2.1.5 ok", maxFruitless}} {
			f := &fake{on: sayTo("RCPT", c.reply)}
			g := group(t, Options{}, f)
			for i := range c.asked {
				verify(t, g, "a", fmt.Sprint("u", i))
			}
			if n := f.dialled(); n != 1 {
				t.Errorf("%d connections for %d questions", n, c.asked)
			}
			verify(t, g, "a", "one-more")
			if n := f.dialled(); n != 2 {
				t.Errorf("%d connections after %d questions", n, c.asked+1)
			}
			f.set(nil)
			for i := range maxFruitless + 10 { // mail makes up for it
				verify(t, g, "a", fmt.Sprint("v", i))
				if i%20 == 0 {
					commit(t, g, copyTo("a", "v"))
				}
			}
			if n := f.dialled(); n != 2 {
				t.Errorf("%d connections although there was mail", n)
			}
		}
	})
}

// TestMailMakesUpForRefusals: a server forgives errors after a message.
func TestMailMakesUpForRefusals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{on: sayTo("RCPT TO:<no", "550 5.1.1 unknown")}
		g := group(t, Options{}, f)
		for i := range 3 * maxRefused {
			verify(t, g, "a", fmt.Sprint("no", i))
			if i%(maxRefused-1) == 0 {
				commit(t, g, copyTo("a", "yes"))
			}
		}
		if n := f.dialled(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
