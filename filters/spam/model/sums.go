package model

// Sums are what a base and the layers above it make of one message. Who scores
// it for many adds what their layers share once, and goes on from a copy.
type Sums struct {
	m       *Model
	v       *Vector
	layers  []*Layer // above the base
	linear  [linear]float32
	hosts   float64 // of the layers that are not bounded, as they say it
	bounded bool    // some are
	met     []met   // of each host: who has learned it
	bayes   bayes
}

// met tells who has learned a host.
type met struct{ free, any bool }

// Sum adds up what the base makes of a message, and the layers above it, the
// lowest first. The vector must stay as it is as long as the sums are used.
func (m *Model) Sum(v *Vector, layers ...*Layer) *Sums {
	s := &Sums{m: m, v: v, met: make([]met, len(v.ids[Hosts]))}
	s.bayes.begin(len(v.ids[Tokens]))
	if m.base != nil {
		s.add(m.base)
	}
	for _, l := range layers {
		s.Add(l)
	}
	return s
}

// Copy makes s the same as from, and keeps its memory.
func (s *Sums) Copy(from *Sums) {
	met, layers, b := append(s.met[:0], from.met...), append(s.layers[:0], from.layers...), s.bayes
	*s = *from
	s.met, s.layers = met, layers
	s.bayes.tokens, s.bayes.seen = append(b.tokens[:0], from.bayes.tokens...), append(b.seen[:0], from.bayes.seen...)
}

// Add adds what one more layer makes of it.
func (s *Sums) Add(l *Layer) {
	s.layers = append(s.layers, l)
	s.add(l)
}

func (s *Sums) add(l *Layer) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	free := l.limit == 0
	s.bounded = s.bounded || !free
	for i, x := range l.sums(s.v) {
		n := len(s.v.ids[i])
		x = x*norm(n) + l.linear[i].bias
		if View(i) == Hosts && free && n > 0 {
			s.hosts += float64(x)
		}
		s.linear[i] += l.limited(x)
	}
	least := float32(rest)
	if l == s.m.base {
		least = 0
	}
	for i, id := range s.v.ids[Hosts] {
		if w := l.linear[Hosts].at(id); w > least || w < -least {
			s.met[i] = met{s.met[i].free || free, true}
		}
	}
	s.bayes.add(l, s.m.base, s.v.ids[Tokens])
}

// logits are the log-odds by each linear view.
func (s *Sums) logits() (out [linear]float64) {
	for i, x := range s.linear {
		if len(s.v.ids[i]) > 0 {
			out[i] = float64(x)
		}
	}
	return out
}

// Score scores the message by all that was added.
func (s *Sums) Score() Score {
	var out Score
	logits := s.logits()
	copy(out.Views[:], logits[:])
	out.Views[Hosts] = s.hostScore(logits[Hosts])
	out.Known = s.known()
	out.Views[Tokens], out.Views[Text] = s.tokenScores(out.Known)
	out.Views[Rules] = float64(s.v.prior)
	return s.m.joined(out, s.v)
}

// known tells how far, from 0 to 1, a message came the way that those learned
// from came. Words of header fields tell much where they are those of one's own
// servers and correspondents, and mislead where they are of other people's.
func (s *Sums) known() float64 {
	way := s.bayes.seen[:s.v.trace]
	if len(way) == 0 {
		return 0
	}
	n := 0
	for _, seen := range way {
		if seen {
			n++
		}
	}
	return usual(float64(n)/float64(len(way)+3), strange, familiar)
}

// hostScore is what hosts say: as much of it as there are of them that were
// learned. What a bounded layer has learned makes more of what it says itself
// alone: else it would move what others have learned beyond its bound.
func (s *Sums) hostScore(all float64) float64 {
	free, any := s.shareMet()
	if !s.bounded {
		return all * any
	}
	return s.hosts*free + (all-s.hosts)*any
}

// shareMet tells which share of a message's hosts was learned, by layers that are
// not bounded and by any: who knows one of ten hosts that a message names knows
// little of it.
func (s *Sums) shareMet() (free, any float64) {
	for _, x := range s.met {
		if x.free {
			free++
		}
		if x.any {
			any++
		}
	}
	n := float64(max(1, len(s.met)))
	return free / n, any / n
}

// tokenScores returns what single words say: those of everything, where known
// tells that those of the header count, and those of the text alone.
func (s *Sums) tokenScores(known float64) (all, text float64) {
	b, v := &s.bayes, s.v
	if b.ham == 0 || b.spam == 0 {
		return 0, 0
	}
	prose := b.sum(b.tokens[v.trace:v.plain])
	text = prose.mean() * usual(float64(prose.seen)/float64(v.plain-v.trace+1), newText, usualText)
	if known > 0 {
		all = prose.plus(b.sum(b.tokens[:v.trace])).plus(b.sum(b.tokens[v.plain:])).mean()
	}
	return all, text
}
