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
	// ErrClosed is what a closed Store says.
	ErrClosed = errors.New("blob: closed")
	// ErrReadOnly is what a Store says that was opened for reading.
	ErrReadOnly = errors.New("blob: opened for reading only")
)

// MaxTag is the longest tag, in octets.
const MaxTag = 64

// Store keeps blobs. Its methods may be called by many at once.
type Store interface {
	// Append reads src to its end and returns when its octets are durable.
	// size is how many there are, or -1; another number is an error. Where src
	// is an io.WriterTo that is used. tag names the owner's record, MaxTag
	// octets at most; Records and Compact give it back. After an error nothing
	// of it is visible, and its space is reclaimed. When ctx ends early the
	// blob is given up.
	Append(ctx context.Context, tag string, size int64, src io.Reader) (Ref, error)
	// AppendLater is Append, but that the blob is not there before durable has
	// returned nil: until then it may neither be read nor released. So who
	// collects rows for one transaction has all their blobs made durable by one
	// sync. durable must be called, by as many as like. What is not durable when
	// the Store is closed is given up: ErrClosed.
	AppendLater(ctx context.Context, tag string, size int64, src io.Reader) (ref Ref, durable func() error, err error)
	// Open reads a blob. The Reader stays good when the blob is released. An
	// owner that has read its Ref before Compact moved the blob gets
	// ErrNotFound, and reads it again.
	Open(ctx context.Context, ref Ref) (Reader, error)
	// Release says that nothing refers to these any more, once for each, after
	// the transaction that dropped the last row. Their space is reclaimed.
	Release(refs ...Ref)
	// Records lists what is stored, released or not, and verifies it, for a
	// check: an error that wraps ErrCorrupt comes with the record and does not
	// end the list.
	Records(ctx context.Context) iter.Seq2[Record, error]
	// Compact frees the space of one segment that is mostly dead: it copies
	// what lives and has the owner change its rows. It returns how many octets
	// were freed; 0: nothing to do.
	Compact(ctx context.Context, owner Owner) (int64, error)
	// Usage counts.
	Usage() Usage
	// Close ends the store when the Appends that have begun are through.
	Close() error
}

// Owner knows which blobs live.
type Owner interface {
	// Alive returns those of the records that rows refer to.
	Alive(ctx context.Context, records []Record) ([]Record, error)
	// Move changes rows from Old to New, and returns those that it has
	// changed when that is durable; it leaves out those whose rows have gone
	// by now. The Store releases what has to be: Old of those returned, New of
	// the others. An error must mean that no row has changed.
	Move(ctx context.Context, moved []Moved) ([]Moved, error)
}

// Reader reads one blob. One that is read from its beginning to its end in
// order, by Read or WriteTo, is verified: where it is not what was written the
// last call returns ErrCorrupt instead of io.EOF or nil.
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
