package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// table is an owner's rows.
type table struct {
	mu   sync.Mutex
	rows map[string]Ref
	gone map[string]bool // rows that go just before they are moved
	fail error
}

func (o *table) Alive(_ context.Context, records []Record) (alive []Record, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, rec := range records {
		if o.rows[rec.Tag] == rec.Ref {
			alive = append(alive, rec)
		}
	}
	return alive, nil
}

func (o *table) Move(_ context.Context, moved []Moved) (done []Moved, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return nil, o.fail
	}
	for _, m := range moved {
		if o.gone[m.Tag] {
			delete(o.rows, m.Tag)
		}
		if o.rows[m.Tag] == m.Old {
			o.rows[m.Tag] = m.New
			done = append(done, m)
		}
	}
	return done, nil
}

func (o *table) refs() (list []Ref) {
	for _, ref := range o.rows {
		list = append(list, ref)
	}
	return list
}

func TestCompactFreesWhatIsMostlyDead(t *testing.T) {
	stores(t, func(t *testing.T, open opener) {
		s := open()
		const n, size = 100, 30 << 10 // three segments of files
		o := &table{rows: map[string]Ref{}, gone: map[string]bool{"5": true}}
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				ref, err := s.Append(t.Context(), fmt.Sprint(i), size, bytes.NewReader(octets(uint64(i), size)))
				if err != nil {
					t.Error(err)
				}
				o.mu.Lock()
				defer o.mu.Unlock()
				o.rows[fmt.Sprint(i)] = ref
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil { // seals
			t.Fatal(err)
		}
		s = open(o.refs()...)
		if freed, err := s.Compact(t.Context(), o); err != nil || freed != 0 {
			t.Error("compacted what lives:", freed, err)
		}
		for i := range n {
			if tag := fmt.Sprint(i); i%5 != 0 {
				s.Release(o.rows[tag])
				delete(o.rows, tag)
			}
		}
		before, five := s.Usage(), o.rows["5"]
		o.fail = errors.New("no")
		if _, err := s.Compact(t.Context(), o); before.Segments > 0 && before.Total > 2*before.Live && !errors.Is(err, o.fail) {
			t.Error(err)
		}
		o.fail = nil
		for range 100 {
			freed, err := s.Compact(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if freed == 0 {
				break
			}
		}
		s.Release(five) // by who dropped the row
		delete(o.rows, "5")
		for range 2 {
			if _, err := s.Compact(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		after := s.Usage()
		if want := int64(n/5-1) * (size + headerSize + trailerSize); after.Live != want || after.Total > 3*want {
			t.Errorf("%+v after %+v, %d live", after, before, want)
		}
		s = open(o.refs()...)
		for tag, ref := range o.rows {
			var i uint64
			fmt.Sscan(tag, &i)
			check(t, s, ref, octets(i, size))
		}
	})
}

func TestDoubleReleaseLosesNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	dir := t.TempDir()
	open := func(live ...Ref) *Files {
		s, err := OpenFiles(t.Context(), Options{Dir: dir, Log: logger(&log)}, all(live))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	a, b := put(t, s, "a", octets(1, 100)), put(t, s, "b", octets(2, 100))
	s.Close()
	s = open(a, b)
	s.Release(a)
	s.Release(a) // as many octets as b has
	s.Close()
	if !strings.Contains(log.String(), "released twice") {
		t.Error("nobody was told:", log.String())
	}
	s = open(b)
	defer s.Close()
	check(t, s, b, octets(2, 100))
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	dir := t.TempDir()
	s, err := OpenFiles(t.Context(), Options{Dir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := octets(1, 200<<10)
	ref, next := put(t, s, "hurt", want), put(t, s, "well", want)
	s.Close()
	name := filepath.Join(dir, segmentName(ref.Segment))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at, what := range map[int64]string{0: "magic", 4: "tag length", 9: "size", 17: "segment", 25: "checksum", 33: "tag", 40: "octet", 150 << 10: "octet", headerSize + 4 + 200<<10 + 1: "sum", headerSize + 4 + 200<<10 + 5: "end"} {
		b := bytes.Clone(whole)
		b[at] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenFiles(t.Context(), Options{Dir: dir, ReadOnly: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := get(s, ref); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
		r, err := s.Open(t.Context(), ref)
		if err == nil {
			if _, err = r.WriteTo(io.Discard); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: WriteTo: %v", what, err)
			}
			r.Close()
		}
		check(t, s, next, want)
		well := 0
		for rec, err := range s.Records(t.Context()) {
			switch {
			case rec.Ref == next && err == nil:
				well++
			case rec.Ref == ref && !errors.Is(err, ErrCorrupt):
				t.Errorf("%s: the check says %v", what, err)
			}
		}
		if well != 1 {
			t.Errorf("%s: the next record is lost", what)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	s, err = OpenFiles(t.Context(), Options{Dir: dir, Log: logger(&log)}, all([]Ref{ref, next}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.Contains(log.String(), "blobs=2") {
		t.Error(log.String())
	}
	if n := put(t, s, "", nil); n.Segment <= ref.Segment {
		t.Error("a number is used again")
	}
}

func FuzzParseHeader(f *testing.F) {
	h := frame{tag: "tag", size: 5, segment: 7}
	f.Add(h.appendHeader(nil))
	f.Add([]byte(magicFrame))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b, 7)
		if err != nil {
			return
		}
		if got := h.appendHeader(nil); !bytes.Equal(got[:28], b[:28]) && b[5]|b[6]|b[7] == 0 {
			t.Errorf("%x\n%x", got, b)
		}
	})
}

// TestSegmentsInUseAreNotCompacted: what is being appended to a segment, or
// moved out of it, has no record there yet that Compact could find.
func TestSegmentsInUseAreNotCompacted(t *testing.T) {
	t.Parallel()
	l := &ledger{segments: map[uint64]*segment{}}
	s := &segment{id: 1, size: 1000, live: 100, sealed: true}
	l.segments[1] = s
	for name, used := range map[string]func(on bool){
		"pending":    func(on bool) { s.pending = map[bool]int{true: 1}[on] },
		"not sealed": func(on bool) { s.sealed = !on },
		"reaping":    func(on bool) { s.reaping = on },
		"compacting": func(on bool) { s.compacting = on },
		"kept":       func(on bool) { s.kept = on },
	} {
		used(true)
		if got, _ := l.mostlyDead(); got != nil {
			t.Error(name, "is compacted")
		}
		used(false)
		if got, freed := l.mostlyDead(); got != s || freed != 900 {
			t.Error(name, got, freed)
		}
		s.compacting = false
	}
}
