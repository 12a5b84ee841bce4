package model

import (
	"math"
	"sync"
)

// Learning: a step for each feature that shrinks with the steps it has made
// (AdaGrad, Duchi et al. 2011), damped for features seen for the first time.
const (
	damping  = 1e-3
	biasRate = 0.1
	settled  = 0.01 // an error below which nothing is learned

	// A label that says the opposite of what a trained model is sure of is
	// more often wrong than news; if it is news, more will come.
	doubtFrom = 2    // log-odds from which on a label is doubted
	doubtMin  = 0.05 // least weight of a label
)

// rates are the sizes of steps by view: large ones learn a sender's habits
// fast, small ones keep to what holds for other people's mail, too.
var rates = [linear]float32{Chars: 0.3, Words: 0.8, Pairs: 1.4, Shape: 0.7, Hosts: 2, Fields: 1.8, Signals: 0.1}

// weights is a table of what was learned of one view.
type weights struct {
	w, g   []float32
	half   *halves // instead of w: of a base model that was read
	bias   float32
	biasG  float32
	sparse *table[cell] // instead of the table
}

type cell struct{ w, g float32 }

// sum returns what the weights say of the features.
func (t *weights) sum(ids []uint32) float32 {
	var s float32
	if t.sparse != nil {
		t.sparse.each(ids, func(_ int, c *cell) { s += c.w })
		return s
	}
	if t.half != nil {
		for _, id := range ids {
			s += t.half.of(id)
		}
		return s
	}
	for _, id := range ids {
		s += t.w[id]
	}
	return s
}

// addTo adds the weight of each feature to its sum.
func (t *weights) addTo(sums []float32, ids []uint32) {
	switch {
	case t.sparse != nil:
		t.sparse.each(ids, func(i int, c *cell) { sums[i] += c.w })
	case t.half != nil:
		for i, id := range ids {
			sums[i] += t.half.of(id)
		}
	default:
		for i, id := range ids {
			sums[i] += t.w[id]
		}
	}
}

// at returns the weight of a feature.
func (t *weights) at(id uint32) float32 {
	if t.sparse != nil {
		if c := t.sparse.get(id); c != nil {
			return c.w
		}
		return 0
	}
	if t.half != nil {
		return t.half.of(id)
	}
	return t.w[id]
}

// move takes a step against the error d in the log-odds.
func (t *weights) move(ids []uint32, d, rate float32) {
	gx := d * norm(len(ids))
	if t.sparse != nil {
		for _, id := range ids {
			c := t.sparse.put(id)
			c.g += gx * gx
			c.w -= rate * gx / sqrt(c.g+damping)
		}
	} else {
		for _, id := range ids {
			g := t.g[id] + gx*gx
			t.g[id] = g
			t.w[id] -= rate * gx / sqrt(g+damping)
		}
	}
	t.biasG += d * d
	t.bias -= rate * biasRate * d / sqrt(t.biasG+damping)
}

// unmove takes a step back: exactly, but for rounding, when it was the last.
func (t *weights) unmove(ids []uint32, d, rate float32) {
	gx := d * norm(len(ids))
	for _, id := range ids {
		if t.sparse != nil {
			if c := t.sparse.get(id); c != nil {
				c.w += rate * gx / sqrt(c.g+damping)
				c.g = max(0, c.g-gx*gx)
			}
			continue
		}
		t.w[id] += rate * gx / sqrt(t.g[id]+damping)
		t.g[id] = max(0, t.g[id]-gx*gx)
	}
	t.bias += rate * biasRate * d / sqrt(t.biasG+damping)
	t.biasG = max(0, t.biasG-d*d)
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// norm scales the sum over n features, so that long messages do not shout.
func norm(n int) float32 {
	if n == 0 {
		return 0
	}
	return 1 / sqrt(float32(n))
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// counts are in how many ham and spam messages each token was.
type counts struct {
	n         []uint16 // ham and spam of a token side by side
	ham, spam float32  // messages
	sparse    *table[[2]uint16]
}

// each calls f for each of the tokens that was counted.
func (c *counts) each(ids []uint32, f func(i int, ham, spam uint16)) {
	if c.sparse != nil {
		c.sparse.each(ids, func(i int, n *[2]uint16) { f(i, n[0], n[1]) })
		return
	}
	var n [ahead][2]uint16
	for from := 0; from < len(ids); from += ahead {
		some := ids[from:min(from+ahead, len(ids))]
		for i, id := range some {
			n[i%ahead] = [2]uint16{c.n[2*id], c.n[2*id+1]}
		}
		for i := range some {
			if x := n[i%ahead]; x != [2]uint16{} {
				f(from+i, x[0], x[1])
			}
		}
	}
}

// add counts the tokens of a message; by is 1 or, to take it back, -1.
func (c *counts) add(ids []uint32, spam bool, by int) {
	k := uint32(0)
	total := &c.ham
	if spam {
		k, total = 1, &c.spam
	}
	for _, id := range ids {
		var p *uint16
		if c.sparse != nil {
			p = &c.sparse.put(id)[k]
		} else {
			p = &c.n[2*id+k]
		}
		if n := int(*p) + by; n >= 0 && n <= math.MaxUint16 {
			*p = uint16(n)
		}
	}
	*total = max(0, *total+float32(by))
}

// Layer is what was learned above a base model, and above the layers below:
// each corrects what the sum of those before it says. All methods may be
// called by many goroutines.
type Layer struct {
	mu     sync.RWMutex
	linear [linear]weights
	tokens counts
	n      int     // lessons
	limit  float32 // see Limit
}

// NewLayer returns an empty layer with tables for a whole installation, about
// 18 MiB.
func NewLayer() *Layer {
	l := &Layer{}
	for i := range l.linear {
		l.linear[i].w, l.linear[i].g = make([]float32, 1<<linearBits), make([]float32, 1<<linearBits)
	}
	l.tokens.n = make([]uint16, 2<<tokenBits)
	return l
}

// newBase returns an empty layer for what is read of a model, about 8 MiB.
func newBase() *Layer {
	l := &Layer{}
	for i := range l.linear {
		l.linear[i].half = new(halves)
	}
	l.tokens.n = make([]uint16, 2<<tokenBits)
	return l
}

// NewSparse returns an empty layer that takes memory for what it has learned
// only, for a domain or a user.
func NewSparse() *Layer {
	l := &Layer{}
	for i := range l.linear {
		l.linear[i].sparse = newTable[cell]()
	}
	l.tokens.sparse = newTable[[2]uint16]()
	return l
}

// freeze drops what only learning needs.
func (l *Layer) freeze() {
	for i := range l.linear {
		l.linear[i].g = nil
	}
}

// Step is what one lesson changed, so that it can be undone.
type Step struct {
	Spam   bool
	Error  [linear]float32 // by view, times the weight; 0: nothing was learned
	Counts bool            // the tokens were counted
}

// Lessons returns how many messages the layer has learned and not undone.
func (l *Layer) Lessons() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.n
}

// Learn learns one message above m and the layers below; weight is from 0 to
// 1. Layers below are not changed.
func (l *Layer) Learn(m *Model, below []*Layer, v *Vector, spam bool, weight float64) Step {
	return l.learn(m, below, v, spam, weight, weight >= 0.5)
}

func (l *Layer) learn(m *Model, below []*Layer, v *Vector, spam bool, weight float64, count bool) Step {
	sums := m.Sum(v, append(below[:len(below):len(below)], l)...)
	logits := sums.logits()
	y := 0.0
	if spam {
		y = 1
	}
	if m.base != nil {
		if w := m.Trust(sums.Score(), spam); w < 1 {
			weight, count = weight*w, count && w > 0.3
		}
	}
	step := Step{Spam: spam, Counts: count}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.linear {
		d := sigmoid(logits[i]) - y
		if len(v.ids[i]) > 0 && math.Abs(d) > settled {
			step.Error[i] = float32(d * weight)
			l.linear[i].move(v.ids[i], step.Error[i], rates[i])
		}
	}
	if step.Counts {
		l.tokens.add(v.ids[Tokens], spam, 1)
	}
	l.n++
	return step
}

// Undo takes a lesson back: exactly, but for rounding, when nothing was
// learned since or nothing else is left, and closely otherwise. v is the vector of the lesson.
func (l *Layer) Undo(v *Vector, step Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.linear {
		if step.Error[i] != 0 {
			l.linear[i].unmove(v.ids[i], step.Error[i], rates[i])
		}
	}
	if step.Counts {
		l.tokens.add(v.ids[Tokens], step.Spam, -1)
	}
	if l.n = max(0, l.n-1); l.n == 0 {
		l.empty()
	}
}

// empty forgets all: of lessons that are all taken back rounding may have left
// something, and so may features that a full layer forgot in between.
func (l *Layer) empty() {
	for i := range l.linear {
		t := &l.linear[i]
		clear(t.w)
		clear(t.g)
		t.sparse.clear()
		t.bias, t.biasG = 0, 0
	}
	clear(l.tokens.n)
	l.tokens.sparse.clear()
	l.tokens.ham, l.tokens.spam = 0, 0
}
