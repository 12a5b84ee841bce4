package blob

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"testing"
)

// countingFS counts files that are opened for reading, and those that are open.
type countingFS struct {
	osFS
	opened, open atomic.Int64
}

func (c *countingFS) Open(name string) (File, error) {
	f, err := c.osFS.Open(name)
	if err != nil {
		return nil, err
	}
	c.opened.Add(1)
	c.open.Add(1)
	return &countedFile{File: f, of: c}, nil
}

type countedFile struct {
	File
	of *countingFS
}

func (c *countedFile) Close() error {
	err := c.File.Close()
	if err == nil {
		c.of.open.Add(-1)
	}
	return err
}

func countedStore(t *testing.T) (*Files, *countingFS) {
	t.Helper()
	c := &countingFS{}
	s, err := OpenFiles(t.Context(), Options{Dir: t.TempDir(), SegmentSize: 1 << 20, Large: 64 << 10, FS: c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, c
}

func TestSegmentsStayOpenForReaders(t *testing.T) {
	t.Parallel()
	s, c := countedStore(t)
	data := octets(1, 4<<10)
	ref := put(t, s, "x", data)
	for range 10 {
		check(t, s, ref, data)
	}
	if c.opened.Load() != 1 || c.open.Load() != 1 {
		t.Errorf("%d opened, %d open", c.opened.Load(), c.open.Load())
	}
	if s.Close(); c.open.Load() != 0 {
		t.Errorf("%d are open after Close", c.open.Load())
	}
	check(t, s, ref, data) // what is there can be read, but nothing is kept
	if c.open.Load() != 0 {
		t.Errorf("%d stay open after Close", c.open.Load())
	}
}

func TestOpenSegmentsAreBounded(t *testing.T) {
	t.Parallel()
	s, c := countedStore(t)
	data := octets(1, 70<<10) // a segment each
	var refs []Ref
	for i := range maxHandles + 10 {
		refs = append(refs, put(t, s, fmt.Sprint(i), data))
	}
	var open []Reader
	for _, ref := range refs {
		r, err := s.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
	}
	if n := c.open.Load(); n != maxHandles+10 {
		t.Errorf("%d open while all are read", n)
	}
	for _, r := range open {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadAt(make([]byte, 10), 0); err != fs.ErrClosed {
			t.Fatal("read after Close:", err)
		}
		if r.Close() == nil {
			t.Fatal("closed twice")
		}
	}
	if n := c.open.Load(); n != maxHandles {
		t.Errorf("%d stay open", n)
	}
}

func TestRemovedSegmentsAreClosed(t *testing.T) {
	t.Parallel()
	s, c := countedStore(t)
	data := octets(1, 70<<10)
	read, kept := put(t, s, "read", data), put(t, s, "kept", data)
	check(t, s, read, data)
	r, err := s.Open(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	s.Release(read, kept)
	s.Close() // they are removed by then
	if n := c.open.Load(); n != 1 {
		t.Errorf("%d open while one is read", n)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Error("an open reader lost its blob:", err)
	}
	if r.Close(); c.open.Load() != 0 {
		t.Errorf("%d open", c.open.Load())
	}
}

func TestHandleOfASegmentRemovedMeanwhileIsNotKept(t *testing.T) {
	t.Parallel()
	var h handles
	c := &countingFS{}
	name := t.TempDir() + "/x"
	if f, err := c.Create(name); err != nil {
		t.Fatal(err)
	} else {
		f.Close()
	}
	x, err := h.get(1, func() (File, error) {
		f, err := c.Open(name)
		h.drop(1)
		return f, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.open) != 0 {
		t.Error("kept")
	}
	if h.put(x); c.open.Load() != 0 {
		t.Error("left open")
	}
	x, err = h.get(1, func() (File, error) { return c.Open(name) })
	if err != nil {
		t.Fatal(err)
	}
	if h.put(x); c.open.Load() != 1 {
		t.Error("not kept")
	}
	if h.drop(1); c.open.Load() != 0 || h.idle.Len() != 0 {
		t.Error("kept when it was removed")
	}
}

func BenchmarkOpen(b *testing.B) {
	s, err := OpenFiles(b.Context(), Options{Dir: b.TempDir()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := octets(1, 4<<10)
	ref, err := s.Append(b.Context(), "x", int64(len(data)), bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 8<<10)
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		r, err := s.Open(b.Context(), ref)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Read(buf)
		}
		r.Close()
	}
}
