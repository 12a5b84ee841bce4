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
// may have begun before its data was written. The next begins when the running
// one has ended, or beside it where much waits for it.
type syncer struct {
	sync func() error

	mu      sync.Mutex
	running int // syncs, two at most
	next    *round
	begun   uint64 // syncs
	good    uint64 // the last one that succeeded
}

// much is how many octets are worth a sync beside another, which takes as long as
// all of them do: with messages of 1 MiB the processors would idle meanwhile.
const much = 2 << 20

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
	return s.wait(0)
}

// round is those who wait for the same sync.
type round struct {
	octets int64         // that they have written
	led    bool          // somebody is to do it
	lead   chan struct{} // tells one of them that it is he
	done   chan struct{}
	err    error
}

// coming is the round whose sync has not begun yet, with somebody who has written
// n octets.
func (s *syncer) coming(n int64) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &round{lead: make(chan struct{}, 1), done: make(chan struct{})}
	}
	s.next.octets += n
	return s.next
}

// wait returns after a sync that began after wait was called, for who has written
// n octets.
func (s *syncer) wait(n int64) error { return s.end(s.coming(n)) }

// join is wait, but that for a time it is left to others to want that sync.
func (s *syncer) join(patience time.Duration) error {
	r := s.coming(0)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-r.done:
		return r.err
	case <-t.C:
		return s.end(r)
	}
}

// begin tells whether the caller is to do the sync of r. The mutex is held.
func (s *syncer) begin(r *round) bool {
	if r.led || s.running > 1 || s.running == 1 && r.octets < much {
		return false
	}
	r.led = true
	s.running++
	return true
}

// end returns when the round is over, and does its sync where nobody else does.
func (s *syncer) end(r *round) error {
	s.mu.Lock()
	mine := s.begin(r)
	s.mu.Unlock()
	if !mine {
		select {
		case <-r.done:
			return r.err
		case <-r.lead:
		}
	}
	runtime.Gosched() // who has just written joins; alone it costs nothing
	s.mu.Lock()
	s.next = nil
	s.begun++
	number := s.begun
	s.mu.Unlock()
	r.err = s.sync()
	s.mu.Lock()
	if r.err == nil {
		s.good = max(s.good, number)
	}
	s.running--
	if s.next != nil && s.begin(s.next) { // who comes first
		s.next.lead <- struct{}{}
	}
	s.mu.Unlock()
	close(r.done)
	return r.err
}
