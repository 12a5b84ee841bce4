package mailauth

import (
	"bytes"
	"hash"

	"github.com/gapura-mail/gapura/gateway/message"
)

// appendRelaxed appends a field in relaxed form, its CRLF included (RFC 6376
// section 3.4.2).
func appendRelaxed(dst []byte, name string, body []byte) []byte {
	for i := range len(name) {
		dst = append(dst, lowerASCII(name[i]))
	}
	dst = append(dst, ':')
	start, space := len(dst), false
	for i := 0; i < len(body); {
		j := i
		for j < len(body) && body[j] > ' ' {
			j++
		}
		if j > i {
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, body[i:j]...)
			i = j
			continue
		}
		switch c := body[i]; {
		case c == ' ' || c == '\t':
			space = true
		case c == '\r' && i+1 < len(body) && body[i+1] == '\n':
			i++
		default: // a control character like any other
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '\r', '\n')
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// appendCanon appends a field as c wants it. cut is the part of the body to be
// left out, the value of b= in a signature's own field.
func appendCanon(dst []byte, c Canon, f message.Field, cut [2]int) []byte {
	if c == Simple {
		at := len(f.Raw) - len(f.Body())
		dst = append(dst, f.Raw[:at+cut[0]]...)
		return append(dst, f.Raw[at+cut[1]:]...)
	}
	body := f.Body()
	if cut[1] > cut[0] {
		body = append(bytes.Clone(body[:cut[0]]), body[cut[1]:]...)
	}
	return appendRelaxed(dst, f.Name, body)
}

// headerIndex finds the fields that signatures name, the lowest first, and
// keeps their relaxed forms, since most signatures cover the same fields.
type headerIndex struct {
	fields  []message.Field
	heads   []int32  // by hash of the name: lowest field, -1: none
	next    []int32  // by field: the next one upwards of the same hash
	used    []uint32 // by field: the last selection that took it
	round   uint32
	relaxed [][]byte
	arena   []byte
}

func newHeaderIndex(h *message.Header) *headerIndex {
	x := &headerIndex{fields: h.Fields()}
	size := 16
	for size < len(x.fields) {
		size *= 2
	}
	slots := make([]int32, size+len(x.fields))
	x.heads, x.next = slots[:size], slots[size:]
	for i := range x.heads {
		x.heads[i] = -1
	}
	x.used = make([]uint32, len(x.fields))
	x.relaxed = make([][]byte, len(x.fields))
	for i, f := range x.fields {
		s := nameHash(f.Name) & uint32(size-1)
		x.next[i], x.heads[s] = x.heads[s], int32(i)
	}
	return x
}

// nameHash is FNV-1a of the name in lower case.
func nameHash(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(lowerASCII(name[i]))) * 16777619
	}
	return h
}

// equalName compares field names: ASCII case only.
func equalName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

// hashFields writes the fields that names selects (RFC 6376 section 5.4.2):
// each name takes the lowest field of that name not taken yet, or nothing.
// The field at self, the signature's own, is never taken.
func (x *headerIndex) hashFields(w hash.Hash, names []string, c Canon, self int) {
	x.round++
	for _, name := range names {
		i := x.heads[nameHash(name)&uint32(len(x.heads)-1)]
		for i >= 0 && (x.used[i] == x.round || int(i) == self || !equalName(x.fields[i].Name, name)) {
			i = x.next[i]
		}
		if i < 0 {
			continue
		}
		x.used[i] = x.round
		if c == Simple {
			w.Write(x.fields[i].Raw)
			continue
		}
		w.Write(x.relaxedField(int(i)))
	}
}

// relaxedField returns the field's relaxed form.
func (x *headerIndex) relaxedField(i int) []byte {
	if x.relaxed[i] == nil {
		f := x.fields[i]
		if need := len(f.Raw) + 2; cap(x.arena)-len(x.arena) < need {
			x.arena = make([]byte, 0, max(4096, need))
		}
		start := len(x.arena)
		x.arena = appendRelaxed(x.arena, f.Name, f.Body())
		x.relaxed[i] = x.arena[start:len(x.arena):len(x.arena)]
	}
	return x.relaxed[i]
}

// hashOwn writes a signature's own field with the value of b= left out and
// without the final CRLF (RFC 6376 section 3.7).
func (x *headerIndex) hashOwn(w hash.Hash, self int, c Canon, b [2]int) {
	f := x.fields[self]
	w.Write(bytes.TrimSuffix(appendCanon(make([]byte, 0, len(f.Raw)+2), c, f, b), []byte("\r\n")))
}
