package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure full-text search. The zero value is good.
type Options struct {
	// Share is how much of one processor indexing may take while nobody waits
	// for it, in percent; 0: 25. While mail comes in a rush it takes less.
	Share int `yaml:"share"`
	// Wait bounds how long a search waits for the index to take up what has
	// arrived since; what is left then is read. 0: 150ms.
	Wait time.Duration `yaml:"wait"`
}

const (
	batchObjects = 1000            // objects or events of a transaction
	batchOctets  = 32 << 20        // and octets of memory, about
	maxPause     = 2 * time.Second // between transactions, for Share's sake
	leastSpare   = 2 * walKept     // octets of the disk; with less nothing is begun
	idleCheck    = time.Minute     // looks for events that nobody told of
	gatherTime   = time.Second     // for more to come; searches do not wait for it
	retryWait    = 5 * time.Second // after an error, or for space
	maxAttempts  = 3               // at an object that cannot be read
	forgetEvery  = 16              // transactions
	openTime     = 30 * time.Second
)

// DefaultOptions are those of the zero value.
func DefaultOptions() Options { return Options{Share: 25, Wait: 150 * time.Millisecond} }

// Check tells what is wrong with the options.
func (o Options) Check() error {
	if o.Share < 0 || o.Share > 100 {
		return errors.New("share: a percentage, 1 to 100")
	}
	if o.Wait < 0 || o.Wait > time.Minute {
		return errors.New("wait: at most a minute")
	}
	return nil
}

// Event is a change of what objects there are.
type Event struct {
	Seq     int64 // 1, 2, 3, ... without gaps
	Object  int64
	Removed bool
}

// Feed tells what objects there are.
type Feed interface {
	// Events lists what happened after the event of a Seq, in order, most at
	// most.
	Events(ctx context.Context, after int64, most int) ([]Event, error)
	// LastEvent is the Seq of the newest event; 0: there was none.
	LastEvent(ctx context.Context) (int64, error)
	// ForgetEvents says that events up to seq are not asked for any more.
	ForgetEvents(ctx context.Context, seq int64) error
	// EventsChanged has a token when there are new events.
	EventsChanged() <-chan struct{}
	// Objects lists the objects with numbers above one, in order, most at most.
	Objects(ctx context.Context, after int64, most int) ([]int64, error)
}

// Opener reads objects.
type Opener interface {
	// OpenObject reads a message. An error that is fs.ErrNotExist says that
	// it is gone.
	OpenObject(ctx context.Context, object int64) (io.ReadCloser, error)
}

// Deps is what an Index works with.
type Deps struct {
	Feed   Feed
	Opener Opener
	// URL is that of the database as sqldb.Options has it; PostgreSQL's is
	// used, else the file search.db in Dir, which is made.
	URL string
	Dir string
	// Spare is how many octets of the disk the index may take: it waits where
	// there are too few, and searches read what it lacks. nil: all.
	Spare func() int64
	Log   *slog.Logger // nil: nothing is told
	// Metrics are counted; nil: nothing is.
	Metrics *Metrics
}

// Index is a full-text index. Its methods may be called by many at once.
type Index struct {
	opt  atomic.Pointer[Options]
	deps Deps
	log  *slog.Logger

	mu    sync.RWMutex // these two are replaced under it
	eng   *engine
	ready bool // eng can be used; until it can, searches read everything

	turn     chan struct{} // who has its token changes the index
	state    state         // of who has the turn
	attempts map[int64]int // at objects that could not be read
	since    int           // transactions since events were forgotten
	closed   bool

	reached atomic.Int64 // state.event, for who has no turn
}

// Open opens the index, and makes it anew where it is not there or damaged.
// Nothing is indexed before Run or Search. Where the disk has no room for that,
// searches read everything, and those two try it again.
func Open(ctx context.Context, opt Options, deps Deps) (*Index, error) {
	if err := opt.Check(); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	if deps.Spare == nil {
		deps.Spare = func() int64 { return math.MaxInt64 }
	}
	x := &Index{
		deps: deps, log: cmp.Or(deps.Log, slog.New(slog.DiscardHandler)),
		turn: make(chan struct{}, 1), attempts: map[int64]int{},
	}
	x.Reconfigure(opt)
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	switch err := x.open(ctx); {
	case noRoom(err):
		x.log.Error("the search index cannot be opened; searches read the messages until it can", "error", err)
	case err != nil:
		if err = fmt.Errorf("search: %w", err); x.eng != nil {
			err = errors.Join(err, x.eng.close())
		}
		return nil, err
	}
	x.turn <- struct{}{}
	deps.Metrics.observe(x)
	return x, nil
}

// Reconfigure takes new options, which have been checked.
func (x *Index) Reconfigure(opt Options) {
	d := DefaultOptions()
	opt.Share, opt.Wait = cmp.Or(opt.Share, d.Share), cmp.Or(opt.Wait, d.Wait)
	x.opt.Store(&opt)
}

var errClosed = errors.New("search: closed")

// Close ends the index; Run and searches must have ended. It may be called
// twice.
func (x *Index) Close() error {
	<-x.turn
	defer x.give()
	if x.closed {
		return nil
	}
	x.closed = true
	return x.eng.close()
}

// open opens what is there, or else begins anew. The caller has the turn.
func (x *Index) open(ctx context.Context) error {
	if err := x.reopen(); err != nil {
		return err
	}
	if x.eng.begin == "" { // SQLite's file
		if err := os.MkdirAll(x.deps.Dir, 0o700); err != nil {
			return err
		}
	}
	usable, err := x.eng.prepare(ctx)
	var s state
	if err == nil && usable {
		s, err = x.eng.state(ctx, x.eng.write)
	}
	if err != nil && !damaged(err) {
		return err
	}
	if err != nil {
		x.log.Warn("the search index is damaged and made anew", "error", err)
	}
	if err != nil || !usable {
		return x.rebuild(ctx)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.setState(s)
	x.ready = true
	return nil
}

// reopen has another engine in place of the one that there is, if any. Neither
// touches a file of SQLite's.
func (x *Index) reopen() error {
	eng, err := openEngine(x.deps.Dir, x.deps.URL)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.eng != nil {
		x.eng.close()
	}
	x.eng, x.ready = eng, false
	return nil
}

// rebuild makes the index empty, to be filled from the list of objects. The
// caller has the turn.
func (x *Index) rebuild(ctx context.Context) error {
	last, err := x.deps.Feed.LastEvent(ctx)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	fresh := state{event: last}
	x.ready = false
	if x.eng.begin == "" {
		x.eng.close()
		if err := removeFiles(x.deps.Dir); err != nil {
			return err
		}
		if x.eng, err = openEngine(x.deps.Dir, x.deps.URL); err != nil {
			return err
		}
	}
	if err := x.eng.reset(ctx, fresh); err != nil {
		return err
	}
	x.setState(fresh)
	x.ready = true
	return nil
}

func (x *Index) setState(s state) {
	x.state = s
	x.reached.Store(s.event)
}

// take waits for the turn.
func (x *Index) take(ctx context.Context) error {
	select {
	case <-x.turn:
		if x.closed {
			x.give()
			return errClosed
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *Index) give() { x.turn <- struct{}{} }

// Run indexes what arrives until ctx ends. It takes Options.Share of a
// processor at most.
func (x *Index) Run(ctx context.Context) {
	var mail tempo
	waits := false // for space
	for ctx.Err() == nil {
		x.calm(ctx, &mail)
		begin := time.Now()
		more, err := x.turnStep(ctx)
		if ctx.Err() != nil {
			return
		}
		pause, changed := idleCheck, x.deps.Feed.EventsChanged()
		if full := errors.Is(err, errNoSpare); full != waits {
			waits = full
			x.tellWaits(waits)
		}
		switch {
		case waits:
			pause, changed = retryWait, nil
		case err != nil:
			x.log.Error("the search index does not get on", "error", err)
			pause, changed = retryWait, nil
		case more:
			pause, changed = x.pause(begin)*x.patience(&mail), nil
		}
		if x.sleep(ctx, pause, changed) {
			x.look(ctx, &mail)
			x.sleep(ctx, gatherTime, nil) // more may come, and many cost less than one by one
		}
	}
}

func (x *Index) tellWaits(waits bool) {
	if waits {
		x.log.Warn("the search index waits for space on the disk; searches read what it lacks")
	} else {
		x.log.Info("the search index waits for space no more")
	}
}

// sleep waits, and tells whether it was for a change that it ended.
func (x *Index) sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-changed:
		return true
	}
	return false
}

// Wait waits until there is nothing to index, which Run does meanwhile.
func (x *Index) Wait(ctx context.Context) error {
	for {
		if err := x.take(ctx); err != nil {
			return err
		}
		last, err := x.deps.Feed.LastEvent(ctx)
		done := x.state.filled < 0 && x.state.event >= last
		x.give()
		if err != nil || done {
			return err
		}
		x.sleep(ctx, waitStep, nil)
	}
}

const waitStep = 20 * time.Millisecond

// pause is how long Share wants it to rest from what took since begin.
func (x *Index) pause(begin time.Time) time.Duration {
	share := time.Duration(x.opt.Load().Share)
	return min(time.Since(begin)*(100-share)/share, maxPause)
}

// turnStep is step with the turn, and tidies up.
func (x *Index) turnStep(ctx context.Context) (more bool, err error) {
	if err := x.take(ctx); err != nil {
		return false, err
	}
	defer x.give()
	if more, err = x.step(ctx); err == nil {
		return x.mended(ctx, more, x.merge(ctx))
	}
	return more, err
}
