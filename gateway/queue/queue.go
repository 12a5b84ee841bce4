package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/crew"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Bounds of memory.
const (
	// maxMemory is how many entries are in memory, whatever waits.
	maxMemory = 20_000
	// maxLoaded is how many of them are loaded from rows; the rest is for what
	// is just being accepted.
	maxLoaded = maxMemory * 3 / 4
	// maxFlow is how many a flow may have there of what it just sends.
	maxFlow = 1000
	// loadMost is how many rows of a bucket are loaded at once; loadAgain how
	// few are left when more are loaded.
	loadMost, loadAgain = 256, 64
)

// Deps is what a Queue needs from its surroundings.
type Deps struct {
	DB       *sqldb.DB
	Blobs    blob.Store
	Hostname string       // ours, in notifications
	Log      *slog.Logger // nil: slog.Default
	Metrics  *Metrics     // nil: none
	// RouteOf returns the route of mail to an address, "": there is none.
	RouteOf func(smtp.ForwardPath) string
}

// Queue keeps mail and sends it on. Its methods may be called by many at once.
type Queue struct {
	db      *sqldb.DB
	write   writeFunc // of db; tests let it fail
	blobs   blob.Store
	log     *slog.Logger
	metrics *Metrics
	opt     atomic.Pointer[Options]
	names   atomic.Pointer[naming]
	clock   clock
	ids     atomic.Int64 // the last one given
	tidying atomic.Bool
	kept    atomic.Int64 // octets of messages in memory
	crew    crew.Crew
	journal *journal

	ctx    context.Context // of attempts
	cancel context.CancelFunc
	wg     sync.WaitGroup // runner and attempts
	kick   chan struct{}

	refs sync.RWMutex // guards the ref of messages

	mu         sync.Mutex
	sched      *sched
	entries    map[int64]*entry // all that are in memory
	backlog    *backlog
	buckets    map[uint32]*bucketState
	watches    map[*watch]struct{}
	downs      destHeap
	transports map[string]Transport
	nextAlarm  int64 // of rows; never later than the truth
	memAlarm   int64 // of entries in memory, likewise
	planned    int64 // when the runner looks again
	waiting    counts
	started    bool
	closed     bool
	paused     bool     // the database does not take anything
	starved    bool     // there was no room to load
	late       []*batch // outcomes that could not be written yet, each by itself
	lateAt     int64    // when they are written again; 0: never
	tidyAt     int64    // when it is looked at whether space can be had; 0: never
}

// writeFunc is DB.Write.
type writeFunc func(ctx context.Context, f func(ctx context.Context, tx *sqldb.Tx) error) error

// naming is what Reconfigure changes beside options.
type naming struct {
	hostname string
	routeOf  func(smtp.ForwardPath) string
}

// bucketState counts what of a bucket's rows is in memory.
type bucketState struct {
	loaded int
	more   bool // more are due
}

// counts are the rows of queue_waiting.
type counts struct {
	rows, held int64
}

// Open opens the queue; the blob store must know already what Live lists.
// Nothing is sent before SetTransports. Options must be valid.
func Open(ctx context.Context, opt Options, deps Deps) (*Queue, error) {
	opt = opt.withDefaults()
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	q := &Queue{
		db: deps.DB, write: deps.DB.Write, blobs: deps.Blobs, log: deps.Log, metrics: deps.Metrics, clock: clock{time.Now()},
		kick: make(chan struct{}, 1), sched: newSched(opt), entries: map[int64]*entry{}, backlog: newBacklog(), watches: map[*watch]struct{}{},
		buckets: map[uint32]*bucketState{}, memAlarm: never, planned: never,
	}
	q.opt.Store(&opt)
	q.names.Store(&naming{deps.Hostname, deps.RouteOf})
	q.journal = newJournal(q)
	q.ctx, q.cancel = context.WithCancel(context.Background())
	if err := q.recover(ctx); err != nil {
		q.cancel()
		return nil, err
	}
	if q.metrics != nil {
		q.metrics.attach(q)
	}
	return q, nil
}

// recover brings the database to where nothing is in anybody's hands: what was
// new waits, and is due.
func (q *Queue) recover(ctx context.Context) error {
	if err := migrate(ctx, q.db); err != nil {
		return err
	}
	var last int64
	if err := q.db.Read().QueryRow(ctx, sqlLastID).Scan(&last); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	q.ids.Store(last)
	if err := q.recoverNew(ctx); err != nil {
		return fmt.Errorf("queue: recover: %w", err)
	}
	return q.countRows(ctx)
}

// recoverNew has all that was new wait.
func (q *Queue) recoverNew(ctx context.Context) error {
	for {
		n, err := q.recoverSome(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

// recoverBatch is how many rows are recovered in one transaction.
const recoverBatch = 1000

func (q *Queue) recoverSome(ctx context.Context) (int, error) {
	rows, err := q.db.Read().Query(ctx, sqlNew, 0, recoverBatch)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	b := &batch{}
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return 0, err
		}
		e.fresh, e.fate, e.due = true, toWait, min(e.msg.queued, q.clock.now())
		b.settle = append(b.settle, e)
	}
	if err := rows.Err(); err != nil || len(b.settle) == 0 {
		return 0, err
	}
	rows.Close()
	return len(b.settle), q.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return q.store(ctx, tx, b) })
}

func (q *Queue) options() *Options { return q.opt.Load() }

// Reconfigure takes valid options over, and who we are.
func (q *Queue) Reconfigure(opt Options, hostname string, routeOf func(smtp.ForwardPath) string) {
	opt = opt.withDefaults()
	q.opt.Store(&opt)
	q.names.Store(&naming{hostname, routeOf})
	q.mu.Lock()
	q.sched.configure(opt)
	q.dispatch()
	q.mu.Unlock()
}

// NextHop is a Transport that says which destinations share a next hop: they
// share limits on attempts, and are down together.
type NextHop interface {
	// NextHop names the next hop of mail to a domain.
	NextHop(domain string) string
}

// SetTransports says how mail leaves, by route; the first call starts it.
// Attempts that run keep their transport.
func (q *Queue) SetTransports(t map[string]Transport) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.transports = t
	if !q.started {
		q.started = true
		q.crew.Enter()
		q.wg.Go(q.run)
	}
	q.retryRoutes()
	q.dispatch()
}

// retryRoutes ends what is known of destinations: another way may lead there
// now.
func (q *Queue) retryRoutes() {
	for len(q.downs) > 0 {
		d := q.downs[0]
		q.downs.remove(d)
		q.unpark(q.sched.release(d))
	}
}

// Close takes no more mail, waits for attempts that run until ctx ends, gives
// up those that are left, and waits until all that is known is on record.
// Everything else stays for the next Open.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return errors.New("queue: closed twice")
	}
	q.closed = true
	started := q.started
	q.mu.Unlock()
	q.wake()
	done := make(chan struct{})
	go func() {
		q.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	q.cancel()
	<-done
	if started {
		q.crew.Leave()
	}
	q.journal.drain()
	q.rewrite()
	if q.metrics != nil {
		q.metrics.detach()
	}
	return nil
}

// wake has the runner look around.
func (q *Queue) wake() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// destOf returns the next hop of e. q.mu is held.
func (q *Queue) destOf(e *entry) *dest {
	key := destKey{e.route, e.domain}
	if t, ok := q.transports[e.route].(NextHop); ok {
		key.hop = t.NextHop(e.domain)
	}
	return q.sched.dest(key)
}

// peekDest returns the next hop of e if anything is known of it.
func (q *Queue) peekDest(e *entry) *dest {
	key := destKey{e.route, e.domain}
	if t, ok := q.transports[e.route].(NextHop); ok {
		key.hop = t.NextHop(e.domain)
	}
	return q.sched.dests[key]
}

// plan sees to it that the runner looks no later than at. q.mu is held.
func (q *Queue) plan(at int64) {
	if at < q.planned {
		q.planned = at
		q.wake()
	}
}

// stored goes on after b has been written, or could not be.
func (q *Queue) stored(b *batch) {
	q.mu.Lock()
	if b.err != nil {
		q.unwritten(b)
		q.mu.Unlock()
		return
	}
	q.paused = false
	for _, list := range [...][]*entry{b.insert, b.activate} {
		for _, e := range list {
			q.fresh(e)
		}
	}
	for _, e := range b.forget {
		q.discard(e)
	}
	for _, e := range b.wait {
		q.leave(e)
		q.waits(e)
	}
	for _, e := range b.settle {
		q.settled(e)
	}
	q.dispatch()
	if q.starved && len(q.entries) < maxLoaded-loadMost {
		q.starved = false
		q.wake()
	}
	if len(b.release) > 0 && q.tidyAt == 0 {
		q.tidyAt = q.clock.now() + tidyEvery.Milliseconds()
		q.plan(q.tidyAt)
	}
	q.mu.Unlock()
	if len(b.release) > 0 {
		q.blobs.Release(b.release...)
	}
}

// fresh schedules an entry that has just become durable. q.mu is held.
func (q *Queue) fresh(e *entry) {
	e.fresh = true
	d := q.destOf(e)
	if d.down() {
		q.spill(e)
		return
	}
	q.alarmInMemory(e)
	q.sched.add(e, d)
}

// alarmInMemory notes when e must be looked at. q.mu is held.
func (q *Queue) alarmInMemory(e *entry) {
	if at := q.options().dueAlarm(e); at < q.memAlarm {
		q.memAlarm = at
		q.plan(at)
	}
}

// spill moves a new entry to where it waits on disk. q.mu is held.
func (q *Queue) spill(e *entry) {
	e.state, e.fate = settling, toWait
	e.due = min(e.due, q.clock.now())
	q.journal.later(func(b *batch) { b.settle = append(b.settle, e) })
}

// leave takes an entry out of memory. q.mu is held.
func (q *Queue) leave(e *entry) {
	q.discard(e)
	for w := range q.watches {
		w.ids[e.id] = struct{}{}
	}
	n := e.bucket()
	b := q.buckets[n]
	if !e.loaded || b == nil {
		return
	}
	e.loaded = false
	b.loaded--
	if b.more && b.loaded <= loadAgain {
		b.more = false
		q.backlog.set(n, 0)
		q.plan(0)
	}
	if b.loaded <= 0 && !b.more {
		delete(q.buckets, n)
	}
}

// waits notes that e's row is in queue_waiting. q.mu is held.
func (q *Queue) waits(e *entry) {
	q.waiting.rows++
	if e.hold != "" {
		q.waiting.held++
		return
	}
	if at := q.options().alarm(e, q.clock.now()); at < q.nextAlarm {
		q.nextAlarm = at
		q.plan(at)
	}
	if d := q.peekDest(e); d != nil && d.down() && e.due <= q.clock.now() {
		d.park(e.bucket())
		return
	}
	q.backlog.sooner(e.bucket(), e.due)
	q.plan(e.due)
}

// settled goes on after an outcome is on record. q.mu is held.
func (q *Queue) settled(e *entry) {
	wasFresh := e.fresh
	q.leave(e)
	if !wasFresh {
		q.waiting.rows--
	}
	if e.fate == toWait {
		q.waits(e)
	}
	for _, n := range e.notices {
		q.fresh(n)
	}
	e.notices = nil
}

// unwritten keeps the outcomes of a batch that could not be written, until
// they can be: no attempt begins before that. q.mu is held.
func (q *Queue) unwritten(b *batch) {
	for _, list := range [...][]*entry{b.insert, b.prepare, b.wait} {
		for _, e := range list {
			q.discard(e)
		}
	}
	if len(b.settle)+len(b.forget)+len(b.activate) == 0 {
		return
	}
	if len(b.settle) > 0 {
		q.paused = true
	}
	q.log.Error("the queue cannot write to its database", "outcomes", len(b.settle), "error", b.err.Error())
	for _, e := range b.settle {
		q.late = append(q.late, &batch{settle: []*entry{e}})
	}
	if len(b.forget) > 0 {
		q.late = append(q.late, &batch{forget: b.forget})
	}
	q.lateAt = q.clock.now() + rewriteTime.Milliseconds()
	q.plan(q.lateAt)
}

// rewrite writes what could not be written before, each by itself, so that one
// that cannot be written keeps no other from it.
func (q *Queue) rewrite() {
	q.mu.Lock()
	list := q.late
	q.late, q.lateAt = nil, 0
	q.mu.Unlock()
	for _, b := range list {
		b.done = make(chan struct{})
		q.journal.commit(b)
	}
}

// watch notes which entries leave memory while rows are being read: what was
// read of them may be older than what they are.
type watch struct{ ids map[int64]struct{} }

func (q *Queue) watch() *watch {
	w := &watch{map[int64]struct{}{}}
	q.mu.Lock()
	q.watches[w] = struct{}{}
	q.mu.Unlock()
	return w
}

func (q *Queue) unwatch(w *watch) {
	q.mu.Lock()
	delete(q.watches, w)
	q.mu.Unlock()
}

// left tells whether an entry has left.
func (w *watch) left(id int64) bool { _, ok := w.ids[id]; return ok }
