package imapd

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// maxSortOctets is how many octets of keys one SORT or THREAD may hold.
const maxSortOctets = 256 << 20

// sorter sorts messages by columns: for each criterion numbers or texts.
type sorter struct {
	by    []imap.SortKey
	ctx   context.Context
	uids  []uint32
	nums  [][]int64 // by criterion; nil: it has texts
	texts [][]span
	arena []byte // of the texts
}

// span is where a text lies in the arena.
type span struct{ at, length uint32 }

// numeric tells whether a criterion compares numbers that need no record.
func numeric(b imap.SortBy) bool {
	return b == imap.SortArrival || b == imap.SortDate || b == imap.SortSize
}

func (s *sorter) len() int { return len(s.uids) }

// load gets the keys of messages.
func (s *sorter) load(v *mailbox.View, uids mailbox.UIDs) error {
	n := uids.Len()
	s.uids = make([]uint32, 0, n)
	s.nums, s.texts = make([][]int64, len(s.by)), make([][]span, len(s.by))
	records := false
	for i, k := range s.by {
		if numeric(k.By) {
			s.nums[i] = make([]int64, 0, n)
		} else {
			s.texts[i] = make([]span, 0, n)
			records = true
		}
	}
	_, err := v.Messages(s.ctx, uids, records, s.add)
	return err
}

// add takes the keys of one message.
func (s *sorter) add(m *mailbox.Message) error {
	var rec index.Record
	if m.Record != nil {
		rec, _ = index.Open(m.Record) // one that cannot be read sorts as an empty one
	}
	s.uids = append(s.uids, m.UID)
	for i, k := range s.by {
		switch k.By {
		case imap.SortArrival:
			s.nums[i] = append(s.nums[i], m.Date)
		case imap.SortDate:
			s.nums[i] = append(s.nums[i], m.Sent)
		case imap.SortSize:
			s.nums[i] = append(s.nums[i], m.Size)
		default:
			t := sortText(&rec, k.By)
			s.texts[i] = append(s.texts[i], span{uint32(len(s.arena)), uint32(len(t))})
			s.arena = append(s.arena, t...)
		}
	}
	if len(s.arena) > maxSortOctets {
		return &imap.Refusal{Code: "LIMIT", Text: "There are too many messages to sort; narrow the search"}
	}
	return nil
}

// sortText returns a message's key (RFC 5256 section 3, RFC 5957).
func sortText(r *index.Record, by imap.SortBy) []byte {
	switch by {
	case imap.SortCc:
		return r.SortCc()
	case imap.SortFrom:
		return r.SortFrom()
	case imap.SortTo:
		return r.SortTo()
	case imap.SortDisplayFrom:
		return r.DisplayFrom()
	case imap.SortDisplayTo:
		return r.DisplayTo()
	}
	return r.BaseSubject()
}

// compare compares two messages by their places in the columns; the last word
// has the order in the mailbox.
func (s *sorter) compare(a, b uint32) int {
	for i, k := range s.by {
		var c int
		if n := s.nums[i]; n != nil {
			c = cmp.Compare(n[a], n[b])
		} else {
			c = bytes.Compare(s.text(i, a), s.text(i, b))
		}
		if k.Reverse {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

func (s *sorter) text(i int, at uint32) []byte {
	t := s.texts[i][at]
	return s.arena[t.at : t.at+t.length]
}

// first returns the UIDs of the first n messages in order.
func (s *sorter) first(n int) []uint32 {
	places := make([]uint32, len(s.uids))
	for i := range places {
		places[i] = uint32(i)
	}
	n = min(n, len(places))
	if n < len(places)/8 {
		places = s.least(places, n)
	}
	slices.SortFunc(places, s.compare)
	out := places[:n]
	for i, p := range out {
		out[i] = s.uids[p]
	}
	return out
}

// least keeps the n least places, in a heap whose top is the greatest of them.
func (s *sorter) least(places []uint32, n int) []uint32 {
	if n == 0 {
		return places[:0]
	}
	heap := places[:n]
	for i := n/2 - 1; i >= 0; i-- {
		s.sink(heap, i)
	}
	for _, p := range places[n:] {
		if s.compare(p, heap[0]) < 0 {
			heap[0] = p
			s.sink(heap, 0)
		}
	}
	return heap
}

func (s *sorter) sink(heap []uint32, i int) {
	for {
		c := 2*i + 1
		if c >= len(heap) {
			return
		}
		if c+1 < len(heap) && s.compare(heap[c+1], heap[c]) > 0 {
			c++
		}
		if s.compare(heap[c], heap[i]) <= 0 {
			return
		}
		heap[i], heap[c] = heap[c], heap[i]
		i = c
	}
}
