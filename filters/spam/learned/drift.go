package learned

import (
	"math"
	"time"
)

// Drift is how far the mail has moved from what the base model was made for,
// or from what it was when the base came into use.
type Drift struct {
	// Scores is the population stability index of the scores of the last
	// weeks against the first 20,000 of this base: below 0.1 nothing has
	// changed, above 0.25 much has.
	Scores float64
	// HamLost is the share of the ham sample that the base's threshold would
	// lose, in percent; SpamMissed the share of the spam sample. Both are 0 while
	// a sample is small.
	HamLost, SpamMissed float64
	// Error is the mean distance of the base's probabilities from the share of
	// spam that the samples have, from 0 to 1.
	Error float64
	// Warnings say in words what is out of bounds.
	Warnings []string
}

// Bounds beyond which drift is a warning.
const (
	warnScores = 0.25
	warnError  = 0.05
	enough     = 1000 // messages before any of it means something
)

// measured are the figures of a moment.
func (w *watch) measured(lost float64, now time.Time) (Calibration, Drift) {
	w.mu.Lock()
	ham, spam := w.rings[0].clone(), w.rings[1].clone()
	prior, psi := w.prior(), w.stability(now)
	w.change = 0
	w.mu.Unlock()
	c := calibrate(ham, spam, lost, prior)
	d := Drift{Scores: psi, Error: calibrationError(ham.odds, spam.odds, prior)}
	over, missed := 0, 0
	for _, s := range ham.scores {
		if s >= neutral().Threshold {
			over++
		}
	}
	for _, s := range spam.scores {
		if s < neutral().Threshold {
			missed++
		}
	}
	d.HamLost, d.SpamMissed = percent(over, len(ham.scores)), percent(missed, len(spam.scores))
	if psi > warnScores {
		d.Warnings = append(d.Warnings, "scores are distributed otherwise than when this model came into use")
	}
	if len(ham.scores) >= minHam && over >= minOver && float64(over) > lost*float64(len(ham.scores)) && atLeast(over, lost*float64(len(ham.scores))) < doubt/10 {
		d.Warnings = append(d.Warnings, "at its own threshold the model would lose more ham than allowed")
	}
	if d.Error > warnError && min(len(ham.scores), len(spam.scores)) > enough {
		d.Warnings = append(d.Warnings, "the model's probabilities are not what the mail here shows")
	}
	return c, d
}

// percent is the share of a sample; 0 while that is so small that it tells of
// nothing but chance.
func percent(k, n int) float64 {
	if n < minHam {
		return 0
	}
	return 100 * float64(k) / float64(n)
}

// prior is the share of spam in the mail of the last weeks.
func (w *watch) prior() float64 {
	h, s := w.hist[bin{classHam, 0}], w.hist[bin{classSpam, 0}]
	if h+s == 0 {
		return 0.5
	}
	return s / (h + s)
}

// stability is the population stability index, 0 while there is too little.
func (w *watch) stability(now time.Time) float64 {
	var sum float64
	for i := range bins {
		sum += w.hist[bin{recent, i}]
	}
	if n := sum / inflate(now, scoreLife); w.total < enough || n < enough {
		return 0
	}
	psi := 0.0
	for i := range bins {
		const some = 1e-4 // of all; an empty bin is not infinitely far
		p := (w.hist[bin{reference, i}]/w.total + some)
		q := (w.hist[bin{recent, i}]/sum + some)
		psi += (q - p) * math.Log(q/p)
	}
	return psi
}

// calibrationError is the expected calibration error over ten bins of
// probability, with the classes weighted as in all mail.
func calibrationError(ham, spam []float64, prior float64) float64 {
	if len(ham) == 0 || len(spam) == 0 {
		return 0
	}
	var weight, said, was [10]float64
	add := func(list []float64, y, w float64) {
		for _, s := range list {
			p := sigmoid(s)
			i := min(int(p*10), 9)
			weight[i] += w
			said[i] += w * p
			was[i] += w * y
		}
	}
	add(ham, 0, (1-prior)/float64(len(ham)))
	add(spam, 1, prior/float64(len(spam)))
	e := 0.0
	for i := range weight {
		e += math.Abs(said[i] - was[i])
	}
	return e
}
