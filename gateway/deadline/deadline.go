// Package deadline has contexts that cost next to nothing until somebody
// waits for them: most questions are answered from memory before anybody
// does, and the timers, channels and lists of children that package context
// makes for each were a tenth of the work of a small message.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context ends as those of package context do: with its parent, at its
// deadline, or by Cancel. Its timer exists from the first call of Done on.
type Context struct {
	parent context.Context
	at     time.Time // zero: no deadline

	mu     sync.Mutex
	err    error           // once it has ended, and somebody has seen it
	inner  context.Context // what Done made; nil: nobody waits yet
	cancel context.CancelFunc
}

var _ context.Context = (*Context)(nil)

// Cancellable returns a context that ends with parent or by Cancel.
func Cancellable(parent context.Context) *Context {
	c := &Context{parent: parent}
	c.at, _ = parent.Deadline()
	return c
}

// After returns a context that ends d from now as well.
func After(parent context.Context, d time.Duration) *Context {
	c := &Context{parent: parent, at: time.Now().Add(d)}
	if at, ok := parent.Deadline(); ok && at.Before(c.at) {
		c.at = at
	}
	return c
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.at, !c.at.IsZero() }

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		// With a deadline that has passed, or below a parent that has ended, it
		// has ended at once.
		if c.at.IsZero() {
			c.inner, c.cancel = context.WithCancel(c.parent)
		} else {
			c.inner, c.cancel = context.WithDeadline(c.parent, c.at)
		}
		if c.err != nil {
			c.cancel()
		}
	}
	return c.inner.Done()
}

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = c.ended()
	}
	return c.err
}

// ended is Err the first time.
func (c *Context) ended() error {
	if c.inner != nil {
		return c.inner.Err()
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	if !c.at.IsZero() && !time.Now().Before(c.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. Package context finds by it the inner
// context, to which children are added without a goroutine each.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.parent.Value(key)
}

// Cancel ends the context and frees what Done made. It may be called again.
func (c *Context) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
	if c.err != nil {
		return
	}
	if c.err = context.Canceled; c.inner != nil {
		c.err = c.inner.Err() // it may have ended before
	}
}
