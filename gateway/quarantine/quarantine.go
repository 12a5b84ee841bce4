package quarantine

import (
	"context"
	"io"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Change is what is to be done with what is in quarantine.
type Change struct {
	Action queue.Action `json:"action"` // Release or Remove
	Filter queue.Filter `json:"filter"`
	// NoLearn: a release teaches the spam filter nothing.
	NoLearn bool `json:"no_learn,omitempty"`
}

// Learner learns that a message is wanted by a recipient; open reads it. It
// tells itself of what goes wrong: the mail is released nevertheless.
type Learner interface {
	Wanted(ctx context.Context, id string, to smtp.Address, open func() (io.ReadCloser, error))
}

// Queue makes of c what the queue is to do; teach may be nil. What is released
// is learned before it is, while its octets are there: who is interrupted and
// releases it again teaches what is known already.
func (c Change) Queue(blobs blob.Store, teach Learner) (queue.Change, error) {
	f, err := in(c.Filter)
	q := queue.Change{Action: c.Action, Filter: f}
	if c.Action == queue.Release && !c.NoLearn && teach != nil {
		q.Before = func(ctx context.Context, it *queue.Item) {
			to, err := smtp.ParseMailbox(it.Recipients[0].To, smtp.UTF8|smtp.Underscore)
			if err != nil { // <postmaster>
				to = smtp.Address{Local: it.Recipients[0].To}
			}
			teach.Wanted(ctx, it.ID, to, func() (io.ReadCloser, error) { return it.Open(ctx, blobs) })
		}
	}
	return q, err
}

// in is f among what is in quarantine. One that says nothing chooses nothing.
func in(f queue.Filter) (queue.Filter, error) {
	if f.State = ""; f == (queue.Filter{}) {
		return f, queue.ErrNoFilter
	}
	f.State = queue.Quarantined
	return f, nil
}

// List calls f with what a filter chooses, the oldest first, until it returns an
// error; the gateway may run meanwhile.
func List(ctx context.Context, db *sqldb.DB, opt queue.Options, f queue.Filter, each func(*Item) error) error {
	f, err := in(f)
	if err != nil {
		return err
	}
	return queue.List(ctx, db, opt, f, func(it *queue.Item) error { return each(item(it)) })
}
