package mailbox

import (
	"context"
	"io"
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Deps is what a Store works with.
type Deps struct {
	DB *sqldb.DB
	// Blobs is opened with LiveBlobs, and is the Store's alone.
	Blobs blob.Store
	// Log is told what goes wrong where no caller is; nil: nobody.
	Log     *slog.Logger
	Metrics *Metrics // nil: none
	// Reserve is used to remove mail when the disk is full; nil: there is none.
	Reserve *sqldb.Reserve
	// Index makes the index record of a message; nil: gateway/mailbox/index.
	Index Indexer
	// Events: somebody follows Store.Events and forgets them. Without it none
	// are kept.
	Events bool
	// Learner hears of moves into and out of Junk; nil: nobody.
	Learner Learner

	// write is DB.Write unless a test puts itself in front of it.
	write func(ctx context.Context, f func(ctx context.Context, tx *sqldb.Tx) error) error
}

// Indexer makes what a Store keeps beside a message's octets.
type Indexer interface {
	// Index reads a message to its end. It is given the octets as they are
	// stored; what it returns must not depend on anything else.
	Index(r io.Reader) (Indexed, error)
}

// Indexed is what an Indexer found.
type Indexed struct {
	Record []byte // for FETCH, SORT, THREAD, SEARCH
	// Sent is the Date field's time in seconds since 1970; 0: there is none.
	Sent int64
	// Thread is a hash of the Message-ID that began the conversation; 0: none.
	Thread uint64
}

// Learner hears of what users say is junk.
type Learner interface {
	// Learn is told that user has moved a message into Junk, or his program has
	// uploaded it there (junk), or out of it into another folder but Trash. It is called after the move is
	// durable, beside it, one at a time; who is too slow misses some. uploaded
	// may be a whole Junk of elsewhere, that nobody looked through. open reads
	// the message, while the call lasts.
	Learn(ctx context.Context, user string, junk, uploaded bool, open func() (io.ReadCloser, error))
}
