package sdk

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// ErrNoParts is what Parts of a message gives in a plugin: decoded parts do not
// come over yet.
var ErrNoParts = errors.New("sdk: a plugin gets no decoded parts yet; read the body")

// incoming is a gateway.Message that the host sends while it arrives there.
type incoming struct{ j *judging }

// Header implements gateway.Message.
func (m incoming) Header() *message.Header { return m.j.header }

// Body implements gateway.Message.
func (m incoming) Body() io.ReadCloser { return m.j.body.Open() }

// Parts implements gateway.Message.
func (m incoming) Parts(context.Context) iter.Seq2[*gateway.Part, error] {
	return func(yield func(*gateway.Part, error) bool) { yield(nil, ErrNoParts) }
}
