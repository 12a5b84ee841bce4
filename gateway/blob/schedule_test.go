package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

// slowest is what a write or a sync takes at most in TestAnySchedule.
const slowest = 8 * time.Millisecond

// schedule is a store that many write to, at random, on a disk that fails and
// goes off at random.
type schedule struct {
	*testing.T
	disk *blobtest.Disk
	opt  blob.Options
	rng  *lockedRand

	mu    sync.Mutex
	next  int
	blobs map[blob.Ref][]byte // promised
	notes map[string]bool     // promised since the store was opened, by what they say
	tried map[string]bool     // whether promised or not
}

type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *lockedRand) n(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

func (s *schedule) pause(most time.Duration) { time.Sleep(time.Duration(s.rng.n(int(most)))) }

// TestAnySchedule: whatever many do at once, whatever fails and whenever the
// power goes, what was promised is there, the disk holds nothing else for long,
// and a note does not wait for ever.
func TestAnySchedule(t *testing.T) {
	t.Parallel()
	n := 150
	if os.Getenv("GAPURA_SOAK") != "" {
		n = 20_000
	}
	for seed := range n {
		synctest.Test(t, func(t *testing.T) {
			s := &schedule{T: t, disk: blobtest.New(), rng: &lockedRand{r: rand.New(rand.NewPCG(uint64(seed), 1))}, blobs: map[blob.Ref][]byte{}, tried: map[string]bool{}}
			for range 3 {
				s.generation()
			}
			s.empty()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// generation opens the store, works, and ends by a power cut or by Close.
func (s *schedule) generation() {
	s.notes = map[string]bool{}
	s.disk.During(func() { s.pause(slowest) })
	store := s.open()
	store.Hold(1)
	if s.rng.n(2) == 0 {
		for range 3 {
			s.disk.FailAt(s.disk.Ops()+1+s.rng.n(300), []error{syscall.EIO, syscall.ENOSPC}[s.rng.n(2)])
		}
	}
	ctx, stop := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	for range 1 + s.rng.n(6) {
		wg.Go(func() {
			for ctx.Err() == nil {
				s.act(ctx, store)
			}
		})
	}
	s.pause(100 * time.Millisecond)
	if s.rng.n(4) > 0 {
		s.disk.CutAfter(s.disk.Ops())
	}
	stop()
	wg.Wait()
	store.Close()
	s.disk.During(nil)
	s.disk = s.disk.Restart(uint64(s.rng.n(1 << 30)))
	s.opt.FS = s.disk
	s.checkNotes()
}

// open opens the store, and reads what was promised.
func (s *schedule) open() *blob.Files {
	s.opt = blob.Options{Dir: "d", FS: s.disk, SegmentSize: 64 << 10, Large: 32 << 10, Ahead: 8 << 10}
	store, err := blob.OpenFiles(context.Background(), s.opt, func(yield func(blob.Ref, error) bool) {
		for ref := range s.blobs {
			if !yield(ref, nil) {
				return
			}
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	for ref, want := range s.blobs {
		s.read(store, ref, want)
	}
	return store
}

func (s *schedule) read(store *blob.Files, ref blob.Ref, want []byte) {
	r, err := store.Open(context.Background(), ref)
	if err != nil {
		s.Errorf("%v: %v", ref, err)
		return
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := r.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
		s.Errorf("%v: %d octets of %d, %v", ref, got.Len(), len(want), err)
	}
}

// checkNotes reads the notes that were promised.
func (s *schedule) checkNotes() {
	found := map[string]bool{}
	for n, err := range blob.NotesOf(s.opt).From(context.Background(), 0, []byte("salt")) {
		if err != nil {
			s.Fatal(err)
		}
		if n.Verify() == nil {
			found[string(n.Text)] = true
		}
	}
	for text := range s.notes {
		if !found[text] {
			s.Errorf("%s is lost", text)
		}
	}
	for text := range found {
		if !s.tried[text] {
			s.Errorf("nobody wrote %s", text)
		}
	}
}

// act does one thing.
func (s *schedule) act(ctx context.Context, store *blob.Files) {
	s.pause(3 * time.Millisecond)
	s.mu.Lock()
	i := s.next
	s.next++
	s.mu.Unlock()
	size := []int{0, 100, 3000, 12 << 10, 40 << 10}[s.rng.n(5)]
	b, note := octets(i%1000, size), fmt.Sprint("salt", i)
	src := bytes.NewReader(b)
	promise := func(ref blob.Ref, noted bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.blobs[ref] = b
		if noted {
			s.notes[note] = true
		}
	}
	try := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tried[note] = true
	}
	switch s.rng.n(7) {
	case 0, 1:
		if ref, err := store.Append(ctx, "t", int64(size), src); err == nil {
			promise(ref, false)
		}
	case 2:
		try()
		if ref, err := store.AppendNote(ctx, "t", []byte(note), int64(size), src); err == nil {
			promise(ref, true)
		}
	case 3:
		try()
		b = nil
		began := time.Now()
		if ref, err := store.Note(ctx, "t", []byte(note)); err == nil {
			promise(ref, true)
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			s.Errorf("a note took %v", took)
		}
	case 4:
		ref, durable, err := store.AppendLater(ctx, "t", int64(size), src)
		if err != nil {
			return
		}
		s.pause(5 * time.Millisecond)
		if durable() == nil {
			promise(ref, false)
		}
	case 5: // less than was said
		if _, err := store.Append(ctx, "t", int64(size+1), src); err == nil {
			s.Error("the end was missing")
		}
	case 6:
		s.mu.Lock()
		var gone []blob.Ref
		for ref := range s.blobs {
			if len(gone) < 3 {
				gone = append(gone, ref)
				delete(s.blobs, ref)
			}
		}
		s.mu.Unlock()
		store.Release(gone...)
	}
}

// empty releases all: then nothing is left.
func (s *schedule) empty() {
	store := s.open()
	store.Release(slices.Collect(func(yield func(blob.Ref) bool) {
		for ref := range s.blobs {
			if !yield(ref) {
				return
			}
		}
	})...)
	synctest.Wait()
	if list, err := s.disk.ReadDir("d"); err != nil || len(list) > 0 || store.Usage() != (blob.Usage{}) {
		s.Errorf("%v, %v, %+v", list, err, store.Usage())
	}
	if err := store.Close(); err != nil && !errors.Is(err, blob.ErrClosed) {
		s.Error(err)
	}
}
