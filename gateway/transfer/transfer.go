package transfer

import (
	"context"
	"io"
	"iter"
	"time"
)

// Inbox is the folder that every mailbox has.
const Inbox = "INBOX"

// Message is one message of a source.
type Message struct {
	// Folder is where it is: parts with "/" between them, UTF-8; INBOX for the
	// inbox, whatever the source calls it.
	Folder string
	// Flags are IMAP's: \Seen, \Answered, \Flagged, \Deleted, \Draft, keywords.
	Flags []string
	// Date is when it was received; zero: unknown.
	Date time.Time
	// Size is about how many octets it has.
	Size int64
	// Key tells messages of a source apart, the same in each run.
	Key string
	// Open gives its octets with CRLF line ends. It is called at most once,
	// before the next message is asked for.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Folder is what a source tells of one of its folders.
type Folder struct {
	Name string
	// Role is the special use (RFC 6154), as \Sent; "" : none.
	Role       string
	Subscribed bool
}

// Total is how much a source has.
type Total struct {
	Messages int64
	Octets   int64
}

// Source is a place with mail.
type Source interface {
	// Scan finds the folders and how much there is. It comes first.
	Scan(ctx context.Context) ([]Folder, Total, error)
	// Messages gives them folder by folder. An error beside a nil message ends
	// it; beside a message it is about that one alone, which is skipped.
	Messages(ctx context.Context) iter.Seq2[*Message, error]
	io.Closer
}
