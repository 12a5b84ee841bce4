package quota

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// followEvery is how long what commands order may stay unseen.
	followEvery = 2 * time.Second
	// followTime bounds a look at it.
	followTime = 5 * time.Second
	// maxHolds bounds who is held at once.
	maxHolds = 10_000
	// maxReason bounds why, in octets.
	maxReason = 300
)

// What commands order of a running gateway.
const (
	orderReset   = "reset"
	orderRelease = "release"
)

type heldSender struct {
	since  time.Time
	reason string
}

// orders follows what commands have ordered, and who is held.
type orders struct {
	next atomic.Int64 // when to look, Unix nanoseconds
	mu   sync.Mutex
	last int64 // change seen
	list atomic.Pointer[map[string]heldSender]
}

// begin reads who is held.
func (o *orders) begin(ctx context.Context, db *sqldb.DB) error {
	if err := db.Read().QueryRow(ctx, "SELECT n FROM quota_changes WHERE id = 1").Scan(&o.last); err != nil {
		return fmt.Errorf("quota: read: %w", err)
	}
	return o.holds(ctx, db)
}

func (o *orders) holds(ctx context.Context, db *sqldb.DB) error {
	list, err := readHolds(ctx, db.Read())
	if err != nil {
		return err
	}
	o.list.Store(&list)
	return nil
}

func readHolds(ctx context.Context, r sqldb.Querier) (map[string]heldSender, error) {
	list := map[string]heldSender{}
	rows, err := r.Query(ctx, "SELECT subject, since, reason FROM quota_holds ORDER BY since DESC LIMIT ?", maxHolds)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var subject, reason string
		var since int64
		err := row.Scan(&subject, &since, &reason)
		list[subject] = heldSender{time.Unix(since, 0), reason}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("quota: read: %w", err)
	}
	return list, nil
}

// follow carries out what was ordered since the last look, from time to time;
// who comes while another does that goes on.
func (q *Quota) follow(ctx context.Context) error {
	o := &q.orders
	if time.Now().UnixNano() < o.next.Load() || !o.mu.TryLock() {
		return nil
	}
	defer o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTime)
	defer cancel()
	err := q.carryOut(ctx)
	o.next.Store(time.Now().Add(followEvery).UnixNano())
	if err != nil {
		q.deps.Log.Error("orders about senders not read", "error", err.Error())
	}
	return nil
}

// Sync carries out what commands have ordered, and writes what was counted, so
// that those who order and look see what is now.
func (q *Quota) Sync(ctx context.Context) error {
	q.orders.mu.Lock()
	err := q.carryOut(ctx)
	q.orders.mu.Unlock()
	return errors.Join(err, q.flush.run())
}

func (q *Quota) carryOut(ctx context.Context) error {
	o := &q.orders
	var n int64
	if err := q.deps.DB.Read().QueryRow(ctx, "SELECT n FROM quota_changes WHERE id = 1").Scan(&n); err != nil || n == o.last {
		return err
	}
	rows, err := q.deps.DB.Read().Query(ctx, "SELECT subject, what FROM quota_orders WHERE change > ? ORDER BY change", o.last)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var subject, what string
		if err := row.Scan(&subject, &what); err != nil {
			return err
		}
		q.obey(subject, what)
		return nil
	})
	if err != nil {
		return err
	}
	if err := o.holds(ctx, q.deps.DB); err != nil {
		return err
	}
	o.last = n
	return nil
}

// obey forgets what is to be forgotten; it is read anew when it is needed.
func (q *Quota) obey(subject, what string) {
	q.mu.Lock()
	x := q.senders[subject]
	q.mu.Unlock()
	if x == nil {
		return
	}
	x.mu.Lock()
	read := x.usage != nil
	if read {
		x.usage.forget(what == orderReset)
	}
	x.mu.Unlock()
	if read {
		q.flush.want(x)
	}
}

// forget forgets refusals, or everything. The slots are written again, over
// what the database has of them.
func (u *usage) forget(all bool) {
	u.told = 0
	for _, w := range []*window{&u.hour, &u.day} {
		for i := range w.slots {
			s := &w.slots[i]
			if s.refusals = 0; all {
				s.counts = counts{}
			}
		}
		w.soil()
	}
}

// held tells whether a sender is held; nil: it is not.
func (q *Quota) held(ctx context.Context, subject string) (*heldSender, error) {
	if err := q.follow(ctx); err != nil {
		return nil, err
	}
	if h, ok := (*q.orders.list.Load())[subject]; ok {
		return &h, nil
	}
	return nil, nil
}

// hold holds a sender, once.
func (q *Quota) hold(ctx context.Context, subject, reason string) error {
	if _, ok := (*q.orders.list.Load())[subject]; ok {
		return nil
	}
	reason = clip(message.CleanValue(reason), maxReason)
	var n int64
	err := q.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, "INSERT INTO quota_holds (subject, since, reason) VALUES (?, ?, ?) ON CONFLICT (subject) DO NOTHING", subject, time.Now().Unix(), reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("quota: hold: %w", err)
	}
	q.orders.mu.Lock()
	err = q.orders.holds(ctx, q.deps.DB)
	q.orders.mu.Unlock()
	if err == nil && n > 0 {
		q.flush.alert(Alert{Subject: subject, Held: true, Text: reason})
	}
	return err
}

// order writes down what the running gateway is to do.
func order(ctx context.Context, tx *sqldb.Tx, subject, what string) error {
	var change int64
	if err := tx.QueryRow(ctx, "UPDATE quota_changes SET n = n + 1 WHERE id = 1 RETURNING n").Scan(&change); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO quota_orders (change, subject, what, at) VALUES (?, ?, ?, ?)", change, subject, what, time.Now().Unix())
	return err
}

// HoldReason is why mail of a held sender waits. With reason "" it begins the
// others, and no other sender's.
func HoldReason(subject, reason string) string {
	return strings.TrimSpace("quota: " + subject + ": " + reason)
}

// ErrNotHeld tells that a sender is not held.
var ErrNotHeld = errors.New("quota: not held")
