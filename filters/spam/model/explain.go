package model

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/text"
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
	s := m.Score(of, layers...)
	v := NewVector() // of is not kept with names of what it has
	v.wanted = m.heaviest(of, layers)
	v.names, v.spelled = make(map[uint64]string, len(v.wanted)), map[uint64]string{}
	Features(a, v)
	shares, total := m.stack.shares(s.Known)
	points := SpamScore / m.curve.threshold * m.curve.slope * s.kept / total
	byText := map[string]float64{}
	for i := range linear {
		share := points * shares[i] * slopeOf(i, s.Views[i])
		weight := func(id uint32) float64 { return float64(m.weight(i, id, layers)) }
		if i == Hosts { // as hostScore counts them
			free := unbounded(layers)
			met, bounded := m.met(i, of, free), m.met(i, of, layers)
			weight = func(id uint32) float64 {
				own := float64(m.weight(i, id, free))
				return own*met + (float64(m.weight(i, id, layers))-own)*bounded
			}
		}
		weigh := func(name string, id uint32) {
			byText[name] += weight(id) * float64(norm(len(v.ids[i]))) * share
		}
		if i == Chars {
			for _, id := range v.ids[i] {
				weigh("runs of characters", id)
			}
			continue
		}
		if i == Signals { // v has none
			for _, id := range of.ids[i] {
				byText[learned] += float64(m.weight(i, id, layers)) * float64(norm(len(of.ids[i]))) * share
			}
			continue
		}
		for _, id := range v.ids[i] {
			k := key(i, id)
			if !v.wanted[k] {
				continue
			}
			name := v.names[k]
			if name == "" {
				name = "other signs of " + i.String()
			}
			weigh(readable(name), id)
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

// heaviest returns the features of each view that weigh most.
func (m *Model) heaviest(v *Vector, layers []*Layer) map[uint64]bool {
	type heavy struct {
		id uint32
		w  float32
	}
	heavier := func(a, b heavy) int { return cmp.Or(cmp.Compare(b.w, a.w), cmp.Compare(a.id, b.id)) }
	wanted := map[uint64]bool{}
	var all []heavy
	for i := Chars + 1; i < linear; i++ {
		all = all[:0]
		var last heavy // of those that may be wanted
		for _, id := range v.ids[i] {
			w := m.weight(i, id, layers)
			h := heavy{id, max(w, -w)}
			if w == 0 || last.w != 0 && heavier(last, h) < 0 {
				continue
			}
			if all = append(all, h); len(all) == 2*maxNamed { // sorting all takes longer
				slices.SortFunc(all, heavier)
				all, last = all[:maxNamed], all[maxNamed-1]
			}
		}
		if len(all) > maxNamed {
			slices.SortFunc(all, heavier)
			all = all[:maxNamed]
		}
		for _, h := range all {
			wanted[key(i, h.id)] = true
		}
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

func (m *Model) weight(view View, id uint32, layers []*Layer) (w float32) {
	one := []uint32{id}
	if m.base != nil {
		w = m.base.linear[view].sum(one)
	}
	for _, l := range layers {
		l.mu.RLock()
		w += l.linear[view].sum(one)
		l.mu.RUnlock()
	}
	return w
}

// spell remembers the words behind their hashes.
func (v *Vector) spell(folded []byte, limit int) {
	for w := range text.Words(folded) {
		v.spelled[hash(w)] = string(w)
		if limit--; limit == 0 {
			return
		}
	}
}

// nameWordView names what wordView adds.
func (v *Vector) nameWordView(subject, body []uint64) {
	for i, words := range [...][]uint64{subject, body} {
		inSubject := i == 0
		for i, w := range words {
			if inSubject {
				v.nameWord(mix(tagSubject, w), "in the subject ", w)
			}
			v.nameWord(w, "", w)
			if i > 0 {
				v.nameWord(neighbours(words[i-1], w), "", words[i-1], w)
			}
		}
	}
}

// namePairView names what pairView adds.
func (v *Vector) namePairView(subject, body []uint64) {
	for _, words := range [...][]uint64{subject, body} {
		for i, w := range words {
			v.nameWord(w, "", w)
			for d := 1; d <= farthest && d <= i; d++ {
				v.nameWord(apart(d, words[i-d], w), "", words[i-d], w)
			}
		}
	}
}

// nameWord names a feature made of one or two words.
func (v *Vector) nameWord(h uint64, where string, words ...uint64) {
	if !v.wants(h) {
		return
	}
	s := ""
	for i, w := range words {
		if i > 0 {
			s += " "
		}
		s += v.spelled[w]
	}
	v.name(h, where+strconv.Quote(s))
}
