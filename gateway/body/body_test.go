package body

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
)

// pattern returns n bytes in which every place is told from its neighbours.
func pattern(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(p)
	return p
}

// TestReadersSeeTheSameBytes writes in random pieces while readers of every
// kind read, around each border: first chunk, memory limit, tail, file.
func TestReadersSeeTheSameBytes(t *testing.T) {
	for _, size := range []int{0, 1, firstChunk - 1, firstChunk, firstChunk + 1, firstChunk + chunkSize, 3*chunkSize + 17, 10*chunkSize + 1} {
		want := pattern(size)
		b := New(Options{Memory: firstChunk + 2*chunkSize, Dir: t.TempDir()})
		var wg sync.WaitGroup
		read := func(how func(r *Reader) ([]byte, error)) {
			r := b.Open()
			wg.Go(func() {
				defer r.Close()
				got, err := how(r)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("size %d: read %d bytes, %v", size, len(got), err)
				}
			})
		}
		read(func(r *Reader) ([]byte, error) { return io.ReadAll(struct{ io.Reader }{r}) })
		read(func(r *Reader) ([]byte, error) {
			var buf bytes.Buffer
			_, err := r.WriteTo(&buf)
			return buf.Bytes(), err
		})
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(100_000))
			if _, err := b.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		b.Close()
		wg.Wait()
		b.Release()
	}
}

func TestSectionsEndWhereTheirWriterSays(t *testing.T) {
	b := New(Options{Memory: firstChunk, Dir: t.TempDir()})
	defer b.Release()
	data := pattern(5 * chunkSize)
	b.Write(data[:100])
	s := b.Section()
	early := s.Open()
	defer early.Close()
	b.Write(data[100:300_000])
	s.End()
	b.Write(data[300_000:])
	if got, err := io.ReadAll(early); err != nil || !bytes.Equal(got, data[100:300_000]) {
		t.Errorf("reader: %d bytes, %v", len(got), err)
	}
	at, size, err := s.ReaderAt(t.Context())
	if err != nil || size != 299_900 {
		t.Fatal(size, err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(at, 0, size)); err != nil || !bytes.Equal(got, data[100:300_000]) {
		t.Errorf("ReaderAt: %d bytes, %v", len(got), err)
	}
	if n, err := at.ReadAt(make([]byte, 10), size-3); n != 3 || err != io.EOF {
		t.Errorf("past the end: %d, %v", n, err)
	}
}

func TestReaderAtEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		defer b.Release()
		ctx, cancel := context.WithCancel(t.Context())
		s := b.Section()
		go cancel()
		if _, _, err := s.ReaderAt(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAbortWakesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		b.Write([]byte("half"))
		r := b.Open()
		defer r.Close()
		got := make(chan error)
		go func() { _, err := io.ReadAll(r); got <- err }()
		synctest.Wait() // the reader waits for more
		b.Abort(nil)
		if err := <-got; !errors.Is(err, ErrAborted) {
			t.Errorf("got %v, want ErrAborted", err)
		}
		b.Release()
	})
}

// TestBudget shows that memory past its cap goes to the spool, that the spool
// has a cap, and that everything is given back.
func TestBudget(t *testing.T) {
	budget := NewBudget(firstChunk+chunkSize, 4*chunkSize)
	one := New(Options{Budget: budget, Dir: t.TempDir()})
	n, err := one.Write(pattern(20 * chunkSize))
	if !errors.Is(err, ErrBudget) {
		t.Fatalf("wrote %d, %v; want ErrBudget", n, err)
	}
	if budget.Memory() != firstChunk+chunkSize || budget.Spool() != 4*chunkSize {
		t.Errorf("memory %d, spool %d", budget.Memory(), budget.Spool())
	}
	if n != firstChunk+chunkSize+4*chunkSize {
		t.Errorf("wrote %d", n)
	}
	r := one.Open()
	one.Release()
	if budget.Memory() == 0 {
		t.Error("freed under an open reader")
	}
	r.Close()
	r.Close()
	if budget.Memory() != 0 || budget.Spool() != 0 {
		t.Errorf("left: memory %d, spool %d", budget.Memory(), budget.Spool())
	}
}

func TestSpoolFileHasNoName(t *testing.T) {
	dir := t.TempDir()
	b := New(Options{Memory: 1, Dir: dir})
	defer b.Release()
	b.Write(pattern(3 * chunkSize))
	if b.filed == 0 {
		t.Fatal("nothing was spooled")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d names in the spool folder", len(left))
	}
}

func TestSpoolFolderMissing(t *testing.T) {
	budget := NewBudget(0, 1<<20)
	b := New(Options{Dir: filepath.Join(t.TempDir(), "nonexistent"), Budget: budget})
	defer b.Release()
	if _, err := b.Write([]byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if budget.Spool() != 0 {
		t.Errorf("budget keeps %d", budget.Spool())
	}
}

func BenchmarkWriteAndRead4KiB(b *testing.B) {
	p := pattern(4096)
	b.ReportAllocs()
	b.SetBytes(4096)
	for b.Loop() {
		x := New(Options{})
		x.Write(p)
		x.Close()
		r := x.Open()
		io.Copy(io.Discard, r)
		r.Close()
		x.Release()
	}
}
