package model

import "math"

const (
	prior = 0.018 // strength of the assumption that a token says nothing
	tell  = 0.34  // how far from evens a token must be to count: five to one
	few   = 3     // tokens that tell so little of mail from elsewhere that their mean is halved
	trust = 2000  // messages that the base's counts weigh at most, beside those of layers
	often = 3     // messages that a known token was in
)

// bayes are the counts of a message's tokens.
type bayes struct {
	tokens    []times
	seen      []bool  // how often is often in one layer at least
	ham, spam float32 // messages
}

// times are in how many messages a token was.
type times struct{ ham, spam float32 }

// begin readies the counts of n tokens.
func (b *bayes) begin(n int) { b.tokens, b.seen = make([]times, n), make([]bool, n) }

// add adds the counts of one more layer. What was learned here counts as much
// as if the base had learned trust messages: by more of those here, not by less
// of the base, or the first lesson of anybody would move the scores of all.
func (b *bayes) add(l, base *Layer, ids []uint32) {
	c, k := &l.tokens, float32(1)
	if base != nil && l != base {
		k = max(1, (base.tokens.ham+base.tokens.spam)/trust)
	}
	if c.ham+c.spam == 0 {
		k = 0 // those that are left are of lessons that were taken back
	}
	b.ham += k * c.ham
	b.spam += k * c.spam
	c.each(ids, func(i int, ham, spam uint16) {
		b.tokens[i].ham += k * float32(ham)
		b.tokens[i].spam += k * float32(spam)
		if ham+spam >= often {
			b.seen[i] = true
		}
	})
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

// sum sums what tokens tell.
func (b *bayes) sum(list []times) (t telling) {
	perHam, perSpam := 1/float64(b.ham), 1/float64(b.spam)
	for _, x := range list {
		if x.ham+x.spam != 0 {
			t.take(x.ham, x.spam, perHam, perSpam)
		}
	}
	return t
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
