package blob_test

import (
	"bytes"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

// growing counts the syncs of a file that has grown since the one before.
type growing struct {
	*blobtest.Disk
	journals bool
	grown    atomic.Int64
}

type growingFile struct {
	blob.File
	of *growing

	mu   sync.Mutex
	size int64
}

func (g *growing) Journals(string) bool { return g.journals }

func (g *growing) Create(name string) (blob.File, error) {
	f, err := g.Disk.Create(name)
	return &growingFile{File: f, of: g}, err
}

func (f *growingFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.Size()
	if err == nil && n > f.size {
		f.of.grown.Add(1)
	}
	f.size = n
	if err != nil {
		return err
	}
	return f.File.Sync()
}

func TestZerosAreWrittenAhead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		journals   bool
		ahead      int64
		size       int
		least, max int64
	}{
		"ext4":          {true, 64 << 10, 1000, 2, 30},
		"large syncs":   {true, 64 << 10, 50 << 10, 400, 401},
		"copy on write": {false, 64 << 10, 1000, 400, 401},
		"turned off":    {true, -1, 1000, 400, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := &growing{Disk: blobtest.New(), journals: c.journals}
			s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs, SegmentSize: 256 << 10, Ahead: c.ahead}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i := range 400 {
				if _, err := s.Append(t.Context(), "", int64(c.size), bytes.NewReader(octets(i, c.size))); err != nil {
					t.Fatal(err)
				}
			}
			if n := fs.grown.Load(); n < c.least || n > c.max {
				t.Errorf("%d of 400 syncs found a file that had grown", n)
			}
			list, err := fs.ReadDir("d")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.Size > 256<<10 {
					t.Errorf("a segment of %d octets", e.Size)
				}
			}
		})
	}
}

// slow takes its time for zeros.
type slow struct{ *blobtest.Disk }

type slowFile struct{ blob.File }

func (s slow) Create(name string) (blob.File, error) {
	f, err := s.Disk.Create(name)
	return slowFile{f}, err
}

func (f slowFile) WriteAt(p []byte, off int64) (int, error) {
	if len(bytes.Trim(p, "\x00")) == 0 {
		time.Sleep(time.Second)
	}
	return f.File.WriteAt(p, off)
}

// TestZerosCoverNoBlob has many append while zeros are written.
func TestZerosCoverNoBlob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: slow{blobtest.New()}, SegmentSize: 256 << 10, Ahead: 16 << 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var wg sync.WaitGroup
		var mu sync.Mutex
		refs := map[blob.Ref][]byte{}
		for w := range 8 {
			wg.Go(func() {
				for i := range 60 {
					b := octets(w*60+i, 300+37*i)
					ref, err := s.Append(t.Context(), "", int64(len(b)), bytes.NewReader(b))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					refs[ref] = b
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for ref, b := range refs {
			r, err := s.Open(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := r.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), b) {
				t.Errorf("%v: %d octets, %v", ref, got.Len(), err)
			}
			r.Close()
		}
	})
}

// unreadable cannot be read.
type unreadable struct{ *blobtest.Disk }

func (u unreadable) Open(string) (blob.File, error) { return nil, syscall.EIO }

// TestASegmentThatCannotBeReadStopsNobody: its zeros stay, and all else is served.
func TestASegmentThatCannotBeReadStopsNobody(t *testing.T) {
	t.Parallel()
	disk := blobtest.New()
	opt := blob.Options{Dir: "d", FS: disk}
	s, err := blob.OpenFiles(t.Context(), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := s.Append(t.Context(), "", 100, bytes.NewReader(octets(1, 100)))
	if err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	opt.FS = unreadable{disk}
	if s, err = blob.OpenFiles(t.Context(), opt, func(yield func(blob.Ref, error) bool) { yield(ref, nil) }); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Append(t.Context(), "", 100, bytes.NewReader(octets(2, 100))); err != nil {
		t.Error(err)
	}
}

// crowded counts zeros that a full disk does not take.
type crowded struct {
	*blobtest.Disk
	refused int
}

type crowdedFile struct {
	blob.File
	of *crowded
}

func (c *crowded) Create(name string) (blob.File, error) {
	f, err := c.Disk.Create(name)
	return crowdedFile{f, c}, err
}

func (f crowdedFile) WriteAt(p []byte, off int64) (int, error) {
	if len(bytes.Trim(p, "\x00")) == 0 {
		f.of.refused++
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(p, off)
}

// TestNoZerosForAFullDisk: blobs take what is left of it, and zeros are not
// tried again and again.
func TestNoZerosForAFullDisk(t *testing.T) {
	t.Parallel()
	fs := &crowded{Disk: blobtest.New()}
	s, err := blob.OpenFiles(t.Context(), blob.Options{Dir: "d", FS: fs, Ahead: 16 << 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 200 {
		if _, err := s.Append(t.Context(), "", 1000, bytes.NewReader(octets(i, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if fs.refused != 1 {
		t.Errorf("tried %d times", fs.refused)
	}
}
