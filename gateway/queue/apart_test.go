package queue

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// keptCopy is a copy for the quarantine; the route of x.test is out.
func keptCopy(from, rule string, to ...string) *gateway.Copy {
	c := copyOf(from, mail, to...)
	for i := range c.Rcpts {
		c.Rcpts[i].Route = "out"
		c.Kept = append(c.Kept, &gateway.Kept{Rule: rule, Stage: "message", Subject: "hello", Facts: []gateway.KeptFact{{Name: "spam.score", Value: "7"}}})
	}
	return c
}

// keep puts a message into quarantine.
func (l *lab) keep(c *gateway.Copy) string {
	l.t.Helper()
	d := l.q.Delivery("")
	defer d.Abort()
	replies, err := d.Commit(context.Background(), c)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range replies {
		if r.Code != 250 || strings.Contains(r.Text, "queue") {
			l.t.Errorf("the client hears %v", r)
		}
	}
	return c.ID
}

// apart lists what is in quarantine.
func (l *lab) apart() (to string) {
	l.t.Helper()
	err := List(context.Background(), l.db, l.opt, Filter{State: Quarantined}, func(it *Item) error {
		to += " " + it.Recipients[0].To
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return strings.TrimSpace(to)
}

// TestKeptApart: what is in quarantine is not tried and no part of the queue;
// each recipient can be released alone, on his own route, and knows it; the octets
// are there once, until the last one has gone.
func TestKeptApart(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		two := &fake{}
		start := func() { l.q.SetTransports(map[string]Transport{"out": l.next, "two": two}) }
		start()
		c := keptCopy("a@example.org", "f:1 odd", "a@x.test", "b@x.test", "c@two.test")
		c.Rcpts[2].Route = "two"
		l.keep(c)
		if got := l.apart(); got != "a@x.test b@x.test c@two.test" { // at once
			t.Errorf("in quarantine: %s", got)
		}
		l.keep(keptCopy("a@example.org", "f:1 odd", "alone@x.test"))
		if got := l.apart(); got != "a@x.test b@x.test c@two.test alone@x.test" {
			t.Errorf("in quarantine: %s", got)
		}
		l.act(Remove, Filter{State: Quarantined, To: "alone@x.test"})
		settle()
		for range 2 {
			if u := l.blobs.Usage(); u.Live >= 2*int64(len(mail)) || u.Live == 0 {
				t.Errorf("octets: %+v", u)
			}
			if got := l.apart(); got != "a@x.test b@x.test c@two.test" {
				t.Errorf("in quarantine: %s", got)
			}
			if n := l.q.Counts(); n != (Counts{Quarantined: 3}) || len(l.list()) != 0 {
				t.Errorf("%+v, queue %d", n, len(l.list()))
			}
			if groups, err := Summary(t.Context(), l.db); len(groups) != 0 || err != nil {
				t.Errorf("summary: %+v %v", groups, err)
			}
			if age, err := l.q.oldest(); age != 0 || err != nil {
				t.Errorf("oldest %v %v", age, err)
			}
			for _, a := range []Action{Retry, Hold, Release, Remove} {
				for _, f := range []Filter{{All: true}, {ID: c.ID}, {State: Held}, {State: Waiting}, {State: Active}} {
					if n, err := l.q.Act(t.Context(), Change{Action: a, Filter: f}, nil); n != 0 || err != nil {
						t.Errorf("%s %+v: %d, %v", a, f, n, err)
					}
				}
			}
			for _, a := range []Action{Retry, Hold} {
				if _, err := l.q.Act(t.Context(), Change{Action: a, Filter: Filter{State: Quarantined}}, nil); err == nil {
					t.Errorf("%s what is in quarantine", a)
				}
			}
			time.Sleep(200 * time.Hour)
			settle()
			l.close() // and again after a restart
			l.open()
			start()
		}
		if len(l.next.all())+len(two.all()) != 0 {
			t.Fatal("sent")
		}
		var before string
		release := Change{Action: Release, Filter: Filter{State: Quarantined, To: "c@two.test"}, Before: func(ctx context.Context, it *Item) {
			r, err := it.Open(ctx, l.blobs)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			b, _ := io.ReadAll(r)
			before = it.Recipients[0].To + " " + string(b)
		}}
		if n, err := l.q.Act(t.Context(), release, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		settle()
		if all := two.all(); len(all) != 1 || !all[0].job.Queue.Released || all[0].body != mail || before != "c@two.test "+mail {
			t.Errorf("%+v, before %q", all, before)
		}
		if got := l.apart(); got != "a@x.test b@x.test" || len(l.next.all()) != 0 {
			t.Errorf("in quarantine: %s, sent %+v", got, l.next.all())
		}
		l.act(Release, Filter{State: Quarantined, ID: c.ID, To: "a@x.test"})
		l.act(Remove, Filter{State: Quarantined, To: "b@x.test"})
		settle()
		if all := l.next.all(); len(all) != 1 || len(all[0].to) != 1 || all[0].to[0] != "a@x.test" {
			t.Errorf("%+v", all)
		}
		if u, n := l.blobs.Usage(), l.q.Counts(); u.Live != 0 || n != (Counts{}) {
			t.Errorf("left: %+v, %+v", u, n)
		}
	})
}

// TestQuarantineExpires without a word to anybody, and its space is free; a longer time
// counts for what is there.
func TestQuarantineExpires(t *testing.T) {
	in(t, Options{Quarantine: 48 * time.Hour}, func(t *testing.T, l *lab) {
		reg := prometheus.NewRegistry()
		l.q.metrics = NewMetrics(reg)
		l.start()
		l.keep(keptCopy("a@example.org", "f:1 odd", "a@x.test"))
		time.Sleep(24 * time.Hour)
		l.keep(keptCopy("a@example.org", "f:1 odd", "b@x.test"))
		time.Sleep(25 * time.Hour)
		settle()
		if got := l.apart(); got != "b@x.test" {
			t.Errorf("after 49 h: %s", got)
		}
		l.q.Reconfigure(Options{Quarantine: 96 * time.Hour}, "mx.example.org", leadOut)
		time.Sleep(48 * time.Hour)
		settle()
		if got := l.apart(); got != "b@x.test" || l.q.Counts().Quarantined != 1 {
			t.Errorf("with a longer time: %s, %+v", got, l.q.Counts())
		}
		time.Sleep(48 * time.Hour)
		settle()
		if got, u := l.apart(), l.blobs.Usage(); got != "" || u.Live != 0 || l.q.Counts() != (Counts{}) || len(l.next.all()) != 0 {
			t.Errorf("%s, %+v, %+v, sent %d", got, u, l.q.Counts(), len(l.next.all()))
		}
		counted := ""
		families, err := reg.Gather()
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "gapura_quarantine_total" {
					counted += fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetCounter().GetValue(), " ")
				}
			}
		}
		if counted != "expired 2 kept 2 " || err != nil {
			t.Errorf("counted: %s, %v", counted, err)
		}
	})
}

// TestReleasedIsQueuedMail: its age counts from its release, so that a backend that
// is away then gets it later, and its sender hears where it never does.
func TestReleasedIsQueuedMail(t *testing.T) {
	in(t, Options{Expire: 24 * time.Hour}, func(t *testing.T, l *lab) {
		back := false
		l.next.answer = func(j *Job, _ string) Outcome {
			if back || j.From.IsNull() {
				return delivered
			}
			return away
		}
		l.start()
		l.keep(keptCopy("a@example.org", "f:1 odd", "a@x.test"))
		time.Sleep(300 * time.Hour)
		l.act(Release, Filter{State: Quarantined, To: "a@x.test"})
		settle()
		l.close()
		l.open()
		l.start()
		time.Sleep(3 * time.Hour)
		settle()
		if items := l.list(); len(items) != 1 || items[0].State != Waiting || items[0].Quarantine.Released == nil || l.apart() != "" {
			t.Fatalf("%+v", items)
		}
		l.next.mu.Lock()
		back = true
		l.next.mu.Unlock()
		time.Sleep(3 * time.Hour)
		settle()
		all := l.next.all()
		if last := all[len(all)-1]; len(last.to) != 1 || last.to[0] != "a@x.test" || !last.job.Queue.Released || len(l.list()) != 0 {
			t.Errorf("%+v", last)
		}
		for _, g := range all {
			if g.job.From.IsNull() && strings.Contains(g.body, "Action: failed") {
				t.Error("it has come back")
			}
		}
	})
}

// TestQuarantineIsTwoPhase: what is prepared is nowhere before Commit, after a
// crash too, and kept after it.
func TestQuarantineIsTwoPhase(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		d := l.q.Delivery("")
		c := keptCopy("a@example.org", "f:1 odd", "a@x.test", "b@x.test")
		if err := d.Prepare(t.Context(), c); err != nil || l.apart() != "" {
			t.Fatal(err, l.apart())
		}
		d.Abort()
		settle()
		if u := l.blobs.Usage(); u.Live != 0 || l.apart() != "" {
			t.Errorf("given up: %+v %s", u, l.apart())
		}
		if err := d.Prepare(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		l.close() // whoever is killed now has promised nothing
		l.open()
		l.start()
		if u := l.blobs.Usage(); u.Live != 0 || l.apart() != "" {
			t.Errorf("not committed: %+v %s", u, l.apart())
		}
		d = l.q.Delivery("")
		if err := d.Prepare(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		d.Abort()
		settle()
		if got := l.apart(); got != "a@x.test b@x.test" || len(l.next.all()) != 0 {
			t.Errorf("committed: %s", got)
		}
	})
}

// TestClearLeavesTheQuarantine, what is just being put there too.
func TestClearLeavesTheQuarantine(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.keep(keptCopy("a@example.org", "f:1 odd", "a@x.test"))
		l.commit(copyOf("a@example.org", mail, "q@x.test"))
		held := copyOf("a@example.org", mail, "h@x.test")
		held.Queue.Hold = "why"
		l.commit(held)
		settle()
		l.close()
		l.open()
		ref := blob.Ref{}
		for r, err := range Live(t.Context(), l.db, nil) {
			if err != nil {
				t.Fatal(err)
			}
			ref = r
		}
		c := keptCopy("a@example.org", "f:1 odd", "b@x.test")
		list, err := l.q.entriesOf(c, "")
		if err != nil {
			t.Fatal(err)
		}
		list[0].msg.ref = ref
		err = l.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, sqlInsertNew, l.q.newRow(list[0], false)...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := Clear(t.Context(), l.db); err != nil {
			t.Fatal(err)
		}
		if got := l.apart(); got != "a@x.test b@x.test" || len(l.list()) != 0 {
			t.Errorf("%s; queue %d", got, len(l.list()))
		}
	})
}

// TestQuarantineWithoutAGateway is released and removed as with one.
func TestQuarantineWithoutAGateway(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.keep(keptCopy("a@example.org", "f:1 odd", "a@x.test", "b@x.test", "c@x.test"))
		settle()
		act := func(a Action, to string) {
			if n, err := ActOffline(t.Context(), l.db, l.opt, Change{Action: a, Filter: Filter{State: Quarantined, To: to}}, nil); n != 1 || err != nil {
				t.Errorf("%s %s: %d %v", a, to, n, err)
			}
		}
		if n, err := ActOffline(t.Context(), l.db, l.opt, Change{Action: Remove, Filter: Filter{All: true}}, nil); n != 0 || err != nil {
			t.Errorf("the queue's: %d %v", n, err)
		}
		act(Release, "a@x.test")
		act(Remove, "b@x.test")
		l.close()
		l.open()
		l.start()
		settle()
		if all := l.next.all(); len(all) != 1 || all[0].to[0] != "a@x.test" || !all[0].job.Queue.Released || l.apart() != "c@x.test" {
			t.Errorf("%+v; in quarantine %s", all, l.apart())
		}
	})
}

// TestQuarantineIsChosen by rule, reason, time and address.
func TestQuarantineIsChosen(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		start := time.Now()
		c := keptCopy("a@example.org", "main.yaml:1 Odd", "a@x.test")
		c.Kept[0].Reason = "550 5.7.1 Not today"
		id := l.keep(c)
		time.Sleep(time.Hour)
		l.keep(keptCopy("", "main.yaml:9 even", "b@y.test"))
		settle()
		for _, x := range []struct {
			f    Filter
			want string
		}{
			{Filter{}, "a@x.test b@y.test"},
			{Filter{ID: id}, "a@x.test"},
			{Filter{Rule: "ODD"}, "a@x.test"},
			{Filter{Rule: "main.yaml"}, "a@x.test b@y.test"},
			{Filter{Reason: "not TODAY"}, "a@x.test"},
			{Filter{From: "<>"}, "b@y.test"},
			{Filter{To: "<B@Y.test>"}, "b@y.test"},
			{Filter{Domain: "Y.TEST"}, "b@y.test"},
			{Filter{Since: start.Add(time.Minute)}, "b@y.test"},
			{Filter{Until: start.Add(time.Minute)}, "a@x.test"},
			{Filter{Since: start.Add(time.Minute), Rule: "odd"}, ""},
		} {
			x.f.State = Quarantined
			got := ""
			if err := List(t.Context(), l.db, l.opt, x.f, func(it *Item) error { got += " " + it.Recipients[0].To; return nil }); err != nil || strings.TrimSpace(got) != x.want {
				t.Errorf("%+v: %s, %v", x.f, got, err)
			}
		}
		if err := List(t.Context(), l.db, l.opt, Filter{Rule: "odd"}, func(*Item) error { t.Error("in the queue"); return nil }); err != nil {
			t.Error(err)
		}
	})
}

// TestRowKeepsWhyItIsKept, and rows of versions before are read.
func TestRowKeepsWhyItIsKept(t *testing.T) {
	k := &gateway.Kept{Rule: "a:1 x\nb:2 y", Stage: "rcpt", Reason: "550 no", Author: "A <a@b>", Subject: "s", Facts: []gateway.KeptFact{{Name: "n", Value: "v"}}}
	for _, e := range []*entry{{kept: k}, {kept: k, freed: 1234, byHand: 3}, {byHand: 3}, {}} {
		e.id, e.msg, e.rcpts = 7, &message{first: 7, entries: 1, queue: gateway.Queueing{Lane: DefaultLane}}, []recipient{{to: smtp.ForwardPath{Address: address("a@x.test")}}}
		got := &entry{id: 7}
		if err := parseRow(appendRow(nil, e), got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.kept, e.kept) || got.freed != e.freed || got.byHand != e.byHand || got.apart() != (e.kept != nil && e.freed == 0) {
			t.Errorf("%+v became %+v", e, got)
		}
	}
}

// TestReleaseTellsOfWhatIsReleased: neither of what somebody removes meanwhile, nor
// of octets that are not where the row said any more.
func TestReleaseTellsOfWhatIsReleased(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		for _, to := range []string{"a@x.test", "b@x.test", "c@x.test"} {
			l.keep(keptCopy("a@example.org", "f:1 odd", to))
		}
		settle()
		blobs := &movedBlobs{Store: l.blobs, moved: map[blob.Ref]bool{}}
		l.q.blobs = blobs
		var told []string
		release := Change{Action: Release, Filter: Filter{State: Quarantined}, Before: func(ctx context.Context, it *Item) {
			r, err := it.Open(ctx, blobs)
			if err != nil {
				t.Errorf("%s: %v", it.Recipients[0].To, err)
				return
			}
			r.Close()
			if told = append(told, it.Recipients[0].To); len(told) > 1 {
				return
			}
			if _, err := l.q.Act(ctx, Change{Action: Remove, Filter: Filter{State: Quarantined, To: "b@x.test"}}, nil); err != nil {
				t.Error(err)
			}
			l.move(blobs)
		}}
		if _, err := l.q.Act(t.Context(), release, nil); err != nil {
			t.Fatal(err)
		}
		settle()
		var sent []string
		for _, g := range l.next.all() {
			sent = append(sent, g.to...)
		}
		slices.Sort(sent)
		if !slices.Equal(told, sent) || l.apart() != "" {
			t.Errorf("told of %v, sent to %v, in quarantine %q", told, sent, l.apart())
		}
	})
}

// movedBlobs have given up the segments that octets were moved from.
type movedBlobs struct {
	blob.Store
	moved map[blob.Ref]bool
}

func (b *movedBlobs) Open(ctx context.Context, ref blob.Ref) (blob.Reader, error) {
	if b.moved[ref] {
		return nil, blob.ErrNotFound
	}
	return b.Store.Open(ctx, ref)
}

// move moves the octets of all that waits, as Compact does.
func (l *lab) move(blobs *movedBlobs) {
	l.t.Helper()
	for ref, err := range waitingRefs(context.Background(), l.db) {
		if err != nil {
			l.t.Fatal(err)
		}
		r, err := l.blobs.Open(context.Background(), ref)
		if err != nil {
			l.t.Fatal(err)
		}
		var e entry
		err = eachWaiting(context.Background(), l.db, &Filter{All: true, State: Quarantined}, func(x *entry, _ State) error {
			if x.msg.ref == ref {
				e.msg = x.msg
			}
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
		to, err := l.blobs.Append(context.Background(), e.msg.tag(), ref.Size, r)
		r.Close()
		if err != nil {
			l.t.Fatal(err)
		}
		if _, err := (*owner)(l.q).Move(context.Background(), []blob.Moved{{Tag: e.msg.tag(), Old: ref, New: to}}); err != nil {
			l.t.Fatal(err)
		}
		l.blobs.Release(ref)
		blobs.moved[ref] = true
	}
}

// TestMassExpiryIsPaced: what expires at once is dropped in many transactions, so
// that new mail does not wait for one of all of it.
func TestMassExpiryIsPaced(t *testing.T) {
	in(t, Options{Quarantine: time.Hour}, func(t *testing.T, l *lab) {
		l.start()
		const n = 10 * alarmBatch
		var to []string
		for i := range n {
			to = append(to, fmt.Sprintf("u%d@x.test", i))
		}
		l.keep(keptCopy("a@example.org", "f:1 odd", to...))
		settle()
		before := l.q.journal.commits.Load()
		time.Sleep(2 * time.Hour)
		settle()
		if c, n := l.q.Counts(), l.q.journal.commits.Load()-before; c != (Counts{}) || n < 10 {
			t.Errorf("%+v are left, %d transactions", c, n)
		}
	})
}
