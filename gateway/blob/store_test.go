package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/blob/s3test"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// opener opens a store again with what lives.
type opener func(live ...Ref) Store

// stores runs a test over every kind of store.
func stores(t *testing.T, f func(t *testing.T, open opener)) {
	t.Run("files", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		f(t, func(live ...Ref) Store {
			t.Helper()
			s, err := OpenFiles(t.Context(), Options{Dir: dir, SegmentSize: 1 << 20, Large: 512 << 10}, all(live))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		at := s3test.URL(t)
		f(t, func(live ...Ref) Store {
			t.Helper()
			return openS3(t, at, live...)
		})
	})
}

func all(refs []Ref) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) {
		for _, r := range refs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// octets makes n octets that seed tells from others.
func octets(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

func put(t testing.TB, s Store, tag string, b []byte) Ref {
	t.Helper()
	ref, err := s.Append(t.Context(), tag, int64(len(b)), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func get(s Store, ref Ref) ([]byte, error) {
	r, err := s.Open(context.Background(), ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func check(t testing.TB, s Store, ref Ref, want []byte) {
	t.Helper()
	if got, err := get(s, ref); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d octets for %d, %v", ref, len(got), len(want), err)
	}
}

// plain hides WriterTo.
type plain struct{ io.Reader }

func TestWhatIsAppendedIsRead(t *testing.T) {
	stores(t, func(t *testing.T, open opener) {
		s := open()
		sizes := []int{0, 1, 7, 8, 4096, maxBuffer - 100, maxBuffer - 40, maxBuffer - 39, maxBuffer, maxBuffer + 1, 400 << 10, 512<<10 - 41, 512 << 10, 1<<20 + 5}
		var refs []Ref
		var mu sync.Mutex
		var wg sync.WaitGroup
		want := map[Ref][]byte{}
		for i, n := range sizes {
			b := octets(uint64(i), n)
			for j, src := range []func() io.Reader{
				func() io.Reader { return bytes.NewReader(b) },
				func() io.Reader { return plain{bytes.NewReader(b)} },
				func() io.Reader { return iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(b))) },
			} {
				for _, size := range []int64{int64(n), -1} {
					wg.Go(func() {
						ref, err := s.Append(t.Context(), fmt.Sprint("tag", i, j), size, src())
						if err != nil || ref.Size != int64(n) {
							t.Errorf("%d octets: %v, %v", n, ref, err)
							return
						}
						mu.Lock()
						defer mu.Unlock()
						want[ref] = b
						refs = append(refs, ref)
					})
				}
			}
		}
		wg.Wait()
		verify := func(s Store) {
			for ref, b := range want {
				check(t, s, ref, b)
			}
			n := 0
			for rec, err := range s.Records(t.Context()) {
				if _, ok := want[rec.Ref]; !ok || err != nil || !strings.HasPrefix(rec.Tag, "tag") {
					t.Error(rec, err)
				}
				n++
			}
			if n != len(want) {
				t.Errorf("%d records for %d", n, len(want))
			}
		}
		verify(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		verify(open(refs...))
	})
}

func TestReaderSeeksAndReadsAt(t *testing.T) {
	stores(t, func(t *testing.T, open opener) {
		s := open()
		b := octets(1, 300<<10)
		put(t, s, "", []byte("before"))
		ref := put(t, s, "a", b)
		put(t, s, "", []byte("behind"))
		r, err := s.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := iotest.TestReader(r, b); err != nil {
			t.Error(err)
		}
		var out bytes.Buffer
		r.Seek(100, io.SeekStart)
		if n, err := r.WriteTo(&out); err != nil || n != int64(len(b)-100) || !bytes.Equal(out.Bytes(), b[100:]) {
			t.Error(n, err)
		}
	})
}

func TestSourceThatFailsLeavesNothing(t *testing.T) {
	stores(t, func(t *testing.T, open opener) {
		s := open()
		broken := errors.New("broken")
		for _, n := range []int{10, 300 << 10, 600 << 10} {
			b := octets(2, n)
			for _, size := range []int64{int64(n) + 1, int64(n) - 1, -1} {
				src := io.MultiReader(bytes.NewReader(b), iotest.ErrReader(broken))
				if _, err := s.Append(t.Context(), "bad", size, src); err == nil {
					t.Errorf("%d octets, %d said: no error", n, size)
				}
				if size < 0 {
					continue
				}
				if _, err := s.Append(t.Context(), "bad", size, bytes.NewReader(b)); !errors.Is(err, errSize) {
					t.Errorf("%d octets, %d said: %v", n, size, err)
				}
			}
		}
		b := octets(3, 5000)
		ref := put(t, s, "good", b)
		check(t, s, ref, b)
		for rec, err := range s.Records(t.Context()) {
			if err == nil && rec.Ref != ref {
				t.Error(rec)
			}
		}
	})
}

func TestSpaceIsReclaimed(t *testing.T) {
	stores(t, func(t *testing.T, open opener) {
		s := open()
		var refs []Ref
		for i := range 60 {
			refs = append(refs, put(t, s, fmt.Sprint(i), octets(uint64(i), 50<<10)))
		}
		refs = append(refs, put(t, s, "large", octets(99, 600<<10)))
		before := s.Usage()
		r, err := s.Open(t.Context(), refs[0])
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		last := refs[59]
		s.Release(refs[:59]...)
		s.Release(refs[60])
		if err := s.Close(); err != nil { // removal is done by then
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, octets(0, 50<<10)) {
			t.Error("an open reader lost its blob:", err)
		}
		if u := s.Usage(); u.Segments != 1 || before.Segments < 4 {
			t.Error(before, u)
		}
		if _, err := s.Open(t.Context(), refs[0]); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		s = open(last)
		check(t, s, last, octets(59, 50<<10))
		s.Close()
		s = open()
		s.Close()
		if u := s.Usage(); u.Segments != 0 {
			t.Error("what nobody refers to stays:", u)
		}
	})
}

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
