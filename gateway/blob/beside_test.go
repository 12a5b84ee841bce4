package blob_test

import (
	"bytes"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

// TestMuchIsSyncedBesideASyncThatRuns: two syncs at a time, of which the second is
// for much; what fails is not confirmed by the other.
func TestMuchIsSyncedBesideASyncThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &gatedFS{Disk: blobtest.New(), gate: make(chan error)}
		s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs, Ahead: -1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 10)
		add := func(size int) {
			go func() {
				_, err := s.Append(t.Context(), "", int64(size), bytes.NewReader(make([]byte, size)))
				results <- err
			}()
			synctest.Wait()
		}
		running := func(syncs, confirmed int) {
			t.Helper()
			synctest.Wait()
			if fs.n != syncs || len(results) != confirmed {
				t.Fatalf("%d syncs, %d confirmed; want %d and %d", fs.n, len(results), syncs, confirmed)
			}
		}
		add(1 << 20)
		running(1, 0)
		add(1 << 20)
		add(100)
		running(1, 0) // little waits
		add(1 << 20)
		running(2, 0)
		add(3 << 20)
		running(2, 0) // two at most
		fs.gate <- nil
		running(3, 1) // 3 MiB wait: beside the one that runs
		fs.gate <- nil
		running(3, 4)
		add(100)
		running(3, 4)
		fs.gate <- nil
		running(4, 5)
		fs.gate <- nil
		running(4, 6)
		for range 6 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}

		add(3 << 20)
		add(3 << 20)
		running(6, 0)
		fs.gate <- syscall.EIO
		running(6, 1)
		fs.gate <- syscall.EIO // the system tells each descriptor
		running(6, 2)
		for range 2 {
			if err := <-results; !errors.Is(err, syscall.EIO) {
				t.Error(err)
			}
		}
		s.Close()
	})
}

// TestManyWithMuch: all at once, so that some come while a round begins.
func TestManyWithMuch(t *testing.T) {
	s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: blobtest.New()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data := make([]byte, 1<<20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				if _, err := s.Append(t.Context(), "", int64(len(data)), bytes.NewReader(data)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
