package pipeline

import (
	"context"
	"io"
	"iter"
	"sync"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// msg is the message that body filters share.
type msg struct {
	ctx    context.Context
	header *message.Header
	body   *body.Body
	p      *Pipeline

	mu     sync.Mutex
	walk   *walk // nil until somebody wants it
	closed bool
}

func newMsg(ctx context.Context, h *message.Header, b *body.Body, p *Pipeline) *msg {
	return &msg{ctx: ctx, header: h, body: b, p: p}
}

// Header implements gateway.Message.
func (m *msg) Header() *message.Header { return m.header }

// Body implements gateway.Message.
func (m *msg) Body() io.ReadCloser { return m.body.Open() }

// Parts implements gateway.Message.
func (m *msg) Parts(ctx context.Context) iter.Seq2[*gateway.Part, error] {
	w := m.startWalk()
	return func(yield func(*gateway.Part, error) bool) {
		defer w.store.Hold()() // contents stay while they are looked at
		for i := 0; ; i++ {
			p, err := w.part(ctx, i)
			if err == io.EOF {
				return
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// startWalk begins the MIME walk, once.
func (m *msg) startWalk() *walk {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.walk == nil {
		m.walk = newWalk(m.header, m.p.parts)
		if m.closed { // whoever asks is overdue
			m.walk.store.Release()
		}
		w, r := m.walk, m.body.Open()
		m.p.crew.Go(func() { w.run(r, m.body) })
	}
	return m.walk
}

// close gives up the walk and frees what it found.
func (m *msg) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.walk != nil {
		m.walk.store.Release()
	}
}
