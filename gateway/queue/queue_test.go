package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestDelivered(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		id := l.send("a@example.org", mail, "b@example.net")
		settle()
		all := l.next.all()
		if len(all) != 1 || all[0].id != id || all[0].body != mail || all[0].from != "a@example.org" || all[0].attempt != 1 {
			t.Fatalf("%+v", all)
		}
		if items := l.list(); len(items) != 0 {
			t.Fatalf("left: %+v", items[0])
		}
		if u := l.blobs.Usage(); u.Live != 0 {
			t.Errorf("%d octets live", u.Live)
		}
	})
}

func TestRecipientsGoTogetherByDomain(t *testing.T) {
	in(t, Options{Recipients: 2}, func(t *testing.T, l *lab) {
		l.start()
		l.send("a@example.org", mail, "1@x.test", "2@Y.test", "3@X.test", "4@x.test")
		settle()
		var sets []string
		for _, g := range l.next.all() {
			sets = append(sets, strings.Join(g.to, " "))
		}
		slices.Sort(sets)
		if want := []string{"1@x.test 3@X.test", "2@Y.test", "4@x.test"}; !slices.Equal(sets, want) {
			t.Errorf("%q", sets)
		}
		if u := l.blobs.Usage(); u.Live != 0 {
			t.Errorf("%d octets live", u.Live)
		}
	})
}

func TestRetriesBySchedule(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			if j.Attempt < 7 && to != "good@x.test" && !j.From.IsNull() {
				return busy
			}
			return delivered
		}
		l.start()
		start := time.Now()
		l.send("a@example.org", mail, "bad@x.test", "good@x.test")
		settle()
		items := l.list()
		if len(items) != 1 || len(items[0].Recipients) != 1 || items[0].Recipients[0].To != "bad@x.test" || items[0].Attempts != 1 ||
			!strings.Contains(items[0].Recipients[0].Reply, "later") || items[0].State != Waiting {
			t.Fatalf("%+v", items)
		}
		time.Sleep(24 * time.Hour)
		settle()
		all := l.next.all()
		toUs := all[len(all)-1]
		if len(all) != 8 { // with the notice that it is late
			t.Fatalf("%d attempts", len(all))
		}
		all = slices.DeleteFunc(all, func(g got) bool { return g.from == "" })
		at := start
		for i, want := range []time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 4 * time.Hour} {
			gap := all[i].at.Sub(at)
			at = all[i].at
			if gap < want*9/10-time.Second || gap > want*11/10+time.Second {
				t.Errorf("attempt %d after %v, want %v", i+1, gap, want)
			}
			if all[i].attempt != i+1 {
				t.Errorf("attempt %d says it is %d", i+1, all[i].attempt)
			}
		}
		if toUs.from != "a@example.org" || !slices.Equal(toUs.to, []string{"bad@x.test"}) {
			t.Errorf("%+v", toUs)
		}
	})
}

func TestWaitsOverRestarts(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.Attempt == 1 && j.From.Local == "a" {
				return busy
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "b@x.test")
		settle()
		l.close()
		l.open()
		never := l.send("c@example.org", mail, "d@x.test") // not started yet
		l.close()
		l.open()
		if n := len(l.list()); n != 2 {
			t.Fatalf("%d left", n)
		}
		l.start()
		time.Sleep(2 * time.Minute)
		settle()
		all := l.next.all()
		if len(all) != 3 || all[1].id != never || all[1].attempt != 1 || all[2].attempt != 2 || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
			t.Fatalf("%+v", all)
		}
	})
}

func TestUndeliverableGoesBack(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			if strings.HasSuffix(to, "@x.test") && to != "ok@x.test" {
				return unknown
			}
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "1@x.test", "ok@x.test", "2@x.test")
		settle()
		all := l.next.all()
		if len(all) != 2 || all[1].from != "" || !slices.Equal(all[1].to, []string{"a@example.org"}) {
			t.Fatalf("%+v", all)
		}
		for _, want := range []string{"1@x.test", "2@x.test", "Action: failed", "Status: 5.1.1", "no such user", "Auto-Submitted", "multipart/report"} {
			if !strings.Contains(all[1].body, want) {
				t.Errorf("no %q in\n%s", want, all[1].body)
			}
		}
		if strings.Contains(all[1].body, "ok@x.test") || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
			t.Errorf("%s", all[1].body)
		}
	})
}

func TestNoNoticeToNobody(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome { return unknown }
		l.start()
		l.send("", mail, "1@x.test")
		settle()
		if all := l.next.all(); len(all) != 1 || len(l.list()) != 0 {
			t.Fatalf("%+v", all)
		}
	})
}

func TestDoubleBounceGoesToPostmaster(t *testing.T) {
	in(t, Options{Postmaster: "admin@example.org"}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome { return unknown }
		l.start()
		l.send("a@example.org", mail, "1@x.test")
		settle()
		all := l.next.all() // the message, the notice, the notice about that, which is refused too
		if len(all) != 3 || all[2].job.Rcpts[0].To.String() != "admin@example.org" || len(l.list()) != 0 {
			t.Fatalf("%+v", all)
		}
	})
}

// TestPostmasterForwardedNowhere: whoever passes the postmaster's mail on, to
// somebody who does not take it, starts nothing that does not end.
func TestPostmasterForwardedNowhere(t *testing.T) {
	in(t, Options{Postmaster: "admin@example.org"}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			if to != "admin@example.org" {
				return unknown
			}
			l.send("", mail, "admin@else.test") // as its alias, or its script, would
			return delivered
		}
		l.start()
		l.send("a@example.org", mail, "1@x.test")
		settle()
		if all := l.next.all(); len(all) != 4 || len(l.list()) != 0 {
			t.Errorf("%d attempts", len(all))
		}
	})
}

func TestAddressesAreFoundHoweverTheyAreWritten(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		c := copyOf("ana@b\u00fccher.example", mail, "bob@k\u00e4se.example")
		c.User = "ana@xn--bcher-kva.example"
		l.commit(c)
		for _, f := range []Filter{
			{User: "Ana@xn--bcher-kva.example"},
			{User: "ana@B\u00dcCHER.example"},
			{From: "ana@xn--bcher-kva.example"},
			{From: "ANA@b\u00fccher.example"},
			{To: "bob@xn--kse-qla.example"},
			{To: "<Bob@K\u00c4SE.example>"},
		} {
			l.act(Hold, f)
			settle()
			l.act(Release, f)
			settle()
		}
	})
}

func TestNotificationsFollowAliases(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		var away atomic.Bool
		away.Store(true)
		l.q.Reconfigure(Options{}, "mx.example.org", func(context.Context, smtp.Address) ([]gateway.Recipient, error) {
			if away.Load() {
				return nil, errors.New("the directory does not answer")
			}
			return []gateway.Recipient{
				{To: smtp.ForwardPath{Address: address("b@one.test")}, Route: "out"},
				{To: smtp.ForwardPath{Address: address("c@two.test")}, Route: "other"},
			}, nil
		})
		other := &fake{}
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.From.IsNull() {
				return delivered
			}
			return unknown
		}
		l.q.SetTransports(map[string]Transport{"out": l.next, "other": other})
		l.send("a@example.org", mail, "1@x.test")
		settle()
		if list := l.list(); len(list) != 1 {
			t.Fatalf("%d wait while nobody can be told", len(list))
		}
		away.Store(false)
		time.Sleep(2 * time.Minute)
		settle()
		all, others := l.next.all(), other.all()
		if len(all) != 3 || len(others) != 1 || all[2].to[0] != "b@one.test" || others[0].to[0] != "c@two.test" || len(l.list()) != 0 {
			t.Errorf("%+v, %+v", all, others)
		}
	})
}

func TestExpires(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			if j.From.IsNull() {
				return delivered
			}
			return busy
		}
		l.start()
		start := time.Now()
		l.send("a@example.org", mail, "1@x.test")
		time.Sleep(121 * time.Hour)
		settle()
		all := l.next.all()
		var notices []got
		for _, g := range all {
			if g.from == "" {
				notices = append(notices, g)
			}
		}
		if len(notices) != 2 || !strings.Contains(notices[0].body, "Action: delayed") || !strings.Contains(notices[1].body, "Action: failed") ||
			!strings.Contains(notices[1].body, "Status: 4.4.7") {
			t.Fatalf("%d notices", len(notices))
		}
		if d := notices[0].at.Sub(start); d < 4*time.Hour || d > 4*time.Hour+time.Minute {
			t.Errorf("told after %v", d)
		}
		if d := notices[1].at.Sub(start); d < 119*time.Hour || d > 120*time.Hour+time.Minute {
			t.Errorf("back after %v", d)
		}
		if len(l.list()) != 0 {
			t.Error("something is left")
		}
	})
}

func TestDeliverBy(t *testing.T) {
	for _, back := range []bool{false, true} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.next.answer = func(j *Job, to string) Outcome {
				if j.Destination == "x.test" {
					return busy
				}
				return delivered
			}
			l.start()
			c := copyOf("a@example.org", mail, "b@x.test")
			c.Params.DeliverBy = smtp.DeliverBy{Within: 30 * time.Minute, Return: back, Set: true}
			l.commit(c)
			time.Sleep(40 * time.Minute)
			settle()
			all := l.next.all()
			last := all[len(all)-1]
			want, left := "Action: delayed", 1
			if back {
				want, left = "Action: failed", 0
			}
			by := all[0].job.Queued.Add(30 * time.Minute).Format("Deliver-By-Date: Mon, 2 Jan 2006 15:04:05 -0700\r\n")
			if last.from != "" || !strings.Contains(last.body, want+"\r\nStatus: 4.4.7\r\n") || !strings.Contains(last.body, by) || len(l.list()) != left {
				t.Errorf("return %v: %d left, %s", back, len(l.list()), last.body)
			}
		})
	}
}

// TestDeadlineBeforeTheFirstTurn: who wanted mail to arrive before it could be
// tried hears so, and not of trouble at the receiving side.
func TestDeadlineBeforeTheFirstTurn(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.start()
		c := copyOf("a@example.org", mail, "b@x.test")
		c.Params.DeliverBy = smtp.DeliverBy{Within: time.Minute, Set: true}
		c.Params.HoldFor = time.Hour
		l.commit(c)
		time.Sleep(2 * time.Minute)
		settle()
		all := l.next.all()
		if len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		for _, want := range []string{"Action: delayed\r\nStatus: 4.4.7\r\n", "The time by which you wanted it to arrive has passed."} {
			if !strings.Contains(all[0].body, want) {
				t.Errorf("no %q in\n%s", want, all[0].body)
			}
		}
	})
}

func TestRelayedIsToldWhereAsked(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			o := delivered
			o.Relayed = true
			return o
		}
		l.start()
		c := copyOf("a@example.org", mail, "b@x.test", "c@x.test")
		c.Rcpts[1].Params.Notify = smtp.NotifySuccess
		c.Rcpts[1].Params.OriginalType, c.Rcpts[1].Params.OriginalAddress = "rfc822", "orig@example.com"
		c.Params.EnvelopeID = "QQ314159"
		l.commit(c)
		settle()
		all := l.next.all()
		if len(all) != 2 {
			t.Fatalf("%+v", all)
		}
		for _, want := range []string{"Action: relayed", "rfc822; orig@example.com", "QQ314159", "c@x.test"} {
			if !strings.Contains(all[1].body, want) {
				t.Errorf("no %q in\n%s", want, all[1].body)
			}
		}
		if strings.Contains(all[1].body, "b@x.test") {
			t.Error("tells of one who did not ask")
		}
	})
}

// TestNotificationsOfRequireTLS are protected alike, and have no text of the
// message in them, whatever was asked for (RFC 8689 section 5).
func TestNotificationsOfRequireTLS(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.From.IsNull() {
				return delivered
			}
			return unknown
		}
		l.start()
		c := copyOf("a@example.org", mail, "b@x.test")
		c.Params.RequireTLS, c.Params.Return = true, smtp.ReturnFull
		l.commit(c)
		settle()
		all := l.next.all()
		last := all[len(all)-1]
		if len(all) != 2 || !last.job.Params.RequireTLS || strings.Contains(last.body, "\r\nbody\r\n") || !strings.Contains(last.body, "Subject: hello") {
			t.Errorf("%d messages, REQUIRETLS %v\n%s", len(all), last.job.Params.RequireTLS, last.body)
		}
	})
}

// TestNotificationsHaveThePriority of the message (RFC 6710).
func TestNotificationsHaveThePriority(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.From.IsNull() {
				return delivered
			}
			return unknown
		}
		l.start()
		c := copyOf("a@example.org", mail, "b@x.test")
		c.Params.Priority, c.Queue.Priority = 4, 6
		l.commit(c)
		settle()
		all := l.next.all()
		last := all[len(all)-1].job
		if len(all) != 2 || last.Params.Priority != 4 || last.Queue.Priority != 6 {
			t.Errorf("%d messages, %+v, %+v", len(all), last.Params, last.Queue)
		}
	})
}

// TestRelayingByDeadlineIsTold (RFC 2852): every relaying with trace, and with mode
// N one to a server that does not know of the deadline; but to nobody who wants
// to hear nothing.
func TestRelayingByDeadlineIsTold(t *testing.T) {
	for _, tt := range []struct {
		trace, back, untimed, final bool
		notify                      smtp.Notify
		want                        bool
	}{
		{want: false},
		{trace: true, want: true},
		{trace: true, back: true, want: true},
		{trace: true, final: true},
		{trace: true, notify: smtp.NotifyNever},
		{trace: true, notify: smtp.NotifyFailure, want: true},
		{untimed: true, want: true},
		{untimed: true, back: true},
		{untimed: true, notify: smtp.NotifyNever},
	} {
		in(t, Options{}, func(t *testing.T, l *lab) {
			l.next.answer = func(*Job, string) Outcome {
				o := delivered
				o.Untimed, o.Final = tt.untimed, tt.final
				return o
			}
			l.start()
			c := copyOf("a@example.org", mail, "b@x.test")
			c.Params.DeliverBy = smtp.DeliverBy{Within: time.Hour, Return: tt.back, Trace: tt.trace, Set: true}
			c.Rcpts[0].Params.Notify = tt.notify
			l.commit(c)
			settle()
			all := l.next.all()
			if got := len(all) == 2 && strings.Contains(all[1].body, "Action: relayed\r\nStatus: 2.0.0\r\n"); got != tt.want || len(all) > 2 {
				t.Errorf("%+v: %d messages", tt, len(all))
			}
		})
	}
}

// TestArrivalInAMailboxIsToldWhereAsked (RFC 3461 section 5.2.1).
func TestArrivalInAMailboxIsToldWhereAsked(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome {
			o := delivered
			o.Final, o.Local = true, true
			return o
		}
		l.start()
		c := copyOf("a@example.org", mail, "b@x.test", "c@x.test")
		c.Rcpts[1].Params.Notify = smtp.NotifySuccess
		l.commit(c)
		settle()
		all := l.next.all()
		if len(all) != 2 || !strings.Contains(all[1].body, "Action: delivered") || strings.Contains(all[1].body, "b@x.test") {
			t.Errorf("%+v", all)
		}
	})
}

// TestWaitingIsNoAttempt: a transport that wants to wait has made no attempt,
// and its destination has not failed.
func TestWaitingIsNoAttempt(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		asked := 0
		l.next.answer = func(*Job, string) Outcome {
			if asked++; asked <= 3 {
				o := away
				o.Untried, o.Retry = true, 5*time.Second
				return o
			}
			return delivered
		}
		l.start()
		began := time.Now()
		l.send("a@example.org", mail, "b@busy.test")
		for range 20 {
			time.Sleep(time.Second)
			settle()
		}
		all := l.next.all()
		if len(all) != 4 || all[3].attempt != 1 || all[3].at.Sub(began) != 15*time.Second || len(l.list()) != 0 {
			t.Fatalf("%d asked, the last one after %s: attempt %d", len(all), all[len(all)-1].at.Sub(began), all[len(all)-1].attempt)
		}
	})
}
