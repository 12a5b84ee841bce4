package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/deadline"
)

// The ways in which a filter fails, as its `error` fact tells them.
var (
	errTimeout    = errors.New("timeout")
	errPassedOver = errors.New("passed over: too many calls are overdue")
	errPanic      = errors.New("panic")
)

// call is one question to a filter that runs in the background.
type call struct {
	step    *step
	stage   gateway.Stage
	done    chan struct{} // closed when verdict and err are there
	verdict gateway.Verdict
	err     error
	state   atomic.Int32 // running, finished or givenUp
	ctx     *deadline.Context
	started time.Time
}

const (
	running int32 = iota
	finished
	givenUp
)

// start runs f in the background with ctx, which it ends. A filter with too
// many overdue calls is passed over.
func (p *Pipeline) start(s *step, ctx *deadline.Context, stage gateway.Stage, f func(ctx context.Context) (gateway.Verdict, error)) *call {
	c := &call{step: s, stage: stage, done: make(chan struct{}), ctx: ctx, started: time.Now()}
	if s.overdue.Load() >= maxOverdue {
		c.err = errPassedOver
		c.state.Store(finished)
		close(c.done)
		return c
	}
	p.crew.Go(func() {
		defer ctx.Cancel()
		growStack(false)
		c.verdict, c.err = guard(ctx, f)
		s.elapsed.Observe(time.Since(c.started).Seconds())
		if !c.state.CompareAndSwap(running, finished) {
			s.overdue.Add(-1)
		}
		close(c.done)
	})
	return c
}

// growStack makes the stack of a goroutine as large as filters use it, in one
// step while there is little on it: growing it step by step, each time with
// all that is there, took more than a tenth of the time of a small message.
// The room is only touched where use is true, which it never is.
//
//go:noinline
func growStack(use bool) {
	if use {
		var room [12 << 10]byte
		stackRoom(&room)
	}
}

//go:noinline
func stackRoom(*[12 << 10]byte) {}

// guard turns a panic of f into an error.
func guard(ctx context.Context, f func(ctx context.Context) (gateway.Verdict, error)) (v gateway.Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = gateway.Verdict{}, fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return f(ctx)
}

// wait returns the answer, or errTimeout when it has not come by the deadline.
// A call given up is cancelled; it counts as overdue until it returns.
func (c *call) wait(deadline time.Time) (gateway.Verdict, error) {
	if c.state.Load() == givenUp { // by an earlier transaction of the session
		return gateway.Verdict{}, errTimeout
	}
	select {
	case <-c.done:
		return c.verdict, c.err
	default:
	}
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-c.done:
		return c.verdict, c.err
	case <-t.C:
	}
	if c.giveUp() {
		return gateway.Verdict{}, errTimeout
	}
	<-c.done // it finished at the last moment
	return c.verdict, c.err
}

// drop cancels a call whose answer nobody waits for any more. It counts as
// overdue when it has not returned after the filter's timeout.
func (c *call) drop() {
	c.ctx.Cancel()
	if c.state.Load() == running {
		time.AfterFunc(c.step.timeout, func() { c.giveUp() })
	}
}

// giveUp cancels a call that still runs and tells whether it did.
func (c *call) giveUp() bool {
	c.step.overdue.Add(1)
	if !c.state.CompareAndSwap(running, givenUp) {
		c.step.overdue.Add(-1)
		return false
	}
	c.ctx.Cancel()
	return true
}
