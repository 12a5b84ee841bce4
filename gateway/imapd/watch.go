package imapd

import "sync"

// watcher wakes a connection that waits when its folder changes.
type watcher struct {
	stop chan struct{}
	wg   sync.WaitGroup
}

// watch has the connection woken when changed has a token.
func (c *conn) watch(changed <-chan struct{}) {
	c.unwatch()
	w := &watcher{stop: make(chan struct{})}
	c.watcher = w
	w.wg.Go(func() {
		for {
			select {
			case <-changed:
				c.nc.Wake()
			case <-w.stop:
				return
			}
		}
	})
}

// unwatch ends it.
func (c *conn) unwatch() {
	if w := c.watcher; w != nil {
		close(w.stop)
		w.wg.Wait()
		c.watcher = nil
	}
}
