package tlsrpt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// migrations make the tables. Times are seconds since 1970, days since then.
var migrations = []string{
	`CREATE TABLE tlsrpt_days (
		day    INTEGER NOT NULL,
		domain TEXT NOT NULL,
		due    INTEGER NOT NULL, -- when the report is written
		PRIMARY KEY (day, domain)
	);
	CREATE INDEX tlsrpt_days_due ON tlsrpt_days (due);
	CREATE TABLE tlsrpt_counts (
		day          INTEGER NOT NULL,
		domain       TEXT NOT NULL,
		policy_hash  TEXT NOT NULL,
		failure_hash TEXT NOT NULL, -- '' is success
		policy       TEXT NOT NULL, -- JSON
		failure      TEXT NOT NULL, -- JSON
		sessions     INTEGER NOT NULL,
		PRIMARY KEY (day, domain, policy_hash, failure_hash)
	);
	CREATE TABLE tlsrpt_outbox (
		id        INTEGER PRIMARY KEY,
		domain    TEXT NOT NULL,
		uri       TEXT NOT NULL,
		report    BLOB NOT NULL,    -- JSON, gzip
		next      INTEGER NOT NULL, -- when to try
		attempts  INTEGER NOT NULL,
		expires   INTEGER NOT NULL
	);
	CREATE INDEX tlsrpt_outbox_next ON tlsrpt_outbox (next)`,
}

const (
	// maxKinds bounds the rows of one domain and day; what comes after is
	// counted without details.
	maxKinds = 300
	// maxDomains bounds the domains and days that are stored; others are not
	// counted.
	maxDomains = 200_000
	// settle is how long after midnight counts of the day may still come.
	settle = 15 * time.Minute
)

// add makes counts durable: all in one transaction. due says when the report
// of a day is written.
func (c *Collector) add(ctx context.Context, counts map[tally]int64, due func(day int64) time.Time) error {
	err := c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for k, n := range counts {
			if err := addOne(ctx, tx, k, n, due(k.day)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tlsrpt: store: %w", err)
	}
	return nil
}

func addOne(ctx context.Context, tx *sqldb.Tx, k tally, n int64, due time.Time) error {
	r := k.row()
	if done, err := increase(ctx, tx, r, n); done || err != nil {
		return err
	}
	var kinds int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM tlsrpt_counts WHERE day = ? AND domain = ?`, k.day, k.domain).Scan(&kinds); err != nil {
		return err
	}
	if kinds >= maxKinds {
		r = k.coarse().row()
		if done, err := increase(ctx, tx, r, n); done || err != nil {
			return err
		}
	}
	if kinds == 0 {
		if _, err := tx.Exec(ctx, `INSERT INTO tlsrpt_days (day, domain, due) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, k.day, k.domain, due.Unix()); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO tlsrpt_counts (day, domain, policy_hash, failure_hash, policy, failure, sessions) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.day, r.domain, r.policyHash, r.failureHash, r.policy, r.failure, n)
	return err
}

// increase adds to a row that is there.
func increase(ctx context.Context, tx *sqldb.Tx, r row, n int64) (bool, error) {
	rows, err := tx.Exec(ctx, `UPDATE tlsrpt_counts SET sessions = sessions + ? WHERE day = ? AND domain = ? AND policy_hash = ? AND failure_hash = ?`,
		n, r.day, r.domain, r.policyHash, r.failureHash)
	return rows > 0, err
}

// domains counts what is stored.
func (c *Collector) domains(ctx context.Context) (n int, err error) {
	err = c.db.Read().QueryRow(ctx, `SELECT COUNT(*) FROM tlsrpt_days`).Scan(&n)
	return n, err
}

// dayDomain is a report to be written.
type dayDomain struct {
	day    int64
	domain string
}

// dueDays returns the reports to be written now, and when the next one is.
func (c *Collector) dueDays(ctx context.Context, now time.Time, most int) (list []dayDomain, next time.Time, err error) {
	rows, err := c.db.Read().Query(ctx, `SELECT day, domain, due FROM tlsrpt_days ORDER BY due LIMIT ?`, most)
	if err != nil {
		return nil, next, err
	}
	defer rows.Close()
	for rows.Next() {
		var d dayDomain
		var due int64
		if err := rows.Scan(&d.day, &d.domain, &due); err != nil {
			return nil, next, err
		}
		if at := time.Unix(due, 0); at.After(now) {
			return list, at, rows.Err()
		}
		list = append(list, d)
	}
	return list, next, rows.Err()
}

// postpone puts a report off.
func (c *Collector) postpone(ctx context.Context, d dayDomain, due time.Time) error {
	return c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE tlsrpt_days SET due = ? WHERE day = ? AND domain = ?`, due.Unix(), d.day, d.domain)
		return err
	})
}

// counts reads all that is counted about a domain on a day.
func (c *Collector) counts(ctx context.Context, d dayDomain) ([]PolicyReport, error) {
	var list []PolicyReport
	last := ""
	rows, err := c.db.Read().Query(ctx, `SELECT policy_hash, policy, failure, sessions FROM tlsrpt_counts WHERE day = ? AND domain = ? ORDER BY policy_hash, failure_hash`, d.day, d.domain)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var key, policy, failure string
		var n int64
		if err := row.Scan(&key, &policy, &failure, &n); err != nil {
			return err
		}
		if key != last || len(list) == 0 {
			list, last = append(list, PolicyReport{}), key
			if err := json.Unmarshal([]byte(policy), &list[len(list)-1].Policy); err != nil {
				return err
			}
		}
		return list[len(list)-1].count(failure, Count(n))
	})
	for _, p := range list {
		slices.SortStableFunc(p.Failures, func(a, b Detail) int { return cmp.Compare(b.Sessions, a.Sessions) })
	}
	return list, err
}

func (p *PolicyReport) count(failure string, n Count) error {
	if failure == "" {
		p.Summary.Successful += n
		return nil
	}
	var d Detail
	if err := json.Unmarshal([]byte(failure), &d); err != nil {
		return err
	}
	d.Sessions = n
	p.Summary.Failed += n
	p.Failures = append(p.Failures, d)
	return nil
}

// errTaken says that another process was first.
var errTaken = errors.New("taken")

// finish replaces the counts of a day by letters to be sent, in one
// transaction.
func (c *Collector) finish(ctx context.Context, d dayDomain, report []byte, uris []string, now time.Time) error {
	return c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM tlsrpt_days WHERE day = ? AND domain = ?`, d.day, d.domain)
		if err != nil {
			return err
		}
		if n == 0 {
			return errTaken
		}
		if _, err := tx.Exec(ctx, `DELETE FROM tlsrpt_counts WHERE day = ? AND domain = ?`, d.day, d.domain); err != nil {
			return err
		}
		for _, uri := range uris {
			if _, err := tx.Exec(ctx, `INSERT INTO tlsrpt_outbox (domain, uri, report, next, attempts, expires) VALUES (?, ?, ?, ?, 0, ?)`,
				d.domain, uri, report, now.Unix(), now.Add(keepTrying).Unix()); err != nil {
				return err
			}
		}
		return nil
	})
}

// item is a report on its way.
type item struct {
	id       int64
	domain   string
	uri      string
	report   []byte
	next     int64
	attempts int
	expires  int64
}

// dueItems returns what is to be sent now, and when more is.
func (c *Collector) dueItems(ctx context.Context, now time.Time, most int) (list []item, next time.Time, err error) {
	rows, err := c.db.Read().Query(ctx, `SELECT id, domain, uri, report, next, attempts, expires FROM tlsrpt_outbox ORDER BY next LIMIT ?`, most)
	if err != nil {
		return nil, next, err
	}
	defer rows.Close()
	for rows.Next() {
		var i item
		if err := rows.Scan(&i.id, &i.domain, &i.uri, &i.report, &i.next, &i.attempts, &i.expires); err != nil {
			return nil, next, err
		}
		if at := time.Unix(i.next, 0); at.After(now) {
			return list, at, rows.Err()
		}
		list = append(list, i)
	}
	return list, next, rows.Err()
}

// claim takes an item for one attempt: should we die in it, it is tried again
// at next. False: another process has it.
func (c *Collector) claim(ctx context.Context, i item, next time.Time) (bool, error) {
	var n int64
	err := c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, `UPDATE tlsrpt_outbox SET attempts = attempts + 1, next = ? WHERE id = ? AND next = ?`, next.Unix(), i.id, i.next)
		return err
	})
	return n > 0, err
}

// drop ends an item.
func (c *Collector) drop(ctx context.Context, i item) error {
	return c.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM tlsrpt_outbox WHERE id = ?`, i.id)
		return err
	})
}
