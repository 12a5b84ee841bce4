package model

import (
	"fmt"
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
	if strong, weak := bend(Words, 60), bend(Words, 1); strong > limit || weak < 0.95 || bend(Words, limit) < limit/2 {
		t.Errorf("60 is bent to %v, 1 to %v, %v to %v", strong, weak, limit, bend(Words, limit))
	}
	if strong := bend(Shape, 60); strong <= limit || strong > limitShape {
		t.Errorf("structure: 60 is bent to %v", strong)
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

// Where the views say as much for ham as for spam, nobody knows: parts that
// were drawn by lot put evens lower, for they know every sender.
func TestProbabilityIsAHalfWhereTheViewsSayNeither(t *testing.T) {
	t.Parallel()
	m := trained(t)
	m.curve.shift = 1.2
	s := m.set(Score{}, m.curve.odds(0))
	if s.Probability != 0.5 || math.Abs(s.Score-m.Points(1.2)) > 1e-9 {
		t.Errorf("%+v", s)
	}
	for _, x := range []float64{0.4, -0.4} {
		got := m.set(Score{}, m.curve.odds(x))
		if plain := sigmoid(m.curve.slope * x); math.Abs(got.Probability-0.5) <= math.Abs(plain-0.5) {
			t.Errorf("%v: probability %v, not surer than %v", x, got.Probability, plain)
		}
	}
	s = m.Score(vectorOf(t, letter("friday", "Dear winner, see you.")))
	if got := m.Add(s, -m.curve.slope*s.afar); s.afar == 0 || math.Abs(got.Probability-0.5) > 1e-9 {
		t.Errorf("evidence makes evens of it: %+v", got)
	}
}

// Words of Received fields are those of one's own servers, so they move the
// score, and the probability of nobody's mail but one's own.
func TestTheWayMovesTheScoreAlone(t *testing.T) {
	t.Parallel()
	const way = "Received: from mx.%s.example ([192.0.2.1]) by in.%[1]s.example with ESMTP id 1\r\n"
	set := examples(t, 40)
	for i := range set {
		host, text := "work", "Dear all, here are the notes of the group."
		if set[i].Spam {
			host, text = "bulk", "Dear winner, here are the millions."
		}
		set[i].Vector = vectorOf(t, fmt.Sprintf(way, host)+letter(fmt.Sprint("number ", i), text))
	}
	m, _, err := Train(t.Context(), set, TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := letter("friday", "See you at the lottery on friday.")
	a, b := m.Score(vectorOf(t, text)), m.Score(vectorOf(t, fmt.Sprintf(way, "bulk")+text))
	if b.Known == 0 || b.Score <= a.Score || b.Probability != a.Probability {
		t.Errorf("%+v, without a way %+v", b, a)
	}
	own := NewLayer()
	for _, e := range set {
		own.Learn(Empty(), nil, e.Vector, e.Spam, 1)
	}
	a, b = Empty().Score(vectorOf(t, text), own), Empty().Score(vectorOf(t, fmt.Sprintf(way, "bulk")+text), own)
	if b.Score <= a.Score || b.Probability <= a.Probability {
		t.Errorf("of one's own mail %+v, without a way %+v", b, a)
	}
}
