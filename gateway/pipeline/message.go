package pipeline

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// msg is the message that body filters share.
type msg struct {
	ctx    context.Context
	header *message.Header
	body   *body.Body
	parts  body.Options
}

func newMsg(ctx context.Context, h *message.Header, b *body.Body, parts body.Options) *msg {
	return &msg{ctx: ctx, header: h, body: b, parts: parts}
}

// Header implements gateway.Message.
func (m *msg) Header() *message.Header { return m.header }

// Body implements gateway.Message.
func (m *msg) Body() io.ReadCloser { return m.body.Open() }

// Parts implements gateway.Message.
func (m *msg) Parts(ctx context.Context) iter.Seq2[*gateway.Part, error] {
	return func(yield func(*gateway.Part, error) bool) {}
}

func (m *msg) startWalk()                              {}
func (m *msg) walking() bool                           { return false }
func (m *msg) facts(deadline time.Time) []gateway.Fact { return nil }
func (m *msg) close()                                  {}
