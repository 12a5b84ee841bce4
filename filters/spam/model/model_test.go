package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
)

// letter makes a small message.
func letter(subject, text string) string {
	return "From: Someone <someone@sender.example>\r\nTo: me@here.example\r\nSubject: " + subject +
		"\r\nMessage-ID: <1@sender.example>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\n" + text + "\r\n"
}

func vectorOf(t testing.TB, raw string) *Vector {
	t.Helper()
	var m anatomy.Message
	if err := m.Parse([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	v := NewVector()
	Features(&m, v)
	return v.Clone()
}

// examples are letters of two kinds that share most of their words.
func examples(t testing.TB, n int) []Example {
	var set []Example
	for i := range n {
		set = append(
			set,
			Example{Vector: vectorOf(t, letter(fmt.Sprintf("minutes of meeting %d", i), fmt.Sprintf("Dear all, here are the notes of the group number %d. See you on friday.", i))), Source: "work"},
			Example{Vector: vectorOf(t, letter(fmt.Sprintf("claim prize %d", i), fmt.Sprintf("Dear winner, here are the millions of the lottery number %d. Send your account on friday.", i))), Spam: true, Source: "lottery"},
		)
	}
	return set
}

func trained(t testing.TB) *Model {
	t.Helper()
	m, _, err := Train(context.Background(), examples(t, 40), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTrainingTellsTheClassesApart(t *testing.T) {
	t.Parallel()
	m, report, err := Train(context.Background(), examples(t, 40), TrainOptions{Name: "two"})
	if err != nil {
		t.Fatal(err)
	}
	if a := m.About(); a != (About{"two", 40, 40}) {
		t.Errorf("%+v", a)
	}
	if a := report.All.Area(); a != 0 {
		t.Errorf("area above the curve %v of messages left out", a)
	}
	ham := m.Score(vectorOf(t, letter("notes", "Dear all, the notes of the meeting. See you.")))
	spam := m.Score(vectorOf(t, letter("you win", "Dear winner, claim the millions of the lottery. Send your account.")))
	if ham.Class == Spam || ham.Probability > 0.3 || spam.Probability < 0.7 || spam.Score <= ham.Score {
		t.Errorf("ham %+v, spam %+v", ham, spam)
	}
}

func TestTheSameSetGivesTheSameModel(t *testing.T) {
	t.Parallel()
	var a, b bytes.Buffer
	if _, err := trained(t).WriteTo(&a); err != nil {
		t.Fatal(err)
	}
	if _, err := trained(t).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two trainings differ")
	}
}

func TestModelsAndLayersComeBackFromFiles(t *testing.T) {
	t.Parallel()
	m := trained(t)
	var f bytes.Buffer
	n, err := m.WriteTo(&f)
	if err != nil || n != int64(f.Len()) {
		t.Fatal(n, f.Len(), err)
	}
	again, err := Read(bytes.NewReader(f.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	v := vectorOf(t, letter("prize meeting", "notes of the lottery"))
	if a, b := m.Score(v), again.Score(v); math.Abs(a.Score-b.Score) > 0.05 || again.About() != m.About() {
		t.Errorf("%v, read again %v", a.Score, b.Score)
	}
	for _, l := range []*Layer{NewLayer(), NewSparse()} {
		for _, e := range examples(t, 3) {
			l.Learn(m, nil, e.Vector, !e.Spam, 1)
		}
		var f bytes.Buffer
		if _, err := l.WriteTo(&f); err != nil {
			t.Fatal(err)
		}
		back, err := ReadLayer(&f)
		if err != nil || back.Lessons() != 6 {
			t.Fatal(back.Lessons(), err)
		}
		if a, b := m.Score(v, l), m.Score(v, back); math.Abs(a.Score-b.Score) > 0.05 {
			t.Errorf("layer: %v, read again %v", a.Score, b.Score)
		}
	}
}

func TestSpoiltFilesAreRefused(t *testing.T) {
	t.Parallel()
	var f bytes.Buffer
	if _, err := trained(t).WriteTo(&f); err != nil {
		t.Fatal(err)
	}
	good, version := f.String(), fmt.Sprintf(`"Version":%d`, Version)
	for name, s := range map[string]string{
		"empty":   "",
		"magic":   "x" + good,
		"version": strings.Replace(good, version, `"Version":1`, 1),
		"views":   strings.Replace(good, `"words"`, `"worse"`, 1),
		"slope":   strings.Replace(good, `"Slope":`, `"Slope":-`, 1),
	} {
		if _, err := Read(strings.NewReader(s)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{len(modelMagic), len(modelMagic) + 40, len(good) / 2, len(good) - 1} {
		if _, err := Read(strings.NewReader(good[:n])); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("%d of %d octets: %v", n, len(good), err)
		}
	}
	if _, err := Read(strings.NewReader(strings.Replace(good, version, `"Version":7`, 1))); err == nil || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("the version is not told: %v", err)
	}
	if _, err := ReadLayer(strings.NewReader(good)); !errors.Is(err, ErrFormat) {
		t.Errorf("a model is no layer: %v", err)
	}
}

func TestAnUndoneLessonLeavesNothing(t *testing.T) {
	t.Parallel()
	m := trained(t)
	probe := vectorOf(t, letter("prize meeting", "notes of the lottery for all winners"))
	wrong := examples(t, 1)[0]
	for name, l := range map[string]*Layer{"table": NewLayer(), "sparse": NewSparse()} {
		for _, e := range examples(t, 2) {
			l.Learn(m, nil, e.Vector, e.Spam, 1)
		}
		before := m.Score(probe, l).Score
		step := l.Learn(m, nil, wrong.Vector, true, 1)
		if taught := m.Score(probe, l).Score; taught-before < 0.1 {
			t.Errorf("%s: the lesson moved the score by %v", name, taught-before)
		}
		l.Undo(wrong.Vector, step)
		if after := m.Score(probe, l).Score; math.Abs(after-before) > 1e-3 || l.Lessons() != 4 {
			t.Errorf("%s: %v before, %v after, %d lessons", name, before, after, l.Lessons())
		}
	}
}

func TestALayerCorrectsWhatIsBelow(t *testing.T) {
	t.Parallel()
	m := trained(t)
	below, above := NewLayer(), NewSparse()
	v := vectorOf(t, letter("claim prize 99", "Dear winner, here are the millions of the lottery. Send your account."))
	was := m.Score(v, below, above).Score
	for range 5 {
		above.Learn(m, []*Layer{below}, v, false, 1)
	}
	if now := m.Score(v, below, above).Score; now > was-3 {
		t.Errorf("%v, after five lessons %v", was, now)
	}
	if s := m.Score(v, below).Score; s != was {
		t.Errorf("the layer below changed: %v, %v", was, s)
	}
}

func TestExplainNamesWhatMovedTheScore(t *testing.T) {
	t.Parallel()
	m := trained(t)
	var a anatomy.Message
	if err := a.Parse([]byte(letter("claim prize", "Dear winner, here are the millions of the lottery."))); err != nil {
		t.Fatal(err)
	}
	v := NewVector()
	Features(&a, v)
	all := m.Explain(&a, v, 1000)
	found := false
	for _, r := range all {
		found = found || strings.Contains(r.Text, "lottery") && r.Weight > 0
	}
	if !found {
		t.Errorf("%+v", all)
	}
	for _, n := range []int{0, -3} {
		if none := m.Explain(&a, v, n); len(none) != 0 {
			t.Errorf("%d reasons wanted: %+v", n, none)
		}
	}
	for _, r := range all {
		if strings.TrimSpace(r.Text) != r.Text || r.Text == "" {
			t.Errorf("%q", r.Text)
		}
	}
	if few := m.Explain(&a, v, 5); len(few) != 5 || math.Abs(few[0].Weight) < math.Abs(few[4].Weight) {
		t.Errorf("%+v", few)
	}
}

// TestReasonsAddUp: whoever adds up what a message is told to have, the rules
// among it, comes to its score; also of a message of few words, of which what
// speaks for spam counts less, and of one that nothing is known of.
func TestReasonsAddUp(t *testing.T) {
	t.Parallel()
	m := trained(t)
	m.curve.shift = 1.5
	layer := NewSparse()
	layer.Learn(m, nil, vectorOf(t, letter("prize", "winner of millions")), false, 1)
	for _, raw := range []string{
		letter("claim prize", "Dear winner, here are the millions of the lottery."), letter("prize", "prize"),
		letter("meeting", "here are the notes of the meeting"), letter("qzx", "xkcd vbnm"), "From: a@b.test\r\n\r\n",
	} {
		var a anatomy.Message
		if err := a.Parse([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		for _, signals := range [][]Signal{nil, {{Name: "x", Weight: 2}, {Name: "y", Weight: -0.5}}} {
			v := NewVector()
			Features(&a, v, signals...)
			s := m.Score(v, layer)
			sum := m.Points(m.RuleOdds(s) * float64(v.prior))
			began := 0.0
			for _, r := range m.Explain(&a, v, 10_000, layer) {
				sum += r.Weight
				if r.Text == start {
					began = r.Weight
				}
			}
			if math.Abs(sum-s.Score) > 2*unseen || math.Abs(began-m.Points(m.curve.shift)) > 0.5 { // biases of views, too
				t.Errorf("%.60q, %d rules: reasons for %.3f, of which %.3f at the start, score %.3f", raw, len(signals), sum, began, s.Score)
			}
		}
	}
}

func TestReasonsArePrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"mailer \x1b]0;x\a": `mailer \x1b]0;x\a`, `from "a b"@x.test`: `from "a b"@x.test`, "from 东@例.test": "from 东@例.test",
		"file \u202egpj.exe": `file \u202egpj.exe`, "\x9b1m \"\"": `\x9b1m ""`, "encoding  ": "encoding (none named)",
	} {
		if got := readable(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}
