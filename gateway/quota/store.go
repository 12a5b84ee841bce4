package quota

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

var migrations = []string{`
CREATE TABLE quota_use (subject TEXT NOT NULL, span INTEGER NOT NULL, at INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL, fresh INTEGER NOT NULL, refusals INTEGER NOT NULL,
  PRIMARY KEY (subject, span, at)) STRICT;
CREATE INDEX quota_use_at ON quota_use (at);
CREATE TABLE quota_known (subject TEXT NOT NULL, recipient INTEGER NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (subject, recipient)) STRICT;
CREATE INDEX quota_known_seen ON quota_known (subject, seen);
CREATE TABLE quota_holds (subject TEXT NOT NULL PRIMARY KEY, since INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE TABLE quota_orders (change INTEGER NOT NULL PRIMARY KEY, subject TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE quota_changes (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL) STRICT;
INSERT INTO quota_changes VALUES (1, 0)`}

// read reads what a sender has sent.
func (q *Quota) read(ctx context.Context, subject string) (*usage, error) {
	return readUsage(ctx, q.deps.DB.Read(), subject)
}

func readUsage(ctx context.Context, r sqldb.Querier, subject string) (*usage, error) {
	u, now := newUsage(), time.Now()
	rows, err := r.Query(ctx, "SELECT span, at, messages, recipients, fresh, refusals FROM quota_use WHERE subject = ? AND at > ?", subject, now.Add(-day-2*daySlot).Unix())
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var span, at int64
		var c counts
		if err := row.Scan(&span, &at, &c.messages, &c.recipients, &c.fresh, &c.refusals); err != nil {
			return err
		}
		w := &u.hour
		if span == u.day.span {
			w = &u.day
		}
		probe := slot{at: at, counts: c}
		if at%w.span == 0 && w.counts(&probe, now.Unix()) {
			w.slots[int(at/w.span)%len(w.slots)] = probe
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("quota: read: %w", err)
	}
	return u, nil
}

const (
	// flushAfter is how long counts wait to be written with others.
	flushAfter = time.Second
	// flushTime bounds one writing.
	flushTime = 20 * time.Second
	// maxAlerts bounds the alerts that wait to be given.
	maxAlerts = 100
	// pruneEvery is how often old rows are deleted.
	pruneEvery = time.Hour
)

// flusher writes what has changed, in groups, a while after the first change.
type flusher struct {
	q      *Quota
	mu     sync.Mutex
	dirty  map[*sender]bool
	known  map[string][]int64
	alerts []Alert
	timer  *time.Timer // nil: nothing waits
	closed bool

	writing sync.Mutex // one writing at a time
	pruned  time.Time
	lost    bool // the latest writing failed
}

func newFlusher(q *Quota) *flusher {
	return &flusher{q: q, dirty: map[*sender]bool{}, known: map[string][]int64{}}
}

// want asks for a sender's counts to be written.
func (f *flusher) want(x *sender) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirty[x] = true
	f.arm()
}

func (f *flusher) know(subject string, fresh []int64) {
	if len(fresh) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[subject] = append(f.known[subject], fresh...)
	f.arm()
}

func (f *flusher) alert(a Alert) {
	f.q.deps.Metrics.count("alert")
	f.q.deps.Log.Warn("sending limit", "subject", a.Subject, "held", a.Held, "text", a.Text)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.alerts) < maxAlerts {
		f.alerts = append(f.alerts, a)
	}
	f.arm()
}

// arm has things written after a while.
func (f *flusher) arm() {
	if f.timer == nil && !f.closed {
		f.timer = time.AfterFunc(flushAfter, func() { f.run() })
	}
}

// run writes all that has changed.
func (f *flusher) run() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	dirty, known, alerts := f.dirty, f.known, f.alerts
	f.dirty, f.known, f.alerts, f.timer = map[*sender]bool{}, map[string][]int64{}, nil, nil
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if call := f.q.deps.Alert; call != nil {
		for _, a := range alerts {
			call(ctx, a)
		}
	}
	err := f.write(ctx, dirty, known)
	if err != nil {
		f.again(dirty, known)
		if !f.lost {
			f.q.deps.Log.Error("counts of senders not written; tried again", "error", err.Error())
		}
	}
	f.lost = err != nil
	return err
}

// again keeps what could not be written.
func (f *flusher) again(dirty map[*sender]bool, known map[string][]int64) {
	for x := range dirty {
		x.mu.Lock()
		for _, w := range []*window{&x.usage.hour, &x.usage.day} {
			w.soil()
		}
		x.saving = false
		x.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range dirty {
		f.dirty[x] = true
	}
	for s, l := range known {
		if len(f.known[s]) < maxKnown {
			f.known[s] = append(f.known[s], l...)
		}
	}
	f.arm()
}

const (
	writeUse   = "INSERT INTO quota_use (subject, span, at, messages, recipients, fresh, refusals) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject, span, at) DO UPDATE SET messages = excluded.messages, recipients = excluded.recipients, fresh = excluded.fresh, refusals = excluded.refusals"
	writeKnown = "INSERT INTO quota_known (subject, recipient, seen) VALUES (?, ?, ?) ON CONFLICT (subject, recipient) DO UPDATE SET seen = excluded.seen"
)

func (f *flusher) write(ctx context.Context, dirty map[*sender]bool, known map[string][]int64) error {
	now := time.Now()
	var use, met [][]any
	for x := range dirty {
		x.mu.Lock()
		x.saving = true
		for _, w := range []*window{&x.usage.hour, &x.usage.day} {
			for i := range w.slots {
				if s := &w.slots[i]; s.dirty {
					s.dirty = false
					use = append(use, []any{x.subject, w.span, s.at, s.messages, s.recipients, s.fresh, s.refusals})
				}
			}
		}
		x.mu.Unlock()
	}
	for subject, list := range known {
		for _, h := range list {
			met = append(met, []any{subject, h, now.Unix()})
		}
	}
	prune := now.Sub(f.pruned) >= pruneEvery
	err := f.q.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.ExecMany(ctx, writeUse, use); err != nil {
			return err
		}
		if _, err := tx.ExecMany(ctx, writeKnown, met); err != nil {
			return err
		}
		for subject := range known {
			if _, err := tx.Exec(ctx, "DELETE FROM quota_known WHERE subject = ? AND seen < (SELECT MIN(seen) FROM (SELECT seen FROM quota_known WHERE subject = ? ORDER BY seen DESC LIMIT ?) AS latest)", subject, subject, maxKnown); err != nil {
				return err
			}
		}
		if prune {
			return pruneTx(ctx, tx, now)
		}
		return nil
	})
	if err == nil && prune {
		f.pruned = now
	}
	if err != nil {
		return err
	}
	for x := range dirty {
		x.saved()
	}
	return nil
}

// saved tells that what was to be written is, or is dirty again.
func (x *sender) saved() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.saving = false
}

// pruneTx deletes what counts no more.
func pruneTx(ctx context.Context, tx *sqldb.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM quota_use WHERE at < ?", now.Add(-2*day).Unix())
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM quota_orders WHERE at < ?", now.Add(-day).Unix())
	}
	return err
}

// close writes what is left.
func (f *flusher) close() error {
	f.mu.Lock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.mu.Unlock()
	if err := f.run(); err != nil {
		return fmt.Errorf("quota: write: %w", err)
	}
	return nil
}
