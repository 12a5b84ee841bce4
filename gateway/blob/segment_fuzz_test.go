package blob

import (
	"bytes"
	"testing"
)

// memorySource is a segment in memory.
type memorySource struct{ *bytes.Reader }

// Close implements source.
func (memorySource) Close() error { return nil }

// FuzzSegment walks over spoilt segments: what is found lies within the
// segment, the one behind the other, is read alike as a blob, and where a
// secret is asked for it is of those who knew it.
func FuzzSegment(f *testing.F) {
	const id = 7
	secret := []byte("secret")
	add := func(b []byte, note string, size int, whole bool) []byte {
		h := frame{tag: "1+1", note: []byte(note), size: int64(size), segment: id}
		body := bytes.Repeat([]byte("x"), size)
		b = append(h.appendHeader(b), body...)
		if !whole {
			return append(b, make([]byte, 8-len(b)%8)...)
		}
		return h.appendTrailer(b, checksum(body), magicEnd)
	}
	two := add(add(nil, "secret-1", 3, true), "", 50, true)
	f.Add(two)
	f.Add(add(add(two, "secret-2", 9, false), "secret-3", 0, true))
	f.Add(append(make([]byte, 64), two...))
	forged := add(nil, "", 1<<20, false)[:64]
	f.Add(append(append(make([]byte, 40), forged...), add(nil, "secret-4", 5, true)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := memorySource{bytes.NewReader(b)}
		for _, trust := range []func(h *frame) bool{func(*frame) bool { return true }, func(h *frame) bool { return bytes.HasPrefix(h.note, secret) }} {
			end := int64(0)
			frames(t.Context(), file, id, int64(len(b)), trust, func(at int64, h *frame, err error) bool {
				if err != nil {
					t.Fatal(err)
				}
				if at < end || at%frameAlign != 0 || at+h.dataStart() > int64(len(b)) {
					t.Fatalf("a frame at %d of %d, behind one that ends at %d", at, len(b), end)
				}
				end = at + h.length()
				if end <= at {
					t.Fatalf("a frame of %d octets", end-at)
				}
				verified := verifyFrame(file, h, at)
				r, err := newReader(file, Ref{Segment: id, Offset: at, Size: h.size})
				if err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				if _, err := r.WriteTo(&out); (err == nil) != (verified == nil) || err == nil && int64(out.Len()) != h.size {
					t.Fatalf("%d octets, %v; verified: %v", out.Len(), err, verified)
				}
				return true
			})
		}
	})
}
