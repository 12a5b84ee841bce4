package model

import (
	"math"
	"testing"
)

// Words of the text tell of mail from elsewhere, too, whose way nobody knows;
// those of a text in words that were never learned tell nothing.
func TestSingleWordsOfTheTextCountWhereTheyAreKnown(t *testing.T) {
	t.Parallel()
	m := trained(t)
	for _, e := range []struct {
		text    string
		from    float64
		to      float64
		because string
	}{
		{"Dear winner, here are the millions of the lottery. Send your account on friday.", 1, 8, "all words are known"},
		{"Dear all, here are the notes of the group. See you on friday.", -8, -1, "all words are known"},
		{"Dear winner, account: amicus lottery of caveat, send emptor to the millions.", 0.1, 3.5, "a third of the words is new"},
		{"Cher gagnant, voici vos gains: merci de bien vouloir nous envoyer un lottery.", 0, 0, "nearly all words are new"},
	} {
		v := vectorOf(t, letter("friday", e.text))
		s := m.Score(v)
		if s.Known != 0 || s.Views[Tokens] != 0 {
			t.Errorf("without Received fields the way is known: %+v", s)
		}
		if s.Views[Text] < e.from || s.Views[Text] > e.to {
			t.Errorf("%q: %v, though %s", e.text, s.Views[Text], e.because)
		}
	}
}

// A word that is six times as common in spam tells, one that is four times as
// common says too little of other people's mail, and so do few words together;
// no view outshouts the others.
func TestWordsTellFromFiveToOne(t *testing.T) {
	t.Parallel()
	for spam, want := range map[float32]int{60: 1, 45: 0, 10: 0, 2.2: 0, 1.6: 1} {
		var got telling
		got.take(10, spam, 0.01, 0.01)
		if got.n != want {
			t.Errorf("in 10 ham and %v spam of 100: %d words tell", spam, got.n)
		}
	}
	one, many := telling{sum: 5, n: 1}, telling{sum: 500, n: 100}
	if one.mean() > 0.3*many.mean() || many.mean() < 4.8 {
		t.Errorf("one word says %v, a hundred %v", one.mean(), many.mean())
	}
	if strong, weak := bend(60), bend(1); strong > limit || weak < 0.95 || bend(limit) < limit/2 {
		t.Errorf("60 is bent to %v, 1 to %v, %v to %v", strong, weak, limit, bend(limit))
	}
}

func TestTheTextOfAVectorIsItsSubjectAndText(t *testing.T) {
	t.Parallel()
	v := vectorOf(t, "Received: from a.example by b.example\r\n"+letter("one two", "three four http://five.example/"))
	if v.trace != 5 || v.plain-v.trace < 5 || v.plain >= len(v.ids[Tokens]) {
		t.Errorf("%d words of Received fields, %d of the text, %d in all", v.trace, v.plain-v.trace, len(v.ids[Tokens]))
	}
	if c := v.Clone(); c.trace != v.trace || c.plain != v.plain {
		t.Error("a copy has other words of the text")
	}
}

// What a model says of mail that it has not learned is right more often than
// the models of parts, with which it was calibrated, have it.
func TestProbabilityIsSurerThanTheLogOdds(t *testing.T) {
	t.Parallel()
	m := trained(t)
	s := m.Score(vectorOf(t, letter("friday", "Dear winner, see you.")))
	odds := m.curve.odds(s.Joined)
	if p := sigmoid(odds); p < 0.01 || p > 0.99 || math.Abs(s.Probability-0.5) <= math.Abs(p-0.5) {
		t.Errorf("log-odds %v: probability %v, not surer than %v", odds, s.Probability, p)
	}
	if got := m.Add(s, -odds); math.Abs(got.Probability-0.5) > 1e-9 || math.Abs(got.Score) > 1e-9 {
		t.Errorf("evidence makes evens of it: %+v", got)
	}
}
