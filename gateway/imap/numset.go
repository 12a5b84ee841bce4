package imap

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
)

// MaxRanges bounds the ranges of one number set.
const MaxRanges = 65536

// Star is "*" in a Range that has not been resolved: the largest number there
// is.
const Star uint32 = 0

// Range is Start to Stop, both included.
type Range struct {
	Start, Stop uint32
}

// NumSet is a sequence-set of message numbers or UIDs (RFC 9051 section 9).
type NumSet struct {
	Ranges []Range
	Saved  bool // "$": the result that was saved (RFC 5182); no Ranges
}

// NumSet expects a sequence-set, "*" and "$" included. It reuses the Ranges
// that out has.
func (d *Decoder) NumSet(out *NumSet) bool {
	if d.err != nil {
		return false
	}
	if d.Take('$') {
		out.Ranges, out.Saved = out.Ranges[:0], true
		return true
	}
	out.Saved, out.Ranges = false, out.Ranges[:0]
	for {
		var r Range
		if !d.setNumber(&r.Start) {
			return false
		}
		r.Stop = r.Start
		if d.Take(':') && !d.setNumber(&r.Stop) {
			return false
		}
		if len(out.Ranges) >= MaxRanges {
			return d.Refuse("LIMIT", "too many ranges in one set")
		}
		out.Ranges = append(out.Ranges, r)
		if !d.Take(',') {
			return true
		}
	}
}

// UIDSet expects a set without "*" and "$" (RFC 4315 uid-set, RFC 7162
// known-uids), in order and merged.
func (d *Decoder) UIDSet(out *NumSet) bool {
	start := d.pos
	if !d.NumSet(out) {
		return false
	}
	if out.Saved || out.hasStar() {
		d.pos = start
		return d.Fail("numbers")
	}
	out.Resolve(0)
	return true
}

func (d *Decoder) setNumber(n *uint32) bool {
	if d.Take('*') {
		*n = Star
		return true
	}
	return d.NZNumber(n)
}

func (s *NumSet) hasStar() bool {
	for _, r := range s.Ranges {
		if r.Start == Star || r.Stop == Star {
			return true
		}
	}
	return false
}

// Resolve puts last for "*", turns ranges that are written the wrong way
// round, sorts and merges. With last 0 (an empty mailbox) ranges with "*" are
// dropped, but for n:*, which RFC 9051 makes n:n... and which matches nothing
// there.
func (s *NumSet) Resolve(last uint32) {
	out := s.Ranges[:0]
	sorted := true
	for _, r := range s.Ranges {
		if r.Start == Star {
			r.Start = last
		}
		if r.Stop == Star {
			r.Stop = last
		}
		if r.Start == 0 || r.Stop == 0 {
			continue
		}
		if r.Start > r.Stop {
			r.Start, r.Stop = r.Stop, r.Start
		}
		if n := len(out); n > 0 && r.Start < out[n-1].Start {
			sorted = false
		}
		out = append(out, r)
	}
	if !sorted {
		slices.SortFunc(out, func(a, b Range) int { return cmp.Compare(a.Start, b.Start) })
	}
	s.Ranges = merge(out)
}

// merge joins ranges, sorted by Start, that touch.
func merge(in []Range) []Range {
	out := in[:0]
	for _, r := range in {
		if n := len(out); n > 0 && uint64(r.Start) <= uint64(out[n-1].Stop)+1 {
			out[n-1].Stop = max(out[n-1].Stop, r.Stop)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Contains says whether n is in a set that has been resolved.
func (s *NumSet) Contains(n uint32) bool {
	i, found := slices.BinarySearchFunc(s.Ranges, n, func(r Range, n uint32) int { return cmp.Compare(r.Start, n) })
	return found || i > 0 && n <= s.Ranges[i-1].Stop
}

// Len counts the numbers of a set that has been resolved.
func (s *NumSet) Len() uint64 {
	var n uint64
	for _, r := range s.Ranges {
		n += uint64(r.Stop-r.Start) + 1
	}
	return n
}

// All gives the numbers of a set that has been resolved, in order.
func (s *NumSet) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range s.Ranges {
			for n := uint64(r.Start); n <= uint64(r.Stop); n++ {
				if !yield(uint32(n)) {
					return
				}
			}
		}
	}
}

// Add puts n behind the set: into its last range where that ends at n-1.
func (s *NumSet) Add(n uint32) { s.AddRange(n, n) }

// AddRange puts start to stop behind the set.
func (s *NumSet) AddRange(start, stop uint32) {
	if i := len(s.Ranges) - 1; i >= 0 && s.Ranges[i].Stop+1 == start && start != 0 {
		s.Ranges[i].Stop = stop
		return
	}
	s.Ranges = append(s.Ranges, Range{start, stop})
}

// Reset empties the set and keeps its space.
func (s *NumSet) Reset() { s.Ranges, s.Saved = s.Ranges[:0], false }

// Empty says that nothing is in the set.
func (s *NumSet) Empty() bool { return !s.Saved && len(s.Ranges) == 0 }

// String returns the set as it is written.
func (s *NumSet) String() string { return string(s.Append(nil)) }

// Append writes the set behind b.
func (s *NumSet) Append(b []byte) []byte {
	if s.Saved {
		return append(b, '$')
	}
	for i, r := range s.Ranges {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSetNumber(b, r.Start)
		if r.Stop != r.Start {
			b = appendSetNumber(append(b, ':'), r.Stop)
		}
	}
	return b
}

func appendSetNumber(b []byte, n uint32) []byte {
	if n == Star {
		return append(b, '*')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}
