package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// unavailable is what the client gets when a filter failed whose on_error is
// defer.
var unavailable = smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "A check of this message is not available now; try again later")

// noRoom is what the client gets when there is no memory or spool left for
// what has to be unpacked.
var noRoom = smtp.NewReply(452, smtp.EnhancedCode{4, 3, 1}, "Too much mail at the moment; try again later")

// Session is what the filters find about one connection. It belongs to the
// connection's goroutine.
type Session struct {
	p             *Pipeline
	ctx           *deadline.Context
	sess          *gateway.Session
	connect, helo []*call
	greeted       bool // Helo was called
}

// Connect asks the filters about a new connection; it does not wait.
func (p *Pipeline) Connect(ctx context.Context, sess *gateway.Session) *Session {
	p.crew.Enter()
	s := &Session{p: p, ctx: deadline.Cancellable(ctx), sess: sess}
	s.connect = p.ask(s.ctx, gateway.StageConnect, &gateway.Transaction{ID: sess.ID, Session: sess, Now: time.Now()})
	return s
}

// Helo asks the filters about a HELO, EHLO or LHLO; it does not wait.
func (s *Session) Helo(sess *gateway.Session) {
	drop(s.helo)
	s.sess, s.greeted = sess, true
	s.helo = s.p.ask(s.ctx, gateway.StageHelo, &gateway.Transaction{ID: sess.ID, Session: sess, Now: time.Now()})
}

// Authenticated tells who the client is; filters that have no say about the
// mail of our own users are not listened to.
func (s *Session) Authenticated(sess *gateway.Session) {
	s.sess = sess
	s.connect, s.helo = only(s.connect, mailOf(sess)), only(s.helo, mailOf(sess))
}

// only keeps the calls of filters for the kind of mail and drops the others.
func only(calls []*call, m Mail) []*call {
	return slices.DeleteFunc(calls, func(c *call) bool {
		if c.step.mail&m != 0 {
			return false
		}
		c.drop()
		return true
	})
}

// Early waits for what was asked up to now, before MAIL, and returns what is
// decided about the session.
func (s *Session) Early(ctx context.Context) Ruling {
	t := &Transaction{s: s, tx: gateway.Transaction{ID: s.sess.ID, Session: s.sess, Now: time.Now()}, results: make([][]message.AuthResult, len(s.p.steps))}
	if s.greeted {
		return t.judge(ctx, gateway.StageHelo)
	}
	return t.judge(ctx, gateway.StageConnect)
}

// Close gives up whatever still runs. It is called once.
func (s *Session) Close() {
	defer s.p.crew.Leave()
	drop(s.connect)
	drop(s.helo)
	s.ctx.Cancel()
}

func drop(calls []*call) {
	for _, c := range calls {
		c.drop()
	}
}

// ask starts a call of every filter that has something to say at stage; what
// they get is a snapshot of now.
func (p *Pipeline) ask(ctx context.Context, stage gateway.Stage, now *gateway.Transaction) []*call {
	var calls []*call
	var tx *gateway.Transaction
	for _, s := range p.steps {
		if !s.stages[stage] || s.mail&mailOf(now.Session) == 0 {
			continue
		}
		if tx == nil {
			tx = new(gateway.Transaction)
			*tx = *now
		}
		calls = append(calls, p.start(s, deadline.After(ctx, s.timeout), stage, func(ctx context.Context) (gateway.Verdict, error) {
			return s.Check(ctx, stage, tx)
		}))
	}
	return calls
}

// gather waits for the answers of calls made at one stage.
func (p *Pipeline) gather(calls []*call, id string, add func(s *step, v gateway.Verdict)) (hold smtp.Reply) {
	for _, c := range calls {
		v, err := c.wait(c.started.Add(c.step.timeout))
		if err != nil {
			var wait smtp.Reply
			v, wait = p.failed(c.step, c.stage, id, err)
			hold = worse(hold, wait)
		}
		add(c.step, v)
	}
	return hold
}

// failed logs and counts a filter's failure and tells it as a fact. The reply
// is what the client gets when it must come back, zero where the message goes
// on.
func (p *Pipeline) failed(s *step, stage gateway.Stage, id string, err error) (gateway.Verdict, smtp.Reply) {
	kind, hold := p.failure(s.Name(), stage, id, err)
	if s.onError {
		hold = worse(hold, unavailable)
	}
	return gateway.Verdict{Facts: []gateway.Fact{{Name: s.Name() + ".error", Value: kind}}}, hold
}

// failure logs and counts what could not be done and tells its kind. Without
// room the message must wait, whatever on_error says: nobody has looked at it
// for a reason that will pass.
func (p *Pipeline) failure(name string, stage gateway.Stage, id string, err error) (kind string, hold smtp.Reply) {
	kind = "error"
	var spool *body.SpoolError
	switch {
	case errors.Is(err, body.ErrBudget), errors.As(err, &spool):
		kind, hold = "no-room", noRoom
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		kind = "timeout"
	case errors.Is(err, errPassedOver):
		kind = "passed-over"
	case errors.Is(err, errPanic), errors.Is(err, parts.ErrPanic):
		kind = "panic"
	}
	failures.WithLabelValues(name, kind).Inc()
	p.log.Warn("filter failed", "id", id, "filter", name, "stage", stage.String(), "kind", kind, "error", err.Error())
	return kind, hold
}

// worse returns the reply that tells more: noRoom before unavailable.
func worse(a, b smtp.Reply) smtp.Reply {
	if a.IsZero() || b == noRoom {
		return b
	}
	return a
}
