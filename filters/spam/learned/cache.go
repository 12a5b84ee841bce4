package learned

import "sync"

// cache is a map that forgets what was not asked for lately: it has two
// generations of at most size entries, and what is found in the older one moves to
// the younger.
type cache[K comparable, V any] struct {
	mu         sync.Mutex
	size       int
	young, old map[K]V
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, young: map[K]V{}}
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.set(k, v)
	}
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(k, v)
}

func (c *cache[K, V]) set(k K, v V) {
	if _, ok := c.young[k]; !ok && len(c.young) >= c.size {
		c.young, c.old = map[K]V{}, c.young
	}
	c.young[k] = v
}

func (c *cache[K, V]) remove(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, k)
	delete(c.old, k)
}

// clear forgets all.
func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = map[K]V{}, nil
}
