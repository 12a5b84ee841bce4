package inbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

var (
	full    = smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "mailbox full")
	virus   = smtp.NewReply(554, smtp.EnhancedCode{5, 7, 1}, "a virus")
	errDisk = errors.New("disk")
)

// inSession is a backend that notes its steps among those of the queue.
type inSession struct {
	backend
	q       *queue
	replies []smtp.Reply
}

func (b *inSession) Verify(ctx context.Context, from smtp.ReversePath, p smtp.MailParams, to smtp.ForwardPath, rp smtp.RcptParams) (smtp.Reply, error) {
	if to.Local == "busy" {
		return full, nil
	}
	return b.backend.Verify(ctx, from, p, to, rp)
}

func (b *inSession) Delivery() gateway.Delivery { return b }

func (b *inSession) Commit(ctx context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	b.q.mu.Lock()
	b.q.note("backend")
	b.q.mu.Unlock()
	got, err := b.backend.Commit(ctx, c)
	if len(b.replies) > 0 {
		got = b.replies
	}
	return got, err
}

// TestMixedEnvelopes: proxy, queue and outbound recipients of one transaction,
// and what happens in which order.
func TestMixedEnvelopes(t *testing.T) {
	ok := smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")
	one := func(r smtp.Reply) []smtp.Reply { return []smtp.Reply{r} }
	for _, c := range []struct {
		name    string
		who     client
		to      string
		backend []smtp.Reply // nil: 250
		gone    bool         // it breaks off
		prep    error
		comm    error
		on      string // route where the queue fails
		want    string // beginning of the last reply
		events  string
		sent    string
	}{
		{
			name: "queue alone", who: stranger, to: "a@queued.test",
			want: "250", events: "commit queued.test", sent: "queued.test: a@queued.test",
		},
		{
			name: "queue is durable before the backend's dot, and active after it", who: stranger, to: "v@example.org a@queued.test",
			want: "250", events: "prepare queued.test, backend, commit queued.test", sent: "queued.test: a@queued.test",
		},
		{
			name: "queue alone fails", who: stranger, to: "a@queued.test", comm: errDisk,
			want: "451 4.3.0 Local error", events: "commit queued.test",
		},
		{
			name: "the queue's own words", who: stranger, to: "a@queued.test", comm: fmt.Errorf("queue: %w", full),
			want: "452 4.2.2 mailbox full", events: "commit queued.test",
		},
		{
			name: "what cannot be queued is not sent at all", who: stranger, to: "v@example.org a@queued.test", prep: errDisk,
			want: "451 4.3.0", events: "prepare queued.test",
		},
		{
			name: "what cannot be activated", who: stranger, to: "v@example.org a@queued.test", comm: errDisk,
			want: "451 4.3.0", events: "prepare queued.test, backend, commit queued.test, abort queued.test",
		},
		{
			name: "one of two cannot be queued", who: user, to: "x@else.test a@queued.test", prep: errDisk, on: "outbound",
			want: "451 4.3.0", events: "prepare outbound, prepare queued.test, abort queued.test",
		},
		{
			name: "a backend that cannot, when others are queued", who: stranger, to: "v@example.org a@queued.test", backend: one(full),
			want:   "250",
			events: "prepare queued.test, backend, prepare example.org, commit example.org, commit queued.test",
			sent:   "example.org: v@example.org; queued.test: a@queued.test",
		},
		{
			name: "a backend that breaks off, when others are queued", who: stranger, to: "v@example.org a@queued.test", gone: true,
			want:   "250",
			events: "prepare queued.test, backend, prepare example.org, commit example.org, commit queued.test",
			sent:   "example.org: v@example.org; queued.test: a@queued.test",
		},
		{
			name: "what the backend could not take cannot be queued either", who: stranger, to: "v@example.org a@queued.test", backend: one(full), prep: errDisk, on: "example.org",
			want:   "451 4.3.0",
			events: "prepare queued.test, backend, prepare example.org, abort queued.test",
		},
		{
			name: "a backend that cannot, alone", who: stranger, to: "v@example.org", backend: one(full),
			want: "452 4.2.2 mailbox full", events: "backend",
		},
		{
			name: "a backend that cannot for some", who: stranger, to: "v@example.org w@example.org", backend: []smtp.Reply{ok, full},
			want: "250", events: "backend, prepare example.org, commit example.org", sent: "example.org: w@example.org",
		},
		{
			name: "strangers' mail that is refused is kept apart when others are promised it", who: stranger, to: "v@example.org a@queued.test", backend: one(virus),
			want:   "250",
			events: "prepare queued.test, backend, commit , commit queued.test",
			sent:   ": v@example.org in quarantine; queued.test: a@queued.test",
		},
		{
			name: "strangers' mail that is refused by all", who: stranger, to: "v@example.org", backend: one(virus),
			want: "554 5.7.1 a virus", events: "backend",
		},
		{
			name: "users' mail that is refused comes back by the queue when others are promised it", who: user, to: "v@example.org x@else.test", backend: one(virus),
			want:   "250",
			events: "prepare outbound, backend, prepare example.org, commit example.org, commit outbound",
			sent:   "example.org: v@example.org; outbound: x@else.test",
		},
		{
			name: "users' mail that is refused by all", who: user, to: "v@example.org", backend: one(virus),
			want: "554 5.7.1 a virus", events: "backend",
		},
		{
			name: "users do not wait for a backend", who: user, to: "v@example.org", backend: one(full),
			want: "250", events: "backend, prepare example.org, commit example.org", sent: "example.org: v@example.org",
		},
		{
			name: "users' mail that is refused by one and too early for another", who: user, to: "v@example.org w@example.org", backend: []smtp.Reply{virus, full},
			want: "250", events: "backend, prepare example.org, commit example.org", sent: "example.org: v@example.org w@example.org",
		},
		{
			name: "users do not wait for a backend at RCPT either", who: user, to: "busy@example.org",
			want: "250", events: "commit example.org", sent: "example.org: busy@example.org",
		},
		{
			name: "users send to two backends at once", who: user, to: "v@example.org w@two.test",
			want: "250", events: "prepare two.test, backend, commit two.test", sent: "two.test: w@two.test",
		},
		{
			name: "everything at once", who: user, to: "v@example.org w@two.test a@queued.test x@else.test",
			want:   "250",
			events: "prepare outbound, prepare queued.test, prepare two.test, backend, commit outbound, commit queued.test, commit two.test",
			sent:   "outbound: x@else.test; queued.test: a@queued.test; two.test: w@two.test",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, q := newSubmission(t)
			b := &inSession{q: q, replies: c.backend}
			if c.gone {
				b.err = errors.New("broken pipe")
			}
			e.oneIs = b
			q.prepErr, q.commErr, q.failOn = c.prep, c.comm, c.on
			got := e.submit(c.who, map[bool]string{true: "u@example.org", false: "a@b.test"}[c.who.login], own, strings.Fields(c.to)...)
			if !strings.HasPrefix(last(got), c.want) || len(got) != len(strings.Fields(c.to))+2 {
				t.Errorf("%v", got)
			}
			if events := inOrder(q.events); events != c.events {
				t.Errorf("events: %s\nwanted: %s", events, c.events)
			}
			if q.sent() != c.sent {
				t.Errorf("sent: %s", q.sent())
			}
			for route, n := range q.prepared {
				if n != 0 {
					t.Errorf("%d copies for %s are left", n, route)
				}
			}
		})
	}
}

// inOrder joins events; those of one step come in any order and are sorted.
func inOrder(events []string) string {
	verb := func(i int) string { v, _, _ := strings.Cut(events[i], " "); return v }
	for i := range events {
		for j := i; j > 0 && verb(j) == verb(j-1) && events[j] < events[j-1]; j-- {
			events[j], events[j-1] = events[j-1], events[j]
		}
	}
	return strings.Join(events, ", ")
}

// TestSeparateReplies: with LMTP nobody is promised what others get.
func TestSeparateReplies(t *testing.T) {
	lmtp := client{listener: "lmtp"}
	e, q := newSubmission(t)
	e.one.reply, q.prepErr, q.failOn = full, errDisk, "queued.test"
	got := e.submit(lmtp, "a@b.test", own, "v@example.org", "a@queued.test", "w@two.test")
	if len(got) != 7 || got[4].Code != 452 || got[5].Code != 451 || got[6].Code != 250 {
		t.Errorf("%v", got)
	}
	if q.sent() != "" || len(e.two.texts) != 1 {
		t.Errorf("%s", q.sent())
	}
}

// TestNoQueueNoWay: a route that is queued in a gateway without a queue.
func TestNoQueueNoWay(t *testing.T) {
	e, _ := newSubmission(t)
	e.also(func(o *Options) { o.Queue = nil })
	if got := last(e.submit(stranger, "a@b.test", own, "a@queued.test")); !strings.HasPrefix(got, "451 4.3.0") {
		t.Error(got)
	}
	if got := last(e.submit(user, "u@example.org", own, "x@else.test")); !strings.HasPrefix(got, "550 5.7.1 Relaying denied") {
		t.Error(got)
	}
	e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		if stage == gateway.StageMessage {
			return []gateway.Disposition{{Route: "queued.test"}}
		}
		return []gateway.Disposition{{}}
	}
	if got := last(e.submit(stranger, "a@b.test", own, "v@example.org")); !strings.HasPrefix(got, "451 4.3.0") {
		t.Error(got)
	}
}

// TestPolicyRoutesToTheQueue.
func TestPolicyRoutesToTheQueue(t *testing.T) {
	for _, at := range []gateway.Stage{gateway.StageRcpt, gateway.StageMessage} {
		e, q := newSubmission(t)
		e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
			if stage == at {
				return []gateway.Disposition{{Route: "queued.test"}}
			}
			return []gateway.Disposition{{}}
		}
		if got := last(e.submit(stranger, "a@b.test", own, "v@example.org")); got[:3] != "250" || q.sent() != "queued.test: v@example.org" {
			t.Errorf("%v: %s, %s", at, got, q.sent())
		}
	}
}
