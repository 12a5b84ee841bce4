package model

import "math"

// Classes of a message.
const (
	Ham    = "ham"
	Unsure = "unsure"
	Spam   = "spam"
)

// SpamScore is the score from which on a message is spam; 0 is evens for mail
// like that learned.
const SpamScore = 5

const (
	limit      = 6  // a view's log-odds are bent so that no view outshouts the others
	limitShape = 12 // that of structure, which holds best for mail from elsewhere
	inputs     = int(Views)

	leastBody  = 0.4 // of what speaks for spam, how much counts in an empty message
	usualSlope = 2.5 // of the log-odds over the joined score
	surer      = 2   // by how much probabilities are surer than log-odds of the curve, which was fitted to models of parts of the mail

	strange  = 0.65 // share of known words of Received fields below which header words do not count
	familiar = 0.77 // and from which on they do

	mostWay = 0.6 // by how much of a joined score the way that it came speaks for ham: anybody can write such fields

	rest = 0.005 // weight of a feature that rounding may leave of lessons that were taken back

	newText   = 0.3 // share of known words of a text below which its single words do not count
	usualText = 0.9 // and from which on they do fully
)

// Model is a base model: what was learned from much mail, with the second
// level that joins the views and the calibration. It does not change, and
// many goroutines may use it at once.
type Model struct {
	base  *Layer // nil: empty
	stack stack
	curve curve
	about About
}

// About says where a model comes from.
type About struct {
	Name      string // as those who trained it call it
	Ham, Spam int    // messages it has learned
}

// About returns where the model comes from.
func (m *Model) About() About { return m.about }

// stack is the second level: how much each view counts.
type stack struct {
	bias   float64
	weight [inputs]float64
}

// curve turns the joined score into log-odds, and these into scores.
type curve struct {
	slope, shift float64 // log-odds = slope * joined + shift
	threshold    float64 // log-odds from which on a message is spam
}

// Empty returns a model that has learned nothing.
func Empty() *Model {
	return &Model{stack: homeStack(), curve: curve{slope: usualSlope, threshold: 4}}
}

// homeStack is for who knows nothing but mail that came here.
func homeStack() stack {
	s := baseStack()
	s.weight[Fields], s.weight[Tokens] = 2, 2
	return s
}

// baseStack is for models of other people's mail.
func baseStack() stack {
	var s stack
	for i := range s.weight {
		s.weight[i] = 1
	}
	s.weight[Fields], s.weight[Tokens] = 1.5, 1.5
	s.weight[Pairs], s.weight[Signals], s.weight[Shape] = 0.25, 0.2, 0.8 // what they say words and rules say, too
	s.weight[Rules], s.weight[Text] = 1.25, 1.75                         // they hold for other people's mail
	return s
}

// elsewhere is how much each view counts for the probability, which is to hold
// for mail of senders and kinds that nobody has learned: there header words
// mislead, hosts and structure tell little, and rules, which were not learned,
// most. Scores are in better order by all views. Of such mail, ham speaks for
// spam somewhat more than spam for ham: evens are where the views say so much.
var elsewhere = stack{bias: -0.06, weight: [inputs]float64{Chars: 1, Words: 1, Shape: 0.25, Hosts: 0.25, Rules: 5, Text: 3}}

// Score is what a model says of a message.
type Score struct {
	Score       float64 // SpamScore at the threshold
	Probability float64 // of being spam
	Class       string  // Ham, Unsure or Spam
	Views       [Views]float64
	Known       float64 // from 0 to 1: how familiar the way is that it came
	Joined      float64 // of all views, before calibration
	way         float64 // what header fields took off Joined, where that is bounded
	kept        float64 // share of what speaks for spam that counts, for there is little text
	afar        float64 // Joined as it counts for Probability
}

// Score scores a message by the base and the layers above it, the lowest
// first.
func (m *Model) Score(v *Vector, layers ...*Layer) Score {
	var s Score
	logits := m.linearScores(v, layers)
	copy(s.Views[:], logits[:])
	s.Views[Hosts] = m.hostScore(v, layers, logits[Hosts])
	s.Known = m.known(v, layers)
	s.Views[Tokens], s.Views[Text] = m.tokenScores(v, s.Known, layers)
	s.Views[Rules] = float64(v.prior)
	s.Joined = m.stack.join(s.Views, s.Known)
	if s.Known > 0 {
		if least := m.stack.join(s.Views, 0) - mostWay; least > s.Joined {
			s.Joined, s.Known, s.way = least, 0, mostWay
		}
	}
	s.afar, s.kept = s.Joined, 1
	if m.base != nil { // else the mail is one's own
		s.afar = elsewhere.join(s.Views, 0)
	}
	body := leastBody + (1-leastBody)*float64(v.body)
	if s.afar > 0 {
		s.afar *= body
	}
	if s.Joined > 0 {
		s.kept = body
		s.Joined *= body
	}
	return m.set(s, m.curve.odds(s.Joined))
}

// set sets what log-odds make of a score. The curve was fitted to messages whose
// senders are among those learned, and its evens lie where such mail is divided.
// Mail of others is divided about where the views say as much for ham as for spam,
// so that is where the probability is a half; of what was learned hardly any is near.
func (m *Model) set(s Score, odds float64) Score {
	beside := odds - m.curve.odds(s.Joined)
	s.Probability = sigmoid(surer * (m.curve.slope*s.afar + beside))
	s.Score = m.Points(odds)
	s.Class = classOf(s.Score)
	return s
}

// join adds the views up; known is how familiar the header is.
func (s *stack) join(views [Views]float64, known float64) float64 {
	share, total := s.shares(known)
	f := 0.0
	for i, z := range views {
		f += share[i] * bend(View(i), z)
	}
	return s.bias + f/total
}

// shares returns how much each view counts, and all together.
func (s *stack) shares(known float64) (share [inputs]float64, total float64) {
	for i, w := range s.weight {
		if v := View(i); v == Fields || v == Tokens {
			w *= known
		}
		share[i] = w
		total += w
	}
	return share, total
}

// known tells how far, from 0 to 1, a message came the way that those learned
// from came. Words of header fields tell much where they are those of one's own
// servers and correspondents, and mislead where they are of other people's.
func (m *Model) known(v *Vector, layers []*Layer) float64 {
	ids := v.ids[Tokens][:v.trace]
	if len(ids) == 0 {
		return 0
	}
	n := 0
	for _, id := range ids {
		if m.hasSeen(id, layers) {
			n++
		}
	}
	return usual(float64(n)/float64(len(ids)+3), strange, familiar)
}

// hostScore is what hosts say: as much of it as there are of them that were
// learned. What a bounded layer has learned makes more of what it says itself
// alone: else it would move what others have learned beyond its bound.
func (m *Model) hostScore(v *Vector, layers []*Layer, all float64) float64 {
	free := unbounded(layers)
	if len(free) == len(layers) {
		return all * m.met(Hosts, v, layers)
	}
	own := 0.0
	for _, l := range append([]*Layer{m.base}, free...) {
		own += l.say(Hosts, v)
	}
	return own*m.met(Hosts, v, free) + (all-own)*m.met(Hosts, v, layers)
}

// say is what the layer makes of a view; nil: nothing.
func (l *Layer) say(view View, v *Vector) float64 {
	if l == nil || len(v.ids[view]) == 0 {
		return 0
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return float64(l.linear[view].sum(v.ids[view])*norm(len(v.ids[view])) + l.linear[view].bias)
}

// met tells which share of a linear view's features was learned: who knows one
// of ten hosts that a message names knows little of it.
func (m *Model) met(view View, v *Vector, layers []*Layer) float64 {
	for _, l := range layers {
		l.mu.RLock()
		defer l.mu.RUnlock()
	}
	ids := v.ids[view]
	n := 0
next:
	for _, id := range ids {
		if m.base != nil && m.base.linear[view].at(id) != 0 {
			n++
			continue
		}
		for _, l := range layers {
			if w := l.linear[view].at(id); w > rest || w < -rest {
				n++
				continue next
			}
		}
	}
	return float64(n) / float64(max(1, len(ids)))
}

// usual tells how far, from 0 to 1, a share is on the way from none to all.
func usual(share, none, all float64) float64 {
	return max(0, min(1, (share-none)/(all-none)))
}

func (m *Model) hasSeen(id uint32, layers []*Layer) bool {
	if m.base != nil {
		if h, s := m.base.tokens.of(id); h+s >= 3 {
			return true
		}
	}
	for _, l := range layers {
		l.mu.RLock()
		h, s := l.tokens.of(id)
		l.mu.RUnlock()
		if h+s >= 3 {
			return true
		}
	}
	return false
}

// bend keeps what a view says within its limit.
func bend(v View, z float64) float64 {
	if v == Shape {
		return limitShape * math.Tanh(z/limitShape)
	}
	return limit * math.Tanh(z/limit)
}

// linearScores returns the log-odds by each linear view.
func (m *Model) linearScores(v *Vector, layers []*Layer) [linear]float64 {
	var sums [linear]float32
	add := func(l *Layer) {
		l.mu.RLock()
		defer l.mu.RUnlock()
		say := l.sums(v)
		for i := range l.linear {
			sums[i] += l.limited(say[i]*norm(len(v.ids[i])) + l.linear[i].bias)
		}
	}
	if m.base != nil {
		add(m.base)
	}
	for _, l := range layers {
		add(l)
	}
	var out [linear]float64
	for i, s := range sums {
		if len(v.ids[i]) > 0 {
			out[i] = float64(s)
		}
	}
	return out
}

// tokenScores returns what single words say: those of everything, where known
// tells that those of the header count, and those of the text alone.
func (m *Model) tokenScores(v *Vector, known float64, layers []*Layer) (all, text float64) {
	b := newBayes(m.base, layers)
	defer b.done()
	if b.ham == 0 || b.spam == 0 {
		return 0, 0
	}
	ids := v.ids[Tokens]
	prose := b.sum(ids[v.trace:v.plain])
	text = prose.mean() * usual(float64(prose.seen)/float64(v.plain-v.trace+1), newText, usualText)
	if known > 0 {
		all = prose.plus(b.sum(ids[:v.trace])).plus(b.sum(ids[v.plain:])).mean()
	}
	return all, text
}
