package search

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"strings"
)

const (
	pageTokens   = 8 << 10  // octets of tokens in a page, about
	pagePostings = 64 << 10 // and of postings
	sparse       = 16       // where one object of so many has a token, a bitmap is shorter
)

// segment is what is known of some objects. It is never changed.
type segment struct {
	id      int64
	objects []int64 // in ascending order; an object's ordinal is its place
	dead    int     // how many were removed since
	octets  int64   // of its pages; 0: not asked yet, which is up to who has the turn
}

var errDamaged = errors.New("search: a segment is damaged")

func encodeObjects(list []int64) []byte {
	b := make([]byte, 0, 2*len(list)+8)
	last := int64(0)
	for _, o := range list {
		b = binary.AppendUvarint(b, uint64(o-last))
		last = o
	}
	return b
}

func decodeObjects(b []byte) ([]int64, error) {
	list := make([]int64, 0, len(b))
	last := int64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errDamaged
		}
		last += int64(d)
		list = append(list, last)
		b = b[n:]
	}
	return slices.Clip(list), nil
}

// A posting says which objects of a segment have a token: a zero and the
// distances between their ordinals, or a one and a bitmap.

func appendPosting(b []byte, list []uint32, objects int) []byte {
	if len(list) > objects/sparse {
		b = append(b, 1)
		at := len(b)
		b = append(b, make([]byte, (objects+7)/8)...)
		for _, o := range list {
			b[at+int(o/8)] |= 1 << (o % 8)
		}
		return b
	}
	b = append(b, 0)
	last := uint32(0)
	for _, o := range list {
		b = binary.AppendUvarint(b, uint64(o-last))
		last = o
	}
	return b
}

// eachOrdinal calls f with the ordinals of a posting, in ascending order.
func eachOrdinal(b []byte, f func(o uint32)) error {
	switch {
	case len(b) == 0:
		return errDamaged
	case b[0] == 1:
		for i, c := range b[1:] {
			for ; c != 0; c &= c - 1 {
				f(uint32(i*8 + bits.TrailingZeros8(c)))
			}
		}
		return nil
	}
	last := uint32(0)
	for b = b[1:]; len(b) > 0; {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return errDamaged
		}
		last += uint32(d)
		f(last)
		b = b[n:]
	}
	return nil
}

// set is a set of a segment's ordinals.
type set []uint64

func newSet(objects int) set { return make(set, (objects+63)/64) }

// add adds a posting's.
func (s set) add(b []byte) error {
	if len(b) > 0 && b[0] == 1 {
		b = b[1:]
		for i := 0; i < len(s) && len(b) > 0; i++ {
			if len(b) >= 8 {
				s[i] |= binary.LittleEndian.Uint64(b)
				b = b[8:]
				continue
			}
			for k, c := range b {
				s[i] |= uint64(c) << (8 * k)
			}
			break
		}
		return nil
	}
	return eachOrdinal(b, func(o uint32) {
		if int(o/64) < len(s) {
			s[o/64] |= 1 << (o % 64)
		}
	})
}

func (s set) or(t set) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s set) and(t set) {
	for i := range s {
		s[i] &= t[i]
	}
}

func (s set) len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// objects appends the objects.
func (s set) objects(list, of []int64) []int64 {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			if o := i*64 + bits.TrailingZeros64(w); o < len(of) {
				list = append(list, of[o])
			}
		}
	}
	return list
}

// batch gathers the tokens of objects.
type batch struct {
	objects []int64
	ids     map[string]int32
	pairs   []int32 // by hash: which token it is, from 1
	tokens  []string
	lists   [][]uint32
	size    int // octets, about; on the disk, with its log, it takes less
	most    int // of them
	own     int // tokens of the last object
}

func (b *batch) full() bool { return b.size > b.most }

// begin begins an object.
func (b *batch) begin(object int64) {
	if b.ids == nil {
		b.ids = map[string]int32{}
	}
	b.objects = append(b.objects, object)
	b.own = 0
}

// token adds a token to the object; an object with too many is a candidate
// always.
func (b *batch) token(t []byte) {
	if b.own >= maxTokens {
		t = everything
	}
	i, ok := b.ids[string(t)]
	if !ok {
		s := string(t)
		i = b.fresh(s)
		b.ids[s] = i
	}
	b.put(i)
}

// pair adds the token of a pair.
func (b *batch) pair(h uint32) {
	if b.own >= maxTokens {
		b.token(everything)
		return
	}
	if b.pairs == nil {
		b.pairs = make([]int32, 1<<pairBits)
	}
	if b.pairs[h] == 0 {
		b.pairs[h] = b.fresh(string(append([]byte{kindPair}, pairToken(h)...))) + 1
	}
	b.put(b.pairs[h] - 1)
}

// fresh gives a token its number.
func (b *batch) fresh(t string) int32 {
	b.tokens = append(b.tokens, t)
	b.lists = append(b.lists, nil)
	b.size += 100 + len(t)
	return int32(len(b.tokens) - 1)
}

func (b *batch) put(i int32) {
	ordinal := uint32(len(b.objects) - 1)
	list := b.lists[i]
	if n := len(list); n > 0 && list[n-1] == ordinal {
		return
	}
	b.lists[i] = append(list, ordinal)
	b.size += 8
	b.own++
}

// order brings the objects into ascending order.
func (b *batch) order() {
	if slices.IsSorted(b.objects) {
		return
	}
	byObject := slices.Clone(b.objects)
	slices.Sort(byObject)
	place := make([]uint32, len(byObject))
	for i, o := range b.objects {
		at, _ := slices.BinarySearch(byObject, o)
		place[i] = uint32(at)
	}
	for _, list := range b.lists {
		for i := range list {
			list[i] = place[list[i]]
		}
		slices.Sort(list)
	}
	b.objects = byObject
}

// write writes the batch as a segment's pages.
func (b *batch) write(w *pageWriter) error {
	b.order()
	by := make([]int32, len(b.tokens))
	for i := range by {
		by[i] = int32(i)
	}
	slices.SortFunc(by, func(i, j int32) int { return strings.Compare(b.tokens[i], b.tokens[j]) })
	var p []byte
	for _, i := range by {
		p = appendPosting(p[:0], b.lists[i], len(b.objects))
		if err := w.add([]byte(b.tokens[i]), p); err != nil {
			return err
		}
	}
	return w.flush()
}

// pageWriter writes tokens, which come in order, with their postings.
type pageWriter struct {
	ctx     context.Context
	tx      *sql.Tx
	segment int64

	page          int64
	first         []byte
	tokens, posts []byte
	written       int    // octets since the transaction began
	signs         *signs // nil: none are made
}

func (w *pageWriter) add(token, posting []byte) error {
	if len(w.tokens) == 0 {
		w.first = append(w.first[:0], token...)
		w.tokens = append(w.tokens, '\n')
	}
	w.tokens = append(append(w.tokens, token...), '\n')
	w.posts = append(binary.AppendUvarint(w.posts, uint64(len(posting))), posting...)
	if len(w.tokens) >= pageTokens || len(w.posts) >= pagePostings {
		return w.flush()
	}
	return nil
}

func (w *pageWriter) flush() error {
	if len(w.tokens) == 0 {
		return nil
	}
	if _, err := w.tx.ExecContext(w.ctx, sqlAddWords, w.segment, w.first, w.page, w.tokens); err != nil {
		return err
	}
	if _, err := w.tx.ExecContext(w.ctx, sqlAddPosting, w.segment, w.page, w.posts); err != nil {
		return err
	}
	w.written += len(w.tokens) + len(w.posts)
	if w.signs != nil {
		w.signs.add(w.page, w.first, w.tokens)
	}
	w.page++
	w.tokens, w.posts = w.tokens[:0], w.posts[:0]
	if w.signs != nil && w.signs.pages >= signPages {
		return w.putSigns()
	}
	return nil
}

// posting returns the i-th of a page.
func posting(data []byte, i int) ([]byte, error) {
	for ; ; i-- {
		n, k := binary.Uvarint(data)
		if k <= 0 || n > uint64(len(data)-k) {
			return nil, errDamaged
		}
		if data = data[k:]; i == 0 {
			return data[:n], nil
		}
		data = data[n:]
	}
}
