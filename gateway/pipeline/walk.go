package pipeline

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// partsMemory is how much of the decoded parts of one message stays in
// memory.
const partsMemory = 512 << 10

// walk is the MIME walk that all filters of a message share: decoded parts
// are sections of one growing body.
type walk struct {
	header *message.Header
	store  *body.Body
	done   chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when parts or err change
	parts   []*gateway.Part
	err     error // io.EOF: all parts are there
	defects []string
	hidden  bool // a reading shows what the plain one hides
	limited bool

	open map[*message.PartInfo]*gateway.Part // begun, not ended
}

func newWalk(h *message.Header, opt body.Options) *walk {
	opt.Memory = partsMemory
	return &walk{
		header: h, store: body.New(opt), done: make(chan struct{}), changed: make(chan struct{}),
		open: map[*message.PartInfo]*gateway.Part{},
	}
}

// run walks over the body in the plain reading as it arrives, then in those
// that may show something else.
func (w *walk) run(r *body.Reader, b *body.Body) {
	defer close(w.done)
	growStack(false)
	err := w.readings(r, b)
	if err == nil {
		w.store.Close()
		err = io.EOF
	} else {
		w.store.Abort(err) // nobody takes half a part for the whole
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	close(w.changed)
}

func (w *walk) readings(r *body.Reader, b *body.Body) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("mime walk: %w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	walker := message.NewWalker(w.header, message.WalkLimits{})
	err = walker.Walk(r, w)
	r.Close()
	if err != nil {
		return fmt.Errorf("mime walk: %w", err)
	}
	for _, reading := range walker.Readings() {
		again := b.Open()
		err := walker.WalkReading(reading, again, w)
		again.Close()
		if err != nil {
			return fmt.Errorf("mime walk, reading %s: %w", reading, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hidden, w.limited = walker.Ambiguous(), walker.Limited()
	return nil
}

// Part implements message.Visitor.
func (w *walk) Part(p *message.PartInfo) io.Writer {
	if p.Container {
		return nil
	}
	part := &gateway.Part{
		Path: p.Path, Reading: p.Reading, Type: p.Type, Params: p.Params, Disposition: p.Disposition,
		Filename: p.Filename, Encoding: p.Encoding, Header: p.Header, Content: w.store.Section(),
	}
	if p.Reading != message.Plain {
		part.Path += "@" + string(p.Reading)
	} else {
		w.publish(part)
	}
	w.open[p] = part
	return w.store
}

// PartEnd implements message.Visitor. A part of another reading is told when
// it is known to be new.
func (w *walk) PartEnd(p *message.PartInfo) {
	part := w.open[p]
	if part == nil {
		return
	}
	delete(w.open, p)
	part.Content.(*body.Section).End()
	if p.Reading != message.Plain && !p.Known {
		w.publish(part)
	}
}

// Defect implements message.Visitor.
func (w *walk) Defect(d message.Defect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.defects, string(d.Name)) {
		w.defects = append(w.defects, string(d.Name))
	}
}

func (w *walk) publish(p *gateway.Part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = append(w.parts, p)
	close(w.changed)
	w.changed = make(chan struct{})
}

// part returns the i-th part; it waits until it is there or, with io.EOF, the
// walk has ended.
func (w *walk) part(ctx context.Context, i int) (*gateway.Part, error) {
	for {
		w.mu.Lock()
		changed, err := w.changed, w.err
		if i < len(w.parts) {
			defer w.mu.Unlock()
			return w.parts[i], nil
		}
		w.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// WalkFacts are the facts that need the MIME walk.
func WalkFacts() []string {
	return []string{"message.ambiguous", "message.defects", "message.limited", "message.error"}
}

// facts waits for the end of the walk and tells what it found about the
// message's form. The error says why it did not see all of it.
func (w *walk) facts(deadline time.Time) ([]gateway.Fact, error) {
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-w.done:
	case <-t.C:
		return nil, fmt.Errorf("mime walk: %w", errTimeout)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != io.EOF {
		return nil, w.err
	}
	return []gateway.Fact{
		{Name: "message.ambiguous", Value: w.hidden},
		{Name: "message.defects", Value: w.defects},
		{Name: "message.limited", Value: w.limited},
	}, nil
}
