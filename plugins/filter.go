package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/wire"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	_ gateway.Filter     = (*filter)(nil)
	_ gateway.Staged     = (*filter)(nil)
	_ gateway.Ordered    = (*filter)(nil)
	_ gateway.BodyFilter = (*bodyFilter)(nil)
)

// filter is a plugin that is asked before there is a message.
type filter struct{ p *Plugin }

// Name implements gateway.Filter.
func (f *filter) Name() string { return f.p.opt.Name }

// Fields implements gateway.Filter.
func (f *filter) Fields() []gateway.Field { return slices.Clone(f.p.desc.fields) }

// Stages implements gateway.Staged.
func (f *filter) Stages() []gateway.Stage { return slices.Clone(f.p.desc.stages) }

// After implements gateway.Ordered.
func (f *filter) After() []string { return slices.Clone(f.p.desc.after) }

// Close ends the plugin.
func (f *filter) Close() { _ = f.p.Close() }

// Check implements gateway.Filter.
func (f *filter) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	if int(stage) >= len(f.p.desc.wanted) || !f.p.desc.wanted[stage] {
		return gateway.Verdict{}, nil
	}
	inst, err := f.p.running()
	if err != nil {
		return gateway.Verdict{}, f.p.wrap(err)
	}
	wtx, err := wire.NewTransaction(tx)
	if err != nil {
		return gateway.Verdict{}, f.p.wrap(err)
	}
	ctx, cancel := context.WithTimeout(ctx, wire.MaxAnswer)
	defer cancel()
	leave, err := enter(ctx, f.p.calls)
	if err != nil {
		return gateway.Verdict{}, f.p.wrap(err)
	}
	defer leave()
	asked := time.Now()
	w, err := inst.rpc.Check(ctx, &wire.CheckRequest{Stage: uint32(stage), Transaction: wtx})
	var v gateway.Verdict
	if err == nil {
		v, err = inst.desc.verdict(w, stage, len(tx.Rcpts))
	}
	return v, f.p.judge(ctx, inst, asked, err)
}

// enter waits for a place among the calls under way.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("too many calls are under way: %w", context.Cause(ctx))
	}
}

// judge says what err, of a question that was asked at that time, tells about
// the plugin, and returns it for the caller.
func (p *Plugin) judge(ctx context.Context, inst *instance, asked time.Time, err error) error {
	if err == nil {
		inst.forgive()
		return nil
	}
	var lied *lieError
	switch {
	case errors.As(err, &lied):
		inst.strike(lied.Error())
	case ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded:
		if time.Since(asked) >= patience {
			inst.strike("its answers are overdue")
		}
	case faulty(err):
		inst.strike(callError(ctx, err).Error())
	default: // it answered, if with an error
		inst.forgive()
	}
	return p.wrap(callError(ctx, err))
}

// faulty tells whether gRPC could not make anything of the answer.
func faulty(err error) bool {
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.Internal, codes.Unimplemented:
		return true
	}
	return false
}

// callError is err of a call without gRPC's words; where ctx has ended, that is
// why.
func callError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch s.Code() {
	case codes.DeadlineExceeded: // the plugin's clock was a little quicker than ours
		return context.DeadlineExceeded
	case codes.Unavailable, codes.Canceled:
		return fmt.Errorf("%w: it has just ended", ErrDown)
	case codes.Unknown: // the plugin's own
		return errors.New(clean(s.Message()))
	}
	return fmt.Errorf("%s: %s", s.Code(), clean(s.Message()))
}

func (p *Plugin) wrap(err error) error { return fmt.Errorf("plugins: %s: %w", p.opt.Name, err) }
