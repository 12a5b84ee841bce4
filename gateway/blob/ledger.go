package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// ledger knows the segments of a store and how much of each lives.
type ledger struct {
	log  *slog.Logger
	name func(id uint64) string
	// discard ends a sealed segment that nobody appends to: it closes its
	// file, and removes it where it is dead.
	discard func(s *segment, file File, dead bool) error

	mu       sync.Mutex
	segments map[uint64]*segment
	next     uint64
	hold     uint64 // segments with notes from here on are kept, dead or not; 0: none is
	closed   bool
	appends  sync.WaitGroup
	reaper   reaper
}

func (l *ledger) init(log *slog.Logger) {
	if l.log = log; log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.segments = map[uint64]*segment{}
	l.reaper.again = reapAgain
	// A number is not used twice, even after the last segment has gone.
	l.next = uint64(time.Now().UnixMicro())
}

// found adds a segment that was there before.
func (l *ledger) found(id uint64, size int64) {
	l.segments[id] = &segment{id: id, size: size, sealed: true}
	l.next = max(l.next, id+1)
}

// count adds up what lives, and has the rest removed.
func (l *ledger) count(ctx context.Context, live uses) error {
	lost := map[uint64]int{}
	if err := live(ctx, l, lost); err != nil {
		return err
	}
	for id, n := range lost {
		l.log.Error("blobs are missing", "segment", l.name(id), "blobs", n)
	}
	for _, s := range l.segments {
		if s.dead() {
			l.reaper.add(s)
		}
	}
	l.reaper.start(l)
	return nil
}

// enter begins an Append.
func (l *ledger) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.appends.Add(1)
	return nil
}

// newID gives the number of the next segment.
func (l *ledger) newID() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next - 1
}

// close waits for the Appends; false: somebody has closed it before.
func (l *ledger) close() bool {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if !was {
		l.appends.Wait()
	}
	return !was
}

// Release implements Store.
func (l *ledger) Release(refs ...Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ref := range refs {
		if s := l.segments[ref.Segment]; s != nil {
			s.remove(ref)
			l.settle(s)
		}
	}
}

// settle has a segment closed or removed when nothing goes on in it any more.
// The mutex is held.
func (l *ledger) settle(s *segment) {
	if !s.sealed || s.pending > 0 || s.reaping {
		return
	}
	if s.live <= 0 && !s.dead() {
		l.log.Error("a blob was released twice: its segment stays until the next start", "segment", l.name(s.id))
	}
	if s.file != nil || l.dead(s) {
		l.reaper.add(s)
	}
}

// dead tells whether a segment may go. The mutex is held.
func (l *ledger) dead(s *segment) bool {
	return s.dead() && (!s.noted || l.hold == 0 || s.id < l.hold)
}

// Usage implements Store.
func (l *ledger) Usage() (u Usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		u.Segments++
		u.Live += max(s.live, 0)
		u.Total += s.size
	}
	return u
}

// reapAgain is how long the reaper leaves off after a failure.
const reapAgain = time.Minute

// reaper closes and removes segments beside those who append: to remove a big
// file takes long. What could not be removed is tried again, behind the others.
type reaper struct {
	places int           // how many at once; 0: one
	again  time.Duration // reapAgain; less in tests

	mu     sync.Mutex
	todo   []*segment
	wake   chan struct{}
	ended  chan struct{}
	paused *time.Timer // after a failure; nil: it is not
	off    bool
}

func (r *reaper) add(s *segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.reaping = true
	r.todo = append(r.todo, s)
	r.rouse()
}

// rouse has what is to be done begun. The reaper's mutex is held.
func (r *reaper) rouse() {
	if r.wake == nil || r.off || r.paused != nil {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pause leaves off for a while, with what is left.
func (r *reaper) pause(left []*segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.todo = append(r.todo, left...)
	if r.off {
		return
	}
	r.paused = time.AfterFunc(r.again, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paused = nil
		r.rouse()
	})
}

func (r *reaper) start(l *ledger) {
	r.wake, r.ended = make(chan struct{}, 1), make(chan struct{})
	r.wake <- struct{}{}
	go func() {
		defer close(r.ended)
		for range r.wake {
			r.run(l)
		}
		r.run(l)
	}()
}

// stopping tells whether somebody waits for what is left.
func (r *reaper) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}

// stop does what is left and ends the goroutine.
func (r *reaper) stop() {
	r.mu.Lock()
	r.off = true
	if r.paused != nil {
		r.paused.Stop()
	}
	close(r.wake)
	r.mu.Unlock()
	<-r.ended
}

func (r *reaper) run(l *ledger) {
	for {
		r.mu.Lock()
		todo := r.todo
		r.todo = nil
		r.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		if left, err := r.all(l, todo); err != nil {
			l.log.Error("segments could not be removed, and will be later", "segments", len(left), "error", err.Error())
			r.pause(left)
			return
		}
	}
}

// all reaps a list. After an error no more is begun; left is what is to be
// tried again, that which has failed last.
func (r *reaper) all(l *ledger, list []*segment) (left []*segment, err error) {
	var mu sync.Mutex // guards failed and err
	var failed []*segment
	var wg sync.WaitGroup
	places := make(chan struct{}, max(r.places, 1))
	for i, s := range list {
		places <- struct{}{}
		mu.Lock()
		stop := err != nil
		mu.Unlock()
		if stop {
			left = list[i:]
			break
		}
		wg.Go(func() {
			defer func() { <-places }()
			if e := l.reap(s); e != nil {
				mu.Lock()
				failed, err = append(failed, s), fmt.Errorf("%s: %w", l.name(s.id), e)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return append(left[:len(left):len(left)], failed...), err
}

// reap closes a sealed segment, and removes a dead one. After an error it is to
// be called again.
func (l *ledger) reap(s *segment) error {
	l.mu.Lock()
	file, dead := s.file, l.dead(s)
	s.file = nil
	l.mu.Unlock()
	err := l.discard(s, file, dead)
	if err != nil && dead && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		l.log.Error("segment", "segment", l.name(s.id), "error", err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.reaping = false
	if dead {
		delete(l.segments, s.id)
	} else {
		l.settle(s) // it may have died meanwhile
	}
	return nil
}
