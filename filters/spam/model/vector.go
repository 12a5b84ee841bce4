package model

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// View is one way to look at a message. Views err apart from each other, which
// is why several together err less.
type View uint8

// The views. All but Tokens have a linear learner; Tokens have a Bayes one,
// which learns fastest.
const (
	Chars   View         = iota // runs of characters of subject and text: survives odd spelling
	Words                       // words and pairs of neighbours
	Pairs                       // words at a distance (orthogonal sparse bigrams)
	Shape                       // header semantics, MIME and HTML structure
	Hosts                       // where links lead and who writes
	Fields                      // words of header fields
	Signals                     // rules, authentication, reputation
	linear                      // the number of those before it
	Tokens  = linear            // single words of everything
	Rules   = linear + 1        // what the rules that it matches weigh by themselves: nothing is learned
	Text    = linear + 2        // Tokens of subject, text and links alone, which hold for other people's mail, too
	Views   = linear + 3
)

var viewNames = [Views]string{"characters", "words", "pairs", "shape", "hosts", "fields", "signals", "tokens", "rules", "text"}

// String returns the view's name.
func (v View) String() string { return viewNames[v] }

// Sizes of the tables of weights as powers of two.
const (
	linearBits = 18
	tokenBits  = 20
)

func (v View) mask() uint32 {
	if v == Tokens {
		return 1<<tokenBits - 1
	}
	return 1<<linearBits - 1
}

// Vector is the features of one message: for each view the hashed features
// that it has, each once. A Vector may be filled again with another message.
type Vector struct {
	ids  [Views][]uint32
	seen *[1 << tokenBits / 64]uint64 // a bit a feature, clean between views

	prior float32 // what the rules weigh together
	body  float32 // from 0 to 1: how much there is to go by
	trace int     // how many of the tokens are words of Received fields; they come first
	plain int     // where those of subject, text and links end, which come next

	view                     View
	mask                     uint32
	list                     []uint32 // of the view at hand, with room to spare
	n                        int      // features in list
	words, core, seenDomains []uint64
	batch                    []uint64
	header                   []fieldWord
	low, joined              []byte
	names                    map[uint64]string             // of features, by view and id; nil: nobody asks
	spelled                  []byte                        // words, where features are named
	ends                     []int                         // of each of them
	wanted                   *[linear][]uint32             // features that are named
	marks                    *[1 << linearBits / 64]uint64 // a bit for each of the view at hand
}

// NewVector returns an empty vector.
func NewVector() *Vector { return &Vector{seen: new([1 << tokenBits / 64]uint64)} }

// Len is how many features the message has.
func (v *Vector) Len() (n int) {
	for _, ids := range v.ids {
		n += len(ids)
	}
	return n
}

// Clone returns a copy that holds no more memory than its features.
func (v *Vector) Clone() *Vector {
	c := &Vector{trace: v.trace, plain: v.plain, prior: v.prior, body: v.body}
	all := make([]uint32, 0, v.Len())
	for i, ids := range v.ids {
		from := len(all)
		all = append(all, ids...)
		c.ids[i] = all[from:len(all):len(all)]
	}
	return c
}

// begin starts a view.
func (v *Vector) begin(view View) {
	v.view, v.mask, v.n = view, view.mask(), 0
	v.list = v.ids[view][:cap(v.ids[view])]
	if v.names != nil {
		v.mark()
	}
}

// mark readies marks for the view at hand.
func (v *Vector) mark() {
	if v.marks == nil {
		v.marks = new([1 << linearBits / 64]uint64)
	}
	clear(v.marks[:])
	for _, id := range v.wanted[v.view] {
		v.marks[id/64] |= 1 << (id % 64)
	}
}

// add adds the feature with hash h to the view at hand. Which features come
// again nobody can foretell, so there is no branch on it.
func (v *Vector) add(h uint64) {
	if v.n == len(v.list) {
		v.grow()
	}
	id := v.id(h)
	w := &v.seen[id>>6%uint32(len(v.seen))]
	was := *w
	*w = was | 1<<(id&63)
	v.list[v.n] = id
	v.n += int(^was >> (id & 63) & 1)
}

// grow makes room for more features of the view at hand.
func (v *Vector) grow() {
	v.list = slices.Grow(v.list, max(256, len(v.list)))
	v.list = v.list[:cap(v.list)]
}

// addAll adds features by their hashes.
func (v *Vector) addAll(hashes []uint64) {
	for v.n+len(hashes) > len(v.list) {
		v.grow()
	}
	seen, mask, n := v.seen, v.mask, v.n
	list := v.list[:n+len(hashes)]
	for _, h := range hashes {
		id := uint32(h>>40^h) & mask
		w := &seen[id>>6%uint32(len(seen))]
		was := *w
		*w = was | 1<<(id&63)
		list[n] = id
		n += int(^was >> (id & 63) & 1)
	}
	v.n = n
}

// addBatch adds what was collected in batch, and keeps its memory.
func (v *Vector) addBatch(all []uint64) {
	v.batch = all
	v.addAll(all)
}

// tag adds a feature by its name.
func (v *Vector) tag(name string) {
	h := xxhash.Sum64String(name)
	v.add(h)
	v.name(h, name)
}

// tags adds a feature whose name is made of parts.
func (v *Vector) tags(parts ...string) {
	b := v.joined[:0]
	for _, p := range parts {
		b = append(b, p...)
	}
	v.joined = b
	h := hash(b)
	v.add(h)
	if v.wants(h) {
		v.name(h, string(b))
	}
}

// name remembers what a feature is called, for those who explain.
func (v *Vector) name(h uint64, name string) {
	if v.wants(h) {
		v.names[key(v.view, v.id(h))] = name
	}
}

// wants tells whether a feature of the view at hand is to be named.
func (v *Vector) wants(h uint64) bool {
	if v.names == nil {
		return false
	}
	id := v.id(h)
	return v.marks[id/64]>>(id%64)&1 != 0 && v.names[key(v.view, id)] == ""
}

// id is the feature that a hash stands for in the view at hand.
func (v *Vector) id(h uint64) uint32 { return uint32(h>>40^h) & v.mask }

// manyBits is how many features are worth cleaning all bits of a view at once.
const manyBits = 512

// end cleans the bits of the view at hand, and keeps its features.
func (v *Vector) end() {
	ids := v.list[:v.n]
	if v.n > manyBits && v.mask < 1<<linearBits {
		clear(v.seen[:1<<linearBits/64])
	} else {
		for _, id := range ids {
			v.seen[id>>6%uint32(len(v.seen))] = 0
		}
	}
	v.ids[v.view], v.list = ids, nil
}

func hash(b []byte) uint64 { return xxhash.Sum64(b) }

// mix joins two hashes, in this order.
func mix(a, b uint64) uint64 {
	h := a*0x9E3779B97F4A7C15 ^ b
	h ^= h >> 32
	return h * 0xD6E8FEB86659FD93
}
