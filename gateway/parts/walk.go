// Package parts walks over the MIME structure of a message while it arrives and
// gives its decoded parts to any number of readers, the same to filters in the
// gateway and to those in plugins.
package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Memory is how much of the decoded parts of one message stays in memory.
const Memory = 512 << 10

// ErrPanic says that the walk met with a mistake of ours.
var ErrPanic = errors.New("panic")

// Walk is the MIME walk that all filters of a message share: decoded parts
// are sections of one growing body.
type Walk struct {
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

	open   map[*message.PartInfo]*gateway.Part // begun, not ended
	within []gateway.Container                 // begun, not ended
}

// New returns a walk over a message with header h, whose parts are kept as opt
// says, but for the memory. It ends with Release.
func New(h *message.Header, opt body.Options) *Walk {
	opt.Memory = Memory
	return &Walk{
		header: h, store: body.New(opt), done: make(chan struct{}), changed: make(chan struct{}),
		open: map[*message.PartInfo]*gateway.Part{},
	}
}

// Run walks over the body b in the plain reading as it arrives by r, which it
// closes, then in those that may show something else. It is called once.
func (w *Walk) Run(r *body.Reader, b *body.Body) {
	defer close(w.done)
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

func (w *Walk) readings(r *body.Reader, b *body.Body) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("mime walk: %w: %v\n%s", ErrPanic, p, debug.Stack())
		}
	}()
	walker := message.NewWalker(w.header, message.WalkLimits{})
	err = walker.Walk(r, w)
	r.Close()
	if err != nil {
		return fmt.Errorf("mime walk: %w", err)
	}
	for _, reading := range walker.Readings() {
		w.within = nil
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
func (w *Walk) Part(p *message.PartInfo) io.Writer {
	if p.Container {
		n := len(w.within) // parts keep what they have of it
		w.within = append(w.within[:n:n], gateway.Container{Path: p.Path, Type: p.Type})
		return nil
	}
	part := &gateway.Part{
		Within: w.within, Path: p.Path, Reading: p.Reading, Type: p.Type, Params: p.Params, Disposition: p.Disposition,
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
func (w *Walk) PartEnd(p *message.PartInfo) {
	if p.Container {
		w.within = w.within[:max(0, len(w.within)-1)]
		return
	}
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
func (w *Walk) Defect(d message.Defect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.defects, string(d.Name)) {
		w.defects = append(w.defects, string(d.Name))
	}
}

func (w *Walk) publish(p *gateway.Part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = append(w.parts, p)
	close(w.changed)
	w.changed = make(chan struct{})
}

// part returns the i-th part; it waits until it is there or, with io.EOF, the
// walk has ended.
func (w *Walk) part(ctx context.Context, i int) (*gateway.Part, error) {
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

// All iterates over the parts as they are found. An error ends it.
func (w *Walk) All(ctx context.Context) iter.Seq2[*gateway.Part, error] {
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

// Form is what the walk tells of the form of a message.
type Form struct {
	Ambiguous bool // a reading shows what the plain one hides
	Defects   []string
	Limited   bool // there was more than the walk's bounds let it see
}

// Done is closed when Run has returned.
func (w *Walk) Done() <-chan struct{} { return w.done }

// Form is called after Done. The error says why the walk did not see all of the
// message.
func (w *Walk) Form() (Form, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != io.EOF {
		return Form{}, w.err
	}
	return Form{w.hidden, w.defects, w.limited}, nil
}

// Release gives the walk up, if it still runs, and frees what it found as soon
// as nobody looks at it any more.
func (w *Walk) Release() { w.store.Release() }
