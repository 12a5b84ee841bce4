package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/cores"
)

// maxHashQueue bounds who waits for a derivation; past it the answer is
// ErrTemporary.
const maxHashQueue = 256

// cacheSize bounds the successes that are remembered.
const cacheSize = 16 << 10

// hasher derives keys from passwords, as many at once as there are processors,
// and remembers those that were right.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	count   atomic.Int64 // derivations; tests measure work by it

	key   [32]byte // of the cache; of this process alone
	mu    sync.Mutex
	cache *lru[[keySize]byte, remembered]
}

// remembered is what a right password derives to.
type remembered struct {
	v     verifier
	until time.Time
}

func newHasher() *hasher {
	h := &hasher{
		slots: make(chan struct{}, cores.All()),
		cache: newLRU[[keySize]byte, remembered](cacheSize),
	}
	rand.Read(h.key[:])
	return h
}

// derive is params.derive, when its turn comes.
func (h *hasher) derive(ctx context.Context, p params, password string) (verifier, error) {
	if h.waiting.Add(1) > maxHashQueue {
		h.waiting.Add(-1)
		return verifier{}, fmt.Errorf("%w: too many passwords are being checked", ErrTemporary)
	}
	select {
	case h.slots <- struct{}{}:
		h.waiting.Add(-1)
	case <-ctx.Done():
		h.waiting.Add(-1)
		return verifier{}, ctx.Err()
	}
	defer func() { <-h.slots }()
	h.count.Add(1)
	return p.derive(password), nil
}

// id is the key under which a password is remembered. It covers the salt, so
// what was right for a credential that has been replaced is never found.
func (h *hasher) id(p params, password string) [keySize]byte {
	return macOf(h.key[:], p.scheme, p.salt, strconv.Itoa(p.iterations), strconv.Itoa(int(p.memory)), strconv.Itoa(int(p.threads)), password)
}

// recall returns what a password derives to, where it was right not long ago.
func (h *hasher) recall(p params, password string) (verifier, bool) {
	id := h.id(p, password)
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.cache.get(id)
	if ok && !time.Now().Before(r.until) {
		h.cache.remove(id)
		return verifier{}, false
	}
	return r.v, ok
}

// remember keeps a right one.
func (h *hasher) remember(v verifier, password string, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	id := h.id(v.params, password)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cache.put(id, remembered{v, time.Now().Add(ttl)})
}
