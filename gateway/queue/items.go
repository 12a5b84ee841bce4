package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Item is an entry of the queue as people see it: a message, for recipients of
// one destination.
type Item struct {
	ID         string          `json:"id"`
	Entry      int64           `json:"entry"`
	State      State           `json:"state"`
	Route      string          `json:"route"`
	Domain     string          `json:"domain"`
	Lane       string          `json:"lane"`
	Pool       string          `json:"pool,omitempty"`
	Priority   int             `json:"priority,omitempty"`
	User       string          `json:"user,omitempty"`
	From       string          `json:"from"`
	Recipients []ItemRecipient `json:"recipients"`
	Size       int64           `json:"size"`
	Queued     time.Time       `json:"queued"`
	Attempts   int             `json:"attempts"`
	Tried      *time.Time      `json:"tried,omitempty"` // the latest attempt
	Next       *time.Time      `json:"next,omitempty"`  // the next one
	Expires    *time.Time      `json:"expires,omitempty"`
	Hold       string          `json:"hold,omitempty"`       // why it is held
	Quarantine *ItemKept       `json:"quarantine,omitempty"` // why it is, or was, in quarantine
	EnvelopeID string          `json:"envelope_id,omitempty"`

	ref  blob.Ref
	open func(context.Context) (io.ReadCloser, error) // wherever its octets are by then; nil: at ref
}

// ItemKept is why an Item is in quarantine.
type ItemKept struct {
	Rule     string            `json:"rule,omitempty"`
	Stage    string            `json:"stage,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Author   string            `json:"author,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`
	Released *time.Time        `json:"released,omitempty"`
}

// ItemRecipient is a recipient of an Item.
type ItemRecipient struct {
	To     string `json:"to"`
	Notify string `json:"notify,omitempty"`
	Reply  string `json:"reply,omitempty"` // of the latest attempt
	MTA    string `json:"mta,omitempty"`
}

func item(o *Options, e *entry, state State) *Item {
	m := e.msg
	it := &Item{
		ID: m.trace, Entry: e.id, State: state, Route: e.route, Domain: e.domain, Lane: m.lane(), Pool: m.queue.Pool,
		Priority: m.priority(), User: m.user, From: m.from.String(), Size: m.ref.Size, Queued: wall(m.queued).UTC(),
		Attempts: e.attempts, Hold: e.hold, EnvelopeID: m.params.EnvelopeID, ref: m.ref,
	}
	at := func(ms int64) *time.Time {
		if ms <= 0 || ms >= far {
			return nil
		}
		t := wall(ms).UTC()
		return &t
	}
	it.Tried = at(e.tried)
	switch state {
	case Held:
	case Quarantined:
		it.Expires = at(o.forgetAt(e))
	default:
		it.Next, it.Expires = at(e.due), at(o.returnAt(e))
	}
	if k := e.kept; k != nil {
		it.Quarantine = &ItemKept{Rule: k.Rule, Stage: k.Stage, Reason: k.Reason, Author: k.Author, Subject: k.Subject, Released: at(e.freed)}
		for _, f := range k.Facts {
			if it.Quarantine.Facts == nil {
				it.Quarantine.Facts = map[string]string{}
			}
			it.Quarantine.Facts[f.Name] = f.Value
		}
	}
	for i := range e.rcpts {
		r := &e.rcpts[i]
		x := ItemRecipient{To: r.to.String(), Notify: r.params.Notify.String(), MTA: r.last.mta}
		if !r.last.IsZero() {
			x.Reply = r.last.Error()
		}
		it.Recipients = append(it.Recipients, x)
	}
	return it
}

// listBatch is how many rows are read at a time.
const listBatch = 1000

// List calls f with the entries that a filter chooses, those that wait before
// those that are new, until f returns an error. It reads the database alone,
// so it works beside a running gateway and without one; what of the waiting
// rows is just being tried it does not know.
func List(ctx context.Context, db *sqldb.DB, opt Options, f Filter, each func(*Item) error) error {
	if err := f.check(); err != nil {
		return err
	}
	opt = opt.withDefaults()
	if err := db.Migrate(ctx, "queue", steps); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	if f.State != Active {
		if err := eachWaiting(ctx, db, &f, func(e *entry, state State) error { return each(item(&opt, e, state)) }); err != nil {
			return err
		}
	}
	if f.State == Waiting || f.State == Held || f.State == Quarantined {
		return nil
	}
	return eachNew(ctx, db, &f, func(e *entry) error { return each(item(&opt, e, Active)) })
}

// found is an entry that a filter has chosen.
type found struct {
	e     *entry
	state State
}

// eachWaiting goes through rows of queue_waiting in the order of their ids.
func eachWaiting(ctx context.Context, db *sqldb.DB, f *Filter, each func(*entry, State) error) error {
	where, args := f.where()
	query := `SELECT id, due, held, takes, segment, start, size, data FROM queue_waiting WHERE id > ?` + where + ` ORDER BY id LIMIT ?`
	return eachRow(ctx, db, f, query, args, each, func(rows *sqldb.Rows) (*entry, State, error) {
		var due, held, takes int64
		e, err := scanEntry(rows, &due, &held, &takes)
		if err == nil {
			e.due, e.takes = due, takes
		}
		return e, stateOf(held), err
	})
}

// eachNew goes through queue_new.
func eachNew(ctx context.Context, db *sqldb.DB, f *Filter, each func(*entry) error) error {
	one := func(e *entry, _ State) error { return each(e) }
	return eachRow(ctx, db, f, sqlNew, nil, one, func(rows *sqldb.Rows) (*entry, State, error) {
		e, err := scanEntry(rows)
		if err == nil {
			e.due = e.msg.queued
		}
		return e, Active, err
	})
}

// eachRow goes through the rows of a query whose first argument is the last id
// seen, and whose last one is how many rows there are to be. No query is open
// while each runs, which may take its time: a pager, for instance.
func eachRow(ctx context.Context, db *sqldb.DB, f *Filter, query string, args []any, each func(*entry, State) error,
	read func(*sqldb.Rows) (*entry, State, error),
) error {
	var list []found
	for last := int64(0); ; {
		rows, err := db.Read().Query(ctx, query, append(append([]any{last}, args...), listBatch)...)
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		n := 0
		list = list[:0]
		for rows.Next() {
			e, state, err := read(rows)
			if e == nil {
				rows.Close()
				return err
			}
			n, last = n+1, e.id
			if err == nil && f.fits(e, state) { // of one that is damaged the runner tells
				list = append(list, found{e, state})
			}
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		for _, x := range list {
			if err := each(x.e, x.state); err != nil {
				return err
			}
		}
		if n < listBatch {
			return nil
		}
	}
}

// Group is what waits for a destination.
type Group struct {
	Domain  string    `json:"domain"`
	Route   string    `json:"route"`
	Active  int64     `json:"active"`
	Waiting int64     `json:"waiting"`
	Held    int64     `json:"held"`
	Oldest  time.Time `json:"oldest"`
}

// Summary counts what is in the queue by destination, in no particular order.
func Summary(ctx context.Context, db *sqldb.DB) ([]Group, error) {
	if err := db.Migrate(ctx, "queue", steps); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	groups := map[destKey]*Group{}
	at := func(domain, route string) *Group {
		g := groups[destKey{route, domain}]
		if g == nil {
			g = &Group{Domain: domain, Route: route}
			groups[destKey{route, domain}] = g
		}
		return g
	}
	older := func(g *Group, ms int64) {
		if t := wall(ms).UTC(); g.Oldest.IsZero() || t.Before(g.Oldest) {
			g.Oldest = t
		}
	}
	rows, err := db.Read().Query(ctx, sqlSummary)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var domain, route string
		var held, n, oldest int64
		if err := row.Scan(&domain, &route, &held, &n, &oldest); err != nil {
			return err
		}
		g := at(domain, route)
		if held != 0 {
			g.Held += n
		} else {
			g.Waiting += n
		}
		older(g, oldest)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	err = eachNew(ctx, db, &Filter{All: true}, func(e *entry) error {
		g := at(e.domain, e.route)
		g.Active++
		older(g, e.msg.queued)
		return nil
	})
	list := make([]Group, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	return list, err
}

const sqlSummary = `SELECT domain, route, held, COUNT(*), MIN(queued) FROM queue_waiting WHERE held < 2 GROUP BY domain, route, held`

// ErrNotFound says that there is no such message in the queue.
var ErrNotFound = errors.New("queue: there is no such message")

// Open reads the octets of an item that List or Change.Before gave.
func (it *Item) Open(ctx context.Context, blobs blob.Store) (io.ReadCloser, error) {
	if it.open != nil {
		return it.open(ctx)
	}
	r, err := blobs.Open(ctx, it.ref)
	if err != nil {
		return nil, fmt.Errorf("queue: %s: %w", cmp.Or(it.ID, "message"), err)
	}
	return r, nil
}
