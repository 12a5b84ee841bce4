package blob

import (
	"container/list"
	"io/fs"
	"sync"
)

// maxHandles is how many segments that nobody reads just now stay open for
// reading.
const maxHandles = 64

// handles keeps segments open for those who read: to open and close a file for
// each blob took more time than to read it. One that goes out, as its segment
// is removed or as others were used later, is closed when its last reader is.
type handles struct {
	mu     sync.Mutex
	open   map[uint64]*handle
	idle   list.List // of handles that nobody reads, the last used first
	gone   int       // how often a segment was removed
	closed bool
}

// handle is a segment that is open for reading. Its fields are under the mutex
// of its handles.
type handle struct {
	File
	id      uint64
	readers int
	out     bool          // not in handles any more
	idle    *list.Element // nil: somebody reads it
}

// get opens a segment, or gives the handle that is there. It must be put back.
func (h *handles) get(id uint64, open func() (File, error)) (*handle, error) {
	h.mu.Lock()
	if x := h.take(id); x != nil {
		h.mu.Unlock()
		return x, nil
	}
	gone := h.gone
	h.mu.Unlock()
	file, err := open()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if x := h.take(id); x != nil {
		return x, file.Close()
	}
	x := &handle{File: file, id: id, readers: 1}
	if h.closed || h.gone != gone { // it may be this one that was removed
		x.out = true
		return x, nil
	}
	if h.open == nil {
		h.open = map[uint64]*handle{}
	}
	h.open[id] = x
	return x, nil
}

// take counts one more reader of a handle that is there. The mutex is held.
func (h *handles) take(id uint64) *handle {
	x := h.open[id]
	if x == nil {
		return nil
	}
	if x.readers++; x.idle != nil {
		h.idle.Remove(x.idle)
		x.idle = nil
	}
	return x
}

// put takes a get back.
func (h *handles) put(x *handle) error {
	h.mu.Lock()
	x.readers--
	switch {
	case x.readers > 0:
		x = nil
	case !x.out:
		x.idle = h.idle.PushFront(x)
		if x = nil; h.idle.Len() > maxHandles {
			x = h.idle.Back().Value.(*handle)
			h.forget(x)
		}
	}
	h.mu.Unlock()
	if x != nil {
		return x.File.Close()
	}
	return nil
}

// forget takes a handle out. The mutex is held.
func (h *handles) forget(x *handle) {
	delete(h.open, x.id)
	x.out = true
	if x.idle != nil {
		h.idle.Remove(x.idle)
		x.idle = nil
	}
}

// drop lets go of a segment that was removed.
func (h *handles) drop(id uint64) error {
	h.mu.Lock()
	h.gone++
	x := h.open[id]
	if x != nil {
		h.forget(x)
	}
	unread := x != nil && x.readers == 0
	h.mu.Unlock()
	if unread {
		return x.File.Close()
	}
	return nil
}

// close lets go of all of them, and keeps none from now on.
func (h *handles) close() error {
	h.mu.Lock()
	h.closed = true
	var unread []*handle
	for _, x := range h.open {
		if h.forget(x); x.readers == 0 {
			unread = append(unread, x)
		}
	}
	h.mu.Unlock()
	var first error
	for _, x := range unread {
		if err := x.File.Close(); first == nil {
			first = err
		}
	}
	return first
}

// maxHead is how much of a frame is read at once: most blobs are smaller, and
// then that is all.
const maxHead = 16 << 10

var heads = sync.Pool{New: func() any { return new([maxHead]byte) }}

// window is the source of one reader: a handle, and the beginning of the frame
// in memory.
type window struct {
	of     *handles
	handle *handle
	start  int64 // of head

	mu     sync.RWMutex
	head   *[maxHead]byte
	n      int
	closed bool
}

// newWindow reads the beginning of a frame. The handle becomes the window's.
func newWindow(of *handles, x *handle, ref Ref) *window {
	w := &window{of: of, handle: x, start: ref.Offset, head: heads.Get().(*[maxHead]byte)}
	most := min(ref.Size, maxHead-maxOverhead) + maxOverhead
	// An error shows where what is missing is read.
	w.n, _ = x.ReadAt(w.head[:most], ref.Offset)
	return w
}

// ReadAt implements source.
func (w *window) ReadAt(p []byte, off int64) (n int, err error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return 0, fs.ErrClosed
	}
	if at := off - w.start; at >= 0 && at < int64(w.n) {
		if n = copy(p, w.head[at:w.n]); n == len(p) {
			return n, nil
		}
	}
	k, err := w.handle.ReadAt(p[n:], off+int64(n))
	return n + k, err
}

// Close implements source.
func (w *window) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return fs.ErrClosed
	}
	w.closed = true
	heads.Put(w.head)
	w.head, w.n = nil, 0
	w.mu.Unlock()
	return w.of.put(w.handle)
}
