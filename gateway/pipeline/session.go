package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// unavailable is what the client gets when a filter failed whose on_error is
// defer.
var unavailable = smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "A check of this message is not available now; try again later")

// Session is what the filters find about one connection. It belongs to the
// connection's goroutine.
type Session struct {
	p             *Pipeline
	ctx           context.Context
	cancel        context.CancelFunc
	sess          *gateway.Session
	connect, helo []*call
}

// Connect asks the filters about a new connection; it does not wait.
func (p *Pipeline) Connect(ctx context.Context, sess *gateway.Session) *Session {
	ctx, cancel := context.WithCancel(ctx)
	s := &Session{p: p, ctx: ctx, cancel: cancel, sess: sess}
	s.connect = p.ask(ctx, gateway.StageConnect, &gateway.Transaction{ID: sess.ID, Session: sess, Now: time.Now()})
	return s
}

// Helo asks the filters about a HELO, EHLO or LHLO; it does not wait.
func (s *Session) Helo(sess *gateway.Session) {
	drop(s.helo)
	s.sess = sess
	s.helo = s.p.ask(s.ctx, gateway.StageHelo, &gateway.Transaction{ID: sess.ID, Session: sess, Now: time.Now()})
}

// Close gives up whatever still runs.
func (s *Session) Close() {
	drop(s.connect)
	drop(s.helo)
	s.cancel()
}

func drop(calls []*call) {
	for _, c := range calls {
		c.drop()
	}
}

// ask starts a call of every filter that has something to say at stage.
func (p *Pipeline) ask(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) []*call {
	var calls []*call
	for _, s := range p.steps {
		if !s.stages[stage] {
			continue
		}
		calls = append(calls, s.start(ctx, stage, func(ctx context.Context) (gateway.Verdict, error) {
			ctx, cancel := context.WithTimeout(ctx, s.timeout)
			defer cancel()
			return s.Check(ctx, stage, tx)
		}))
	}
	return calls
}

// gather waits for the answers of calls made at one stage.
func (p *Pipeline) gather(calls []*call, id string, add func(s *step, v gateway.Verdict)) (mustDefer bool) {
	for _, c := range calls {
		v, err := c.wait(c.started.Add(c.step.timeout))
		if err != nil {
			v = p.failed(c.step, c.stage, id, err)
			mustDefer = mustDefer || bool(c.step.onError)
		}
		add(c.step, v)
	}
	return mustDefer
}

// failed logs and counts a filter's failure and tells it as a fact.
func (p *Pipeline) failed(s *step, stage gateway.Stage, id string, err error) gateway.Verdict {
	kind := "error"
	switch {
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		kind = "timeout"
	case errors.Is(err, errPassedOver):
		kind = "passed-over"
	case errors.Is(err, errPanic):
		kind = "panic"
	}
	failures.WithLabelValues(s.Name(), kind).Inc()
	p.log.Warn("filter failed", "id", id, "filter", s.Name(), "stage", stage.String(), "kind", kind, "error", err.Error())
	return gateway.Verdict{Facts: []gateway.Fact{{Name: s.Name() + ".error", Value: kind}}}
}
