package smtpc

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Each case is one transaction, told from the server's side.
// What is sent in these tests, and how it looks on the wire.
const (
	sentBody = "Subject: x\r\n\r\n.dot\r\n"
	asBDAT   = "T BDAT 20 LAST~Subject: x~~.dot~\n"
	asData   = "T Subject: x~~..dot~.~\n"
)

// sending is one transaction.
type sending struct {
	name   string
	opt    Options
	env    *Envelope
	script string
	want   string
	usable bool // the connection, afterwards
}

// sendAll runs transactions, each with a server of its own.
func sendAll(t *testing.T, all []sending) {
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := dialogue(t, tt.opt, tt.script, func(c *Client) {
				res, err := c.Send(t.Context(), tt.env, text(sentBody))
				if got := codes(res); err != nil || got != tt.want {
					t.Errorf("got %s, %v, want %s", got, err, tt.want)
				}
				if c.Usable() != tt.usable {
					t.Errorf("usable is %t", c.Usable())
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTransactionWithData: replies to every step, with PIPELINING and without.
func TestTransactionWithData(t *testing.T) {
	t.Parallel()
	sendAll(t, []sending{
		{
			"step by step without PIPELINING",
			Options{},
			envelope("b", "c"),
			hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC RCPT TO:<c@y.test>\nS 251 ok\nC DATA\nS 354 go\n" + asData + "S 250 done\nE",
			"done 250 250", true,
		},
		{
			"HELO for a server that knows no EHLO",
			Options{},
			envelope("b"),
			hello + "S 502 what\nC HELO me\nS 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC DATA\nS 354 go\n" + asData + "S 250 done\nE",
			"done 250", true,
		},
		{
			"one recipient, DATA in the group",
			Options{},
			allOf(envelope("b")),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 354 go\n" + asData + "S 250 done\nE",
			"done 250", true,
		},
		{
			"one recipient, refused: DATA fails too",
			Options{},
			allOf(envelope("b")),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 550 no\nS 503 no\nC RSET\nS 250 ok\nE",
			"rcpt 550", true,
		},
		{
			"one recipient, refused, and the server wants the message: no dot, no message",
			Options{},
			allOf(envelope("b")),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 550 no\nS 354 go\nE",
			"rcpt 550", false,
		},
		{
			"nobody accepted, and the server wants the message",
			Options{},
			envelope("b", "c"),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~DATA~\nS 250 ok\nS 550 no\nS 450 no\nS 354 go\nE",
			"rcpt 550 450", false,
		},
		{
			"all or nobody: DATA waits, one refused means RSET",
			Options{},
			allOf(envelope("b", "c")),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~\nS 250 ok\nS 250 ok\nS 450 no\nC RSET\nS 250 ok\nE",
			"rcpt 250 450", true,
		},
		{
			"all or nobody: all",
			Options{},
			allOf(envelope("b", "c")),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~\nS 250 ok\nS 250 ok\nS 250 ok\nC DATA\nS 354 go\n" + asData + "S 250 done\nE",
			"done 250 250", true,
		},
		{
			"some accepted are enough otherwise",
			Options{},
			envelope("b", "c"),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~DATA~\nS 250 ok\nS 550 no\nS 250 ok\nS 354 go\n" + asData + "S 250 done\nE",
			"done 550 250", true,
		},
		{
			"MAIL refused: the rest of the group is read",
			Options{},
			envelope("b"),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~DATA~\nS 451 no\nS 503 no\nS 503 no\nC RSET\nS 250 ok\nE",
			"mail 451", true,
		},
		{
			"DATA refused",
			Options{},
			envelope("b"),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 451 no\nC RSET\nS 250 ok\nE",
			"data 451", true,
		},
		{
			"message refused",
			Options{},
			envelope("b"),
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 354 go\n" + asData + "S 554 5.7.1 no\nE",
			"done 554", true,
		},
	})
}

// TestTransactionWithBDAT: a small message goes with its envelope, where that can be no mistake.
func TestTransactionWithBDAT(t *testing.T) {
	t.Parallel()
	sendAll(t, []sending{
		{
			"BDAT: all in one write",
			Options{},
			allOf(envelope("b")),
			helloBDAT + "T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~\n" + asBDAT + "S 250 ok\nS 250 ok\nS 250 done\nE",
			"done 250", true,
		},
		{
			"BDAT behind a refused recipient is read away",
			Options{},
			allOf(envelope("b")),
			helloBDAT + "T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~\n" + asBDAT + "S 250 ok\nS 550 no\nS 503 no\nC RSET\nS 250 ok\nE",
			"rcpt 550", true,
		},
		{
			"BDAT waits for all recipients",
			Options{},
			allOf(envelope("b", "c")),
			helloBDAT + "T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~\nS 250 ok\nS 250 ok\nS 250 ok\n" + asBDAT + "S 250 done\nE",
			"done 250 250", true,
		},
		{
			"refused BDAT needs RSET",
			Options{},
			envelope("b"),
			helloBDAT + "T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~\n" + asBDAT + "S 250 ok\nS 250 ok\nS 452 full\nC RSET\nS 250 ok\nE",
			"done 452", true,
		},
		{
			"BDAT without PIPELINING",
			Options{NoPipelining: true},
			envelope("b"),
			helloBDAT + "C MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\n" + asBDAT + "S 250 ok\nE",
			"done 250", true,
		},
	})
}

// TestTransactionWithManyReplies: LMTP and PRDR, and servers that take few recipients.
func TestTransactionWithManyReplies(t *testing.T) {
	t.Parallel()
	sendAll(t, []sending{
		{
			"LMTP: a reply for each accepted recipient",
			Options{LMTP: true},
			envelope("b", "c", "d"),
			asLMTP(helloPipe) + "T MAIL FROM:<a@x.test> SIZE=20~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~RCPT TO:<d@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 550 no\nS 250 ok\nS 354 go\n" + asData + "S 250 done\nS 452 full\nE",
			"done 250 550 452", true,
		},
		{
			"LMTP with BDAT",
			Options{LMTP: true},
			allOf(envelope("b", "c")),
			asLMTP(helloBDAT) + "T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~\nS 250 ok\nS 250 ok\nS 250 ok\n" + asBDAT + "S 250 done\nS 552 no\nE",
			"done 250 552", true,
		},
		{
			"PRDR: a reply for each",
			Options{},
			prdr(envelope("b", "c")),
			hello + "S 250-fake\nS 250 PRDR\nC MAIL FROM:<a@x.test> PRDR\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC RCPT TO:<c@y.test>\nS 250 ok\nC DATA\nS 354 go\n" + asData + "S 353 each\nS 250 yes\nS 550 no\nS 250 some\nE",
			"done 250 550", true,
		},
		{
			"PRDR: one reply for all",
			Options{},
			prdr(envelope("b", "c")),
			hello + "S 250-fake\nS 250 PRDR\nC MAIL FROM:<a@x.test> PRDR\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC RCPT TO:<c@y.test>\nS 250 ok\nC DATA\nS 354 go\n" + asData + "S 554 no\nE",
			"done 554 554", true,
		},
		{
			"PRDR: the last reply refuses all",
			Options{},
			prdr(envelope("b", "c")),
			hello + "S 250-fake\nS 250 PRDR\nC MAIL FROM:<a@x.test> PRDR\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC RCPT TO:<c@y.test>\nS 250 ok\nC DATA\nS 354 go\n" + asData + "S 353 each\nS 250 yes\nS 551 no\nS 554 after all\nE",
			"done 554 551", true,
		},
		{
			"RCPTMAX of LIMITS",
			Options{},
			envelope("b", "c"),
			hello + "S 250-fake\nS 250 LIMITS RCPTMAX=1 MAILMAX=1\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC DATA\nS 354 go\n" + asData + "S 250 done\nE",
			"done 250 452", false,
		},
	})
}

// asLMTP is a script with the greeting of LMTP.
func asLMTP(s string) string { return strings.Replace(s, "EHLO", "LHLO", 1) }

func prdr(e *Envelope) *Envelope { e.Params.PRDR = true; return e }

func TestParametersFollowWhatIsOffered(t *testing.T) {
	t.Parallel()
	env := envelope("b")
	env.Params = smtp.MailParams{Size: 5, Body: smtp.Body8BitMIME, Return: smtp.ReturnFull, EnvelopeID: "i d"}
	env.Rcpts[0].Params = smtp.RcptParams{Notify: smtp.NotifyNever, OriginalType: "rfc822", OriginalAddress: "o@z.test"}
	for _, tt := range []struct{ offer, mail, rcpt string }{
		{"X", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"},
		{"SIZE", "MAIL FROM:<a@x.test> SIZE=2", "RCPT TO:<b@y.test>"},
		{"8BITMIME", "MAIL FROM:<a@x.test> BODY=8BITMIME", "RCPT TO:<b@y.test>"},
		{"DSN", "MAIL FROM:<a@x.test> RET=FULL ENVID=i+20d", "RCPT TO:<b@y.test> NOTIFY=NEVER ORCPT=rfc822;o@z.test"},
	} {
		script := hello + "S 250-fake\nS 250 " + tt.offer + "\nC " + tt.mail + "\nS 250 ok\nC " + tt.rcpt + "\nS 550 no\nC RSET\nS 250 ok\nE"
		if err := dialogue(t, Options{}, script, func(c *Client) {
			if _, err := c.Send(t.Context(), env, text("\r\n")); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatTheServerCannotTakeIsRefusedHere(t *testing.T) {
	t.Parallel()
	utf8 := smtp.ForwardPath{Address: smtp.Address{Local: "ü", Domain: "y.test"}}
	for _, tt := range []struct {
		name  string
		offer string
		edit  func(e *Envelope, m *Message)
		want  smtp.EnhancedCode
		code  int
	}{
		{"8-bit message", "X", func(e *Envelope, m *Message) {
			*m = *text("\xfc\r\n")
			m.EightBit = true
			e.Params.Body = smtp.Body8BitMIME
		}, smtp.EnhancedCode{5, 6, 3}, 554},
		{"UTF-8 header", "8BITMIME", func(e *Envelope, m *Message) { e.Params.SMTPUTF8, m.UTF8Header = true, true }, smtp.EnhancedCode{5, 6, 7}, 553},
		{"UTF-8 recipient", "8BITMIME", func(e *Envelope, _ *Message) { e.Rcpts[0].To = utf8 }, smtp.EnhancedCode{5, 6, 7}, 553},
		{"UTF-8 sender", "8BITMIME", func(e *Envelope, _ *Message) { e.From.Address = utf8.Address }, smtp.EnhancedCode{5, 6, 7}, 553},
		{"REQUIRETLS", "8BITMIME", func(e *Envelope, _ *Message) { e.Params.RequireTLS = true }, smtp.EnhancedCode{5, 7, 30}, 550},
		{"REQUIRETLS offered in plaintext", "REQUIRETLS", func(e *Envelope, _ *Message) { e.Params.RequireTLS = true }, smtp.EnhancedCode{5, 7, 30}, 550},
		{"return when late", "X", func(e *Envelope, _ *Message) {
			e.Params.DeliverBy = smtp.DeliverBy{Within: time.Hour, Return: true, Set: true}
		}, smtp.EnhancedCode{5, 3, 3}, 554},
		{"size", "SIZE 3", func(*Envelope, *Message) {}, smtp.EnhancedCode{5, 3, 4}, 552},
		{"line end in the sender's domain", "X", func(e *Envelope, _ *Message) { e.From.Domain = "x\r\nRSET" }, smtp.EnhancedCode{5, 1, 7}, 553},
		{"line end in a domain", "X", func(e *Envelope, _ *Message) { e.Rcpts[0].To.Domain = "y\r\nRSET" }, smtp.EnhancedCode{5, 1, 7}, 553},
	} {
		env, msg := envelope("b"), text("a\r\nb\r\n")
		tt.edit(env, msg)
		err := dialogue(t, Options{}, hello+"S 250-fake\nS 250 "+tt.offer+"\nE", func(c *Client) {
			res, err := c.Send(t.Context(), env, msg)
			if err != nil || res.Step != StepCheck || res.Rcpts[0].Enhanced != tt.want || res.Rcpts[0].Code != tt.code {
				t.Errorf("%s: %v %v", tt.name, res, err)
			}
			if !c.Usable() {
				t.Errorf("%s: connection is lost", tt.name)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestSizeIsTheMost: a message of just that size is taken (RFC 1870 section 3).
func TestSizeIsTheMost(t *testing.T) {
	t.Parallel()
	x := Extensions{HasSize: true, Size: 20}
	for size, code := range map[int64]int{20: 0, 21: 552} {
		if r := x.CheckMail(smtp.ReversePath{}, smtp.MailParams{Size: size}, false); r.Code != code {
			t.Errorf("%d octets: %v", size, r)
		}
	}
}

// TestDeadlineIsPassedOn: at least a second of it, where it is not to be
// relayed without (RFC 2852 section 4). Who delivers by LMTP need not know it.
func TestDeadlineIsPassedOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opt         Options
		by          smtp.DeliverBy
		offer, want string
	}{
		{Options{}, smtp.DeliverBy{Within: 300 * time.Millisecond, Return: true, Set: true}, "DELIVERBY", " BY=1;R"},
		{Options{}, smtp.DeliverBy{Within: -time.Minute, Set: true}, "DELIVERBY", " BY=-60;N"},
		{Options{}, smtp.DeliverBy{Within: time.Minute, Set: true}, "X", ""},
		{Options{LMTP: true}, smtp.DeliverBy{Within: time.Minute, Return: true, Set: true}, "X", ""},
	} {
		env := envelope("b")
		env.Params.DeliverBy = tt.by
		verb := hello
		if tt.opt.LMTP {
			verb = strings.Replace(hello, "EHLO", "LHLO", 1)
		}
		script := verb + "S 250-fake\nS 250 " + tt.offer + "\nC MAIL FROM:<a@x.test>" + tt.want + "\nS 250 ok\nC RCPT TO:<b@y.test>\nS 550 no\nC RSET\nS 250 ok\nE"
		if err := dialogue(t, tt.opt, script, func(c *Client) { _, _ = c.Send(t.Context(), env, text("a\r\n")) }); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestBounceGoesWithoutRequireTLS (RFC 8689 section 5) where the server does not
// offer it, which it cannot without TLS.
func TestBounceGoesWithoutRequireTLS(t *testing.T) {
	t.Parallel()
	env := envelope("b")
	env.From, env.Params.RequireTLS = smtp.ReversePath{}, true
	script := hello + "S 250-fake\nS 250 REQUIRETLS\nC MAIL FROM:<>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 550 no\nC RSET\nS 250 ok\nE"
	if err := dialogue(t, Options{}, script, func(c *Client) { _, _ = c.Send(t.Context(), env, text("a\r\n")) }); err != nil {
		t.Error(err)
	}
}

// TestExtensionsBehindManyLines count like others.
func TestExtensionsBehindManyLines(t *testing.T) {
	t.Parallel()
	script := hello + "S 250-fake\n" + strings.Repeat("S 250-X-OURS\n", 300) + "S 250-8BITMIME\nS 250 SMTPUTF8\nE"
	err := dialogue(t, Options{}, script, func(c *Client) {
		if x := c.Extensions(); !x.EightBitMIME || !x.SMTPUTF8 {
			t.Errorf("%+v", x)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDomainAloneIsWrittenInASCII(t *testing.T) {
	t.Parallel()
	env := envelope("b")
	env.Rcpts[0].To.Domain = "bücher.test"
	script := hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@xn--bcher-kva.test>\nS 550 no\nC RSET\nS 250 ok\nE"
	if err := dialogue(t, Options{}, script, func(c *Client) { _, _ = c.Send(t.Context(), env, text("")) }); err != nil {
		t.Error(err)
	}
}

func TestVerifyIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	script := helloPipe + "T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~RSET~\nS 250 ok\nS 550 5.1.1 no\nS 250 ok\nS 250 ok\n" +
		"T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~RSET~\nS 550 no\nS 503 no\nS 250 ok\nE"
	err := dialogue(t, Options{}, script, func(c *Client) {
		res, err := c.Verify(t.Context(), envelope("b", "c"))
		if got := codes(res); got != "rcpt 550 250" || err != nil {
			t.Error(got, err)
		}
		if res.Rcpts[0].Enhanced != (smtp.EnhancedCode{5, 1, 1}) {
			t.Error(res.Rcpts[0])
		}
		res, err = c.Verify(t.Context(), envelope("b"))
		if got := codes(res); got != "mail 550" || err != nil {
			t.Error(got, err)
		}
		if !c.Alive() {
			t.Error("not alive")
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestManyRecipientsGoInGroups(t *testing.T) {
	t.Parallel()
	var to []string
	for range 2*rcptBatch + 1 {
		to = append(to, "b")
	}
	group := func(n int) string {
		return strings.Repeat("C RCPT TO:<b@y.test>\n", n)
	}
	ok := func(n int) string { return strings.Repeat("S 250 ok\n", n) }
	script := helloPipe + "C MAIL FROM:<a@x.test> SIZE=2\n" + group(rcptBatch) + ok(1+rcptBatch) +
		group(rcptBatch) + ok(rcptBatch) + group(1) + ok(1) + "C DATA\nS 354 go\nT ~.~\nS 250 ok\nE"
	err := dialogue(t, Options{}, script, func(c *Client) {
		res, err := c.Send(t.Context(), envelope(to...), text("\r\n"))
		if err != nil || res.Step != StepDone {
			t.Error(res, err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A message that is not as long as it was said to be, or cannot be read, must
// not arrive.
func TestHalfAMessageIsNeverEnded(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	broken := &Message{Size: 10, Open: func() io.ReadCloser {
		return io.NopCloser(io.MultiReader(strings.NewReader("ab\r\n"), errReader{boom}))
	}}
	short, long := text("ab\r\n"), text("abcdefgh\r\nabc\r\n")
	short.Size, long.Size = 10, 10
	for name, m := range map[string]*Message{"read error": broken, "short": short, "long": long} {
		for _, script := range []string{
			helloPipe + "T MAIL FROM:<a@x.test> SIZE=10~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 354 go\nE",
			helloBDAT + "E",
		} {
			err := dialogue(t, Options{}, script, func(c *Client) {
				res, err := c.Send(t.Context(), envelope("b"), m)
				if e := wantError(t, err, StepBody, false); !e.Source {
					t.Errorf("%s: the server is blamed", name)
				}
				if name == "read error" && !errors.Is(err, boom) || name != "read error" && !errors.Is(err, ErrSize) {
					t.Error(name, err)
				}
				if c.Usable() || res.Rcpts[0].Positive() {
					t.Error(name, res)
				}
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// Big messages come in slices of any size and arrive as they are.
func TestBigMessageArrivesAsItIs(t *testing.T) {
	t.Parallel()
	line := ".line of a message with a dot and some more text in it, until the end\r\n"
	whole := strings.Repeat(line, 20000)
	for _, chunking := range []bool{false, true} {
		for _, size := range []int{100, 4096, 65536, 300000} {
			var pieces writerTo
			for rest := []byte(whole); len(rest) > 0; {
				n := min(size, len(rest))
				pieces = append(pieces, rest[:n])
				rest = rest[n:]
			}
			m := &Message{Size: int64(len(whole)), Open: func() io.ReadCloser { return pieces }}
			near, far := net.Pipe()
			got := make(chan string, 1)
			go func() {
				got <- receive(far, chunking)
			}()
			c, err := New(t.Context(), near, "x", Options{Hello: "me"})
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Send(t.Context(), envelope("b"), m)
			if err != nil || codes(res) != "done 250" {
				t.Error(res, err)
			}
			c.Quit(t.Context())
			if s := <-got; s != whole {
				t.Errorf("chunking %t, pieces of %d: %d octets came of %d", chunking, size, len(s), len(whole))
			}
		}
	}
}
