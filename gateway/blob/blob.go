package blob

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Errors that callers tell apart.
var (
	// ErrCorrupt wraps what is known to be other than it was written.
	ErrCorrupt = errors.New("blob: corrupt")
	// ErrNotFound wraps that a segment is not there.
	ErrNotFound = errors.New("blob: not found")
	// ErrInUse wraps that another process has the folder open.
	ErrInUse = errors.New("blob: in use by another process")
)

// MaxTag is the longest tag, in octets.
const MaxTag = 64

// Ref says where a blob is. Refs are never used again.
type Ref struct {
	Segment      uint64
	Offset, Size int64
}

// String is the form that ParseRef reads.
func (r Ref) String() string { return "" }

// ParseRef reads what String wrote.
func ParseRef(s string) (Ref, error) { return Ref{}, nil }

// Store keeps blobs. Its methods may be called by many at once.
type Store interface {
	// Append reads src to its end and returns when its octets are durable.
	// size is how many there are, or -1; another number is an error. Where src
	// is an io.WriterTo that is used. tag names the owner's record, so that
	// what no row refers to can be told: MaxTag octets at most, which Records
	// gives back. After an error nothing of it is visible; its space is
	// reclaimed. When ctx ends early the blob is given up.
	Append(ctx context.Context, tag string, size int64, src io.Reader) (Ref, error)
	// Open reads a blob. The Reader stays good when the blob is released.
	Open(ctx context.Context, ref Ref) (Reader, error)
	// Release says that nothing refers to these any more: after the
	// transaction that dropped the last row. Their space is reclaimed.
	Release(refs ...Ref)
	// Records lists what is stored, released or not, and verifies its
	// checksum, for a check: an error that wraps ErrCorrupt comes with the
	// record and does not end the list.
	Records(ctx context.Context) iter.Seq2[Record, error]
	// Compact frees the space of segments that are mostly dead: it copies the
	// live records of one and calls move with them. The owner changes its rows
	// to the new Refs and returns nil when that is durable; those whose rows
	// have gone it leaves out of what it returns. After an error nothing has
	// changed. Compact returns how many octets were freed; 0: nothing to do.
	Compact(ctx context.Context, move func(ctx context.Context, moved []Moved) error) (int64, error)
	// Usage counts.
	Usage() Usage
	// Close ends the store; Appends that wait fail.
	Close() error
}

// Reader reads one blob.
type Reader interface {
	io.ReadSeekCloser
	io.ReaderAt
	io.WriterTo
	Size() int64
}

// Record is one stored blob.
type Record struct {
	Ref Ref
	Tag string
}

// Moved is a blob that Compact has copied.
type Moved struct {
	Tag      string
	Old, New Ref
}

// Usage is what a store holds.
type Usage struct {
	Segments    int
	Live, Total int64 // octets; Total with what is dead and not reclaimed yet
}
