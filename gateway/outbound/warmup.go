package outbound

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// warmup counts the messages of sources that are being warmed up. The counts
// are written every few seconds; a crash loses the last of them.
type warmup struct {
	db  *sqldb.DB // nil: they are kept in memory alone
	log *slog.Logger

	mu    sync.Mutex
	used  map[netip.Addr][]*usage // one for each day
	timer *time.Timer
	shut  bool
	busy  sync.WaitGroup
}

// usage is what one source has sent on a day.
type usage struct {
	day   time.Time
	n     int
	dirty bool
}

const (
	warmupFlush = 5 * time.Second
	dbTime      = 10 * time.Second
	keepDays    = 7
)

// migrations are of all that the way out keeps.
var migrations = []string{
	`CREATE TABLE outbound_warmup (source TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (source, day))`,
	`CREATE TABLE outbound_refresh (registration TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL, at INTEGER NOT NULL) STRICT`,
}

// open reads the counts.
func (w *warmup) open(ctx context.Context, db *sqldb.DB) error {
	w.used = map[netip.Addr][]*usage{}
	if w.db = db; db == nil {
		return nil
	}
	if err := db.Migrate(ctx, "outbound", migrations); err != nil {
		return fmt.Errorf("outbound: %w", err)
	}
	rows, err := db.Read().Query(ctx, "SELECT source, day, used FROM outbound_warmup")
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var text, date string
		u := &usage{}
		if err := row.Scan(&text, &date, &u.n); err != nil {
			return err
		}
		a, bad := netip.ParseAddr(text)
		if u.day, err = time.Parse(time.DateOnly, date); bad == nil && err == nil {
			w.used[a] = append(w.used[a], u)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("outbound: %w", err)
	}
	return nil
}

// day is the day of a time, in UTC.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// take counts a message of a source, unless its day's allowance is used up.
func (w *warmup) take(s *source, now time.Time) bool {
	if s.days == nil {
		return true
	}
	today := day(now)
	most := s.allowance(today)
	if most < 0 {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.of(s.addr, today)
	if u.n >= most {
		return false
	}
	w.count(u, 1)
	return true
}

// giveBack takes back what was counted for a message that was not sent.
func (w *warmup) giveBack(s *source) {
	today := day(time.Now())
	if s.allowance(today) < 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.of(s.addr, today); u.n > 0 {
		w.count(u, -1)
	}
}

// left tells how many messages a source may still send today; below 0: as many
// as there are.
func (w *warmup) left(s *source) int {
	today := day(time.Now())
	most := s.allowance(today)
	if most < 0 {
		return -1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, most-w.of(s.addr, today).n)
}

// of returns the count of today. What was counted on a day that is yet to come,
// before the clock was set back, was sent today: else the allowance would begin
// anew, and the count stand in the way when its day has come.
func (w *warmup) of(a netip.Addr, today time.Time) *usage {
	var u *usage
	early, old := 0, today.AddDate(0, 0, -keepDays)
	days := slices.DeleteFunc(w.used[a], func(x *usage) bool { return x.day.Before(old) })
	for _, x := range days {
		switch {
		case x.day.Equal(today):
			u = x
		case x.day.After(today) && x.n > 0:
			early += x.n
			x.n, x.dirty = 0, true
		}
	}
	if u == nil {
		u = &usage{day: today}
		days = append(days, u)
	}
	w.used[a] = days
	if early > 0 {
		w.count(u, early)
	}
	return u
}

func (w *warmup) count(u *usage, n int) {
	u.n += n
	u.dirty = true
	if w.timer == nil && w.db != nil && !w.shut {
		w.busy.Add(1)
		w.timer = time.AfterFunc(warmupFlush, func() {
			defer w.busy.Done()
			w.flush()
		})
	}
}

// flush writes what has changed.
func (w *warmup) flush() {
	var rows [][]any
	w.mu.Lock()
	w.timer = nil
	for a, days := range w.used {
		for _, u := range days {
			if u.dirty {
				u.dirty = false
				rows = append(rows, []any{a.String(), u.day.Format(time.DateOnly), u.n})
			}
		}
	}
	w.mu.Unlock()
	if len(rows) == 0 || w.db == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dbTime)
	defer cancel()
	err := w.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.ExecMany(ctx, "INSERT INTO outbound_warmup (source, day, used) VALUES (?, ?, ?) ON CONFLICT (source, day) DO UPDATE SET used = excluded.used", rows)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM outbound_warmup WHERE day < ?", day(time.Now()).AddDate(0, 0, -keepDays).Format(time.DateOnly))
		}
		return err
	})
	if err != nil {
		w.log.Error("the counts of addresses that are warmed up were not written", "error", err.Error())
	}
}

// close writes what is left.
func (w *warmup) close() {
	w.mu.Lock()
	w.shut = true
	if w.timer != nil && w.timer.Stop() {
		w.busy.Done()
	}
	w.mu.Unlock()
	w.busy.Wait()
	w.flush()
}
