package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// spamEval is `gapura spam eval`.
type spamEval struct {
	Threshold *float64 `short:"t" placeholder:"SCORE" help:"Tell as well what is lost and missed when scores from here on are spam."`
	Bootstrap int      `short:"b" default:"0" placeholder:"N" help:"A 95% interval of the area, from N resamplings."`
	Files     []string `arg:"" optional:"" help:"Files of lines 'label score'; default, and -: standard input."`
}

// Help is printed below the flags.
func (*spamEval) Help() string {
	return `Measures scores of messages whose class is known, as the TREC spam track did. Each
line begins with spam or ham and a score, higher for spam; what follows is not
looked at, nor are lines that begin with #. Lines of spam score --json are read
as well. It prints

  (1-ROCA)%   how often ham scores above spam, ties half: the area above the ROC
              curve
  sm%@hm0.1   spam missed when the threshold loses at most 0.1 % of the ham
  sm%@hm0.5   the same at 0.5 %
  hm%@sm1     ham lost when the threshold misses at most 1 % of the spam
  hm% sm%     ham lost and spam missed at the threshold of -t
  lam%        their logistic average

Examples:
  gapura spam eval -t 5 scores.txt
  gapura spam eval --bootstrap 1000 monday.txt tuesday.txt`
}

// evaluation is what is printed of one file.
type evaluation struct {
	File     string       `json:"file"`
	Ham      int          `json:"ham"`
	Spam     int          `json:"spam"`
	Area     float64      `json:"area_above_roc_percent"`
	Interval *[2]float64  `json:"interval,omitempty"`
	Missed01 float64      `json:"spam_missed_at_ham_lost_0_1"`
	Missed05 float64      `json:"spam_missed_at_ham_lost_0_5"`
	Lost1    float64      `json:"ham_lost_at_spam_missed_1"`
	At       *atThreshold `json:"at,omitempty"`
}

type atThreshold struct {
	Threshold  float64 `json:"threshold"`
	HamLost    float64 `json:"ham_lost"`
	SpamMissed float64 `json:"spam_missed"`
	Lam        float64 `json:"logistic_average"`
}

// Run implements the command.
func (c *spamEval) Run(a *app) error {
	if c.Bootstrap < 0 {
		return usageError{errors.New("--bootstrap is 0 or more")}
	}
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		f, err := a.openMessage(name)
		if err != nil {
			return err
		}
		m, err := readScores(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		e, err := c.evaluate(name, m)
		if err != nil {
			return err
		}
		if err := a.print(e, e.text); err != nil {
			return err
		}
	}
	return nil
}

// readScores reads lines of label and score.
func readScores(r io.Reader) (*model.Measure, error) {
	m := &model.Measure{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxIndexLine)
	n := 0
	for lines.Scan() {
		n++
		if err := addScore(m, lines.Text()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, plainLine(err))
	}
	return m, nil
}

// addScore reads a line: label and score, or an object that has them, as spam
// score and online print with --json.
func addScore(m *model.Measure, line string) error {
	f := strings.Fields(line)
	if len(f) == 0 || f[0][0] == '#' {
		return nil
	}
	if f[0][0] == '{' {
		var x struct {
			Label string
			Score json.Number
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			return fmt.Errorf("it is no JSON object with label and score: %w", err)
		}
		f = []string{x.Label, x.Score.String()}
	}
	if len(f) < 2 || f[1] == "" {
		return errors.New("no score")
	}
	score, err := strconv.ParseFloat(f[1], 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(score) { // beyond the range is infinite
		return fmt.Errorf("%q is no score", f[1])
	}
	switch strings.ToLower(f[0]) {
	case "spam", "1":
		m.Add(true, score)
	case "ham", "0":
		m.Add(false, score)
	default:
		return fmt.Errorf("%q is neither spam nor ham", f[0])
	}
	return nil
}

// evaluate computes the measures.
func (c *spamEval) evaluate(name string, m *model.Measure) (*evaluation, error) {
	if len(m.Ham) == 0 || len(m.Spam) == 0 {
		return nil, fmt.Errorf("%s: it takes both ham and spam", name)
	}
	e := &evaluation{File: name, Ham: len(m.Ham), Spam: len(m.Spam), Area: m.Area()}
	e.Missed01, _ = m.SpamMissed(0.1)
	e.Missed05, _ = m.SpamMissed(0.5)
	e.Lost1, _ = m.HamLost(1)
	if c.Threshold != nil {
		e.At = &atThreshold{Threshold: *c.Threshold}
		e.At.HamLost, e.At.SpamMissed, e.At.Lam = m.At(*c.Threshold)
	}
	if c.Bootstrap > 0 {
		e.Interval = bootstrap(m, c.Bootstrap)
	}
	return e, nil
}

// bootstrap returns the interval that holds the area of 95 % of n samples of
// the scores, drawn with replacement.
func bootstrap(m *model.Measure, n int) *[2]float64 {
	rnd := rand.New(rand.NewPCG(1, 1))
	areas := make([]float64, n)
	s := model.Measure{Ham: make([]float64, len(m.Ham)), Spam: make([]float64, len(m.Spam))}
	draw := func(dst, src []float64) {
		for i := range dst {
			dst[i] = src[rnd.IntN(len(src))]
		}
	}
	for i := range areas {
		draw(s.Ham, m.Ham)
		draw(s.Spam, m.Spam)
		sample := model.Measure{Ham: s.Ham, Spam: s.Spam}
		areas[i] = sample.Area()
	}
	slices.Sort(areas)
	return &[2]float64{areas[int(.025*float64(n))], areas[min(n-1, int(.975*float64(n)))]}
}

// text prints the evaluation in one line.
func (e *evaluation) text(w io.Writer) {
	interval := ""
	if e.Interval != nil {
		interval = fmt.Sprintf(" [%.4f-%.4f]", e.Interval[0], e.Interval[1])
	}
	fmt.Fprintf(w, "%s ham=%d spam=%d (1-ROCA)%%=%.4f%s sm%%@hm0.1=%.2f sm%%@hm0.5=%.2f hm%%@sm1=%.3f",
		e.File, e.Ham, e.Spam, e.Area, interval, e.Missed01, e.Missed05, e.Lost1)
	if e.At != nil {
		fmt.Fprintf(w, " @t=%g hm%%=%.3f sm%%=%.2f lam%%=%.3f", e.At.Threshold, e.At.HamLost, e.At.SpamMissed, e.At.Lam)
	}
	fmt.Fprintln(w)
}
