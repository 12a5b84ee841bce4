package blob

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Later is a Store that can put off the sync of a small blob. Who collects rows
// for one transaction has all their blobs made durable by one sync before it.
type Later interface {
	Store
	// AppendLater is Append, but that the blob is not there before durable has
	// returned nil: it may neither be read nor released. durable must be
	// called; it may be so by many at once. A blob that is not small is durable
	// at once. Close does not wait for it: what is not durable by then is given
	// up, ErrClosed.
	AppendLater(ctx context.Context, tag string, size int64, src io.Reader) (ref Ref, durable func() error, err error)
}

var _ Later = (*Files)(nil)

// maxLater bounds what those wait for who share the sync.
const maxLater = 64 << 10

// AppendLater implements Later.
func (f *Files) AppendLater(ctx context.Context, tag string, size int64, src io.Reader) (Ref, func() error, error) {
	if size < 0 || size > maxLater {
		ref, err := f.Append(ctx, tag, size, src)
		return ref, func() error { return err }, err
	}
	w, err := f.begin(ctx, tag, size)
	if err != nil {
		return Ref{}, nil, err
	}
	defer f.appends.Done()
	defer w.free()
	if err := w.run(src); err != nil {
		w.giveUp()
		return Ref{}, nil, fmt.Errorf("blob: append: %w", err)
	}
	at := w.seg.syncs.now()
	return w.ref(), sync.OnceValue(func() error { return w.settleUp(at) }), nil
}

// settleUp makes durable what was written by that time.
func (w *appender) settleUp(at uint64) error {
	if err := w.f.enter(); err != nil {
		return err
	}
	defer w.f.appends.Done()
	if err := w.confirm(func() error { return w.seg.syncs.after(at) }); err != nil {
		w.giveUp()
		return fmt.Errorf("blob: append: %w", err)
	}
	return nil
}
