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
	"sync/atomic"
)

// Options for Files.
type Options struct {
	// Dir is the folder; it is made where it is not there.
	Dir string
	// SegmentSize ends a segment; 0: 256 MiB.
	SegmentSize int64
	// Large is the size from which a blob is a segment of its own; 0: 4 MiB.
	Large int64
	// Ahead is how many zeros are written at a time before blobs come, where
	// syncs gain by it; 0: 1 MiB; below 0: none.
	Ahead int64
	// ReadOnly opens beside another process: Open and Records work.
	ReadOnly bool
	// Log is told what goes wrong where no caller is; nil: nobody.
	Log *slog.Logger
	// FS is where Dir is; nil: the operating system's.
	FS FS
}

const (
	defaultSegmentSize = 256 << 20
	defaultLarge       = 4 << 20
)

// Files is a Store in a folder.
type Files struct {
	ledger
	opt     Options
	fs      FS
	lock    io.Closer
	reading handles

	// Under the ledger's mutex.
	cur      *segment      // small blobs go there; nil: none yet
	creating chan struct{} // closed when another has made cur; nil: nobody does

	dirSync  syncer
	aio      *aio         // of fs; nil: another's
	dirFails atomic.Int64 // syncs of the folder that failed
}

// OpenFiles opens the folder, which one process at a time may. live are the
// blobs that rows refer to, each once; everything else is reclaimed.
func OpenFiles(ctx context.Context, opt Options, live iter.Seq2[Ref, error]) (*Files, error) {
	return openFiles(ctx, opt, eachRef(live))
}

// OpenFilesUse is OpenFiles for an owner that keeps the Use of each segment.
func OpenFilesUse(ctx context.Context, opt Options, live iter.Seq2[Use, error]) (*Files, error) {
	return openFiles(ctx, opt, eachUse(live))
}

func openFiles(ctx context.Context, opt Options, live uses) (*Files, error) {
	f := &Files{opt: opt, fs: opt.FS}
	f.init(opt.Log)
	f.ledger.name, f.discard = f.path, f.closeOrRemove
	if f.fs == nil {
		f.aio = &aio{}
		f.fs = osFS{f.aio}
	}
	f.opt.SegmentSize = cmp.Or(opt.SegmentSize, defaultSegmentSize)
	f.opt.Large = min(cmp.Or(opt.Large, defaultLarge), f.opt.SegmentSize)
	f.opt.Ahead = max(cmp.Or(opt.Ahead, defaultAhead), 0)
	f.dirSync.sync = func() error {
		err := f.fs.SyncDir(opt.Dir)
		if err != nil {
			f.dirFails.Add(1)
		}
		return err
	}
	if opt.ReadOnly {
		f.reading.closed = true // another process removes segments
		return f, nil
	}
	if err := f.open(ctx, live); err != nil {
		if f.lock != nil {
			f.lock.Close()
		}
		f.aio.close()
		return nil, fmt.Errorf("blob: open %s: %w", opt.Dir, err)
	}
	return f, nil
}

func (f *Files) open(ctx context.Context, live uses) (err error) {
	if err := f.fs.MkdirAll(f.opt.Dir); err != nil {
		return err
	}
	if f.lock, err = f.fs.Lock(filepath.Join(f.opt.Dir, "lock")); err != nil {
		return err
	}
	if !f.fs.Journals(f.opt.Dir) {
		f.opt.Ahead = 0
		f.aio.close() // with a server that hangs no signal would end the process
	}
	list, err := f.fs.ReadDir(f.opt.Dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if id, ok := segmentID(e.Name); ok {
			size, err := f.trim(e)
			if err != nil { // one bad segment is no reason not to serve the others
				f.log.Error("segment", "segment", f.path(id), "error", err.Error())
				size = e.Size
			}
			f.found(id, size)
		}
	}
	return f.count(ctx, live)
}

const suffix = ".blobs"

// segmentName is what the file or object of a segment is called.
func segmentName(id uint64) string { return strconv.FormatUint(id, 36) + suffix }

func (f *Files) path(id uint64) string { return filepath.Join(f.opt.Dir, segmentName(id)) }

func (f *Files) closeOrRemove(s *segment, file File, dead bool) (err error) {
	if file != nil {
		err = file.Close()
	}
	if !dead {
		return err
	}
	free, gone := f.fs.Remove(f.path(s.id))
	err = errors.Join(err, gone, f.reading.drop(s.id))
	if free != nil {
		free(f.reaper.stopping)
	}
	return err
}

func segmentID(name string) (uint64, bool) {
	s, ok := strings.CutSuffix(name, suffix)
	id, err := strconv.ParseUint(s, 36, 64)
	return id, ok && err == nil && strconv.FormatUint(id, 36) == s
}

// Close implements Store.
func (f *Files) Close() error {
	if f.opt.ReadOnly {
		return nil
	}
	defer f.aio.close()
	if !f.ledger.close() {
		return nil
	}
	f.mu.Lock()
	if f.cur != nil {
		f.seal(f.cur)
	}
	f.mu.Unlock()
	f.reaper.stop()
	err := errors.Join(f.closeLeft(), f.reading.close())
	if err := errors.Join(err, f.lock.Close()); err != nil {
		return fmt.Errorf("blob: close: %w", err)
	}
	return nil
}

// closeLeft closes segments with blobs that nobody has made durable, nor will.
func (f *Files) closeLeft() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.segments {
		if s.file != nil && s.pending > 0 {
			err = errors.Join(err, s.file.Close())
			s.file = nil
		}
	}
	return err
}

var _ Store = (*Files)(nil)
