package sdk

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
	"github.com/gapura-mail/gapura/plugins/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// bodyMemory is how much of one message's body stays in memory; the rest goes
// to a nameless file in the temporary folder.
const bodyMemory = 512 << 10

var (
	errEnough = errors.New("sdk: read after Read returned")
	errBegin  = status.Error(codes.InvalidArgument, "a message begins with begin")
)

type stream = grpc.BidiStreamingServer[wire.JudgeRequest, wire.JudgeResponse]

// Judge implements wire.FilterServer.
func (s *server) Judge(st stream) error {
	f, ok := s.filter.(gateway.BodyFilter)
	if !ok {
		return status.Error(codes.Unimplemented, "not a body filter")
	}
	req, err := st.Recv()
	if err != nil {
		return err
	}
	j, err := newJudging(req.GetBegin())
	if err != nil {
		return err
	}
	defer j.close()
	go j.receive(st)
	return j.judge(st, f)
}

// judging is one message on its way in.
type judging struct {
	tx       *gateway.Transaction
	header   *message.Header
	body     *body.Body
	enough   atomic.Bool               // nobody reads the body any more
	conclude chan *gateway.Transaction // closed when the stream has ended

	mu     sync.Mutex
	parts  *parts.Walk // nil until the filter wants it
	closed bool
}

func newJudging(b *wire.Begin) (*judging, error) {
	if b == nil {
		return nil, errBegin
	}
	h, err := message.ParseHeader(b.GetHeader(), message.HeaderLimits{
		Bytes: wire.MaxHeader, Field: wire.MaxHeader, Fields: wire.MaxHeader,
	})
	if err != nil {
		return nil, failed(err)
	}
	tx := b.GetTransaction().Go()
	tx.Header = h
	return &judging{
		tx: tx, header: h,
		body:     body.New(body.Options{Memory: bodyMemory}),
		conclude: make(chan *gateway.Transaction, 1),
	}, nil
}

// receive takes what the host sends until the stream ends, which is when judge
// has returned at the latest.
func (j *judging) receive(st stream) {
	defer close(j.conclude)
	concluding := false
	for {
		req, err := st.Recv()
		if err != nil {
			j.body.Abort(err)
			return
		}
		switch k := req.GetKind().(type) {
		case *wire.JudgeRequest_Chunk:
			j.write(k.Chunk)
		case *wire.JudgeRequest_End:
			j.body.Close()
		case *wire.JudgeRequest_Conclude:
			if !concluding {
				j.conclude <- k.Conclude.Go()
				concluding = true
			}
		}
	}
}

func (j *judging) write(p []byte) {
	if j.enough.Load() {
		return
	}
	if _, err := j.body.Write(p); err != nil {
		j.body.Abort(err)
	}
}

// judge asks the filter to read, then to conclude.
func (j *judging) judge(st stream, f gateway.BodyFilter) error {
	ctx := st.Context()
	var r gateway.Reading
	err := guard(func() (err error) {
		r, err = f.Read(ctx, j.tx, incoming{j})
		return err
	})
	if err != nil {
		return failed(err)
	}
	j.enough.Store(true)
	j.body.Abort(errEnough) // no effect on a body that is complete
	if err := st.Send(&wire.JudgeResponse{Kind: &wire.JudgeResponse_Enough{
		Enough: &wire.Enough{Nothing: r == nil},
	}}); err != nil || r == nil {
		return err
	}
	tx, ok := <-j.conclude
	if !ok {
		return context.Cause(ctx)
	}
	tx.Header = j.header
	v, err := answer(func() (gateway.Verdict, error) { return r.Conclude(ctx, tx) })
	if err != nil {
		return err
	}
	return st.Send(&wire.JudgeResponse{Kind: &wire.JudgeResponse_Verdict{Verdict: v}})
}
