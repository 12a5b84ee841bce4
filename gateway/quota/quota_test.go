package quota

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func database(t testing.TB) *sqldb.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t testing.TB, db *sqldb.DB, opt Options, alert func(context.Context, Alert)) *Quota {
	t.Helper()
	q, err := Open(t.Context(), opt, Deps{DB: db, Alert: alert})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// closeAll closes what synctest must not wait for.
func closeAll(t testing.TB, q *Quota, db *sqldb.DB) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func limited(l Limits) Options {
	o := DefaultOptions()
	o.User, o.Hold.Refusals, o.Tell = l, 0, 0
	return o
}

var ana = Sender{User: "Ana@Example.org", IP: netip.MustParseAddr("192.0.2.1")}

func to(names ...string) (list []smtp.Address) {
	for _, n := range names {
		list = append(list, smtp.Address{Local: n, Domain: "example.net"})
	}
	return list
}

// send sends a message as inbound does, and returns the refusal.
func send(t testing.TB, q *Quota, s Sender, names ...string) (smtp.Reply, Grant) {
	t.Helper()
	r, err := q.Mail(t.Context(), s)
	for i, a := range to(names...) {
		if err == nil && r.IsZero() {
			r, err = q.Rcpt(t.Context(), s, i, a)
		}
	}
	var g Grant
	if err == nil && r.IsZero() {
		g, err = q.Take(t.Context(), s, to(names...))
		r = g.Reply
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, g
}

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
	q := open(t, db, limited(Limits{MessagesHour: 1, RecipientsHour: 2, NewDay: 2}), nil)
	defer closeAll(t, q, db)
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

func TestCountsSurviveARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesHour: 5})
		q := open(t, db, opt, nil)
		for range 3 {
			send(t, q, ana, "bob")
		}
		time.Sleep(2 * flushAfter) // a crash: it is not closed
		synctest.Wait()
		again := open(t, db, opt, nil)
		for i := range 3 {
			if r, _ := send(t, again, ana, "bob"); r.IsZero() != (i < 2) {
				t.Errorf("message %d after a crash: %v", i, r)
			}
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		closeAll(t, again, db)
	})
}

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

func TestAdministratorsSeeAndReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesHour: 3, MessagesDay: 4})
		q := open(t, db, opt, nil)
		defer closeAll(t, q, db)
		for range 5 {
			send(t, q, ana, "bob", "eve")
		}
		send(t, q, Sender{IP: netip.MustParseAddr("2001:db8::1")}, "x")
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		admin, err := NewAdmin(t.Context(), opt, db)
		if err != nil {
			t.Fatal(err)
		}
		s, err := admin.Show(t.Context(), "ana@EXAMPLE.org")
		if err != nil || s.Hour != (Sent{3, 6, 0, 2}) || s.Day != (Sent{3, 6, 0, 2}) || s.Limits != opt.User || s.Held != "" {
			t.Errorf("%+v, %v", s, err)
		}
		var names []string
		list := func(held bool) string {
			t.Helper()
			names = nil
			if err := admin.List(t.Context(), held, func(s Status) error { names = append(names, s.Subject); return nil }); err != nil {
				t.Fatal(err)
			}
			return strings.Join(names, " ")
		}
		if got := list(false); got != "2001:db8::/64 ana@example.org example.org" {
			t.Errorf("list %s", got)
		}
		if err := admin.Hold(t.Context(), "2001:db8::5", "by hand"); err != nil {
			t.Fatal(err)
		}
		if got := list(true); got != "2001:db8::/64" {
			t.Errorf("held %s", got)
		}
		time.Sleep(2 * followEvery)
		if _, g := send(t, q, Sender{IP: netip.MustParseAddr("2001:db8::7")}, "x"); g.Hold != "quota: 2001:db8::/64: by hand" {
			t.Errorf("hold %q", g.Hold)
		}
		if err := admin.Reset(t.Context(), "ana@example.org"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * followEvery)
		for i := range 4 {
			if r, _ := send(t, q, ana, "bob"); r.IsZero() != (i < 3) {
				t.Errorf("message %d after the reset: %v", i, r)
			}
		}
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		if s, err = admin.Show(t.Context(), "ana@example.org"); err != nil || s.Day.Messages != 3 {
			t.Errorf("%+v, %v", s, err)
		}
		if _, err := admin.Show(t.Context(), "no name"); !errors.Is(err, ErrSubject) {
			t.Error(err)
		}
	})
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

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	k := newKnown()
	for i := range 3 * maxKnownInMemory {
		k.add(knownKey{"a", int64(i)})
	}
	if n := len(k.young) + len(k.old); n > 2*maxKnownInMemory || !k.has(knownKey{"a", 3*maxKnownInMemory - 1}) || k.has(knownKey{"a", 1}) {
		t.Errorf("%d recipients are kept", n)
	}
	q := &Quota{senders: map[string]*sender{}}
	for i := range maxSenders {
		q.senders[fmt.Sprint(i)] = &sender{}
	}
	q.evict()
	if n := len(q.senders); n >= maxSenders {
		t.Errorf("%d senders are kept", n)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := DefaultOptions()
	good.Only = map[string]Limits{"ana@example.org": {NewDay: -1}, "example.org": {MessagesDay: 5}, "2001:db8::/64": {}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for i, change := range []func(*Options){
		func(o *Options) { o.User.NewDay = -1 }, func(o *Options) { o.Domain.MessagesDay = maxLimit + 1 }, func(o *Options) { o.Tell = 101 }, func(o *Options) { o.Hold.Refusals = -1 },
		func(o *Options) { o.Hold.Mail = "drop" }, func(o *Options) { o.Hold.Alert = "nobody" }, func(o *Options) { o.Only = map[string]Limits{"Ana@example.org": {}} }, func(o *Options) { o.Only = map[string]Limits{"2001:db8::1": {}} },
	} {
		o := DefaultOptions()
		if change(&o); o.Check() == nil {
			t.Errorf("%d: no error", i)
		}
	}
}

func FuzzNormal(f *testing.F) {
	for _, s := range []string{"Ana@Example.org", "example.org", "192.0.2.1", "2001:db8::1", "a b", "@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Normal(s)
		if err != nil {
			return
		}
		if again, err := Normal(n); err != nil || again != n {
			t.Fatalf("%q is %q, which is %q, %v", s, n, again, err)
		}
	})
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
	opt.Domain = Limits{}
	q.Reconfigure(opt)
	for _, s := range []Sender{ana, bob} {
		if r, g := send(t, q, s, "x"); !r.IsZero() || g.Hold != "" {
			t.Errorf("%+v: %v, %+v", s, r, g)
		}
	}
}

// TestWhoIsForgottenIsReadAnew: nobody is forgotten while its counts are on
// their way, and who had hold of one that was takes the one in its place.
func TestWhoIsForgottenIsReadAnew(t *testing.T) {
	t.Parallel()
	db := database(t)
	q := open(t, db, limited(Limits{MessagesHour: 3}), nil)
	defer closeAll(t, q, db)
	send(t, q, ana, "x")
	x := q.senders["ana@example.org"]
	q.evict() // not written yet
	if q.senders["ana@example.org"] != x {
		t.Error("forgotten with what it has sent")
	}
	if err := q.flush.run(); err != nil {
		t.Fatal(err)
	}
	x.saving = true // another writing is under way
	q.evict()
	if x.gone {
		t.Error("forgotten while it is written")
	}
	x.saved()
	q.evict()
	if !x.gone || q.senders["ana@example.org"] != nil {
		t.Error("not forgotten")
	}
	for range 2 {
		send(t, q, ana, "x")
	}
	if r, _ := send(t, q, ana, "x"); r.Code != 452 {
		t.Errorf("more than the limit: %v", r)
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
