package sdk

import (
	"context"
	"io"
	"iter"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
)

// incoming is a gateway.Message that the host sends while it arrives there.
type incoming struct{ j *judging }

// Header implements gateway.Message.
func (m incoming) Header() *message.Header { return m.j.header }

// Body implements gateway.Message.
func (m incoming) Body() io.ReadCloser { return m.j.body.Open() }

// Parts implements gateway.Message.
func (m incoming) Parts(ctx context.Context) iter.Seq2[*gateway.Part, error] {
	return m.j.walk().All(ctx)
}

// walk begins the MIME walk, once: the same that the gateway makes for its own
// filters. It is made here again, since the bytes have to come over anyway and
// what is decoded would be as much again.
func (j *judging) walk() *parts.Walk {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.parts == nil {
		w, r := parts.New(j.header, body.Options{}), j.body.Open()
		if j.closed { // the filter has left a goroutine behind
			w.Release()
		}
		j.parts = w
		go w.Run(r, j.body)
	}
	return j.parts
}

// close frees the message and waits for the walk.
func (j *judging) close() {
	j.mu.Lock()
	w := j.parts
	j.closed = true
	j.mu.Unlock()
	j.body.Release()
	if w != nil {
		w.Release()
		<-w.Done()
	}
}
