package model

import (
	"bytes"
	"math"
	"testing"
)

// TestALayerMovesNoScoreByBeingThere: a first lesson, which counts no words, would
// else move all scores of an installation whose base knows much mail.
func TestALayerMovesNoScoreByBeingThere(t *testing.T) {
	t.Parallel()
	m := trained(t)
	for i := range m.base.tokens.n { // as if it were of many more messages
		m.base.tokens.n[i] *= 100
	}
	m.base.tokens.ham *= 100
	m.base.tokens.spam *= 100
	for _, e := range examples(t, 3) {
		want := m.Score(e.Vector)
		for name, l := range map[string]*Layer{"table": NewLayer(), "sparse": NewSparse()} {
			if got := m.Score(e.Vector, l); got != want {
				t.Errorf("%s: %v, without it %v", name, got.Views, want.Views)
			}
		}
	}
}

// TestWhatIsTakenBackIsNotKnown: hosts count by how many of them are known, so
// rounding must leave nothing of lessons, in a layer that was saved meanwhile either.
func TestWhatIsTakenBackIsNotKnown(t *testing.T) {
	t.Parallel()
	m := Empty()
	for name, l := range map[string]*Layer{"table": NewLayer(), "sparse": NewSparse()} {
		var steps []Step
		set := examples(t, 10)
		for i, e := range set {
			steps = append(steps, l.Learn(m, nil, e.Vector, e.Spam != (i%3 == 0), 0.15+float64(i)/30))
		}
		var saved bytes.Buffer
		if _, err := l.WriteTo(&saved); err != nil {
			t.Fatal(err)
		}
		read, err := ReadLayer(&saved)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(set) - 1; i >= 0; i-- {
			l.Undo(set[i].Vector, steps[i])
			read.Undo(set[i].Vector, steps[i])
		}
		for _, e := range set {
			_, a := m.Sum(e.Vector, l).shareMet()
			if _, b := m.Sum(e.Vector, read).shareMet(); a != 0 || b != 0 {
				t.Fatalf("%s: %g of the hosts are known, %g in what was saved", name, a, b)
			}
		}
	}
}

// TestNothingIsLeftOfAFullLayer: what it forgot in between was not there to be
// taken back, and what it learned anew of that had other steps.
func TestNothingIsLeftOfAFullLayer(t *testing.T) {
	t.Parallel()
	m := trained(t)
	l := NewSparse()
	set := examples(t, 40)
	var steps []Step
	for _, e := range set {
		steps = append(steps, l.Learn(m, nil, e.Vector, !e.Spam, 1))
		l.Shrink(l.Size() * 3 / 4)
	}
	for i := len(set) - 1; i >= 0; i-- {
		l.Undo(set[i].Vector, steps[i])
	}
	for _, e := range set {
		if got, want := m.Score(e.Vector, l), m.Score(e.Vector); got != want {
			t.Fatalf("%v, and %v before it was taught", got, want)
		}
	}
}

// TestABoundedLayerMakesNoMoreOfHosts: what others have learned of hosts counts by
// how many of them are known; what a user teaches must not make it count more.
func TestABoundedLayerMakesNoMoreOfHosts(t *testing.T) {
	t.Parallel()
	m, own, shared := Empty(), NewSparse(), NewSparse()
	known, all := &Vector{}, &Vector{}
	known.ids[Hosts] = []uint32{1}
	all.ids[Hosts] = []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for range 20 {
		own.Learn(m, nil, known, true, 1)
	}
	const bound = 0.25
	shared.Limit(bound)
	was := m.Score(all, own).Views[Hosts]
	shared.Learn(m, []*Layer{own}, all, false, 0.05)
	if now := m.Score(all, own, shared).Views[Hosts]; math.Abs(now-was) > bound {
		t.Errorf("from %g to %g", was, now)
	}
	if now := m.Score(all, shared).Views[Hosts]; now >= 0 || now < -bound {
		t.Errorf("by itself it says %g", now)
	}
}

// TestSumsGoOnFromCopies: layers that are added to copies of the same sums leave
// those, and each other, as they are.
func TestSumsGoOnFromCopies(t *testing.T) {
	t.Parallel()
	m := trained(t)
	v := vectorOf(t, letter("new things", "see https://shop.unseen-before.test/ for quite other words"))
	below, one, other := NewSparse(), NewSparse(), NewSparse()
	below.Learn(m, nil, vectorOf(t, letter("x", "y")), true, 1)
	for range 3 {
		one.Learn(m, nil, v, true, 1)
		other.Learn(m, nil, vectorOf(t, letter("new", "quite other words")), false, 1)
	}
	sums, next := m.Sum(v, below), &Sums{}
	for _, l := range []*Layer{one, other, one, below} {
		next.Copy(sums)
		next.Add(l)
		if got, want := next.Score(), m.Score(v, below, l); got != want {
			t.Errorf("%+v, alone %+v", got, want)
		}
	}
	if got, want := sums.Score(), m.Score(v, below); got != want {
		t.Errorf("what was copied: %+v, before %+v", got, want)
	}
}
