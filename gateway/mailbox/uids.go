package mailbox

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"slices"
)

// Range is the numbers from First to Last, both included: UIDs or sequence
// numbers.
type Range struct{ First, Last uint32 }

// UIDs is a set of UIDs, or of sequence numbers: ranges in ascending order that
// neither touch nor overlap.
type UIDs []Range

// AllUIDs is all that there can be.
var AllUIDs = UIDs{{1, 1<<32 - 1}}

// One is the set of one number.
func One(n uint32) UIDs { return UIDs{{n, n}} }

// Add adds a number; to add them in ascending order is quick.
func (u *UIDs) Add(n uint32) { u.AddRange(Range{n, n}) }

// AddRange adds a range.
func (u *UIDs) AddRange(r Range) {
	list := *u
	k := len(list)
	switch {
	case r.First > r.Last:
		return
	case k == 0 || r.First > list[k-1].Last && r.First-1 > list[k-1].Last:
		*u = append(list, r)
		return
	case r.First >= list[k-1].First:
		list[k-1].Last = max(list[k-1].Last, r.Last)
		return
	}
	// The first that touches r or lies behind it, and the first that does not touch it any more.
	i, _ := slices.BinarySearchFunc(list, r, func(a, r Range) int {
		if a.Last < r.First && a.Last+1 < r.First {
			return -1
		}
		return 1
	})
	j := i
	for ; j < k && (list[j].First <= r.Last || list[j].First-1 <= r.Last); j++ {
		r.First, r.Last = min(r.First, list[j].First), max(r.Last, list[j].Last)
	}
	*u = slices.Replace(list, i, j, r)
}

// Contains tells whether n is in the set.
func (u UIDs) Contains(n uint32) bool {
	_, ok := slices.BinarySearchFunc(u, n, func(r Range, n uint32) int {
		switch {
		case r.Last < n:
			return -1
		case r.First > n:
			return 1
		}
		return 0
	})
	return ok
}

// Len is how many numbers are in the set.
func (u UIDs) Len() (n int) {
	for _, r := range u {
		n += int(r.Last-r.First) + 1
	}
	return n
}

// All lists the numbers in ascending order.
func (u UIDs) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range u {
			for n := r.First; ; n++ {
				if !yield(n) {
					return
				}
				if n == r.Last {
					break
				}
			}
		}
	}
}

// And returns what both sets have.
func (u UIDs) And(other UIDs) (out UIDs) {
	for i, j := 0, 0; i < len(u) && j < len(other); {
		a, b := u[i], other[j]
		if first, last := max(a.First, b.First), min(a.Last, b.Last); first <= last {
			out = append(out, Range{first, last})
		}
		if a.Last < b.Last {
			i++
		} else {
			j++
		}
	}
	return out
}

// appendUIDs appends a set as it is stored: for each range how far it begins
// behind the end of the one before, and its length less one, as varints.
func appendUIDs(b []byte, u UIDs) []byte {
	end := uint32(0)
	for _, r := range u {
		b = binary.AppendUvarint(b, uint64(r.First-end))
		b = binary.AppendUvarint(b, uint64(r.Last-r.First))
		end = r.Last
	}
	return b
}

var errUIDs = errors.New("mailbox: a stored set of UIDs is damaged")

// eachRange reads what appendUIDs wrote.
func eachRange(b []byte, f func(Range)) error {
	for end := uint64(0); len(b) > 0; {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return errUIDs
		}
		length, k := binary.Uvarint(b[n:])
		if k <= 0 || gap > math.MaxUint32 || length > math.MaxUint32 || end+gap+length > math.MaxUint32 {
			return errUIDs
		}
		f(Range{uint32(end + gap), uint32(end + gap + length)})
		end += gap + length
		b = b[n+k:]
	}
	return nil
}
