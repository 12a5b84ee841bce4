package blob

import (
	"runtime"
	"sync"
	"time"
)

// segment is one file. Its fields are under the mutex of its Files.
type segment struct {
	id      uint64
	size    int64  // octets that are reserved
	live    int64  // weights of the blobs that live
	sum     uint64 // of their hashes, by exclusive or: 0 when the last one went
	pending int    // Appends in it
	sealed  bool   // no more Appends
	reaping bool   // the reaper has it
	born    int64  // syncs of the folder that had failed before it was made
	failed  error  // what sealed it; what is not confirmed by then never will be
	// compacting: Compact is at it. kept: it has been, and could not empty it.
	compacting, kept bool
	noted            bool // it has blobs with notes
	// Up to ahead zeros were written; filling is closed when those from there
	// on are: until then no place behind ahead is given away.
	ahead   int64
	filling chan struct{}
	// What writeAhead has seen last: size, and time in syncs.
	seen   int64
	seenAt uint64
	file   File // for writing; nil: closed
	syncs  syncer
}

func (s *segment) add(r Ref) {
	s.live += r.weight()
	s.sum ^= r.hash()
}

func (s *segment) remove(r Ref) {
	s.live -= r.weight()
	s.sum ^= r.hash()
}

// dead tells whether nothing refers to it. Of a segment that was told of a
// release twice it is not known.
func (s *segment) dead() bool { return s.sealed && s.pending == 0 && s.live == 0 && s.sum == 0 }

// syncer shares one sync among all who wait for one. Who comes alone syncs at
// once; who comes while a sync runs waits for the next, since the running one
// may have begun before its data was written.
type syncer struct {
	sync func() error

	mu    sync.Mutex
	busy  bool
	next  *round
	begun uint64 // syncs
	good  uint64 // the last one that succeeded
}

// now is the time for after, counted in syncs.
func (s *syncer) now() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// after returns after a sync that began after that time.
func (s *syncer) after(at uint64) error {
	s.mu.Lock()
	done := s.good > at
	s.mu.Unlock()
	if done {
		return nil
	}
	return s.wait()
}

// round is those who wait for the same sync.
type round struct {
	lead chan struct{} // one of them is to do it
	done chan struct{}
	err  error
}

// coming is the round whose sync has not begun yet.
func (s *syncer) coming() *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &round{lead: make(chan struct{}, 1), done: make(chan struct{})}
	}
	return s.next
}

// wait returns after a sync that began after wait was called.
func (s *syncer) wait() error { return s.end(s.coming()) }

// join is wait, but that for a time it is left to others to want that sync.
func (s *syncer) join(patience time.Duration) error {
	r := s.coming()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-r.done:
		return r.err
	case <-t.C:
		return s.end(r)
	}
}

// end returns when the round is over, and does its sync where nobody else does.
func (s *syncer) end(r *round) error {
	s.mu.Lock()
	if s.busy || s.next != r {
		s.mu.Unlock()
		select {
		case <-r.done:
			return r.err
		case <-r.lead:
		}
		s.mu.Lock()
	}
	s.busy = true
	s.mu.Unlock()
	runtime.Gosched() // who has just written joins; alone it costs nothing
	s.mu.Lock()
	s.next = nil
	s.begun++
	s.mu.Unlock()
	r.err = s.sync()
	s.mu.Lock()
	if r.err == nil {
		s.good = s.begun // there is one at a time
	}
	if s.next != nil { // who comes first
		s.next.lead <- struct{}{}
	} else {
		s.busy = false
	}
	s.mu.Unlock()
	close(r.done)
	return r.err
}
