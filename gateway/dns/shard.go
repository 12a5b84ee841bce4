package dns

import (
	"errors"
	"sync"
	"time"
)

// entryCost is what an entry takes besides its strings and records, and
// recordCost a record besides its data; about, in octets.
const (
	entryCost  = 320
	recordCost = 80
)

// shard is a part of a Cache: its entries in a ring, the latest used first,
// and the questions under way.
type shard struct {
	mu      sync.Mutex
	limit   int
	size    int
	entries map[key]*entry
	flights map[key]*flight
	ring    entry // sentinel: next is the latest used, prev the oldest
	metrics *Metrics
}

type entry struct {
	next, prev *entry
	key        key
	answer     Answer
	err        error
	expires    time.Time
	size       int
}

func (s *shard) init(limit int, m *Metrics) {
	s.limit, s.metrics = limit, m
	s.entries, s.flights = map[key]*entry{}, map[key]*flight{}
	s.ring.next, s.ring.prev = &s.ring, &s.ring
}

// get returns a fresh entry. s is locked, as for put.
func (s *shard) get(k key, now time.Time) *entry {
	e := s.entries[k]
	if e == nil {
		return nil
	}
	if !now.Before(e.expires) {
		s.remove(e)
		return nil
	}
	e.unlink()
	s.link(e)
	return e
}

// put remembers a result and forgets the longest unused for it. What is too
// large for the shard is not kept.
func (s *shard) put(k key, f *flight, expires time.Time) {
	if old := s.entries[k]; old != nil {
		s.remove(old)
	}
	e := &entry{key: k, answer: f.a, err: f.err, expires: expires, size: cost(k, f)}
	if e.size > s.limit {
		return
	}
	for s.size+e.size > s.limit {
		s.remove(s.ring.prev)
	}
	s.entries[k] = e
	s.link(e)
	s.size += e.size
	s.metrics.held(1, e.size)
}

func (s *shard) remove(e *entry) {
	e.unlink()
	delete(s.entries, e.key)
	s.size -= e.size
	s.metrics.held(-1, -e.size)
}

func (s *shard) link(e *entry) {
	e.prev, e.next = &s.ring, s.ring.next
	e.prev.next, e.next.prev = e, e
}

func (e *entry) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

// cost estimates the memory of an entry.
func cost(k key, f *flight) int {
	n := entryCost + len(k.name)
	if f.a.Name != k.name {
		n += len(f.a.Name)
	}
	for _, r := range f.a.Records {
		n += recordCost + len(r.Text) + len(r.Host)
		if r.TLSA != nil {
			n += len(r.TLSA.Data)
		}
	}
	var d *NotFound
	if f.err != nil && !errors.As(f.err, &d) {
		n += len(f.err.Error())
	}
	return n
}
