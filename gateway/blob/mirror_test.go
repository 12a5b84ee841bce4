package blob

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob/s3test"
)

// TestMirrorIsACopyThatOpens copies a store that is written to meanwhile, again
// after more has come, and opens the copy as a store of either kind.
func TestMirrorIsACopyThatOpens(t *testing.T) {
	stores(t, func(t *testing.T, open opener) {
		s := open()
		dir := t.TempDir()
		want := map[Ref][]byte{}
		add := func(n int) {
			for i := range n {
				b := octets(uint64(len(want)), 1000+i*60_000)
				want[put(t, s, "tag", b)] = b
			}
		}
		add(12)
		first, err := Mirror(t.Context(), s.(Segments), dir, nil)
		if err != nil || len(first) == 0 {
			t.Fatal(first, err)
		}
		add(8)
		var told int64
		sizes, err := Mirror(t.Context(), s.(Segments), dir, func(n, of int64) { told = n })
		if err != nil || told == 0 {
			t.Fatal(told, err)
		}
		if len(first) > len(sizes) || maps.Equal(first, sizes) {
			t.Error("nothing was added", first, sizes)
		}
		for ref := range want {
			if !Covers(sizes, ref) {
				t.Error("not covered", ref)
			}
		}
		if Covers(sizes, Ref{Segment: 1 << 40, Size: 1}) {
			t.Error("a segment is covered that is not there")
		}
		for _, kind := range []string{"files", "s3"} {
			var dst interface {
				Store
				Segments
			}
			var live []Ref
			for ref := range want {
				live = append(live, ref)
			}
			var reopen func() Store
			if kind == "files" {
				to := filepath.Join(t.TempDir(), "x")
				dst = &Files{opt: Options{Dir: to}, fs: osFS{}}
				reopen = func() Store {
					x, err := OpenFiles(t.Context(), Options{Dir: to}, all(live))
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { x.Close() })
					return x
				}
			} else {
				at := s3test.URL(t)
				dst = openS3(t, at)
				reopen = func() Store { return openS3(t, at, live...) }
			}
			if err := Restore(t.Context(), dir, dst, nil); err != nil {
				t.Fatal(kind, err)
			}
			if err := Restore(t.Context(), dir, dst, nil); err == nil {
				t.Error(kind, "is overwritten")
			}
			if kind == "s3" {
				dst.Close()
			}
			x := reopen()
			for ref, b := range want {
				check(t, x, ref, b)
			}
		}
	})
}

func TestMirrorCopiesWhatMayHaveChanged(t *testing.T) {
	t.Parallel()
	from, dir := t.TempDir(), t.TempDir()
	src := &Files{opt: Options{Dir: from}, fs: osFS{}}
	name := filepath.Join(from, segmentName(1))
	write := func(b string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(name, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	mirror := func() (copied int64, now string) {
		t.Helper()
		if _, err := Mirror(t.Context(), src, dir, func(n, _ int64) { copied = n }); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
		if err != nil {
			t.Fatal(err)
		}
		return copied, string(b)
	}
	old := time.Now().Add(-time.Hour)
	write("aaaa", old)
	mirror()
	if n, _ := mirror(); n != 0 {
		t.Error("a segment that rests is copied again")
	}
	write("aaba", old.Add(time.Minute)) // as long as before: a hole is filled
	if _, now := mirror(); now != "aaba" {
		t.Error(now)
	}
	write("aabb", time.Now())
	mirror()
	if n, _ := mirror(); n == 0 {
		t.Error("a segment that was written to just now is believed to be whole")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	sizes, err := Mirror(t.Context(), src, dir, nil)
	if err != nil || len(sizes) != 0 {
		t.Fatal(sizes, err)
	}
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)+unfinished), nil, 0o600); err != nil { // a copy that was killed
		t.Fatal(err)
	}
	if err := Prune(dir, sizes); err != nil {
		t.Fatal(err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Error(list)
	}
}

// lists is files with a list of before.
type lists struct {
	*Files
	list []Segment
}

func (l lists) Segments(context.Context) ([]Segment, error) { return l.list, nil }

// TestMirrorOfACutSegment: a restart takes the zeros off the end of a segment
// while a backup runs.
func TestMirrorOfACutSegment(t *testing.T) {
	t.Parallel()
	from, dir := t.TempDir(), t.TempDir()
	src := &Files{opt: Options{Dir: from}, fs: osFS{}}
	name := filepath.Join(from, segmentName(1))
	if err := os.WriteFile(name, []byte("aaaa\x00\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(name, old, old); err != nil {
		t.Fatal(err)
	}
	list, err := src.Segments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 4); err != nil {
		t.Fatal(err)
	}
	sizes, err := Mirror(t.Context(), lists{src, list}, dir, nil)
	if err != nil || sizes[segmentName(1)] != 4 {
		t.Error(sizes, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, segmentName(1))); err != nil || string(b) != "aaaa" {
		t.Errorf("%q, %v", b, err)
	}
	list[0].Changed = time.Time{} // an object never changes
	if sizes, err := Mirror(t.Context(), lists{src, list}, t.TempDir(), nil); err == nil {
		t.Error("half an object is a copy", sizes)
	}
}

// TestMirrorAfterAPowerCut: a blob that came where zeros were is durable, though
// the file is as long as when it was copied, and its time is lost.
func TestMirrorAfterAPowerCut(t *testing.T) {
	t.Parallel()
	from, dir := t.TempDir(), t.TempDir()
	s, err := OpenFiles(t.Context(), Options{Dir: from, Ahead: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := octets(1, 1000), octets(2, 2001)
	refs := []Ref{put(t, s, "a", a), put(t, s, "b", b)}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(from, segmentName(refs[0].Segment))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		old := time.Now().Add(-time.Hour)
		b = append(b[:len(b):len(b)], make([]byte, 200<<10)...)
		if err := errors.Join(os.WriteFile(name, b[:len(whole)+100<<10], 0o600), os.Chtimes(name, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	write(whole[:refs[1].Offset])
	if _, err := Mirror(t.Context(), s, dir, nil); err != nil {
		t.Fatal(err)
	}
	write(whole)
	s, err = OpenFiles(t.Context(), Options{Dir: from}, all(refs))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check(t, s, refs[0], a)
	check(t, s, refs[1], b)
	if u := s.Usage(); u.Total != int64(len(whole)) {
		t.Errorf("%d octets, not %d", u.Total, len(whole))
	}
	if _, err := Mirror(t.Context(), s, dir, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, filepath.Base(name))); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the copy has %d octets: %v", len(got), err)
	}
}
