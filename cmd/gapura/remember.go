package main

import (
	"sync"
	"time"
)

// remembered keeps answers for a short time, so that mail that comes by the
// thousand asks the database once. The zero value is not ready: see remember.
type remembered[V any] struct {
	mu       sync.Mutex
	time     time.Duration
	max      int // of each half
	now, old map[string]V
	turned   time.Time // when now began
}

// remember returns a memory of answers for d to 2d, of 2*max at most.
func remember[V any](d time.Duration, max int) *remembered[V] {
	return &remembered[V]{time: d, max: max, now: map[string]V{}}
}

// get returns what is remembered, or asks.
func (r *remembered[V]) get(key string, ask func() (V, error)) (V, error) {
	r.mu.Lock()
	r.turn()
	v, ok := r.now[key]
	if !ok {
		v, ok = r.old[key]
	}
	r.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := ask()
	if err != nil {
		return v, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now[key] = v
	return v, nil
}

// forget drops everything.
func (r *remembered[V]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.old = map[string]V{}, nil
}

// turn forgets the older half when it is time, or full. r.mu is held.
func (r *remembered[V]) turn() {
	switch since := time.Since(r.turned); {
	case since >= 2*r.time:
		r.now, r.old = map[string]V{}, nil
	case since >= r.time || len(r.now) >= r.max:
		r.now, r.old = map[string]V{}, r.now
	default:
		return
	}
	r.turned = time.Now()
}
