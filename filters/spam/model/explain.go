package model

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
)

// Reason is one feature of a message and how much it moved the score.
type Reason struct {
	Text   string
	Weight float64 // in points of Score.Score; below zero it speaks for ham
}

// start is the reason for what the score is before anything is known of a
// message, as the calibration has it.
const start = "where every message starts"

// learned is the reason for what rules weigh beside what they say of themselves.
const learned = "rules that it matches, as learned"

// Explain returns the n features that moved the score of a message most, the
// strongest first; of has its features. Runs of characters, which tell nobody
// anything, are told in one sum. All of them, with the rules that it matches,
// add up to its score.
func (m *Model) Explain(a *anatomy.Message, of *Vector, n int, layers ...*Layer) []Reason {
	return m.Sum(of, layers...).Explain(a, n)
}

// Explain is Model.Explain of what was added up.
func (s *Sums) Explain(a *anatomy.Message, n int) []Reason { return s.m.explain(a, s, n) }

func (m *Model) explain(a *anatomy.Message, sums *Sums, n int) []Reason {
	of, layers, s := sums.v, sums.layers, sums.Score()
	v := &Vector{seen: of.seen} // of is not kept with names of what it has
	if v.seen == nil {
		v = NewVector()
	}
	wanted := m.heaviest(of, layers)
	v.names, v.wanted = map[uint64]string{}, &wanted
	v.nameAll(a)
	shares, total := m.stack.shares(s.Known)
	points := SpamScore / m.curve.threshold * m.curve.slope * s.kept / total
	byText := map[string]float64{}
	var all, own []float32
	for i := range linear {
		ids := of.ids[i]
		all = m.weigh(all, i, ids, layers)
		weight := func(at int) float64 { return float64(all[at]) }
		if i == Hosts { // as hostScore counts them
			free := unbounded(layers)
			met, bounded := sums.shareMet()
			own = m.weigh(own, i, ids, free)
			weight = func(at int) float64 {
				own := float64(own[at])
				return own*met + (float64(all[at])-own)*bounded
			}
		}
		share := points * shares[i] * slopeOf(i, s.Views[i])
		each := float64(norm(len(ids)))
		for at, id := range ids {
			switch i {
			case Chars:
				byText["runs of characters"] += weight(at) * each * share
				continue
			case Signals:
				byText[learned] += weight(at) * each * share
				continue
			}
			if _, found := slices.BinarySearch(wanted[i], id); !found {
				continue
			}
			name := v.names[key(i, id)]
			if name == "" {
				name = "other signs of " + i.String()
			}
			byText[readable(name)] += weight(at) * each * share
		}
	}
	if w := points * shares[Tokens] * bend(Tokens, s.Views[Tokens]); w != 0 {
		byText["single words, header included"] = w
	}
	if s.way > 0 {
		byText["the way it came, which anybody can write"] = -points * total * s.way
	}
	if w := points * shares[Text] * bend(Text, s.Views[Text]); w != 0 {
		byText["single words of the text"] = w
	}
	reasons, rest := make([]Reason, 0, len(byText)+1), s.Score-m.Points(m.RuleOdds(s)*s.Views[Rules])
	for t, w := range byText {
		reasons = append(reasons, Reason{t, w})
		rest -= w
	}
	if math.Abs(rest) >= unseen {
		reasons = append(reasons, Reason{start, rest})
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)), cmp.Compare(a.Text, b.Text))
	})
	return reasons[:max(0, min(n, len(reasons)))]
}

// readable says what is missing where a name ends in a value that a message
// does not have. What a message has there may be octets that a terminal obeys.
func readable(name string) string {
	name = Printable(name)
	if short := strings.TrimRight(name, " "); short != name {
		return short + " (none named)"
	}
	return name
}

// Printable escapes what is not for the eye: control characters, those that
// change the direction of text, and octets that are no UTF-8.
func Printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
		}
	}
	return s
}

// unseen is a weight that nobody sees, who reads two decimals.
const unseen = 0.005

// maxNamed bounds the features of a view that are named; of a message with
// ten thousand, the others moved its score by next to nothing.
const maxNamed = 256

// heaviest returns the features of each view that weigh most, in order.
func (m *Model) heaviest(v *Vector, layers []*Layer) (wanted [linear][]uint32) {
	var weights []float32
	all := make([]uint64, 0, 2*maxNamed) // the heaviest are the least
	for i := Chars + 1; i < Signals; i++ {
		weights = m.weigh(weights, i, v.ids[i], layers)
		all = all[:0]
		last := uint64(math.MaxUint64) // of those that may be wanted
		for at, w := range weights {
			h := uint64(^math.Float32bits(max(w, -w)))<<32 | uint64(v.ids[i][at])
			if w == 0 || h > last {
				continue
			}
			if all = append(all, h); len(all) == 2*maxNamed { // sorting all takes longer
				slices.Sort(all)
				all, last = all[:maxNamed], all[maxNamed-1]
			}
		}
		if len(all) > maxNamed {
			slices.Sort(all)
			all = all[:maxNamed]
		}
		for _, h := range all {
			wanted[i] = append(wanted[i], uint32(h))
		}
		slices.Sort(wanted[i])
	}
	return wanted
}

// key is a feature of any view.
func key(view View, id uint32) uint64 { return uint64(view)<<32 | uint64(id) }

// slopeOf is how much of a view's log-odds is left where it is bent.
func slopeOf(v View, z float64) float64 {
	if z == 0 {
		return 1
	}
	return bend(v, z) / z
}

// weigh returns, in dst, what each feature of a view weighs.
func (m *Model) weigh(dst []float32, view View, ids []uint32, layers []*Layer) []float32 {
	dst = slices.Grow(dst[:0], len(ids))[:len(ids)]
	clear(dst)
	if m.base != nil {
		m.base.linear[view].addTo(dst, ids)
	}
	for _, l := range layers {
		l.mu.RLock()
		l.linear[view].addTo(dst, ids)
		l.mu.RUnlock()
	}
	return dst
}

// nameAll names what is wanted.
func (v *Vector) nameAll(m *anatomy.Message) {
	v.words = v.collect(v.words[:0], m.Subject, maxSubject)
	n := len(v.words)
	v.words = v.collect(v.words, m.Text, maxWords)
	v.begin(Words)
	v.nameWordView(0, n, true)
	v.nameWordView(n, len(v.words), false)
	v.end()
	v.begin(Pairs)
	v.namePairView(0, n)
	v.namePairView(n, len(v.words))
	v.end()
	v.shapeView(m)
	v.hostView(m)
}

// nameWordView names what wordView adds of some words.
func (v *Vector) nameWordView(from, to int, subject bool) {
	for i := from; i < to; i++ {
		w := v.words[i]
		if subject {
			v.nameWord(mix(tagSubject, w), "in the subject ", i)
		}
		v.nameWord(w, "", i)
		if i > from {
			v.nameWord(neighbours(v.words[i-1], w), "", i-1, i)
		}
	}
}

// namePairView names what pairView adds of some words.
func (v *Vector) namePairView(from, to int) {
	for i := from; i < to; i++ {
		w := v.words[i]
		v.nameWord(w, "", i)
		for d := 1; d <= farthest && d <= i-from; d++ {
			v.nameWord(apart(d, v.words[i-d], w), "", i-d, i)
		}
	}
}

// nameWord names a feature made of one or two words.
func (v *Vector) nameWord(h uint64, where string, words ...int) {
	if !v.wants(h) {
		return
	}
	s := ""
	for i, w := range words {
		if i > 0 {
			s += " "
		}
		from := 0
		if w > 0 {
			from = v.ends[w-1]
		}
		s += string(v.spelled[from:v.ends[w]])
	}
	v.name(h, where+strconv.Quote(s))
}
