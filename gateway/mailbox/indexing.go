package mailbox

import (
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// indexer is the Indexer of gateway/mailbox/index.
type indexer struct{}

// Index implements Indexer.
func (indexer) Index(r io.Reader) (Indexed, error) {
	b, err := index.Make(r)
	if err != nil {
		return Indexed{}, err
	}
	rec, err := index.Open(b)
	if err != nil {
		return Indexed{}, err
	}
	x := Indexed{Record: b, Thread: rec.Thread()}
	if rec.Has(index.FlagDate) {
		x.Sent = rec.SentUnix(time.Time{})
	}
	return x, nil
}
