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
func (m *Model) Score(v *Vector, layers ...*Layer) Score { return m.Sum(v, layers...).Score() }

// joined makes a score of what the views say.
func (m *Model) joined(s Score, v *Vector) Score {
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

// usual tells how far, from 0 to 1, a share is on the way from none to all.
func usual(share, none, all float64) float64 {
	return max(0, min(1, (share-none)/(all-none)))
}

// bend keeps what a view says within its limit.
func bend(v View, z float64) float64 {
	if v == Shape {
		return limitShape * math.Tanh(z/limitShape)
	}
	return limit * math.Tanh(z/limit)
}
