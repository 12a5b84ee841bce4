package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// appendBlob stores the octets, and a note with them. After an error m.ref tells
// where part of it may be.
func (q *Queue) appendBlob(ctx context.Context, m *message, c *gateway.Copy, note []byte) error {
	src := c.Open()
	defer src.Close()
	from := io.Reader(src)
	data, err := q.keep(src, c.Size)
	if err != nil {
		return fmt.Errorf("queue: store %s: %w", c.ID, err)
	}
	if data != nil {
		from = bytes.NewReader(data)
	}
	var ref blob.Ref
	if note != nil {
		ref, err = q.notes.AppendNote(ctx, m.tag(), note, c.Size, from)
	} else {
		ref, err = q.blobs.Append(ctx, m.tag(), c.Size, from)
	}
	q.refs.Lock()
	m.ref = ref
	q.refs.Unlock()
	if err != nil {
		q.kept.Add(-int64(len(data)))
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", noRoom, err)
		}
		return fmt.Errorf("queue: store %s: %w", c.ID, err)
	}
	if data != nil {
		m.data.Store(&data)
	}
	return nil
}

// noRoom is what the client hears when the disk is full.
var noRoom = smtp.NewReply(452, smtp.EnhancedCode{4, 3, 1}, "Insufficient system storage; try again later")

// Messages up to maxKept octets are in memory while they are new, all of them
// together up to maxKeptAll.
const (
	maxKept    = 64 << 10
	maxKeptAll = 32 << 20
)

// keep reads a small message into memory, if there is room; else it returns
// nil and has read nothing.
func (q *Queue) keep(src io.Reader, size int64) ([]byte, error) {
	if size <= 0 || size > maxKept {
		return nil, nil
	}
	if q.kept.Add(size) > maxKeptAll {
		q.kept.Add(-size)
		return nil, nil
	}
	w := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := w.ReadFrom(io.LimitReader(src, size+1))
	if err == nil && int64(w.Len()) != size {
		err = errSize
	}
	if err != nil {
		q.kept.Add(-size)
		return nil, err
	}
	return w.Bytes(), nil
}

// refOf returns where the octets of m are.
func (q *Queue) refOf(m *message) blob.Ref {
	q.refs.RLock()
	defer q.refs.RUnlock()
	return m.ref
}

// open reads the octets of m; where they have been moved meanwhile, there.
func (q *Queue) open(ctx context.Context, m *message) (blob.Reader, error) {
	if data := m.data.Load(); data != nil {
		return memory{bytes.NewReader(*data)}, nil
	}
	ref := q.refOf(m)
	r, err := q.blobs.Open(ctx, ref)
	if !errors.Is(err, blob.ErrNotFound) {
		return r, err
	}
	var segment, start int64
	last := m.first + m.entries - 1
	if serr := q.db.Read().QueryRow(ctx, sqlPlace, m.first, last, m.first, last).Scan(&segment, &start); serr != nil {
		return nil, err
	}
	moved := blob.Ref{Segment: uint64(segment), Offset: start, Size: ref.Size}
	if moved == ref {
		return nil, err
	}
	return q.blobs.Open(ctx, moved)
}

// memory reads a message that is still there.
type memory struct{ *bytes.Reader }

// Close implements blob.Reader.
func (memory) Close() error { return nil }

// lostReason is why messages are held that cannot be sent any more.
const lostReason = "its octets are lost or damaged on disk"

// openFor opens the octets of e for a transport, and notes when that cannot
// succeed any more.
func (q *Queue) openFor(e *entry) (io.ReadCloser, error) {
	r, err := q.open(q.ctx, e.msg)
	if err != nil {
		if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
			e.lost.Store(true)
		} else {
			e.unread.Store(true)
		}
		return nil, err
	}
	return &octets{r, e}, nil
}

// octets reads a message and notes when it is damaged.
type octets struct {
	r blob.Reader
	e *entry
}

// Read implements io.Reader.
func (o *octets) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	return n, o.note(err)
}

// WriteTo implements io.WriterTo.
func (o *octets) WriteTo(w io.Writer) (int64, error) {
	to := &writer{Writer: w}
	n, err := o.r.WriteTo(to)
	if to.err != nil { // it is not the message's
		return n, err
	}
	return n, o.note(err)
}

// writer keeps the error of a Writer.
type writer struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	n, w.err = w.Writer.Write(p)
	return n, w.err
}

// Close implements io.Closer.
func (o *octets) Close() error { return o.r.Close() }

func (o *octets) note(err error) error {
	switch {
	case err == nil || err == io.EOF:
	case errors.Is(err, blob.ErrCorrupt):
		o.e.lost.Store(true)
	default:
		o.e.unread.Store(true)
	}
	return err
}
