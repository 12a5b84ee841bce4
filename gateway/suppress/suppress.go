package suppress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

var migrations = []string{
	`
CREATE TABLE suppress_entries (address TEXT NOT NULL, domain TEXT NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL, detail TEXT NOT NULL,
  since INTEGER NOT NULL, until INTEGER NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY (address, domain)) STRICT;
CREATE INDEX suppress_entries_changed ON suppress_entries (changed);
CREATE TABLE suppress_changes (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL) STRICT;
INSERT INTO suppress_changes VALUES (1, 0);
CREATE INDEX suppress_entries_until ON suppress_entries (until) WHERE until > 0;
CREATE TABLE suppress_bounces (domain TEXT NOT NULL, address TEXT NOT NULL, about TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (address, domain, about)) STRICT;
CREATE INDEX suppress_bounces_at ON suppress_bounces (at)`,
	`CREATE TABLE suppress_sent (id INTEGER NOT NULL PRIMARY KEY, begun INTEGER NOT NULL, n INTEGER NOT NULL, bits BLOB NOT NULL) STRICT`,
}

const (
	// refreshEvery is how long additions by other processes may stay unseen.
	refreshEvery = 3 * time.Second
	// pruneEvery is how often what has expired is deleted.
	pruneEvery = time.Hour
	// refreshTime bounds a look at what is new.
	refreshTime = 10 * time.Second
)

// Deps are what a List needs.
type Deps struct {
	DB      *sqldb.DB
	Log     *slog.Logger // nil: none
	Metrics *Metrics     // may be nil
}

// List is the list. Its methods may be called by many at once.
type List struct {
	deps   Deps
	opt    atomic.Pointer[Options]
	filter atomic.Pointer[bloom]
	next   atomic.Int64 // when to look for what is new, Unix nanoseconds
	pruned atomic.Int64 // when pruning was last begun

	sent sent

	loading sync.Mutex
	last    int64 // change that the filter knows up to
}

// Open opens the list; without more, as a command does, it may be used for
// changes alone.
func Open(ctx context.Context, opt Options, deps Deps) (*List, error) {
	if err := opt.Check(); err != nil {
		return nil, fmt.Errorf("suppress: %w", err)
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	l := &List{deps: deps}
	l.opt.Store(&opt)
	if err := deps.DB.Migrate(ctx, "suppress", migrations); err != nil {
		return nil, fmt.Errorf("suppress: %w", err)
	}
	return l, nil
}

// Reconfigure takes new options; they must have passed Check.
func (l *List) Reconfigure(opt Options) { l.opt.Store(&opt) }

// Refused returns the refusal of mail that a sender of a domain writes to an
// address; the zero Reply for nearly all. The error is the database's.
func (l *List) Refused(ctx context.Context, sender string, to smtp.Address) (smtp.Reply, error) {
	if !l.opt.Load().Refuse {
		return smtp.Reply{}, nil
	}
	e, ok, err := l.Lookup(ctx, sender, to.String())
	if err != nil || !ok {
		return smtp.Reply{}, err
	}
	l.deps.Metrics.refused(e.Reason)
	return e.Reply(), nil
}

// Lookup finds the entry that keeps mail of a sending domain from an address.
// What is no address is on no list.
func (l *List) Lookup(ctx context.Context, sender, address string) (Entry, bool, error) {
	address, err := Normal(address)
	if err != nil {
		return Entry{}, false, nil
	}
	if sender, err = normalDomain(sender); err != nil {
		sender = "" // the null sender, for instance: what counts for all
	}
	b, err := l.current(ctx)
	if err != nil {
		return Entry{}, false, err
	}
	whole := address[lastAt(address):]
	for _, domain := range []string{sender, ""} {
		for _, a := range []string{address, whole} {
			if !b.has(domain, a) {
				continue
			}
			e, err := l.get(ctx, domain, a)
			if errors.Is(err, sqldb.ErrNoRows) {
				continue
			}
			if err != nil {
				return Entry{}, false, err
			}
			return e, true, nil
		}
		if sender == "" {
			break
		}
	}
	return Entry{}, false, nil
}

// Refresh has the next who asks look for what other processes have added.
func (l *List) Refresh() { l.next.Store(0) }

func lastAt(s string) int {
	for i := len(s) - 1; i > 0; i-- {
		if s[i] == '@' {
			return i
		}
	}
	return 0
}

const columns = "domain, address, reason, source, detail, since, until"

// get reads one entry that has not expired.
func (l *List) get(ctx context.Context, domain, address string) (Entry, error) {
	row := l.deps.DB.Read().QueryRow(ctx, "SELECT "+columns+" FROM suppress_entries WHERE address = ? AND domain = ? AND (until = 0 OR until > ?)", address, domain, time.Now().Unix())
	e, err := scan(row)
	if err != nil {
		return Entry{}, fmt.Errorf("suppress: read: %w", err)
	}
	return e, nil
}

func scan(row interface{ Scan(dest ...any) error }) (e Entry, err error) {
	var reason string
	var since, until int64
	err = row.Scan(&e.Domain, &e.Address, &reason, &e.Source, &e.Detail, &since, &until)
	e.Reason, e.Since = Reason(reason), time.Unix(since, 0)
	if until > 0 {
		e.Until = time.Unix(until, 0)
	}
	return e, err
}

// current returns the filter, made or brought up to date where it is time.
// Who comes while another does that takes it as it is.
func (l *List) current(ctx context.Context) (*bloom, error) {
	b, now := l.filter.Load(), time.Now()
	if b != nil && now.UnixNano() < l.next.Load() {
		return b, nil
	}
	if b == nil {
		l.loading.Lock()
	} else if !l.loading.TryLock() {
		return b, nil
	}
	defer l.loading.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	l.next.Store(math.MaxInt64)
	err := l.load(ctx)
	l.next.CompareAndSwap(math.MaxInt64, time.Now().Add(refreshEvery).UnixNano()) // unless there was a Refresh meanwhile
	if b = l.filter.Load(); err != nil && b != nil {
		l.deps.Log.Error("suppression list not read anew", "error", err.Error())
		return b, nil
	}
	return b, err
}

// load adds what is new to the filter, or makes a new one.
func (l *List) load(ctx context.Context) error {
	b, from := l.filter.Load(), l.last
	if b == nil || b.full() {
		var n int64
		if err := l.deps.DB.Read().QueryRow(ctx, "SELECT COUNT(*) FROM suppress_entries").Scan(&n); err != nil {
			return fmt.Errorf("suppress: read: %w", err)
		}
		b, from = newBloom(n), 0
	}
	last := from
	rows, err := l.deps.DB.Read().Query(ctx, "SELECT changed, domain, address FROM suppress_entries WHERE changed > ? ORDER BY changed", from)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var domain, address string
		if err := row.Scan(&last, &domain, &address); err != nil {
			return err
		}
		b.add(domain, address)
		return nil
	})
	if err != nil {
		return fmt.Errorf("suppress: read: %w", err)
	}
	l.last = last
	l.filter.Store(b)
	return nil
}
