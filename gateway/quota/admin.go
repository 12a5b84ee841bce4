package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Status is how much a sender has sent, and may.
type Status struct {
	Subject string
	Hour    Sent
	Day     Sent
	Limits  Limits
	Held    string    // why, "" : not held
	Since   time.Time // of Held
}

// Sent is what was sent within a time.
type Sent struct {
	Messages, Recipients, New, Refusals int64
}

func (c counts) sent() Sent { return Sent{c.messages, c.recipients, c.fresh, c.refusals} }

// Admin is what commands do; a gateway that runs learns of it within seconds, or
// when its Quota is told to Sync.
type Admin struct {
	db  *sqldb.DB
	opt Options
}

// NewAdmin prepares for commands on a database.
func NewAdmin(ctx context.Context, opt Options, db *sqldb.DB) (*Admin, error) {
	if err := db.Migrate(ctx, "quota", migrations); err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	return &Admin{db, opt}, nil
}

// Show tells how much one sender has sent.
func (a *Admin) Show(ctx context.Context, name string) (Status, error) {
	subject, err := Normal(name)
	if err != nil {
		return Status{}, err
	}
	holds, err := readHolds(ctx, a.db.Read())
	if err != nil {
		return Status{}, err
	}
	return a.status(ctx, subject, holds)
}

func (a *Admin) status(ctx context.Context, subject string, holds map[string]heldSender) (Status, error) {
	u, err := readUsage(ctx, a.db.Read(), subject)
	if err != nil {
		return Status{}, err
	}
	now := time.Now().Unix()
	s := Status{Subject: subject, Hour: u.hour.sum(now).sent(), Day: u.day.sum(now).sent(), Limits: a.opt.limits(subject)}
	if h, ok := holds[subject]; ok {
		s.Held, s.Since = h.reason, h.since
	}
	return s, nil
}

// List calls f with everyone who has sent something within a day, or is held,
// by name; held: only the latter.
func (a *Admin) List(ctx context.Context, held bool, f func(Status) error) error {
	holds, err := readHolds(ctx, a.db.Read())
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, err := a.subjects(ctx, after, held)
		if err != nil {
			return err
		}
		for _, subject := range page {
			s, err := a.status(ctx, subject, holds)
			if err != nil {
				return err
			}
			if err := f(s); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		after = page[len(page)-1]
	}
}

// pageSize is how many names are read at once.
const pageSize = 500

func (a *Admin) subjects(ctx context.Context, after string, held bool) (page []string, err error) {
	query := "SELECT subject FROM (SELECT subject FROM quota_use WHERE at > ? UNION SELECT subject FROM quota_holds) AS s WHERE subject > ? ORDER BY subject LIMIT ?"
	args := []any{time.Now().Add(-day - daySlot).Unix(), after, pageSize}
	if held {
		query, args = "SELECT subject FROM quota_holds WHERE subject > ? ORDER BY subject LIMIT ?", args[1:]
	}
	page, err = sqldb.Column[string](a.db.Read().Query(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("quota: list: %w", err)
	}
	return page, nil
}

// Hold holds a sender.
func (a *Admin) Hold(ctx context.Context, name, reason string) error {
	subject, err := Normal(name)
	if err != nil {
		return err
	}
	return a.write(ctx, "hold", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO quota_holds (subject, since, reason) VALUES (?, ?, ?) ON CONFLICT (subject) DO UPDATE SET reason = excluded.reason", subject, time.Now().Unix(), clip(message.CleanValue(reason), maxReason))
		if err != nil {
			return err
		}
		return order(ctx, tx, subject, orderRelease) // that the holds are read anew
	})
}

// Release ends the hold of a sender and forgets its refusals. The error wraps
// ErrNotHeld where there was none.
func (a *Admin) Release(ctx context.Context, name string) error {
	subject, err := Normal(name)
	if err != nil {
		return err
	}
	return a.write(ctx, "release", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM quota_holds WHERE subject = ?", subject)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: %s", ErrNotHeld, subject)
		}
		if _, err := tx.Exec(ctx, "UPDATE quota_use SET refusals = 0 WHERE subject = ?", subject); err != nil {
			return err
		}
		return order(ctx, tx, subject, orderRelease)
	})
}

// Reset forgets what a sender has sent.
func (a *Admin) Reset(ctx context.Context, name string) error {
	subject, err := Normal(name)
	if err != nil {
		return err
	}
	return a.write(ctx, "reset", func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM quota_use WHERE subject = ?", subject); err != nil {
			return err
		}
		return order(ctx, tx, subject, orderReset)
	})
}

func (a *Admin) write(ctx context.Context, what string, f func(ctx context.Context, tx *sqldb.Tx) error) error {
	if err := a.db.Write(ctx, f); err != nil {
		return fmt.Errorf("quota: %s: %w", what, err)
	}
	return nil
}
