package blob_test

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

// gatedFS holds every Sync of a file until the test lets it go.
type gatedFS struct {
	*blobtest.Disk
	gate chan error // nil: sync; else the sync fails
	n    int
}

type gatedFile struct {
	blob.File
	fs *gatedFS
}

func (g *gatedFS) Create(name string) (blob.File, error) {
	f, err := g.Disk.Create(name)
	return &gatedFile{f, g}, err
}

func (f *gatedFile) Sync() error {
	f.fs.n++
	if err := <-f.fs.gate; err != nil {
		f.fs.FailAt(f.fs.Ops()+1, err)
	}
	return f.File.Sync()
}

func TestOneSyncForAllWhoWait(t *testing.T) {
	for _, fail := range []error{nil, syscall.EIO} {
		synctest.Test(t, func(t *testing.T) {
			fs := &gatedFS{Disk: blobtest.New(), gate: make(chan error)}
			s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs}, nil)
			if err != nil {
				t.Fatal(err)
			}
			type result struct {
				ref blob.Ref
				err error
			}
			const n = 20
			results := make(chan result, n)
			for i := range n {
				go func() {
					ref, err := s.Append(t.Context(), "", 100, bytes.NewReader(octets(i, 100)))
					results <- result{ref, err}
				}()
				synctest.Wait() // the first syncs, the others wait
			}
			fs.gate <- fail
			synctest.Wait()
			if fail == nil {
				if len(results) != 1 {
					t.Errorf("%d confirmed by the first sync, which began before the others were written", len(results))
				}
				fs.gate <- nil
				synctest.Wait()
			}
			if len(results) != n {
				t.Fatalf("%d of %d are through", len(results), n)
			}
			for range n {
				if r := <-results; !errors.Is(r.err, fail) {
					t.Error(r.err)
				}
			}
			if want := map[bool]int{true: 2, false: 1}[fail == nil]; fs.n != want {
				t.Errorf("%d syncs", fs.n)
			}
			// The next one gets a new segment after a failure.
			go func() { fs.gate <- nil }()
			ref, err := s.Append(t.Context(), "", 1, bytes.NewReader([]byte("x")))
			if err != nil || (ref.Offset == 0) != (fail != nil) {
				t.Error(ref, err)
			}
			s.Close()
		})
	}
}

// gatedDir holds every SyncDir until the test says how it ends.
type gatedDir struct {
	*blobtest.Disk
	gate chan error
}

func (g *gatedDir) SyncDir(dir string) error {
	if err := <-g.gate; err != nil {
		return err
	}
	return g.Disk.SyncDir(dir)
}

// TestFolderIsNotSyncedAgain: of files that were made before a sync of their
// folder failed, one that succeeds says nothing.
func TestFolderIsNotSyncedAgain(t *testing.T) {
	for _, size := range []int{100, 100 << 10} {
		synctest.Test(t, func(t *testing.T) {
			fs := &gatedDir{Disk: blobtest.New(), gate: make(chan error)}
			s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs, Large: 64 << 10}, nil)
			if err != nil {
				t.Fatal(err)
			}
			results := make(chan error, 3)
			add := func(size int) {
				go func() {
					_, err := s.Append(t.Context(), "", int64(size), bytes.NewReader(octets(1, size)))
					results <- err
				}()
				synctest.Wait()
			}
			add(100 << 10) // syncs
			add(size)      // has made its file and waits
			fs.gate <- syscall.EIO
			fs.gate <- nil
			for range 2 {
				if err := <-results; err == nil {
					t.Errorf("size %d: promised", size)
				}
			}
			add(size)
			fs.gate <- nil
			if err := <-results; err != nil {
				t.Error(err)
			}
			s.Close()
		})
	}
}

// TestLaterBlobsShareASync: those that were written before a sync began are
// durable by it, one that came later is not.
func TestLaterBlobsShareASync(t *testing.T) {
	for _, fail := range []error{nil, syscall.EIO} {
		synctest.Test(t, func(t *testing.T) {
			fs := &gatedFS{Disk: blobtest.New(), gate: make(chan error)}
			s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var refs []blob.Ref
			var durable []func() error
			later := func() {
				ref, d, err := s.AppendLater(t.Context(), "", 100, bytes.NewReader(octets(len(refs), 100)))
				if err != nil {
					t.Fatal(err)
				}
				refs, durable = append(refs, ref), append(durable, d)
			}
			for range 5 {
				later()
			}
			all := make(chan error, 1)
			go func() {
				var err error
				for _, d := range durable {
					err = errors.Join(err, d())
				}
				all <- err
			}()
			synctest.Wait()
			first := durable
			later() // while the sync runs
			fs.gate <- fail
			if err := <-all; !errors.Is(err, fail) || fs.n != 1 {
				t.Fatalf("%d syncs: %v", fs.n, err)
			}
			for _, d := range first {
				if err := d(); !errors.Is(err, fail) || fs.n != 1 {
					t.Errorf("asked again: %d syncs, %v", fs.n, err)
				}
			}
			go func() { all <- durable[5]() }()
			synctest.Wait()
			if fail == nil { // in a segment that has failed nothing is synced any more
				fs.gate <- nil
			}
			if err := <-all; !errors.Is(err, fail) || fail == nil && fs.n != 2 {
				t.Errorf("%d syncs: %v", fs.n, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			live := refs
			if fail != nil {
				live = nil
			}
			again, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs.Restart(1)}, func(yield func(blob.Ref, error) bool) {
				for _, r := range live {
					if !yield(r, nil) {
						return
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range live {
				if o, err := again.Open(t.Context(), r); err != nil {
					t.Error(r, err)
				} else {
					o.Close()
				}
			}
			again.Close()
		})
	}
}

// TestCloseDoesNotWaitForWhatNobodyMakesDurable: it is given up, and the folder
// can be opened again.
func TestCloseDoesNotWaitForWhatNobodyMakesDurable(t *testing.T) {
	t.Parallel()
	opt := blob.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	s, err := blob.OpenFiles(t.Context(), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := s.Append(t.Context(), "", 100, bytes.NewReader(octets(0, 100)))
	if err != nil {
		t.Fatal(err)
	}
	_, durable, err := s.AppendLater(t.Context(), "", 100, bytes.NewReader(octets(1, 100)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := durable(); !errors.Is(err, blob.ErrClosed) {
			t.Errorf("made durable when all was closed: %v", err)
		}
	}
	s, err = blob.OpenFiles(t.Context(), opt, func(yield func(blob.Ref, error) bool) { yield(ref, nil) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if o, err := s.Open(t.Context(), ref); err != nil {
		t.Error(err)
	} else {
		o.Close()
	}
}

// TestANoteWaitsForOthers: a note shares the sync of what is appended next, and
// has one of its own where nothing comes.
func TestANoteWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &gatedFS{Disk: blobtest.New(), gate: make(chan error)}
		s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		const most = 5 * time.Millisecond
		noted, appended := make(chan time.Duration, 2), make(chan error, 2)
		note := func() {
			start := time.Now()
			if _, err := s.Note(t.Context(), "t", []byte("note")); err != nil {
				t.Error(err)
			}
			noted <- time.Since(start)
		}
		add := func() {
			_, err := s.Append(t.Context(), "", 100, bytes.NewReader(octets(1, 100)))
			appended <- err
		}
		check := func(syncs int, least, longest time.Duration) {
			t.Helper()
			if took := <-noted; took < least || took > longest || fs.n != syncs {
				t.Errorf("a note took %v and %d syncs", took, fs.n)
			}
		}
		go note() // alone
		fs.gate <- nil
		check(1, most, most)

		go note()
		synctest.Wait()
		go add()
		synctest.Wait()
		fs.gate <- nil
		check(2, 0, 0)

		go add() // a sync runs that may not have the note
		synctest.Wait()
		go note()
		synctest.Wait()
		fs.gate <- nil
		synctest.Wait()
		if len(noted) > 0 {
			t.Error("a note was believed to be durable by a sync that began before it")
		}
		fs.gate <- nil
		check(4, most, most)
		for range 2 {
			if err := <-appended; err != nil {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestNotesHaveTheSyncThatOthersWant: they hear what became of it; and where it
// takes longer than a note would wait, they want no other one.
func TestNotesHaveTheSyncThatOthersWant(t *testing.T) {
	for _, c := range []struct {
		fail  error
		takes time.Duration
	}{{nil, 0}, {nil, time.Minute}, {syscall.EIO, 0}, {syscall.EIO, time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			fs := &gatedFS{Disk: blobtest.New(), gate: make(chan error)}
			s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs}, nil)
			if err != nil {
				t.Fatal(err)
			}
			const n = 3
			results := make(chan error, n)
			for range n - 1 {
				go func() {
					_, err := s.Note(t.Context(), "t", []byte("note"))
					results <- err
				}()
			}
			synctest.Wait()
			go func() {
				_, err := s.Append(t.Context(), "", 100, bytes.NewReader(octets(1, 100)))
				results <- err
			}()
			synctest.Wait()
			time.Sleep(c.takes)
			fs.gate <- c.fail
			synctest.Wait()
			if len(results) != n || fs.n != 1 {
				t.Errorf("%d of %d are through, %d syncs", len(results), n, fs.n)
			}
			for range len(results) {
				if err := <-results; !errors.Is(err, c.fail) {
					t.Error(err)
				}
			}
			close(fs.gate)
			s.Close()
		})
	}
}

// TestNothingComesBehindAWriteThatFailed: the segment is given up, as after a
// sync that failed.
func TestNothingComesBehindAWriteThatFailed(t *testing.T) {
	t.Parallel()
	disk := blobtest.New()
	s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: disk}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	add := func() (blob.Ref, error) {
		return s.Append(t.Context(), "", 100, bytes.NewReader(octets(1, 100)))
	}
	first, err := add()
	if err != nil {
		t.Fatal(err)
	}
	disk.FailAt(disk.Ops()+1, syscall.EIO)
	if _, err := add(); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if ref, err := add(); err != nil || ref.Segment == first.Segment {
		t.Errorf("%v behind %v, %v", ref, first, err)
	}
}

// TestANoteThatGivesUpWaitingAsOthersSucceed: in the very moment in which it
// would want a sync of its own, the one that it waits for ends.
func TestANoteThatGivesUpWaitingAsOthersSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := blobtest.New()
		s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: disk}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Note(t.Context(), "t", []byte("note")); err != nil {
			t.Fatal(err)
		}
		disk.During(func() { time.Sleep(5 * time.Millisecond) })
		for range 100 {
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := s.Note(t.Context(), "t", []byte("note")); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, err := s.Append(t.Context(), "", 0, bytes.NewReader(nil)); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
