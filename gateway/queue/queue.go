package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/crew"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Bounds of memory.
const (
	// maxMemory is how many entries are in memory, whatever waits.
	maxMemory = 20_000
	// maxFlow is how many a flow may have there of what it just sends.
	maxFlow = 1000
	// loadMost is how many rows of a bucket are loaded at once; loadAgain how
	// few are left when more are loaded.
	loadMost, loadAgain = 256, 64
)

// loadable is how many entries are loaded from rows; the rest of memory is for
// what is just being accepted.
func (q *Queue) loadable() int { return q.most * 3 / 4 }

// Deps is what a Queue needs from its surroundings.
type Deps struct {
	DB       *sqldb.DB
	Blobs    blob.Store
	Hostname string       // ours, in notifications
	Log      *slog.Logger // nil: slog.Default
	Metrics  *Metrics     // nil: none
	// Leads returns who gets the notifications for an address, each with a
	// route; nobody: there is no way.
	Leads func(context.Context, smtp.Address) ([]gateway.Recipient, error)
	// Logged: Blobs may keep a log of what was just accepted. It was opened
	// with Live of the same folder's notes.
	Logged bool
	// Reserve is used to note what has become of mail when the disk is full;
	// nil: there is none.
	Reserve *sqldb.Reserve
}

// Queue keeps mail and sends it on. Its methods may be called by many at once.
type Queue struct {
	db      *sqldb.DB
	write   writeFunc // of db; tests let it fail
	reserve *sqldb.Reserve
	blobs   blob.Store
	log     *slog.Logger
	metrics *Metrics
	opt     atomic.Pointer[Options]
	names   atomic.Pointer[naming]
	clock   clock
	most    int          // maxMemory; less in tests, set before anything happens
	ids     atomic.Int64 // the last one given
	tidying atomic.Bool
	ready   readiness
	kept    atomic.Int64 // octets of messages in memory
	crew    crew.Crew
	journal *journal
	ends    *journal   // of what is only for the log: nobody waits for its syncs
	notes   blob.Noter // nil: no log
	salt    uint64     // of the log

	ctx    context.Context // of attempts
	cancel context.CancelFunc
	wg     sync.WaitGroup // runner and attempts
	kick   chan struct{}

	refs sync.RWMutex // guards the ref of messages
	rows exclusion    // who writes rows, or moves octets

	mu         sync.Mutex
	sched      *sched
	entries    map[int64]*entry // all that are in memory
	backlog    *backlog
	buckets    map[uint32]*bucketState
	watches    map[*watch]struct{}
	downs      destHeap
	transports map[string]Transport
	nextAlarm  int64 // of rows; never later than the truth
	alarming   bool  // rows are being looked after
	memAlarm   int64 // of entries in memory, likewise
	planned    int64 // when the runner looks again
	waiting    counts
	spare      spare
	started    bool
	closed     bool
	paused     bool // the database does not take anything
	starved    bool // there was no room to load
	wal        logState
	late       []*batch   // outcomes that could not be written yet, each by itself
	undo       []*message // whose rows could not be taken back yet
	gone       []*entry   // refused, which could not be noted yet
	lateAt     int64      // when they are written again; 0: never
	tidyAt     int64      // when it is looked at whether space can be had; 0: never
}

// writeFunc is DB.Write.
type writeFunc func(ctx context.Context, f func(ctx context.Context, tx *sqldb.Tx) error) error

// naming is what Reconfigure changes beside options.
type naming struct {
	hostname string
	leads    func(context.Context, smtp.Address) ([]gateway.Recipient, error)
}

// bucketState counts what of a bucket's rows is in memory.
type bucketState struct {
	loaded int
	more   bool // more are due
}

// counts are the rows of queue_waiting: all, those that are held, and those in
// quarantine.
type counts struct {
	rows, held, apart int64
}

// Open opens the queue; the blob store must know already what Live lists.
// Nothing is sent before SetTransports. Options must be valid.
func Open(ctx context.Context, opt Options, deps Deps) (*Queue, error) {
	opt = opt.withDefaults()
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	q := &Queue{
		db: deps.DB, write: deps.DB.Write, reserve: deps.Reserve, blobs: deps.Blobs, log: deps.Log, metrics: deps.Metrics, clock: clock{time.Now()}, most: maxMemory,
		kick: make(chan struct{}, 1), sched: newSched(opt), entries: map[int64]*entry{}, backlog: newBacklog(), watches: map[*watch]struct{}{}, rows: make(exclusion, 1),
		buckets: map[uint32]*bucketState{}, memAlarm: never, planned: never,
	}
	q.configure(opt)
	q.names.Store(&naming{deps.Hostname, deps.Leads})
	q.journal, q.ends = newJournal(q), newJournal(q)
	q.ctx, q.cancel = context.WithCancel(context.Background())
	if err := q.recover(ctx); err != nil {
		q.cancel()
		return nil, err
	}
	if err := q.startLog(ctx, deps.Logged); err != nil {
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
	if err := q.db.Read().QueryRow(ctx, sqlLastID, maxEntries).Scan(&last); err != nil {
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
	b := &batch{}
	var bad [][]any
	rows, err := q.db.Read().Query(ctx, sqlNew, 0, recoverBatch)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		e, err := scanEntry(row)
		switch {
		case e == nil:
			return err
		case err != nil:
			bad = append(bad, []any{e.id})
		default:
			e.fresh, e.fate, e.due = true, toWait, max(min(e.msg.queued, q.clock.now()), e.msg.notBefore)
			e.takes = e.claims(e.msg.ref.Size)
			b.settle = append(b.settle, e)
		}
		return nil
	})
	if err != nil || len(b.settle)+len(bad) == 0 {
		return 0, err
	}
	if len(bad) > 0 && q.log != nil {
		q.log.Error("rows of the queue cannot be read; they and their octets are kept and left alone", "rows", len(bad), "first", bad[0][0])
	}
	return len(b.settle) + len(bad), q.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.ExecMany(ctx, sqlSetAside, bad); err != nil {
			return err
		}
		return q.store(ctx, tx, b)
	})
}

func (q *Queue) options() *Options { return q.opt.Load() }

func (q *Queue) configure(opt Options) {
	opt.noneBefore = q.clock.start.Add(min(afterStart, opt.Expire)).UnixMilli()
	q.opt.Store(&opt)
}

// Reconfigure takes valid options over, and who we are.
func (q *Queue) Reconfigure(opt Options, hostname string, leads func(context.Context, smtp.Address) ([]gateway.Recipient, error)) {
	opt = opt.withDefaults()
	q.configure(opt)
	q.names.Store(&naming{hostname, leads})
	q.mu.Lock()
	q.sched.configure(opt)
	q.dispatch()
	q.mu.Unlock()
}

// NextHop is a Transport that says which mail shares a next hop: it shares
// limits on attempts, and waits together when that is down.
type NextHop interface {
	// NextHop names the next hop of mail from a sender to a domain.
	NextHop(domain string, from smtp.Address, how gateway.Queueing) string
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
	q.trimLog(true)
	q.ends.drain()
	q.journal.drain()
	q.rewrite()
	q.endLog()
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
func (q *Queue) destOf(e *entry) *dest { return q.sched.dest(q.hopOf(e)) }

// peekDest returns the next hop of e if anything is known of it.
func (q *Queue) peekDest(e *entry) *dest { return q.sched.dests[q.hopOf(e)] }

func (q *Queue) hopOf(e *entry) destKey {
	if t, ok := q.transports[e.route].(NextHop); ok {
		return destKey{e.route, t.NextHop(e.domain, e.msg.from.Address, e.msg.queue)}
	}
	return destKey{e.route, e.domain}
}

// plan sees to it that the runner looks no later than at. q.mu is held.
func (q *Queue) plan(at int64) {
	if at < q.planned {
		q.planned = at
		q.wake()
	}
}
