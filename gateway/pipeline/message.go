package pipeline

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
)

// msg is the message that body filters share.
type msg struct {
	ctx    context.Context
	header *message.Header
	body   *body.Body
	p      *Pipeline

	mu     sync.Mutex
	walk   *parts.Walk // nil until somebody wants it
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
	return m.startWalk().All(ctx)
}

// startWalk begins the MIME walk, once.
func (m *msg) startWalk() *parts.Walk {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.walk == nil {
		m.walk = parts.New(m.header, m.p.parts)
		if m.closed { // whoever asks is overdue
			m.walk.Release()
		}
		w, r := m.walk, m.body.Open()
		m.p.crew.Go(func() {
			growStack(false)
			w.Run(r, m.body)
		})
	}
	return m.walk
}

// close gives up the walk and frees what it found.
func (m *msg) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.walk != nil {
		m.walk.Release()
	}
}

// WalkFacts are the facts that need the MIME walk.
func WalkFacts() []string {
	return []string{"message.ambiguous", "message.defects", "message.limited", "message.error"}
}

// form waits for the end of the walk and tells what it found about the
// message's form. The error says why it did not see all of it.
func (m *msg) form(deadline time.Time) ([]gateway.Fact, error) {
	w := m.startWalk()
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-w.Done():
	case <-t.C:
		return nil, fmt.Errorf("mime walk: %w", errTimeout)
	}
	f, err := w.Form()
	if err != nil {
		return nil, err
	}
	return []gateway.Fact{
		{Name: "message.ambiguous", Value: f.Ambiguous},
		{Name: "message.defects", Value: f.Defects},
		{Name: "message.limited", Value: f.Limited},
	}, nil
}
