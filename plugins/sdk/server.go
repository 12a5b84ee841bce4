package sdk

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/wire"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// server answers the host's questions by asking the filter.
type server struct {
	wire.UnimplementedFilterServer
	filter gateway.Filter
}

// Describe implements wire.FilterServer.
func (s *server) Describe(context.Context, *wire.DescribeRequest) (*wire.Description, error) {
	fields := s.filter.Fields()
	list, err := wire.NewFields(fields)
	if err != nil {
		return nil, failed(err)
	}
	_, body := s.filter.(gateway.BodyFilter)
	d := &wire.Description{Name: s.filter.Name(), Version: version(), Fields: list, Body: body}
	for _, st := range stages(s.filter, fields) {
		d.Stages = append(d.Stages, uint32(st))
	}
	if o, ok := s.filter.(gateway.Ordered); ok {
		d.After = o.After()
	}
	return d, nil
}

// stages are those at which the filter's Check may say something.
func stages(f gateway.Filter, fields []gateway.Field) []gateway.Stage {
	if s, ok := f.(gateway.Staged); ok {
		return s.Stages()
	}
	first := gateway.StageMessage
	for _, f := range fields {
		first = min(first, f.Stage)
	}
	var list []gateway.Stage
	for st := max(first, gateway.StageConnect); st <= gateway.StageRcpt; st++ {
		list = append(list, st)
	}
	return list
}

// Check implements wire.FilterServer.
func (s *server) Check(ctx context.Context, req *wire.CheckRequest) (*wire.Verdict, error) {
	return answer(func() (gateway.Verdict, error) {
		return s.filter.Check(ctx, gateway.Stage(req.GetStage()), req.GetTransaction().Go())
	})
}

// answer calls f and returns what it found; a panic costs this call only.
func answer(f func() (gateway.Verdict, error)) (*wire.Verdict, error) {
	var v gateway.Verdict
	err := guard(func() (err error) {
		v, err = f()
		return err
	})
	if err != nil {
		return nil, failed(err)
	}
	w, err := wire.NewVerdict(v)
	if err != nil {
		return nil, failed(err)
	}
	return w, nil
}

func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// failed is err for the host, which gets its first octets.
func failed(err error) error {
	text := err.Error()
	return status.Error(codes.Unknown, text[:min(len(text), wire.MaxError)])
}
