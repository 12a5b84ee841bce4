package suppress

import (
	"context"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// An entry that is there already is replaced: by what came last, except that
// what comes back takes the place neither of what an administrator wrote nor of
// what lasts longer, such as a complaint, until that has ended. It gets the
// number of the change, so that filters in other processes learn of it.
const insert = `INSERT INTO suppress_entries (domain, address, reason, source, detail, since, until, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (address, domain) DO UPDATE SET
  reason = excluded.reason, source = excluded.source, detail = excluded.detail, since = excluded.since, until = excluded.until, changed = excluded.changed
  WHERE excluded.reason IN ('manual', 'imported')
    OR suppress_entries.until > 0 AND suppress_entries.until <= excluded.since
    OR suppress_entries.reason <> 'manual' AND (excluded.until = 0 OR suppress_entries.until > 0 AND suppress_entries.until <= excluded.until)`

// write puts entries on the list.
func write(ctx context.Context, tx *sqldb.Tx, entries ...Entry) error {
	var change int64
	if err := tx.QueryRow(ctx, "UPDATE suppress_changes SET n = n + 1 WHERE id = 1 RETURNING n").Scan(&change); err != nil {
		return err
	}
	rows := make([][]any, 0, len(entries))
	for i := range entries {
		e, until := &entries[i], int64(0)
		if !e.Until.IsZero() {
			until = e.Until.Unix()
		}
		rows = append(rows, []any{e.Domain, e.Address, string(e.Reason), e.Source, e.Detail, e.Since.Unix(), until, change})
	}
	_, err := tx.ExecMany(ctx, insert, rows)
	return err
}

// Add puts an entry on the list.
func (l *List) Add(ctx context.Context, e Entry) error {
	if err := e.normal(); err != nil {
		return err
	}
	err := l.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return write(ctx, tx, e) })
	if err != nil {
		return fmt.Errorf("suppress: add: %w", err)
	}
	l.added(&e)
	return nil
}

// added makes an entry count at once.
func (l *List) added(e *Entry) {
	if b := l.filter.Load(); b != nil {
		b.add(e.Domain, e.Address)
	}
	l.deps.Metrics.added(e.Reason)
}

// Remove takes an address or @domain off the list of one sending domain, with
// all its noted bounces; domain "*" : off all of them. It tells how many
// entries that were.
func (l *List) Remove(ctx context.Context, domain, address string) (int64, error) {
	address, err := Normal(address)
	if err != nil {
		return 0, err
	}
	if domain != "" && domain != "*" {
		if domain, err = normalDomain(domain); err != nil {
			return 0, err
		}
	}
	var n int64
	err = l.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if domain == "*" {
			if n, err = tx.Exec(ctx, "DELETE FROM suppress_entries WHERE address = ?", address); err == nil {
				_, err = tx.Exec(ctx, "DELETE FROM suppress_bounces WHERE address = ?", address)
			}
			return err
		}
		if n, err = tx.Exec(ctx, "DELETE FROM suppress_entries WHERE address = ? AND domain = ?", address, domain); err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM suppress_bounces WHERE address = ? AND domain = ?", address, domain)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("suppress: remove: %w", err)
	}
	return n, nil
}

// Event is something that came back about mail to an address.
type Event struct {
	Sender    string // sending domain
	Address   string // who was written to
	Complaint bool   // else a bounce for good
	Source    string // "dsn", "smtp", "arf"
	Detail    string // what was said
	About     string // the message: what comes back about the same one counts once
}

// Note notes an event, and tells whether the address is on the list now
// because of it. What the options do not want is not noted.
func (l *List) Note(ctx context.Context, v Event) (added bool, err error) {
	opt := l.opt.Load()
	e := Entry{Address: v.Address, Domain: v.Sender, Reason: Bounced, Source: v.Source, Detail: v.Detail}
	life := opt.BounceTime
	if v.Complaint {
		e.Reason, life = Complaint, opt.ComplaintTime
	}
	if v.Complaint && !opt.Complaints || !v.Complaint && opt.Bounces == 0 {
		return false, nil
	}
	if err := e.normal(); err != nil {
		return false, err
	}
	if life > 0 {
		e.Until = e.Since.Add(life)
	}
	l.deps.Metrics.noted(e.Reason)
	err = l.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		added = v.Complaint
		if !v.Complaint {
			n, err := l.count(ctx, tx, opt, &e, v.About)
			if err != nil {
				return err
			}
			added = n >= opt.Bounces
		}
		if !added {
			return nil
		}
		return write(ctx, tx, e)
	})
	if err != nil {
		return false, fmt.Errorf("suppress: note: %w", err)
	}
	if added {
		l.added(&e)
	}
	l.prune(ctx, opt)
	return added, nil
}

// count notes a bounce and counts those of the address within the window. No
// more than are needed are kept.
func (l *List) count(ctx context.Context, tx *sqldb.Tx, opt *Options, e *Entry, about string) (n int, err error) {
	about = clip(about, smtp.MaxPath)
	if about == "" {
		about = fmt.Sprint(e.Since.Unix() / 3600) // at most once an hour
	}
	if _, err = tx.Exec(ctx, "DELETE FROM suppress_bounces WHERE address = ? AND domain = ? AND at < ?", e.Address, e.Domain, e.Since.Add(-opt.Window).Unix()); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, "SELECT COUNT(*) FROM suppress_bounces WHERE address = ? AND domain = ?", e.Address, e.Domain).Scan(&n)
	if err != nil || n >= maxBounces {
		return n, err
	}
	fresh, err := tx.Exec(ctx, "INSERT INTO suppress_bounces (domain, address, about, at) VALUES (?, ?, ?, ?) ON CONFLICT (address, domain, about) DO NOTHING", e.Domain, e.Address, about, e.Since.Unix())
	return n + int(fresh), err
}

// pruneBatch bounds the rows that one transaction deletes.
const pruneBatch = 1000

// prune deletes some of what has expired, from time to time.
func (l *List) prune(ctx context.Context, opt *Options) {
	now, last := time.Now(), l.pruned.Load()
	if now.Sub(time.Unix(0, last)) < pruneEvery || !l.pruned.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	err := l.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM suppress_entries WHERE (address, domain) IN (SELECT address, domain FROM suppress_entries WHERE until > 0 AND until < ? ORDER BY until LIMIT ?)", now.Unix(), pruneBatch)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM suppress_bounces WHERE (address, domain, about) IN (SELECT address, domain, about FROM suppress_bounces WHERE at < ? ORDER BY at LIMIT ?)", now.Add(-opt.Window).Unix(), pruneBatch)
		}
		return err
	})
	if err != nil {
		l.deps.Log.Error("suppression list not pruned", "error", err.Error())
	}
}
