package bounce

import (
	"context"
	"slices"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// Transport wraps the way out: mail leaves with signed return addresses, and
// refusals for good are told to the suppression list like bounces that come by
// mail. Notifications of our own queue go to the sender itself, who is signed
// only here.
func (b *Bounces) Transport(next queue.Transport) queue.Transport { return &transport{b, next} }

type transport struct {
	b    *Bounces
	next queue.Transport
}

// NextHop implements queue.NextHop.
func (t *transport) NextHop(domain string, from smtp.Address, how gateway.Queueing) string {
	if n, ok := t.next.(queue.NextHop); ok {
		return n.NextHop(domain, from, how)
	}
	return domain
}

// Deliver implements queue.Transport.
func (t *transport) Deliver(ctx context.Context, j *queue.Job) []queue.Outcome {
	outs := t.deliver(ctx, j)
	if !t.b.deps.Ours(j.From.Domain) {
		return outs
	}
	for i := range outs {
		if i >= len(j.Rcpts) {
			break
		}
		switch to := j.Rcpts[i].To.Address; {
		case outs[i].Result == queue.Delivered:
			t.b.deps.Suppress.Sent(ctx, j.From.Domain, to.String())
		case outs[i].Result == queue.Failed && !outs[i].Local:
			t.b.refused(ctx, j, to, outs[i].Reply)
		}
	}
	return outs
}

func (t *transport) deliver(ctx context.Context, j *queue.Job) []queue.Outcome {
	if j.From.IsNull() || !t.b.signs(j.From.Domain) {
		return t.next.Deliver(ctx, j)
	}
	if !slices.Contains(t.b.opt.VERP, laneOf(j)) {
		return t.next.Deliver(ctx, t.b.signed(j, j.Rcpts, nil))
	}
	var outs []queue.Outcome
	for i := range j.Rcpts { // each has a return address of its own
		one := t.next.Deliver(ctx, t.b.signed(j, j.Rcpts[i:i+1:i+1], &j.Rcpts[i].To.Address))
		if len(one) != 1 {
			one = []queue.Outcome{{Result: queue.Deferred, Local: true, Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "The transport gave no outcome")}}
		}
		outs = append(outs, one...)
		if one[0].Destination { // the others would fare no better
			for range j.Rcpts[i+1:] {
				outs = append(outs, one[0])
			}
			break
		}
	}
	return outs
}

func laneOf(j *queue.Job) string {
	if j.Queue.Lane == "" {
		return queue.DefaultLane
	}
	return j.Queue.Lane
}

// signed returns the job for some of its recipients with a signed sender.
func (b *Bounces) signed(j *queue.Job, rcpts []gateway.Recipient, rcpt *smtp.Address) *queue.Job {
	k := *j
	k.Rcpts, k.Sender = rcpts, j.From.Address
	if rcpt != nil {
		if a, ok := b.deps.Signer.SignVERP(j.From.Address, *rcpt); ok {
			k.From.Address = a
			return &k
		}
	}
	if b.opt.Sign || rcpt != nil {
		k.From.Address, _ = b.deps.Signer.Sign(j.From.Address)
	}
	return &k
}

// refused notes a recipient whom the next hop refused for good.
func (b *Bounces) refused(ctx context.Context, j *queue.Job, to smtp.Address, r smtp.Reply) {
	reason, hard := report.Judge(r)
	b.deps.Metrics.count("smtp", string(reason))
	if !hard {
		return
	}
	b.note(ctx, suppress.Event{Sender: j.From.Domain, Address: to.String(), Source: "smtp", Detail: r.Error(), About: j.ID})
}
