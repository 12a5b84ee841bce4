package queue

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// slowAfter is how long an attempt may take before it is one of those that
// have places of their own.
const slowAfter = 30 * time.Second

// readRetry is how long the runner waits when the database cannot be read.
const readRetry = time.Second

// run is the runner: it loads what is due, looks after what is late, probes
// what was down, and sleeps until the next of these.
func (q *Queue) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-q.ctx.Done():
			return
		case <-q.kick:
		case <-timer.C:
		}
		next, err := q.round()
		if q.over() {
			return
		}
		if err != nil {
			q.log.Error("the queue cannot read its database", "error", err.Error())
			next = q.clock.now() + readRetry.Milliseconds()
		}
		timer.Reset(time.Duration(min(next-q.clock.now(), q.options().longest().Milliseconds())) * time.Millisecond)
	}
}

func (q *Queue) over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// countRows reads which buckets have rows waiting, and how many those are.
func (q *Queue) countRows(ctx context.Context) error {
	type seen struct {
		bucket uint32
		due    int64
	}
	var list []seen
	var total, held, apart, taken int64
	err := q.db.View(ctx, func(ctx context.Context, r *sqldb.Reader) error {
		list, total, held = nil, 0, 0
		if err := r.QueryRow(ctx, sqlApart).Scan(&apart); err != nil {
			return err
		}
		if err := r.QueryRow(ctx, sqlTaken).Scan(&taken); err != nil {
			return err
		}
		rows, err := r.Query(ctx, sqlBacklog, far) // what is held is never due
		return sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			var s seen
			var bucket, n, never int64
			if err := row.Scan(&bucket, &s.due, &n, &never); err != nil {
				return err
			}
			s.bucket = uint32(bucket) & (1<<bucketBits - 1)
			total, held = total+n, held+never
			if s.due < far {
				list = append(list, s)
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("queue: count what waits: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	horizon := q.clock.now() + q.options().longest().Milliseconds()
	for _, s := range list {
		if s.due > horizon { // held by its sender, or by a clock that was wrong
			s.due = 0
		}
		q.backlog.sooner(s.bucket, s.due)
	}
	q.waiting = counts{total, held - apart, apart}
	q.spare.taken = taken
	return nil
}

// round does what is due and returns when to look again.
func (q *Queue) round() (next int64, err error) {
	q.mu.Lock()
	q.planned = never
	now := q.clock.now()
	late, tidy := q.lateAt != 0 && q.lateAt <= now, q.tidyAt != 0 && q.tidyAt <= now
	if tidy {
		q.tidyAt = 0
	}
	trim := q.wal.at != 0 && q.wal.at <= now
	q.mu.Unlock()
	if trim {
		q.trimLog(false)
	}
	if late {
		q.rewrite()
	}
	if tidy {
		q.startTidy()
	}
	q.alarms()
	if err := q.probes(); err != nil {
		return 0, err
	}
	if err := q.loads(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now = q.clock.now()
	next = never
	if began := q.sched.slacken(now - slowAfter.Milliseconds()); began != 0 {
		next = began + slowAfter.Milliseconds()
	}
	q.dispatch()
	if !q.starved {
		_, at := q.backlog.next()
		next = min(next, at)
	}
	if len(q.downs) > 0 {
		next = min(next, q.downs[0].until)
	}
	for _, at := range [...]int64{q.lateAt, q.tidyAt, q.wal.at} {
		if at != 0 {
			next = min(next, at)
		}
	}
	next = min(next, q.nextAlarm, q.memAlarm, q.planned)
	q.planned = next
	return next, nil
}

// loads brings what is due into memory, as far as there is room.
func (q *Queue) loads() error {
	for {
		q.mu.Lock()
		bucket, at := q.backlog.next()
		limit := min(loadMost, (q.loadable()-len(q.entries))/8)
		stop := at > q.clock.now() || q.closed
		q.starved = !stop && limit <= 0
		q.mu.Unlock()
		if stop || limit <= 0 {
			return nil
		}
		if _, err := q.load(bucket, limit, nil); err != nil {
			return err
		}
	}
}

// load brings up to limit rows of bucket that are due into memory; with probe,
// one for that destination, and it returns whether there was one.
func (q *Queue) load(bucket uint32, limit int, probe *dest) (found bool, err error) {
	q.mu.Lock()
	have := 0
	if b := q.buckets[bucket]; b != nil {
		have = b.loaded
	}
	if probe == nil {
		q.backlog.set(bucket, never)
	}
	q.mu.Unlock()
	w := q.watch()
	defer q.unwatch(w)
	last, most := &entry{due: math.MinInt64}, limit+have+1
	for page := 1; ; page++ {
		list, bad, err := q.readBucket(bucket, last, most)
		q.mu.Lock()
		if err != nil {
			q.backlog.sooner(bucket, q.clock.now())
			q.mu.Unlock()
			return false, err
		}
		if len(bad) > 0 {
			go q.bury(bad)
		}
		found, past := q.takeIn(bucket, list, w, limit, len(list)+len(bad) == most, probe)
		if at := q.backlog.time(bucket); page > 1 && at != never { // not for each row that is due next
			q.backlog.set(bucket, max(at, q.clock.now()+int64(page)*pageWait.Milliseconds()))
		}
		q.mu.Unlock()
		if found || !past || page == maxPages {
			return found, nil
		}
		last, most = list[len(list)-1], loadMost
	}
}

// What waits for a destination that is down may have other mail of its bucket
// behind it, for which up to maxPages are read. It is looked at again after
// pageWait for each, so that this takes little of the time.
const (
	maxPages = 400
	pageWait = time.Second
)

// readBucket reads the first rows of a bucket behind one, and the ids of those
// that are damaged.
func (q *Queue) readBucket(bucket uint32, last *entry, most int) (list []*entry, bad []int64, err error) {
	rows, err := q.db.Read().Query(q.ctx, sqlLoad, int64(bucket), last.due, last.due, last.id, most)
	if err != nil {
		return nil, nil, fmt.Errorf("queue: load: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var due int64
		e, err := scanEntry(rows, &due)
		switch {
		case err != nil && e == nil:
			return nil, nil, err
		case err != nil && due < far:
			q.log.Error("a row of the queue cannot be read and is held", "entry", e.id, "error", err.Error())
			bad = append(bad, e.id)
		case err == nil:
			e.due = due
			list = append(list, e)
		}
	}
	return list, bad, rows.Err()
}

// bury holds damaged rows.
func (q *Queue) bury(ids []int64) {
	err := q.write(q.ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, id := range ids {
			if _, err := tx.Exec(ctx, `UPDATE queue_waiting SET due = ?, alarm = ?, held = 1 WHERE id = ?`, far, far, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		q.log.Error("the queue cannot write to its database", "error", err.Error())
	}
}

// takeIn makes rows ready that are due, and tells whether it found some, or else
// there may be some past these. full: there are more rows than these. q.mu is
// held.
func (q *Queue) takeIn(bucket uint32, list []*entry, w *watch, limit int, full bool, probe *dest) (found, past bool) {
	now := q.clock.now()
	horizon := now + q.options().longest().Milliseconds()
	next, n, parked, down := int64(never), 0, false, false
	b := q.buckets[bucket]
	for _, e := range list {
		if w.left(e.id) || q.entries[e.id] != nil {
			continue
		}
		if e.due >= far {
			full = false
			break
		}
		// A time that no wait leads to is one that another clock has set.
		if e.due > now && (e.due <= horizon || e.msg.notBefore >= e.due) {
			next, full = min(e.due, horizon), false
			break
		}
		d := q.destOf(e)
		if probe != nil && d != probe {
			continue
		}
		if d.down() || probe == nil && q.crowded(d) {
			d.park(bucket)
			parked, down = true, down || d.down()
			continue
		}
		if n == limit {
			full = true
			break
		}
		if b == nil {
			b = &bucketState{}
			q.buckets[bucket] = b
		}
		n++
		w.place(e)
		b.loaded++
		e.loaded = true
		q.enter(e)
		q.alarmInMemory(e)
		q.sched.add(e, d)
		if probe != nil {
			return true, false
		}
	}
	if probe != nil {
		return false, full && len(list) > 0
	}
	switch {
	case !full:
		q.backlog.sooner(bucket, next)
	case n == 0 && down: // one that is crowded has them looked at soon
		past = true
	case b != nil && b.loaded > 0:
		b.more = true
	case !parked: // all of them have just gone
		q.backlog.sooner(bucket, now)
	}
	q.dispatch()
	return n > 0, past
}

// probes lets one message find out whether a destination still is down.
func (q *Queue) probes() error {
	for {
		q.mu.Lock()
		if len(q.downs) == 0 || q.downs[0].until > q.clock.now() || q.closed {
			q.mu.Unlock()
			return nil
		}
		d := q.downs[0]
		q.downs.remove(d)
		if d.paused {
			q.sched.resume(d)
			q.dispatch()
			q.mu.Unlock()
			continue
		}
		d.probing = true
		var buckets []uint32
		for b := range d.parked {
			if buckets = append(buckets, b); len(buckets) == probeBuckets {
				break
			}
		}
		q.mu.Unlock()
		if err := q.probe(d, buckets); err != nil {
			q.mu.Lock()
			q.downs.put(d)
			q.mu.Unlock()
			return err
		}
	}
}

// probe loads one of the messages for d that are in buckets. Where there is
// none, the next buckets are for later.
func (q *Queue) probe(d *dest, buckets []uint32) error {
	for _, b := range buckets {
		found, err := q.load(b, 1, d)
		if err != nil || found {
			return err
		}
		q.mu.Lock()
		delete(d.parked, b)
		q.backlog.sooner(b, q.clock.now())
		q.mu.Unlock()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(d.parked) > 0 && d.at == 0 {
		q.downs.put(d)
	}
	return nil
}

// probeBuckets is how many buckets are asked for a message that probes.
const probeBuckets = 16

// unpark has parked buckets looked at now. q.mu is held.
func (q *Queue) unpark(buckets []uint32) {
	if len(buckets) == 0 {
		return
	}
	now := q.clock.now()
	for _, b := range buckets {
		q.backlog.sooner(b, now)
	}
	q.plan(now)
}

// crowded tells whether no more rows for d are to be loaded. q.mu is held.
func (q *Queue) crowded(d *dest) bool { return d.crowded(q.loadable() - len(q.entries)) }

// relieve has some of what is parked for d looked at when there is room for it
// again. q.mu is held.
func (q *Queue) relieve(d *dest) {
	if len(d.parked) == 0 || d.until != 0 || d.crowded((q.loadable()-len(q.entries))/2) {
		return
	}
	var buckets []uint32
	for b := range d.parked {
		delete(d.parked, b)
		if buckets = append(buckets, b); len(buckets) == relieved {
			break
		}
	}
	q.unpark(buckets)
}

// relieved is how many buckets are looked at at a time.
const relieved = 16
