package quota

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestMessagesAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		q := open(t, db, limited(Limits{MessagesHour: 3}), nil)
		defer closeAll(t, q, db)
		time.Sleep(2 * time.Minute)
		for i := range 3 {
			if r, _ := send(t, q, ana, "bob"); !r.IsZero() {
				t.Fatalf("message %d: %v", i, r)
			}
		}
		r, _ := send(t, q, ana, "bob")
		if want := "452 4.7.1 Sending limit reached: 3 messages an hour; 0 left, again from 01:05 UTC"; r.Error() != want {
			t.Errorf("%q, want %q", r.Error(), want)
		}
		if r, _ := send(t, q, Sender{User: "bob@example.org"}, "ana"); !r.IsZero() {
			t.Errorf("another: %v", r)
		}
		time.Sleep(63*time.Minute - time.Second)
		if r, _ := send(t, q, ana, "bob"); r.IsZero() {
			t.Error("a moment too early")
		}
		time.Sleep(time.Second)
		if r, _ := send(t, q, ana, "bob"); !r.IsZero() {
			t.Errorf("when it was told: %v", r)
		}
	})
}

func TestEveryLimit(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		l    Limits
		n    int // messages that pass, each to two recipients
		wait time.Duration
	}{
		"messages an hour":     {Limits{MessagesHour: 4}, 4, 65 * time.Minute},
		"messages a day":       {Limits{MessagesDay: 4}, 4, 25 * time.Hour},
		"recipients an hour":   {Limits{RecipientsHour: 9}, 4, 65 * time.Minute},
		"recipients a day":     {Limits{RecipientsDay: 9}, 4, 25 * time.Hour},
		"new recipients a day": {Limits{NewDay: 9}, 4, 25 * time.Hour},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := database(t)
				q := open(t, db, limited(c.l), nil)
				defer closeAll(t, q, db)
				n := 0
				burst := func() (r smtp.Reply, sent int) {
					for ; sent <= c.n+1; sent++ {
						n++
						if r, _ = send(t, q, ana, fmt.Sprint("a", n), fmt.Sprint("b", n)); !r.IsZero() {
							break
						}
					}
					return r, sent
				}
				r, sent := burst()
				if sent != c.n || !strings.Contains(r.Text, what) {
					t.Errorf("%d were sent, then %v", sent, r)
				}
				time.Sleep(c.wait + hourSlot)
				if c.wait > 2*time.Hour {
					time.Sleep(daySlot)
				}
				if r, sent := burst(); sent != c.n {
					t.Errorf("later %d were sent, then %v", sent, r)
				}
			})
		})
	}
}

// TestNoWindowHasMore holds the promise of a sliding window.
func TestNoWindowHasMore(t *testing.T) {
	t.Parallel()
	w := newWindow(hourSlot, hour)
	const limit = 10
	var sent []int64
	now := int64(1_800_000_000)
	for i := range 20_000 {
		now += int64(i*7919%97) + 1
		c := w.sum(now)
		if c.messages < limit {
			w.slot(now).add(counts{messages: 1})
			sent = append(sent, now)
		} else if again := w.again(now, limit-1, messagesOf); again <= now || again > now+3600+300 {
			t.Fatalf("again after %d seconds", again-now)
		} else if probe := w.sum(again); probe.messages >= limit {
			t.Fatalf("%d at the time that was told", probe.messages)
		} else if probe := w.sum(again - 1); probe.messages < limit {
			t.Fatal("it is told later than it need be")
		}
	}
	for i := limit; i < len(sent); i++ {
		if sent[i]-sent[i-limit] < 3600 {
			t.Fatalf("%d messages within %d seconds", limit+1, sent[i]-sent[i-limit])
		}
	}
	if len(sent) < 2000 {
		t.Errorf("%d sent", len(sent))
	}
}

func TestNewRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		q := open(t, db, limited(Limits{NewDay: 2}), nil)
		if r, _ := send(t, q, ana, "bob", "eve"); !r.IsZero() {
			t.Fatal(r)
		}
		for range 5 { // who is known does not count
			if r, _ := send(t, q, ana, "bob", "EVE"); !r.IsZero() {
				t.Fatal(r)
			}
		}
		if r, _ := send(t, q, ana, "carl"); r.IsZero() {
			t.Error("a third new recipient")
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		q = open(t, db, limited(Limits{NewDay: 2}), nil)
		defer closeAll(t, q, db)
		time.Sleep(27 * time.Hour)
		if r, _ := send(t, q, ana, "bob", "eve", "dora", "dan"); !r.IsZero() {
			t.Errorf("the known ones count after a restart: %v", r)
		}
	})
}

func TestDomainsAndClients(t *testing.T) {
	t.Parallel()
	db := database(t)
	opt := limited(Limits{})
	opt.Domain, opt.Client = Limits{MessagesHour: 2}, Limits{MessagesHour: 1}
	opt.Only = map[string]Limits{"big.example": {MessagesHour: 3}, "192.0.2.9": {MessagesHour: -1}}
	q := open(t, db, opt, nil)
	defer closeAll(t, q, db)
	for i, c := range []struct {
		s  Sender
		ok bool
	}{
		{Sender{User: "a@example.org"}, true},
		{Sender{User: "b@example.org"}, true},
		{Sender{User: "c@example.org"}, false},
		{Sender{User: "a@big.example"}, true},
		{Sender{User: "a@big.example"}, true},
		{Sender{User: "a@big.example"}, true},
		{Sender{User: "a@big.example"}, false},
		{Sender{IP: netip.MustParseAddr("192.0.2.1")}, true},
		{Sender{IP: netip.MustParseAddr("::ffff:192.0.2.1")}, false},
		{Sender{IP: netip.MustParseAddr("192.0.2.2")}, true},
		{Sender{IP: netip.MustParseAddr("2001:db8::1")}, true},
		{Sender{IP: netip.MustParseAddr("2001:db8::2")}, false},
		{Sender{IP: netip.MustParseAddr("2001:db8:0:1::1")}, true},
		{Sender{IP: netip.MustParseAddr("192.0.2.9")}, true},
		{Sender{IP: netip.MustParseAddr("192.0.2.9")}, true},
		{Sender{}, true},
		{Sender{}, true},
	} {
		if r, _ := send(t, q, c.s, "x"); r.IsZero() != c.ok {
			t.Errorf("%d: %+v: %v", i, c.s, r)
		} else if !c.ok && strings.Contains(c.s.User, "@") != strings.Contains(r.Text, "of your domain") {
			t.Errorf("%d: %v", i, r)
		}
	}
}

func TestUndoCountsBack(t *testing.T) {
	t.Parallel()
	db := database(t)
	q := open(t, db, limited(Limits{MessagesHour: 2, RecipientsHour: 4, NewDay: 2}), nil)
	defer closeAll(t, q, db)
	if r, _ := send(t, q, ana, "bob", "eve"); !r.IsZero() {
		t.Fatal(r)
	}
	for range 3 {
		r, g := send(t, q, ana, "bob", "eve")
		if !r.IsZero() {
			t.Fatal(r)
		}
		g.Undo()
		g.Undo()
	}
	if r, _ := send(t, q, ana, "bob", "eve"); !r.IsZero() {
		t.Error(r)
	}
	if r, _ := send(t, q, ana, "bob"); r.IsZero() {
		t.Error("more was counted back than was counted")
	}
}

func TestWhatIsLeftIsTold(t *testing.T) {
	t.Parallel()
	db := database(t)
	opt := limited(Limits{MessagesHour: 10, RecipientsDay: 100})
	opt.Tell = 20
	q := open(t, db, opt, nil)
	defer closeAll(t, q, db)
	for i := range 10 {
		want := ""
		if left := 9 - i; left <= 2 {
			want = fmt.Sprintf("%d of 10 messages an hour left", left)
		}
		if r, g := send(t, q, ana, "bob"); !r.IsZero() || g.Text != want {
			t.Errorf("message %d: %v %q, want %q", i, r, g.Text, want)
		}
	}
}

func TestManyAtOnceNeverPass(t *testing.T) {
	t.Parallel()
	db := database(t)
	q := open(t, db, limited(Limits{MessagesHour: 50, NewDay: 1000}), nil)
	defer closeAll(t, q, db)
	var wg sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				if r, _ := send(t, q, ana, fmt.Sprint(i, j)); r.IsZero() {
					mu.Lock()
					sent++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if sent != 50 {
		t.Errorf("%d were sent", sent)
	}
}

func BenchmarkMessage(b *testing.B) {
	db := database(b)
	opt := DefaultOptions()
	opt.User = Limits{MessagesHour: maxLimit, MessagesDay: maxLimit, RecipientsHour: maxLimit, RecipientsDay: maxLimit, NewDay: maxLimit}
	q := open(b, db, opt, nil)
	defer closeAll(b, q, db)
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := send(b, q, ana, "bob"); !r.IsZero() {
			b.Fatal(r)
		}
	}
}

// TestTheDomainsRefusalCountsNothing for the user either.
func TestTheDomainsRefusalCountsNothing(t *testing.T) {
	t.Parallel()
	db := database(t)
	opt := limited(Limits{MessagesHour: 3})
	opt.Domain = Limits{MessagesHour: 1}
	q := open(t, db, opt, nil)
	defer closeAll(t, q, db)
	bob := Sender{User: "bob@example.org"}
	for i := range 5 { // sessions that were all asked before anybody's message counted
		g, err := q.Take(t.Context(), bob, to("x"))
		if err != nil || g.Reply.IsZero() != (i == 0) {
			t.Fatalf("%d: %+v, %v", i, g, err)
		}
	}
	opt.Domain = Limits{}
	q.Reconfigure(opt)
	for i := range 3 {
		if r, _ := send(t, q, bob, "x"); r.IsZero() != (i < 2) {
			t.Errorf("%d: %v", i, r)
		}
	}
}

// A message's own recipients have taken what is left when one more is refused.
func TestRefusedRecipientIsToldWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		q := open(t, db, limited(Limits{RecipientsHour: 3}), nil)
		defer closeAll(t, q, db)
		send(t, q, ana, "bob")
		for n, address := range to("carl", "dora", "eve") {
			r, err := q.Rcpt(t.Context(), ana, n, address)
			if err != nil || r.IsZero() != (n < 2) {
				t.Fatalf("%d: %v, %v", n, r, err)
			}
			if n == 2 && !strings.Contains(r.Text, "3 recipients an hour; 0 left, again from ") {
				t.Error(r)
			}
		}
	})
}
