package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

// sizes make small blobs, some that are streamed, and some with a segment of
// their own; and more than one segment.
var sizes = []int{100, 5000, 0, 300 << 10, 20, 520 << 10, 4096, 8 << 10, 270 << 10, 70 << 10, 513 << 10, 1, 30 << 10}

func openDisk(d *blobtest.Disk, live iter.Seq2[blob.Ref, error]) (*blob.Files, error) {
	return blob.OpenFiles(context.Background(), blob.Options{Dir: "data/blobs", FS: d, SegmentSize: 640 << 10, Large: 512 << 10, Ahead: 64 << 10}, live)
}

var noise = func() []byte {
	b := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

// octets differ for each i.
func octets(i, n int) []byte { return noise[i*1009:][:n] }

// kept is what a test was promised.
type kept struct {
	mu   sync.Mutex
	refs map[blob.Ref]int // number in sizes
}

func (k *kept) all(yield func(blob.Ref, error) bool) {
	for ref := range k.refs {
		if !yield(ref, nil) {
			return
		}
	}
}

// put appends one: with i odd it leaves the sync for later, so that others may
// come in between.
func put(s *blob.Files, i, n int) (blob.Ref, error) {
	b := bytes.NewReader(octets(i, n))
	if i%2 == 0 {
		return s.Append(context.Background(), fmt.Sprint(i), int64(n), b)
	}
	ref, durable, err := s.AppendLater(context.Background(), fmt.Sprint(i), int64(n), b)
	if err == nil {
		err = durable()
	}
	return ref, err
}

// work appends all sizes and releases every third again; one after another, or
// at once.
func (k *kept) work(s *blob.Files, atOnce bool) {
	var wg sync.WaitGroup
	for i, n := range sizes {
		one := func() {
			ref, err := put(s, i, n)
			if err != nil {
				return
			}
			if i%3 == 2 { // the owner has dropped its row
				s.Release(ref)
				return
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			k.refs[ref] = i
		}
		if atOnce {
			wg.Go(one)
		} else {
			one()
		}
	}
	wg.Wait()
}

// verify reads all that was promised.
func (k *kept) verify(t *testing.T, s *blob.Files) {
	t.Helper()
	for ref, i := range k.refs {
		r, err := s.Open(context.Background(), ref)
		if err != nil {
			t.Errorf("blob %d: %v", i, err)
			continue
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, octets(i, sizes[i])) {
			t.Errorf("blob %d: %d octets, %v", i, len(got), err)
		}
	}
	found := 0
	for rec, err := range s.Records(context.Background()) {
		if _, ok := k.refs[rec.Ref]; ok {
			found++
			if err != nil {
				t.Error(rec, err)
			}
		}
	}
	if found != len(k.refs) {
		t.Errorf("%d records of %d", found, len(k.refs))
	}
}

func TestPowerCutAfterAnyOperation(t *testing.T) {
	t.Parallel()
	for _, atOnce := range []bool{false, true} {
		promised := 0
		for n := 0; ; n++ {
			k := &kept{refs: map[blob.Ref]int{}}
			disk := blobtest.New()
			disk.CutAfter(n)
			s, err := openDisk(disk, nil)
			if err == nil {
				k.work(s, atOnce)
				s.Close()
			}
			promised += len(k.refs)
			for seed := range uint64(2) {
				again, err := openDisk(disk.Restart(seed), k.all)
				if err != nil {
					t.Fatal(err)
				}
				k.verify(t, again)
				ref, err := again.Append(context.Background(), "", 3, bytes.NewReader([]byte("new")))
				if _, old := k.refs[ref]; err != nil || old {
					t.Errorf("after the cut: %v, %v", ref, err)
				}
				k.verify(t, again)
				again.Close()
				if t.Failed() {
					t.Fatalf("the power was cut after %d operations, seed %d", n, seed)
				}
			}
			if len(k.refs) == len(sizes)-len(sizes)/3 && disk.Ops() < n {
				t.Log(n, "operations,", promised, "promises kept")
				break
			}
		}
	}
}

// TestFailedOperation has every operation fail in turn: whatever was promised
// is there, after the power is cut too, and the store goes on.
func TestFailedOperation(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		k := &kept{refs: map[blob.Ref]int{}}
		disk := blobtest.New()
		disk.FailAt(n, syscall.EIO)
		s, err := openDisk(disk, nil)
		if err != nil {
			if !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			continue
		}
		k.work(s, false)
		if missing := len(sizes) - len(sizes)/3 - len(k.refs); missing > 1 {
			t.Errorf("one failed operation lost %d blobs", missing)
		}
		k.verify(t, s)
		s.Close()
		again, err := openDisk(disk.Restart(uint64(n)), k.all)
		if err != nil {
			t.Fatal(err)
		}
		k.verify(t, again)
		again.Close()
		if t.Failed() {
			t.Fatalf("operation %d failed", n)
		}
		if disk.Ops() < n {
			break
		}
	}
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	// What is kept takes 930 KiB: the rest may be refused, or gone in time.
	for _, room := range []int64{0, 10, 5000, 400 << 10, 900 << 10} {
		k := &kept{refs: map[blob.Ref]int{}}
		disk := blobtest.New()
		s, err := openDisk(disk, nil)
		if err != nil {
			t.Fatal(err)
		}
		disk.SetRoom(room)
		k.work(s, true)
		if len(k.refs) == len(sizes)-len(sizes)/3 {
			t.Error("all fitted")
		}
		if _, err := s.Append(context.Background(), "", 2<<20, bytes.NewReader(octets(1, 2<<20))); !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
		k.verify(t, s)
		disk.SetRoom(-1)
		k.work(s, false)
		if len(k.refs) < len(sizes)-len(sizes)/3 {
			t.Error("still full")
		}
		k.verify(t, s)
		s.Close()
		again, err := openDisk(disk.Restart(1), k.all)
		if err != nil {
			t.Fatal(err)
		}
		k.verify(t, again)
		again.Close()
	}
}

func TestFolderIsLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := blob.OpenFiles(t.Context(), blob.Options{Dir: dir}, nil); !errors.Is(err, blob.ErrInUse) {
		t.Error(err)
	}
	ref, err := s.Append(t.Context(), "", 2, bytes.NewReader([]byte("hi")))
	if err != nil {
		t.Fatal(err)
	}
	r, err := blob.OpenFiles(t.Context(), blob.Options{Dir: dir, ReadOnly: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := r.Open(t.Context(), ref); err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
	if _, err := r.Append(t.Context(), "", 2, bytes.NewReader([]byte("hi"))); !errors.Is(err, blob.ErrReadOnly) {
		t.Error(err)
	}
}
