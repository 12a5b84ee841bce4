package blob

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

func openFDs(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// newAIO gives one, and skips the test where the system has none.
func newAIO(t *testing.T) *aio {
	t.Helper()
	a := &aio{}
	s := a.take()
	if s == nil {
		t.Skip("no io_setup(2) here")
	}
	a.put(s)
	return a
}

// Not parallel: it counts what is open.
func TestSyncsThatNoThreadWaitsFor(t *testing.T) {
	before := openFDs(t)
	a := newAIO(t)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 2 * aioMax {
		wg.Go(func() {
			f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for range 5 {
				if _, err := f.WriteString("octets"); err != nil {
					t.Error(err)
				}
				if err := (osFile{f, a}).Sync(); err != nil {
					t.Error(err)
				}
			}
			if err := (osFS{a}).SyncDir(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if a.made == 0 || a.made > aioMax || len(a.idle) != a.made {
		t.Errorf("%d made, %d idle", a.made, len(a.idle))
	}
	a.close()
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors where there were %d", after, before)
	}
	f, err := os.Create(filepath.Join(dir, "late"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if tried, err := a.sync(f, aioFdatasync); tried || err != nil {
		t.Errorf("after close: %v, %v", tried, err)
	}
}

// A sync that ends badly says so: here a read into nowhere, since no sync of
// a sound disk does.
func TestWhatCameOfASyncIsTold(t *testing.T) {
	a := newAIO(t)
	defer a.close()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("octets"); err != nil {
		t.Fatal(err)
	}
	s := a.take()
	defer a.put(s)
	s.cb = iocb{opcode: 0 /* pread */, file: uint32(f.Fd()), buf: 8, n: 6, flags: aioEventFD, event: s.fd}
	if err := s.submit(); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); !errors.Is(err, syscall.EFAULT) {
		t.Errorf("%v for EFAULT", err)
	}
	s.cb = iocb{opcode: aioFdatasync, file: uint32(f.Fd()), flags: aioEventFD, event: s.fd}
	if err := s.submit(); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		t.Error("the next one:", err)
	}
}

func TestSyncsThatTheKernelDoesNotTakeAreLeftToTheCaller(t *testing.T) {
	a := newAIO(t)
	defer a.close()
	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := (osFile{closed, a}).Sync(); err == nil {
		t.Error("a closed file was synced")
	}
	if len(a.idle) != 1 {
		t.Errorf("%d idle after it", len(a.idle))
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if tried, _ := a.sync(w, aioFdatasync); tried {
		t.Error("a pipe was synced")
	}
	if s := a.take(); s != nil {
		t.Error("tried again after EINVAL")
		a.put(s)
	}
	if tried, err := (*aio)(nil).sync(w, aioFdatasync); tried || err != nil {
		t.Errorf("nil: %v, %v", tried, err)
	}
}
