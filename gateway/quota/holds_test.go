package quota

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAMessageIsRefusedOnce: who reaches the limit within one message to many
// is not held for that.
func TestAMessageIsRefusedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{RecipientsHour: 10})
		opt.Hold.Refusals = 5
		q := open(t, db, opt, nil)
		defer closeAll(t, q, db)
		for message := range 6 {
			s := ana
			for n := range 300 {
				r, err := q.Rcpt(t.Context(), s, n, to("bob")[0])
				if err != nil || r.IsZero() != (n < 10) {
					t.Fatal(message, n, r, err)
				}
				s.Again = s.Again || !r.IsZero()
			}
			held, err := q.held(t.Context(), "ana@example.org")
			if err != nil || (held != nil) != (message >= 4) {
				t.Fatalf("after %d messages: held %v, %v", message+1, held, err)
			}
		}
	})
}

func TestWhoGoesOnIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesHour: 1})
		opt.Hold.Refusals = 5
		var mu sync.Mutex
		var alerts []Alert
		q := open(t, db, opt, func(_ context.Context, a Alert) { mu.Lock(); defer mu.Unlock(); alerts = append(alerts, a) })
		defer closeAll(t, q, db)
		for range 10 {
			send(t, q, ana, "bob")
		}
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		mu.Lock()
		if len(alerts) != 2 || alerts[0].Held || !alerts[1].Held || alerts[1].Subject != "ana@example.org" || !strings.Contains(alerts[1].Text, "5 refusals within an hour; Sending limit reached: 1 messages an hour") {
			t.Errorf("alerts %+v", alerts)
		}
		mu.Unlock()
		time.Sleep(2 * time.Hour)
		r, g := send(t, q, ana, "bob")
		if !r.IsZero() || !strings.HasPrefix(g.Hold, "quota: ana@example.org: 5 refusals") {
			t.Errorf("%v, hold %q", r, g.Hold)
		}
		opt.Hold.Mail = MailRefuse
		q.Reconfigure(opt)
		time.Sleep(2 * time.Hour)
		if r, _ := send(t, q, ana, "bob"); !strings.Contains(r.Text, "ask your administrator") || r.Code != 450 {
			t.Errorf("refused by %v", r)
		}
		admin, err := NewAdmin(t.Context(), opt, db)
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.Release(t.Context(), "ANA@example.org"); err != nil {
			t.Fatal(err)
		}
		if err := admin.Release(t.Context(), "ana@example.org"); !errors.Is(err, ErrNotHeld) {
			t.Errorf("a second time: %v", err)
		}
		time.Sleep(2 * followEvery)
		if r, g := send(t, q, ana, "bob"); !r.IsZero() || g.Hold != "" {
			t.Errorf("after the release: %v, hold %q", r, g.Hold)
		}
		for range 4 {
			send(t, q, ana, "bob")
		}
		if h, _ := q.held(t.Context(), "ana@example.org"); h != nil {
			t.Error("held after fewer refusals")
		}
	})
}

// TestNobodyIsHeldForOthers: who comes when colleagues have used up the
// domain's limit is refused, and not held for it.
func TestNobodyIsHeldForOthers(t *testing.T) {
	t.Parallel()
	db := database(t)
	opt := limited(Limits{})
	opt.Domain, opt.Hold.Refusals = Limits{MessagesHour: 1}, 3
	q := open(t, db, opt, nil)
	defer closeAll(t, q, db)
	send(t, q, ana, "x")
	bob := Sender{User: "bob@example.org"}
	for range 10 {
		if r, _ := send(t, q, bob, "x"); !strings.Contains(r.Text, "of your domain") {
			t.Error(r)
		}
	}
	if h, err := q.held(t.Context(), "example.org"); h != nil || err != nil {
		t.Errorf("the domain is held: %v, %v", h, err)
	}
	opt.Domain = Limits{}
	q.Reconfigure(opt)
	for _, s := range []Sender{ana, bob} {
		if r, g := send(t, q, s, "x"); !r.IsZero() || g.Hold != "" {
			t.Errorf("%+v: %v, %+v", s, r, g)
		}
	}
}

// TestAReleasedSenderBeginsAnew: what it was held for counts no more.
func TestAReleasedSenderBeginsAnew(t *testing.T) {
	t.Parallel()
	db := database(t)
	opt := limited(Limits{MessagesHour: 1})
	opt.Hold.Refusals = 5
	q := open(t, db, opt, nil)
	defer closeAll(t, q, db)
	for range 6 {
		send(t, q, ana, "bob")
	}
	admin, err := NewAdmin(t.Context(), opt, db)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(admin.Release(t.Context(), "ana@example.org"), q.Sync(t.Context())); err != nil {
		t.Fatal(err)
	}
	send(t, q, ana, "bob")
	if h, err := q.held(t.Context(), "ana@example.org"); h != nil || err != nil {
		t.Errorf("held for one refusal: %v, %v", h, err)
	}
}
