package pipeline

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Judging is the body filters at work on one message while it arrives.
type Judging struct {
	t     *Transaction
	ctx   *deadline.Context
	msg   *msg
	calls []*bodyCall
}

// bodyCall is a body filter's Read, and its Conclude once it is let.
type bodyCall struct {
	*call
	conclude chan *gateway.Transaction // one snapshot; closed in the end
	read     atomic.Int64              // when Read returned, counted from the call; 0: it has not
}

// answer lets the filter conclude and waits for its verdict. What it needs
// after the end of the body is its own time, what it waited for the filters
// before it is not: else the slow one would silence all behind it.
func (c *bodyCall) answer(end time.Time, tx *gateway.Transaction) (gateway.Verdict, error) {
	deadline := end.Add(c.step.timeout)
	if d := time.Duration(c.read.Load()); d > 0 {
		ready := c.started.Add(d)
		if ready.Before(end) {
			ready = end
		}
		deadline = deadline.Add(time.Since(ready))
	}
	c.conclude <- tx
	return c.wait(deadline)
}

// Result is what filters and policy made of a message.
type Result struct {
	Facts   gateway.Facts
	Results []message.AuthResult // in configured order of filters
	Rulings []Ruling             // one for each accepted recipient
}

// Judge begins to judge a message whose header block is complete and whose
// body b, the bytes after the empty line, arrives.
func (t *Transaction) Judge(ctx context.Context, h *message.Header, b *body.Body) *Judging {
	t.tx.Header = h
	t.tx.Facts.Add(gateway.Fact{Name: "message.hops", Value: int64(h.Count("Received"))})
	j := &Judging{t: t, ctx: deadline.Cancellable(ctx)}
	j.msg = newMsg(j.ctx, h, b, t.s.p)
	if t.s.p.walk {
		j.msg.startWalk()
	}
	var tx *gateway.Transaction // what all get
	for _, s := range t.s.p.steps {
		if s.body != nil && s.mail&mailOf(t.tx.Session) != 0 {
			if tx == nil {
				tx = t.snapshot()
			}
			j.calls = append(j.calls, j.start(s, tx))
		}
	}
	j.decide(ctx, gateway.StageHeader)
	return j
}

// start runs a body filter's two calls in one goroutine.
func (j *Judging) start(s *step, tx *gateway.Transaction) *bodyCall {
	c := &bodyCall{conclude: make(chan *gateway.Transaction, 1)}
	c.call = j.t.s.p.start(s, deadline.Cancellable(j.ctx), gateway.StageMessage, func(ctx context.Context) (gateway.Verdict, error) {
		began := time.Now()
		r, err := s.body.Read(ctx, tx, j.msg)
		c.read.Store(int64(max(time.Since(began), 1)))
		if err != nil || r == nil {
			return gateway.Verdict{}, err
		}
		last := <-c.conclude
		if err := ctx.Err(); err != nil || last == nil {
			return gateway.Verdict{}, cmp.Or(err, context.Canceled)
		}
		return r.Conclude(ctx, last)
	})
	return c
}

// decide lets the policy rule on every recipient that is not ruled out yet.
func (j *Judging) decide(ctx context.Context, stage gateway.Stage) {
	t := j.t
	ds := t.decide(ctx, stage)
	for i := range t.rulings {
		d := ds[0]
		if len(ds) == len(t.rulings) {
			d = ds[i]
		}
		t.rulings[i].merge(stage, d)
	}
}

// Refused tells whether every recipient is refused already, so that the rest
// of the message need not be judged.
func (j *Judging) Refused() bool {
	for _, r := range j.t.rulings {
		if !r.Refused() {
			return false
		}
	}
	return true
}

// Conclude is called when the body is complete; size is that of the whole
// message. It waits for what the filters still need: each its timeout at most,
// most of them at the same time.
func (j *Judging) Conclude(ctx context.Context, size int64) Result {
	t := j.t
	if j.Refused() { // the body was not kept
		return Result{Facts: t.tx.Facts, Results: t.allResults(), Rulings: t.rulings}
	}
	end := time.Now()
	t.tx.Size = size
	var hold smtp.Reply // why the message must wait
	if t.s.p.walk {
		hold = j.form(end)
	}
	for _, c := range j.calls {
		v, err := c.answer(end, t.snapshot())
		if err != nil {
			var wait smtp.Reply
			v, wait = t.s.p.failed(c.step, gateway.StageMessage, t.tx.ID, err)
			hold = worse(hold, wait)
		}
		t.add(c.step, v)
		for i := range min(len(v.Rcpts), len(t.tx.Rcpts)) {
			t.addRcpt(i, v.Rcpts[i])
		}
	}
	if mailOf(t.tx.Session) == Submission {
		j.decide(ctx, gateway.StageSubmission)
	} else {
		j.decide(ctx, gateway.StageMessage)
	}
	if !hold.IsZero() {
		j.deferAll(hold)
	}
	return Result{Facts: t.tx.Facts, Results: t.allResults(), Rulings: t.rulings}
}

// form adds what the MIME walk tells of the message's form. The policy reads
// message.error where it did not end; without room the message must wait.
func (j *Judging) form(end time.Time) (hold smtp.Reply) {
	t := j.t
	facts, err := j.msg.form(end.Add(DefaultTimeout))
	if err != nil {
		kind, wait := t.s.p.failure("message", gateway.StageMessage, t.tx.ID, err)
		facts, hold = []gateway.Fact{{Name: "message.error", Value: kind}}, wait
	}
	t.tx.Facts.Add(facts...)
	return hold
}

// addRcpt keeps facts about one recipient; what filters hold does not change.
func (t *Transaction) addRcpt(i int, facts []gateway.Fact) {
	if len(facts) == 0 {
		return
	}
	rcpts := append([]gateway.Recipient(nil), t.tx.Rcpts...)
	rcpts[i].Facts = rcpts[i].Facts.With(facts...)
	t.tx.Rcpts = rcpts
}

// deferAll tells the client to come back, for every recipient whose copy is
// not refused anyway.
func (j *Judging) deferAll(why smtp.Reply) {
	for i := range j.t.rulings {
		if r := &j.t.rulings[i]; !r.Refused() {
			*r = deferred(gateway.StageMessage, why)
		}
	}
}

func (t *Transaction) allResults() []message.AuthResult {
	var all []message.AuthResult
	for _, r := range t.results {
		all = append(all, r...)
	}
	return all
}

// Close gives up what still runs and frees what the filters shared.
func (j *Judging) Close() {
	j.ctx.Cancel()
	for _, c := range j.calls {
		close(c.conclude)
		c.drop()
	}
	j.calls = nil
	j.msg.close()
}
