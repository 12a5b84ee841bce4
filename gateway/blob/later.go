package blob

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// maxLater bounds what those wait for who share the sync.
const maxLater = 64 << 10

// AppendLater implements Store.
func (f *Files) AppendLater(ctx context.Context, tag string, size int64, src io.Reader) (Ref, func() error, error) {
	if size < 0 || size > maxLater {
		ref, err := f.Append(ctx, tag, size, src)
		return ref, func() error { return nil }, err
	}
	w, err := f.begin(ctx, frame{tag: tag, size: size})
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
