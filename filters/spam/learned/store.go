package learned

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// lookEvery is how often lessons of other processes are looked for.
	lookEvery = 3 * time.Second
	// saveEvery is how often the layers are saved.
	saveEvery = 5 * time.Minute
	// measureEvery is how often calibration and drift are computed.
	measureEvery = time.Minute
	pruneEvery   = 10 * time.Minute
	// warnEvery is how often the same drift is told.
	warnEvery = 24 * time.Hour
	// askTime is readTime for a person who asks.
	askTime = 10 * time.Second
	// cachedSenders is how many senders are known to be in today's sample.
	cachedSenders = 50_000
)

// Deps is what a Store works with.
type Deps struct {
	DB      *sqldb.DB
	Log     *slog.Logger // nil: none
	Metrics *Metrics     // nil: none
	// Keep: this process is the gateway, which saves the layers, counts what is seen
	// and deletes what has expired. One process at a time may. Without it, as
	// in a command, lessons are taught and layers read.
	Keep bool
	// Model is the base. It may be nil until Use.
	Model *model.Model
	// Base tells what a message says by itself that is taught where there is no
	// Model, as in a command, which reads no layers; nil: nothing.
	Base *model.Model
}

// Store is what the installation has learned. Its methods may be called by many at
// once.
type Store struct {
	opt   atomic.Pointer[Options]
	deps  Deps
	model atomic.Pointer[model.Model]
	// patience bounds a question of a message to the database.
	patience time.Duration
	rewinds  int // maxRewind, of all lessons

	behind   behind
	names    *cache[string, row]
	contacts *cache[contact, known]
	sampled  *cache[sampled, struct{}]

	watch    watch
	measured atomic.Pointer[figures]
	warned   map[string]time.Time // of keep alone
	unpruned bool                 // there is more that has expired; of keep alone

	layers layers

	// What follows is of who holds applying.
	applying sync.Mutex
	applied  int64 // the last lesson in the layers
	savedTo  int64 // and in those that are saved
	unsaved  int
	steps    map[stepKey]model.Step
	dropped  map[string]struct{} // layers that are to be deleted

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type figures struct {
	Calibration
	Drift
}

// Open returns what was learned. With Deps.Keep it works until Close.
func Open(ctx context.Context, opt Options, deps Deps) (*Store, error) {
	if err := opt.Check(); err != nil {
		return nil, fmt.Errorf("learned: %w", err)
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if err := deps.DB.Migrate(ctx, "learned", migrations); err != nil {
		return nil, fmt.Errorf("learned: %w", err)
	}
	s := &Store{
		deps: deps, patience: readTime, rewinds: maxRewind, watch: newWatch(), layers: newLayers(), warned: map[string]time.Time{},
		names: newCache[string, row](cachedNames), contacts: newCache[contact, known](cachedContacts), sampled: newCache[sampled, struct{}](cachedSenders),
		steps: map[stepKey]model.Step{}, dropped: map[string]struct{}{},
	}
	s.behind.now, s.behind.full, s.behind.wrote = newBatch(), make(chan struct{}, 1), map[string]struct{}{}
	s.opt.Store(&opt)
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if deps.Keep {
		s.wg.Go(func() { s.keep(run) })
	}
	return s, nil
}

// start reads what was kept.
func (s *Store) start(ctx context.Context) error {
	if err := s.loadNames(ctx); err != nil {
		return err
	}
	err := s.deps.DB.Read().QueryRow(ctx, "SELECT value FROM learned_state WHERE name = 'applied'").Scan(&s.applied)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return fmt.Errorf("learned: %w", err)
	}
	s.savedTo = s.applied
	if !s.deps.Keep {
		s.patience = askTime
	}
	if err := s.watch.load(ctx, s.deps.DB); err != nil {
		return err
	}
	if err := s.resample(ctx); err != nil {
		return err
	}
	s.measure(time.Now())
	if s.deps.Model == nil {
		return nil
	}
	return s.Use(ctx, s.deps.Model)
}

// Reconfigure takes new options; they must have passed Check.
func (s *Store) Reconfigure(opt Options) {
	s.opt.Store(&opt)
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	for name, h := range s.layers.held {
		h.layer.Limit(opt.Share.of(name))
	}
}

// Close writes what is not written yet and ends the work.
func (s *Store) Close() error {
	s.cancel()
	s.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	err := s.flush(ctx)
	if s.deps.Keep {
		s.applying.Lock()
		defer s.applying.Unlock()
		err = errors.Join(err, s.save(ctx))
	}
	return err
}

// keep does what is done beside everything else.
func (s *Store) keep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	works := []*work{
		{every: flushEvery, do: s.flush},
		{every: lookEvery, do: s.catchUp},
		{every: saveEvery, do: s.saveNow},
		{every: measureEvery, do: s.follow},
		{every: pruneEvery, do: s.prune},
	}
	for _, w := range works {
		w.last = time.Now()
	}
	for {
		now := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-s.behind.full:
			works[0].last = time.Time{}
		case now = <-tick.C:
		}
		if s.unpruned {
			works[len(works)-1].last = time.Time{}
		}
		for _, w := range works {
			if now.Sub(w.last) < w.every {
				continue
			}
			w.last = now
			if err := w.do(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.Error("spam: what is learned", "error", err.Error())
			}
		}
	}
}

// work is something that is done every now and then.
type work struct {
	every time.Duration
	last  time.Time
	do    func(context.Context) error
}

func (s *Store) saveNow(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.save(ctx)
}

// follow computes calibration and drift, and warns.
func (s *Store) follow(context.Context) error {
	now := time.Now()
	s.measure(now)
	f := s.measured.Load()
	for _, w := range f.Warnings {
		if now.Sub(s.warned[w]) >= warnEvery {
			s.warned[w] = now
			s.deps.Log.Warn("spam: drift: "+w, "scores", f.Scores, "ham_lost_percent", f.HamLost, "calibration_error", f.Error, "threshold", f.Threshold)
		}
	}
	return nil
}

func (s *Store) measure(now time.Time) {
	opt := s.opt.Load()
	c, d := s.watch.measured(opt.HamLost/100, now)
	if !opt.Recalibrate {
		ham, spam := c.Ham, c.Spam
		c = neutral()
		c.Ham, c.Spam = ham, spam
	}
	s.measured.Store(&figures{c, d})
	s.layers.mu.Lock()
	held, all := len(s.layers.held), len(s.layers.names)
	s.layers.mu.Unlock()
	s.deps.Metrics.figures(c, d, held, all)
}

// Threshold returns the score from which on mail is spam here.
func (s *Store) Threshold() float64 { return s.measured.Load().Threshold }

// Calibration returns what scores mean here.
func (s *Store) Calibration() Calibration { return s.measured.Load().Calibration }

// Drift returns how far the mail has moved from what the base knows, as of
// the last minute.
func (s *Store) Drift() Drift { return s.measured.Load().Drift }
