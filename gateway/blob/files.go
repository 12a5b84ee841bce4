package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options for Files.
type Options struct {
	// Dir is the folder; it is made where it is not there.
	Dir string
	// SegmentSize ends a segment; 0: 256 MiB.
	SegmentSize int64
	// Large is the size from which a blob is a segment of its own; 0: 1 MiB.
	Large int64
	// ReadOnly opens beside another process: Open and Records work.
	ReadOnly bool
	// Log is told what goes wrong where no caller is; nil: nobody.
	Log *slog.Logger
	// FS is where Dir is; nil: the operating system's.
	FS FS
}

const (
	defaultSegmentSize = 256 << 20
	defaultLarge       = 1 << 20
)

// Files is a Store in a folder.
type Files struct {
	opt  Options
	fs   FS
	log  *slog.Logger
	lock io.Closer

	mu       sync.Mutex
	segments map[uint64]*segment
	cur      *segment      // small blobs go there; nil: none yet
	creating chan struct{} // closed when another has made cur; nil: nobody does
	next     uint64
	closed   bool
	appends  sync.WaitGroup

	dirSync syncer
	reaper  reaper
}

// OpenFiles opens the folder, which one process at a time may. live are the
// blobs that rows refer to, each once; everything else is reclaimed.
func OpenFiles(ctx context.Context, opt Options, live iter.Seq2[Ref, error]) (*Files, error) {
	f := &Files{opt: opt, fs: opt.FS, log: opt.Log, segments: map[uint64]*segment{}}
	if f.fs == nil {
		f.fs = osFS{}
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.opt.SegmentSize = cmp.Or(opt.SegmentSize, defaultSegmentSize)
	f.opt.Large = min(cmp.Or(opt.Large, defaultLarge), f.opt.SegmentSize)
	f.dirSync.sync = func() error { return f.fs.SyncDir(opt.Dir) }
	if opt.ReadOnly {
		f.closed = true
		return f, nil
	}
	if err := f.open(ctx, live); err != nil {
		if f.lock != nil {
			f.lock.Close()
		}
		return nil, fmt.Errorf("blob: open %s: %w", opt.Dir, err)
	}
	f.reaper.start(f)
	return f, nil
}

func (f *Files) open(ctx context.Context, live iter.Seq2[Ref, error]) (err error) {
	if err := f.fs.MkdirAll(f.opt.Dir); err != nil {
		return err
	}
	if f.lock, err = f.fs.Lock(filepath.Join(f.opt.Dir, "lock")); err != nil {
		return err
	}
	list, err := f.fs.ReadDir(f.opt.Dir)
	if err != nil {
		return err
	}
	// A number is not used twice, even after the last segment has gone.
	f.next = uint64(time.Now().UnixMicro())
	for _, e := range list {
		if id, ok := segmentID(e.Name); ok {
			f.segments[id] = &segment{id: id, size: e.Size, sealed: true}
			f.next = max(f.next, id+1)
		}
	}
	if err := f.count(ctx, live); err != nil {
		return err
	}
	for _, s := range f.segments {
		if s.dead() {
			f.reaper.add(s)
		}
	}
	return nil
}

// count adds up what lives.
func (f *Files) count(ctx context.Context, live iter.Seq2[Ref, error]) error {
	if live == nil {
		return nil
	}
	lost := map[uint64]int{}
	for ref, err := range live {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		s := f.segments[ref.Segment]
		if s == nil || !ref.valid() || ref.Offset+ref.Size > s.size {
			lost[ref.Segment]++
			f.next = max(f.next, ref.Segment+1)
			continue
		}
		s.add(ref)
	}
	for id, n := range lost {
		f.log.Error("blobs are missing", "segment", f.name(id), "blobs", n)
	}
	return nil
}

const suffix = ".blobs"

func (f *Files) name(id uint64) string {
	return filepath.Join(f.opt.Dir, strconv.FormatUint(id, 36)+suffix)
}

func segmentID(name string) (uint64, bool) {
	s, ok := strings.CutSuffix(name, suffix)
	id, err := strconv.ParseUint(s, 36, 64)
	return id, ok && err == nil && strconv.FormatUint(id, 36) == s
}

// Release implements Store.
func (f *Files) Release(refs ...Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ref := range refs {
		if s := f.segments[ref.Segment]; s != nil {
			s.remove(ref)
			f.settle(s)
		}
	}
}

// settle has a segment closed or removed when nothing goes on in it any more.
func (f *Files) settle(s *segment) {
	if !s.sealed || s.pending > 0 || s.reaping || s.file == nil && !s.dead() {
		return
	}
	if s.live <= 0 && !s.dead() {
		f.log.Error("a blob was released twice: the segment stays until the next start", "segment", f.name(s.id))
		if s.file == nil {
			return
		}
	}
	f.reaper.add(s)
}

// Usage implements Store.
func (f *Files) Usage() (u Usage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.segments {
		u.Segments++
		u.Live += max(s.live, 0)
		u.Total += s.size
	}
	return u
}

// Close implements Store.
func (f *Files) Close() error {
	if f.opt.ReadOnly {
		return nil
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	f.mu.Unlock()
	f.appends.Wait()
	f.mu.Lock()
	if f.cur != nil {
		f.seal(f.cur)
	}
	f.mu.Unlock()
	f.reaper.stop()
	if err := f.lock.Close(); err != nil {
		return fmt.Errorf("blob: close: %w", err)
	}
	return nil
}

var _ Store = (*Files)(nil)

// reaper closes and removes segments beside those who append: to remove a big
// file takes long.
type reaper struct {
	mu    sync.Mutex
	todo  []*segment
	wake  chan struct{}
	ended chan struct{}
	off   bool
}

func (r *reaper) add(s *segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.reaping = true
	r.todo = append(r.todo, s)
	if r.wake != nil && !r.off {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *reaper) start(f *Files) {
	r.wake, r.ended = make(chan struct{}, 1), make(chan struct{})
	r.wake <- struct{}{}
	go func() {
		defer close(r.ended)
		for range r.wake {
			r.run(f)
		}
		r.run(f)
	}()
}

// stop does what is left and ends the goroutine.
func (r *reaper) stop() {
	r.mu.Lock()
	r.off = true
	close(r.wake)
	r.mu.Unlock()
	<-r.ended
}

func (r *reaper) run(f *Files) {
	for {
		r.mu.Lock()
		todo := r.todo
		r.todo = nil
		r.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		for _, s := range todo {
			f.reap(s)
		}
	}
}

// reap closes a sealed segment, and removes a dead one.
func (f *Files) reap(s *segment) {
	f.mu.Lock()
	file, dead := s.file, s.dead()
	s.file = nil
	f.mu.Unlock()
	var err error
	if file != nil {
		err = file.Close()
	}
	if dead {
		err = errors.Join(err, f.fs.Remove(f.name(s.id)))
	}
	if err != nil {
		f.log.Error("segment", "segment", f.name(s.id), "error", err.Error())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.reaping = false
	if dead {
		delete(f.segments, s.id)
	} else {
		f.settle(s) // it may have died meanwhile
	}
}
