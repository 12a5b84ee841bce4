package plugins

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/wire"
	"google.golang.org/grpc"
)

// chunks are buffers for what is read of bodies. gRPC is done with them when
// Send returns.
var chunks = sync.Pool{New: func() any { b := make([]byte, wire.ChunkSize); return &b }}

var errTooSlow = fmt.Errorf("no answer within %s", wire.MaxAnswer)

// bodyFilter is a plugin that reads messages.
type bodyFilter struct{ filter }

type judgeStream = grpc.BidiStreamingClient[wire.JudgeRequest, wire.JudgeResponse]

// reading is a message that a plugin has read. Its stream lives until Conclude
// returned or the transaction ended.
type reading struct {
	p      *Plugin
	inst   *instance
	st     judgeStream
	ctx    context.Context // of the stream
	cancel context.CancelCauseFunc

	enough  atomic.Bool   // the plugin wants no more
	read    chan struct{} // closed when it said so, or failed
	nothing bool          // it has nothing to conclude; after read
	err     error         // after read
	sent    time.Time     // the last byte, or the question
}

// Read implements gateway.BodyFilter. It returns when the plugin has read
// enough and the body has bytes, an end or an error for whoever reads on.
func (f *bodyFilter) Read(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	r, err := f.open(ctx, tx, m)
	if err != nil {
		return nil, f.p.wrap(err)
	}
	err = r.send(m)
	if err == nil {
		err = r.await()
	}
	if err == nil && !r.nothing {
		return r, nil
	}
	err = f.p.judge(r.ctx, r.inst, r.sent, err)
	r.close()
	return nil, err
}

// open begins the stream and sends what there is of the message.
func (f *bodyFilter) open(ctx context.Context, tx *gateway.Transaction, m gateway.Message) (*reading, error) {
	inst, err := f.p.running()
	if err != nil {
		return nil, err
	}
	header := m.Header().Raw()
	if len(header) > wire.MaxHeader {
		return nil, fmt.Errorf("a header block of %d octets; plugins get at most %d", len(header), wire.MaxHeader)
	}
	wtx, err := wire.NewTransaction(tx)
	if err != nil {
		return nil, err
	}
	leave, err := enter(ctx, f.p.messages)
	if err != nil {
		return nil, err
	}
	r := &reading{p: f.p, inst: inst, read: make(chan struct{}), sent: time.Now()}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	context.AfterFunc(r.ctx, leave)
	if r.st, err = inst.rpc.Judge(r.ctx); err != nil {
		err = callError(r.ctx, err)
		r.cancel(err)
		return nil, err
	}
	go r.receive()
	begin := &wire.Begin{Transaction: wtx, Header: header}
	if err := r.write(&wire.JudgeRequest{Kind: &wire.JudgeRequest_Begin{Begin: begin}}); err != nil {
		r.close()
		return nil, callError(r.ctx, err)
	}
	return r, nil
}

// receive waits for the plugin's word that it has read enough.
func (r *reading) receive() {
	defer close(r.read)
	defer r.enough.Store(true)
	res, err := r.st.Recv()
	switch {
	case err != nil:
		r.err = err
	case res.GetEnough() == nil:
		r.err = lie("no enough before the verdict")
	default:
		r.nothing = res.GetEnough().GetNothing()
	}
}

// send sends the body while it arrives, until its end or until the plugin wants
// no more.
func (r *reading) send(m gateway.Message) error {
	body := m.Body()
	defer body.Close()
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	for !r.enough.Load() {
		n, err := body.Read(*buf)
		if n > 0 {
			chunk := &wire.JudgeRequest_Chunk{Chunk: (*buf)[:n]}
			if err := r.write(&wire.JudgeRequest{Kind: chunk}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return r.write(&wire.JudgeRequest{Kind: &wire.JudgeRequest_End{End: &wire.End{}}})
		}
		if err != nil {
			return r.gone(err)
		}
	}
	return nil
}

// gone ends the stream because the message will not be complete; that is not
// the plugin's fault.
func (r *reading) gone(err error) error {
	r.sent = time.Now()
	r.cancel(err)
	return err
}

// write sends one message. Where the stream has ended, the reason is what
// Recv has got.
func (r *reading) write(req *wire.JudgeRequest) error {
	r.sent = time.Now()
	err := r.st.Send(req)
	if err == io.EOF {
		<-r.read
		return r.err
	}
	return err
}

// await waits for enough after the last byte is sent.
func (r *reading) await() error {
	t := time.NewTimer(wire.MaxAnswer)
	defer t.Stop()
	select {
	case <-r.read:
		return r.err
	case <-r.ctx.Done():
	case <-t.C:
		r.cancel(errTooSlow)
	}
	return context.Cause(r.ctx)
}

// close ends the stream and waits for receive.
func (r *reading) close() {
	r.cancel(context.Canceled)
	<-r.read
}

// Conclude implements gateway.Reading.
func (r *reading) Conclude(ctx context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	defer r.close()
	defer context.AfterFunc(ctx, func() { r.cancel(context.Cause(ctx)) })()
	t := time.AfterFunc(wire.MaxAnswer, func() { r.cancel(errTooSlow) })
	defer t.Stop()
	v, err := r.conclude(tx)
	return v, r.p.judge(r.ctx, r.inst, r.sent, err)
}

func (r *reading) conclude(tx *gateway.Transaction) (gateway.Verdict, error) {
	wtx, err := wire.NewTransaction(tx)
	if err != nil {
		return gateway.Verdict{}, err
	}
	leave, err := enter(r.ctx, r.p.calls)
	if err != nil {
		return gateway.Verdict{}, err
	}
	defer leave()
	if err := r.write(&wire.JudgeRequest{Kind: &wire.JudgeRequest_Conclude{Conclude: wtx}}); err != nil {
		return gateway.Verdict{}, err
	}
	res, err := r.st.Recv()
	if err != nil {
		return gateway.Verdict{}, err
	}
	if res.GetVerdict() == nil {
		return gateway.Verdict{}, lie("no verdict")
	}
	return r.inst.desc.verdict(res.GetVerdict(), gateway.StageMessage, len(tx.Rcpts))
}
