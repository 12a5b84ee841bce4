package model

import "math"

const (
	prior = 0.018 // strength of the assumption that a token says nothing
	tell  = 0.34  // how far from evens a token must be to count: five to one
	few   = 3     // tokens that tell so little of mail from elsewhere that their mean is halved
	trust = 2000  // messages that the base's counts weigh at most, beside those of layers
	often = 3     // messages that a known token was in
)

// bayes are the counts of tokens that count for a message.
type bayes struct {
	all       []*counts
	scale     []float32
	layers    []*Layer // read-locked
	ham, spam float32  // messages
}

// newBayes takes the counts of base and layers. What was learned here counts
// as much as if the base had learned trust messages: by more of those here, not by
// less of the base, or the first lesson of anybody would move the scores of all.
func newBayes(base *Layer, layers []*Layer) *bayes {
	b := &bayes{all: make([]*counts, 0, 4), scale: make([]float32, 0, 4), layers: layers}
	more := float32(1)
	if base != nil {
		more = max(1, (base.tokens.ham+base.tokens.spam)/trust)
		b.take(&base.tokens, 1)
	}
	for _, l := range layers {
		l.mu.RLock()
		b.take(&l.tokens, more)
	}
	return b
}

func (b *bayes) take(c *counts, k float32) {
	if c.ham+c.spam > 0 {
		b.all, b.scale = append(b.all, c), append(b.scale, k)
		b.ham += k * c.ham
		b.spam += k * c.spam
	}
}

func (b *bayes) done() {
	for _, l := range b.layers {
		l.mu.RUnlock()
	}
}

// telling sums the log-odds of the tokens that tell something.
type telling struct {
	sum     float64
	n, seen int // tokens that tell; tokens that were seen often
}

func (t telling) plus(u telling) telling { return telling{t.sum + u.sum, t.n + u.n, t.seen + u.seen} }

// mean is the mean log-odds of the tokens that tell most (after Robinson, A
// Statistical Approach to the Spam Problem, 2003), less where they are few.
func (t telling) mean() float64 { return t.sum / float64(few+t.n) }

// ahead is how many tokens' counts are looked up before they are reckoned with:
// they are far apart in memory, and so the processor waits for many at once.
const ahead = 64

// sum sums what tokens tell.
func (b *bayes) sum(ids []uint32) (t telling) {
	perHam, perSpam := 1/float64(b.ham), 1/float64(b.spam)
	var ham, spam [ahead]float32
	for len(ids) > 0 {
		n := min(len(ids), ahead)
		clear(ham[:n])
		clear(spam[:n])
		for i, c := range b.all {
			c.gather(ids[:n], b.scale[i], &ham, &spam)
		}
		for i := range n {
			if ham[i]+spam[i] != 0 {
				t.take(ham[i], spam[i], perHam, perSpam)
			}
		}
		ids = ids[n:]
	}
	return t
}

// gather adds how often up to ahead tokens were in ham and spam.
func (c *counts) gather(ids []uint32, scale float32, ham, spam *[ahead]float32) {
	for i, id := range ids {
		h, s := c.of(id)
		ham[i%ahead] += scale * float32(h)
		spam[i%ahead] += scale * float32(s)
	}
}

// take adds what a token tells that was in so many messages.
func (t *telling) take(ham, spam float32, perHam, perSpam float64) {
	n := float64(ham + spam)
	if n >= often {
		t.seen++
	}
	h, s := float64(ham)*perHam, float64(spam)*perSpam
	if p := (prior/2 + n*s/(s+h)) / (prior + n); math.Abs(p-0.5) >= tell {
		t.sum += math.Log(p / (1 - p))
		t.n++
	}
}
