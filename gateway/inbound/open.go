package inbound

import "sync"

// open counts sessions until nobody wants to begin another. Unlike with a
// sync.WaitGroup, some may begin while others wait for the end.
type open struct {
	mu     sync.Mutex
	n      int
	ending bool          // somebody waits
	closed bool          // none may begin
	ended  chan struct{} // closed with it
}

// begin counts a session; false when it comes too late.
func (o *open) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.n++
	return true
}

func (o *open) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n--
	o.close()
}

// wait waits until no session is left; none begins after that.
func (o *open) wait() {
	o.mu.Lock()
	o.ending = true
	o.close()
	o.mu.Unlock()
	<-o.ended
}

// close ends it all when it is time. o.mu is held.
func (o *open) close() {
	if o.ending && o.n == 0 && !o.closed {
		o.closed = true
		close(o.ended)
	}
}
