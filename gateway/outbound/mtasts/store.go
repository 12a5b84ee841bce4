package mtasts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// migrations make the tables. Times are seconds since 1970.
var migrations = []string{
	`CREATE TABLE mtasts_policies (
		domain  TEXT PRIMARY KEY,
		id      TEXT NOT NULL,    -- of the record that the policy was fetched for
		policy  BLOB NOT NULL,    -- as it came
		expires INTEGER NOT NULL, -- when it must not be used any more
		refresh INTEGER NOT NULL, -- when to fetch it again
		used    INTEGER NOT NULL  -- when mail last needed it, to the day
	);
	CREATE INDEX mtasts_policies_refresh ON mtasts_policies (refresh)`,
}

// entry is what is stored about a domain.
type entry struct {
	domain                 string
	id                     string
	policy                 *Policy
	text                   []byte
	expires, refresh, used time.Time
}

func (c *Cache) read(ctx context.Context, domain string) (*entry, error) {
	row := c.db.Read().QueryRow(ctx, `SELECT id, policy, expires, refresh, used FROM mtasts_policies WHERE domain = ?`, domain)
	e := &entry{domain: domain}
	var expires, refresh, used int64
	err := row.Scan(&e.id, &e.text, &expires, &refresh, &used)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		e.policy, err = ParsePolicy(e.text)
	}
	if err != nil {
		return nil, fmt.Errorf("mtasts: read %s: %w", domain, err)
	}
	e.expires, e.refresh, e.used = time.Unix(expires, 0), time.Unix(refresh, 0), time.Unix(used, 0)
	return e, nil
}

func (c *Cache) write(ctx context.Context, e *entry) error {
	err := c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO mtasts_policies (domain, id, policy, expires, refresh, used) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (domain) DO UPDATE SET id = excluded.id, policy = excluded.policy, expires = excluded.expires, refresh = excluded.refresh, used = excluded.used`,
			e.domain, e.id, e.text, e.expires.Unix(), e.refresh.Unix(), e.used.Unix())
		return err
	})
	if err != nil {
		return fmt.Errorf("mtasts: write %s: %w", e.domain, err)
	}
	return nil
}

// remove forgets a policy that has expired.
func (c *Cache) remove(ctx context.Context, domain string, now time.Time) error {
	return c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM mtasts_policies WHERE domain = ? AND expires <= ?`, domain, now.Unix())
		return err
	})
}

// due returns domains whose policies are to be fetched again, and when the
// next of the others is.
func (c *Cache) due(ctx context.Context, now time.Time, most int) (domains []string, next time.Time, err error) {
	rows, err := c.db.Read().Query(ctx, `SELECT domain, refresh FROM mtasts_policies ORDER BY refresh LIMIT ?`, most)
	if err != nil {
		return nil, now, err
	}
	defer rows.Close()
	for rows.Next() {
		var domain string
		var refresh int64
		if err := rows.Scan(&domain, &refresh); err != nil {
			return nil, now, err
		}
		if at := time.Unix(refresh, 0); at.After(now) {
			return domains, at, rows.Err()
		}
		domains = append(domains, domain)
	}
	return domains, time.Time{}, rows.Err()
}
