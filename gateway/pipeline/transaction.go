package pipeline

import (
	"context"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Ruling is what was decided about one recipient, and at which stage.
type Ruling struct {
	gateway.Disposition
	Stage gateway.Stage
}

// Refused tells whether the recipient gets no copy and the client is told so.
func (r Ruling) Refused() bool {
	return r.Action == gateway.Reject || r.Action == gateway.Defer
}

// final tells that no later stage can overrule it: there is no copy to judge.
func (r Ruling) final() bool {
	return r.Refused() || r.Action == gateway.Discard
}

// overruledBy tells whether a decision of a later stage changes an earlier one: a
// copy that is to be kept apart is still judged, and can be refused, but not let
// through.
func (r Ruling) overruledBy(a gateway.Action) bool {
	if r.Action == gateway.Quarantine {
		return a != gateway.Continue && a != gateway.Accept && a != gateway.Quarantine
	}
	return a != gateway.Continue
}

// merge adds what a later stage decided.
func (r *Ruling) merge(stage gateway.Stage, d gateway.Disposition) {
	if r.final() {
		return
	}
	r.Edits = append(slices.Clip(r.Edits), d.Edits...)
	r.Rules = append(slices.Clip(r.Rules), d.Rules...)
	r.Queue.Merge(d.Queue)
	if d.Route != "" {
		r.Route = d.Route
	}
	if r.overruledBy(d.Action) {
		r.Action, r.Reply, r.Stage = d.Action, d.Reply, stage
	}
	if r.Refused() && r.Reply.IsZero() {
		r.Reply = defaultReply(r.Action)
	}
}

func defaultReply(a gateway.Action) smtp.Reply {
	if a == gateway.Defer {
		return smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "Not accepted now by local policy; try again later")
	}
	return smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "Refused by local policy")
}

// deferred is the ruling when something could not be asked that must be.
func deferred(stage gateway.Stage, why smtp.Reply) Ruling {
	rule := "on_error: defer"
	if why == noRoom {
		rule = "limits"
	}
	return Ruling{Stage: stage, Disposition: gateway.Disposition{Action: gateway.Defer, Reply: why, Rules: []string{rule}}}
}

// Transaction is what the filters find about one mail transaction. It belongs
// to the connection's goroutine.
type Transaction struct {
	s       *Session
	tx      gateway.Transaction // what is known so far; filters get copies
	mail    []*call
	settled bool
	early   Ruling        // of connect, helo and mail
	asked   gateway.Facts // what was found about the recipient asked about last
	rulings []Ruling
	results [][]message.AuthResult // by step
}

// Mail begins a transaction and asks the filters about its sender; it does
// not wait.
func (s *Session) Mail(tx gateway.Transaction) *Transaction {
	if s.p.deep {
		growStack(false)
	}
	t := &Transaction{s: s, tx: tx, results: make([][]message.AuthResult, len(s.p.steps))}
	t.tx.Facts.Grow(s.p.fields)
	t.mail = s.p.ask(s.ctx, gateway.StageMail, &t.tx)
	return t
}

// snapshot returns what filters may keep.
func (t *Transaction) snapshot() *gateway.Transaction {
	tx := t.tx
	return &tx
}

// Close gives up whatever still runs.
func (t *Transaction) Close() { drop(t.mail) }

// add keeps what a filter found about the session or the whole message.
func (t *Transaction) add(s *step, v gateway.Verdict) {
	t.tx.Facts.Add(v.Facts...)
	t.results[s.index] = append(t.results[s.index], v.Results...)
}

// settle waits for what was asked up to MAIL and lets the policy decide on it.
func (t *Transaction) settle(ctx context.Context) Ruling {
	if !t.settled {
		t.settled = true
		t.early = t.judge(ctx, gateway.StageMail)
	}
	return t.early
}

// judge is settle up to a stage.
func (t *Transaction) judge(ctx context.Context, last gateway.Stage) (r Ruling) {
	stages := []struct {
		at    gateway.Stage
		calls []*call
	}{{gateway.StageConnect, t.s.connect}, {gateway.StageHelo, t.s.helo}, {gateway.StageMail, t.mail}}[:last]
	var hold smtp.Reply
	for _, s := range stages {
		hold = worse(hold, t.s.p.gather(s.calls, t.tx.ID, t.add))
	}
	for _, s := range stages {
		r.merge(s.at, t.decide(ctx, s.at)[0])
		if r.Refused() {
			return r
		}
	}
	if !hold.IsZero() {
		return deferred(last, hold)
	}
	return r
}

// Early waits for what was asked up to MAIL and returns what is decided about
// any recipient.
func (t *Transaction) Early(ctx context.Context) Ruling { return t.settle(ctx) }

// Rcpt asks filters and policy about one more recipient. Where exempt is
// true, refusals of earlier stages do not count for it. The recipient counts
// once Accept was called.
func (t *Transaction) Rcpt(ctx context.Context, r gateway.Recipient, exempt bool) Ruling {
	t.asked = gateway.Facts{}
	early := t.settle(ctx)
	if early.Refused() {
		if !exempt {
			return early
		}
		early.Disposition = gateway.Disposition{Edits: early.Edits, Rules: early.Rules}
	}
	n := len(t.tx.Rcpts)
	t.tx.Rcpts = append(t.tx.Rcpts, r)
	calls := t.s.p.ask(ctx, gateway.StageRcpt, &t.tx)
	hold := t.s.p.gather(calls, t.tx.ID, func(_ *step, v gateway.Verdict) {
		r.Facts = r.Facts.With(v.Facts...)
	})
	if len(calls) > 0 { // what filters hold does not change
		t.tx.Rcpts = append(slices.Clip(t.tx.Rcpts[:n]), r)
	}
	t.asked = r.Facts
	ruling := early
	ruling.merge(gateway.StageRcpt, t.decide(ctx, gateway.StageRcpt)[0])
	if !hold.IsZero() && !ruling.Refused() {
		ruling = deferred(gateway.StageRcpt, hold)
	}
	t.tx.Rcpts = t.tx.Rcpts[:n]
	if len(calls) > 0 {
		t.tx.Rcpts = slices.Clip(t.tx.Rcpts)
	}
	return ruling
}

// Accept counts the recipient that Rcpt ruled on last; what was found about it
// stays with it.
func (t *Transaction) Accept(r gateway.Recipient, ruling Ruling) {
	r.Facts = t.asked
	t.tx.Rcpts = append(t.tx.Rcpts, r)
	t.rulings = append(t.rulings, ruling)
}

// Asked returns what was found about the recipient that Rcpt ruled on last.
func (t *Transaction) Asked() gateway.Facts { return t.asked }

// Rcpts returns the accepted recipients.
func (t *Transaction) Rcpts() []gateway.Recipient { return t.tx.Rcpts }

// Facts returns what was found so far.
func (t *Transaction) Facts() gateway.Facts { return t.tx.Facts }

// decide asks the policy; it returns at least one disposition. A policy that
// fails defers: only it knows what the admin wants. It answers at once and
// keeps nothing, so that it needs no snapshot.
func (t *Transaction) decide(ctx context.Context, stage gateway.Stage) []gateway.Disposition {
	p := t.s.p
	if p.policy == nil || !p.policy.stages[stage] || (stage == gateway.StageSubmission) != (mailOf(t.tx.Session) == Submission) {
		return nothing
	}
	start := time.Now()
	v, err := guard(ctx, func(ctx context.Context) (gateway.Verdict, error) {
		return p.policy.Check(ctx, stage, &t.tx)
	})
	p.policy.elapsed.Observe(time.Since(start).Seconds())
	if err != nil {
		failures.WithLabelValues(p.policy.Name(), "error").Inc()
		p.log.Error("policy failed", "id", t.tx.ID, "stage", stage.String(), "error", err.Error())
		return []gateway.Disposition{deferred(stage, unavailable).Disposition}
	}
	t.tx.Facts.Add(v.Facts...)
	if len(v.Dispositions) == 0 {
		return nothing
	}
	return v.Dispositions
}

// nothing is what is decided where no rule has anything to say.
var nothing = []gateway.Disposition{{}}
