package gateway

import (
	"context"
	"io"
	"iter"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Filter judges sessions and transactions and answers by return value alone.
// Its methods are called by many goroutines at once.
type Filter interface {
	// Name is the word in the configuration and the prefix of the fields.
	Name() string
	// Fields lists every fact that the filter may return.
	Fields() []Field
	// Check is asked at each stage up to StageRcpt; a stage that says nothing
	// to the filter gets a zero Verdict at once. tx is a snapshot that must
	// not be changed. An error or an overdue answer is judged by on_error.
	Check(ctx context.Context, stage Stage, tx *Transaction) (Verdict, error)
}

// Staged is a Filter that names the stages at which its Check has something to
// say; at others it is not asked.
type Staged interface {
	Stages() []Stage
}

// BodyFilter is a Filter that looks at header or body. It is asked in two
// calls for each message: Read, with all other body filters at the same time
// and while bytes still arrive, and Conclude, in configured order.
type BodyFilter interface {
	Filter
	// Read is called when the header block is complete. It may start
	// look-ups at once and reads of the body what it needs, at its own pace;
	// it returns when it has read enough. ctx ends when the transaction does.
	Read(ctx context.Context, tx *Transaction, m Message) (Reading, error)
}

// BodyOnly is embedded by a BodyFilter that has nothing to say before there is a
// message.
type BodyOnly struct{}

// Check implements Filter.
func (BodyOnly) Check(context.Context, Stage, *Transaction) (Verdict, error) { return Verdict{}, nil }

// Stages implements Staged.
func (BodyOnly) Stages() []Stage { return nil }

// Reading is what a BodyFilter took from one message.
type Reading interface {
	// Conclude gives the verdict. tx.Facts holds what the filters listed
	// before this one have found, tx.Size the size of the message.
	Conclude(ctx context.Context, tx *Transaction) (Verdict, error)
}

// Ordered is a Filter that uses what others found: the configuration is
// refused when one of After's filters is listed behind it. Those that are not
// listed at all are no error.
type Ordered interface {
	// After returns names of filters, the same on every call.
	After() []string
}

// Message is a message as body filters see it, perhaps still arriving. All
// readers block until bytes come and fail when the transaction is aborted.
type Message interface {
	// Header is complete.
	Header() *message.Header
	// Body opens a reader of the raw bytes after the empty line.
	Body() io.ReadCloser
	// Parts iterates over the decoded leaf parts of the MIME walk that all
	// filters share, as they are found; those that only another reading than
	// the plain one shows come last. An error ends the iteration.
	Parts(ctx context.Context) iter.Seq2[*Part, error]
}

// Part is a decoded leaf of the MIME tree.
type Part struct {
	Path        string // IMAP-like position: "1", "2.1"; in another reading "2.1@reading"
	Reading     message.ReadingName
	Type        string // media type, lower case
	Params      map[string]string
	Disposition string          // lower case, "" : none
	Filename    string          // decoded (RFC 2231, RFC 2047)
	Encoding    string          // content transfer encoding, lower case
	Header      *message.Header // the part's own header fields; the message's for a single part
	Within      []Container     // the multiparts and messages that it is in, the outermost first; not to be changed
	Content     Content         // decoded bytes, perhaps still growing
}

// Container is a part of the MIME tree that has parts.
type Container struct {
	Path string // "0" ends that of a multipart that has no number of its own
	Type string // media type, lower case
}

// Content is bytes that may still be growing.
type Content interface {
	Open() io.ReadCloser // blocks at the end of what is there until more comes
	// ReaderAt waits until the content is complete; archives need it.
	ReaderAt(ctx context.Context) (io.ReaderAt, int64, error)
}
