package blob_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

func notesOf(t *testing.T, opt blob.Options, from uint64) (list []string) {
	t.Helper()
	for n, err := range blob.NotesOf(opt).From(t.Context(), from, nil) {
		if err != nil {
			t.Fatal(err)
		}
		s := n.Tag + "=" + string(n.Text)
		if err := n.Verify(); err != nil {
			if !errors.Is(err, blob.ErrCorrupt) {
				t.Fatal(err)
			}
			s += "!"
		}
		list = append(list, s)
	}
	return list
}

func TestNotes(t *testing.T) {
	t.Parallel()
	opt := blob.Options{Dir: t.TempDir()}
	s, err := blob.OpenFiles(t.Context(), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("n", blob.MaxNote)
	var refs []blob.Ref
	for i, note := range []string{"one", "", long} {
		body := fmt.Sprint("body ", i)
		ref, err := s.AppendNote(t.Context(), fmt.Sprint("t", i), []byte(note), int64(len(body)), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
		r, err := s.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := r.WriteTo(&b); err != nil || b.String() != body {
			t.Errorf("%q, %v", b.String(), err)
		}
		r.Close()
	}
	if _, err := s.AppendNote(t.Context(), "t", []byte(long+"x"), 0, strings.NewReader("")); err == nil {
		t.Error("a note that is too long")
	}
	if got, want := notesOf(t, opt, 0), []string{"t0=one", "t2=" + long}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%.100q", got)
	}
	last, err := blob.NotesOf(opt).Last()
	if err != nil || last != refs[0].Segment {
		t.Errorf("last %d, %v", last, err)
	}
	if got := notesOf(t, opt, last+1); got != nil {
		t.Errorf("%.100q", got)
	}
	s.Close()
	files, _ := filepath.Glob(filepath.Join(opt.Dir, "*.blobs"))
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	torn := strings.Replace(string(b), "body 0", "b0dy 0", 1)
	torn = strings.Replace(torn, "nnn", "nmn", 1)
	if err := os.WriteFile(files[0], []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := notesOf(t, opt, 0); fmt.Sprint(got) != "[t0=one!]" {
		t.Errorf("%.100q", got)
	}
}

// TestHeldSegments: what has notes stays until the owner does not need it any
// more; what has none goes at once.
func TestHeldSegments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: dir, SegmentSize: 4 << 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Hold(1)
		var refs []blob.Ref
		body := strings.Repeat("x", 1000)
		for i := range 30 {
			var note []byte
			if i < 20 {
				note = []byte("note")
			}
			ref, err := s.AppendNote(t.Context(), "t", note, int64(len(body)), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, ref)
		}
		s.Release(refs...)
		left := func() int {
			synctest.Wait() // they are removed beside it
			return s.Usage().Segments
		}
		if n := left(); n < 7 || n > 8 {
			t.Errorf("%d segments while those with notes are held", n)
		}
		s.Hold(refs[10].Segment)
		if n := left(); n < 4 || n > 5 {
			t.Errorf("%d segments while half of them are held", n)
		}
		first := uint64(0)
		for n, err := range blob.NotesOf(blob.Options{Dir: dir}).From(t.Context(), 0, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if first == 0 {
				first = n.Ref.Segment
			}
		}
		if first != refs[10].Segment {
			t.Errorf("notes from %d on are left, not from %d", first, refs[10].Segment)
		}
		s.Hold(0)
		if n := left(); n > 1 {
			t.Errorf("%d segments are left", n)
		}
	})
}

// TestNoteBehindForgedFrame: octets in a torn frame that look like the header
// of a long one do not hide the notes behind it from who knows what these begin
// with.
func TestNoteBehindForgedFrame(t *testing.T) {
	t.Parallel()
	opt := blob.Options{Dir: t.TempDir()}
	s, err := blob.OpenFiles(t.Context(), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range []string{"secret-1", "secret-2"} {
		body := strings.Repeat("x", 1000)
		if _, err := s.AppendNote(t.Context(), note, []byte(note), int64(len(body)), strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	files, _ := filepath.Glob(filepath.Join(opt.Dir, "*.blobs"))
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Clone(b[:32]) // with a tag and a note of nothing, and 64 KiB
	forged[4], forged[6], forged[7] = 0, 0, 0
	binary.LittleEndian.PutUint64(forged[8:], 64<<10)
	binary.LittleEndian.PutUint32(forged[24:], crc32.Checksum(forged[:24], crc32.MakeTable(crc32.Castagnoli)))
	copy(b[400:], forged)
	clear(b[:32]) // the torn part
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for n, err := range blob.NotesOf(opt).From(t.Context(), 0, []byte("secret")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(n.Text))
	}
	if fmt.Sprint(got) != "[secret-2]" {
		t.Errorf("%q", got)
	}
}

// TestANoteThatWasRefusedIsVoid: what Append said no to is not taken for whole
// when notes are read, though all of it may have been written.
func TestANoteThatWasRefusedIsVoid(t *testing.T) {
	t.Parallel()
	refused := 0
	for n := 1; n < 20; n++ {
		disk := blobtest.New()
		disk.FailAt(n, syscall.EIO)
		opt := blob.Options{Dir: "b", FS: disk}
		s, err := blob.OpenFiles(t.Context(), opt, nil)
		if err != nil {
			continue
		}
		said := map[string]bool{}
		for i := range 3 {
			tag := fmt.Sprint("t", i)
			_, err := s.AppendNote(t.Context(), tag, []byte("note"), 5, strings.NewReader("hello"))
			said[tag] = err == nil
		}
		for note, err := range blob.NotesOf(opt).From(t.Context(), 0, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if whole := note.Verify() == nil; whole != said[note.Tag] {
				t.Errorf("operation %d failed: %s is whole: %v, was promised: %v", n, note.Tag, whole, said[note.Tag])
			}
			if !said[note.Tag] {
				refused++
			}
		}
		s.Close()
	}
	if refused == 0 {
		t.Error("none was written and refused")
	}
}

// unread is a disk of which one read fails.
type unread struct {
	*blobtest.Disk
	reads, fail int
}

type unreadFile struct {
	blob.File
	d *unread
}

func (d *unread) Open(name string) (blob.File, error) {
	f, err := d.Disk.Open(name)
	return unreadFile{f, d}, err
}

func (f unreadFile) ReadAt(p []byte, off int64) (int, error) {
	if f.d.reads++; f.d.reads == f.d.fail {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}

// TestAReadThatFailsIsNoEnd: whichever read fails while notes are looked for,
// behind torn frames too, it is told: what follows is never passed over.
func TestAReadThatFailsIsNoEnd(t *testing.T) {
	t.Parallel()
	disk := &unread{Disk: blobtest.New()}
	opt := blob.Options{Dir: "b", FS: disk}
	s, err := blob.OpenFiles(t.Context(), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	var refs []blob.Ref
	for i := range 4 {
		ref, err := s.AppendNote(t.Context(), fmt.Sprint("t", i), []byte("note"), 5, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	s.Close()
	list, err := disk.ReadDir("b")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	disk.Spoil(filepath.Join("b", list[0].Name), refs[1].Offset)
	walk := func() (tags []string, err error) {
		for note, err := range blob.NotesOf(opt).From(t.Context(), 0, []byte("note")) {
			if err == nil {
				err = note.Verify()
			}
			if err != nil {
				return tags, err
			}
			tags = append(tags, note.Tag)
		}
		return tags, nil
	}
	disk.reads = 0
	if got, err := walk(); fmt.Sprint(got) != "[t0 t2 t3]" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	for all := disk.reads; all > 0; all-- {
		disk.reads, disk.fail = 0, all
		if got, err := walk(); !errors.Is(err, syscall.EIO) {
			t.Errorf("read %d failed: %q, %v", all, got, err)
		}
	}
}

// lingering takes long to close files.
type lingering struct{ *blobtest.Disk }

type lingeringFile struct{ blob.File }

func (l lingering) Create(name string) (blob.File, error) {
	f, err := l.Disk.Create(name)
	return lingeringFile{f}, err
}

func (f lingeringFile) Close() error {
	time.Sleep(time.Second)
	return f.File.Close()
}

// TestADeathWhileItsFileIsClosed: a segment whose last blob goes while it is
// just being closed, and was to stay, goes too.
func TestADeathWhileItsFileIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: lingering{blobtest.New()}, SegmentSize: 4 << 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var refs []blob.Ref
		for i := range 2 {
			ref, err := s.Append(t.Context(), "", 3000, bytes.NewReader(octets(i, 3000)))
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, ref)
		}
		synctest.Wait() // the first segment is full: it is being closed
		s.Release(refs[0])
		time.Sleep(time.Minute)
		if u := s.Usage(); u.Segments != 1 {
			t.Errorf("%+v", u)
		}
		s.Close()
	})
}
