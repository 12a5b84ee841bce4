package blob

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Options for Files.
type Options struct {
	// Dir is the folder; it is made where it is not there.
	Dir string
	// SegmentSize ends a segment; 0: 256 MiB.
	SegmentSize int64
	// Large is the size from which a blob is a segment of its own; 0: 1 MiB.
	Large int64
}

// Files is a Store in a folder.
type Files struct{}

// OpenFiles opens the folder, which one process at a time may. live are the
// blobs that rows refer to; anything else is reclaimed.
func OpenFiles(ctx context.Context, opt Options, live iter.Seq2[Ref, error]) (*Files, error) {
	return nil, errors.New("blob: not built")
}

// Append implements Store.
func (f *Files) Append(ctx context.Context, tag string, size int64, src io.Reader) (Ref, error) {
	return Ref{}, nil
}

// Open implements Store.
func (f *Files) Open(ctx context.Context, ref Ref) (Reader, error) { return nil, nil }

// Release implements Store.
func (f *Files) Release(refs ...Ref) {}

// Records implements Store.
func (f *Files) Records(ctx context.Context) iter.Seq2[Record, error] { return nil }

// Compact implements Store.
func (f *Files) Compact(ctx context.Context, move func(context.Context, []Moved) error) (int64, error) {
	return 0, nil
}

// Usage implements Store.
func (f *Files) Usage() Usage { return Usage{} }

// Close implements Store.
func (f *Files) Close() error { return nil }

var _ Store = (*Files)(nil)
