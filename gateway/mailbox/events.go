package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Event is a change of what there is: for indexes of other kinds.
type Event struct {
	Seq     int64
	Object  ObjectID
	Removed bool // the last message that had it has gone
}

// maxForget is how many events one transaction forgets.
const maxForget = 10_000

// Events lists what happened after the event of a Seq, in order, most at most.
// An object that several folders got is added once. Events are kept until
// ForgetEvents, where Deps.Events says that somebody does that.
func (s *Store) Events(ctx context.Context, after int64, most int) (list []Event, err error) {
	rows, err := s.deps.DB.Read().Query(ctx, sqlEvents, after, most)
	list, err = sqldb.Collect(rows, err, func(row *sqldb.Rows) (e Event, err error) {
		var removed int64
		err = row.Scan(&e.Seq, &e.Object, &removed)
		e.Removed = removed != 0
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	return list, nil
}

// ForgetEvents forgets those up to seq.
func (s *Store) ForgetEvents(ctx context.Context, seq int64) error {
	for {
		list, err := s.Events(ctx, 0, maxForget)
		if err != nil || len(list) == 0 || list[0].Seq > seq {
			return err
		}
		first, last := list[0].Seq, min(list[len(list)-1].Seq, seq)
		err = s.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, sqlForgetEvents, last, first-1)
			return err
		})
		if err != nil || last == seq {
			return err
		}
	}
}

// EventsChanged has a token when there are new events. It is for one goroutine.
func (s *Store) EventsChanged() <-chan struct{} { return s.eventsChanged }

// LastEvent returns the Seq of the newest event; 0: there was none.
func (s *Store) LastEvent(ctx context.Context) (seq int64, err error) {
	err = s.deps.DB.Read().QueryRow(ctx, sqlCounter, "event").Scan(&seq)
	if errors.Is(err, sqldb.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// Objects lists the objects behind one, in order, most at most: for building
// an index anew. Take LastEvent before.
func (s *Store) Objects(ctx context.Context, after ObjectID, most int) (list []ObjectID, err error) {
	list, err = sqldb.Column[ObjectID](s.deps.DB.Read().Query(ctx, sqlObjectIDs, int64(after), most))
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	return list, nil
}
