package model

import (
	"math"
	"testing"
)

// TestMeasuresAreThoseOfTheTrack: figures that TREC's definitions give for
// scores with ties, counted by hand.
func TestMeasuresAreThoseOfTheTrack(t *testing.T) {
	var m Measure
	for _, s := range []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10} {
		m.Add(false, s)
	}
	for _, s := range []float64{5, 8, 11, 12} {
		m.Add(true, s)
	}
	// Pairs that are the wrong way round: 5 below 6..10 is 5 and one tie, 8
	// below 9 and 10 is 2 and one tie: 8 of 40.
	if a := m.Area(); math.Abs(a-20) > 1e-9 {
		t.Errorf("area %v", a)
	}
	if missed, at := m.SpamMissed(10); missed != 50 || at != 9 {
		t.Errorf("one ham lost: %v at %v", missed, at)
	}
	if missed, at := m.SpamMissed(0.1); missed != 50 || at != 10 {
		t.Errorf("no ham lost: %v at %v", missed, at)
	}
	if lost, at := m.HamLost(25); lost != 30 || at != 8 {
		t.Errorf("one spam missed: %v at %v", lost, at)
	}
	if ham, spam, lam := m.At(8); ham != 30 || spam != 25 || math.Abs(lam-30.90) > 0.01 {
		t.Errorf("at 8: %v %v %v", ham, spam, lam)
	}
}

func TestTopQuantile(t *testing.T) {
	t.Parallel()
	values := make([]float64, 2000)
	for i := range values {
		values[i] = float64(i)
	}
	for share, want := range map[float64]float64{0: 1999, 0.0005: 1999 - (0.0005*2000.4 - 0.7), 0.5: 1999 - (0.5*2000.4 - 0.7), 1: 0} {
		if got := topQuantile(values, share); math.Abs(got-want) > 1e-9 {
			t.Errorf("%g: %g, want %g", share, got, want)
		}
	}
	if got := topQuantile([]float64{3}, 0.1); got != 3 {
		t.Errorf("of one: %g", got)
	}
}
