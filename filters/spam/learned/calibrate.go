package learned

import (
	"math"
	"slices"
	"sort"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

const (
	// The threshold stays within these of model.SpamScore: what poisons the
	// sample cannot switch the filter off.
	maxRaise = 4.0
	maxLower = 2.0
	// doubt is how improbable chance must be before the threshold moves.
	doubt = 0.05
	// ridge is how many messages of evidence weigh as much as the base's
	// calibration.
	ridge = 50
	// minHam is how much ham must be known before it moves the threshold or is a
	// warning, and minOver how much of it must be above: less is chance, or one
	// user's opinion.
	minHam  = 200
	minOver = 5
)

// Calibration says what scores mean here.
type Calibration struct {
	// Threshold is the score from which on mail is spam; model.SpamScore
	// until there is evidence that it should be another.
	Threshold float64
	// Slope and Offset correct the base's log-odds; 1 and 0 change nothing.
	Slope, Offset float64
	// Ham and Spam are the messages in the samples.
	Ham, Spam int
}

// Probability corrects a probability of the model.
func (c Calibration) Probability(p float64) float64 {
	if c.Slope == 1 && c.Offset == 0 || p <= 0 || p >= 1 {
		return p
	}
	return sigmoid(c.Slope*oddsOf(p) + c.Offset)
}

// neutral leaves all as the base has it.
func neutral() Calibration { return Calibration{Threshold: model.SpamScore, Slope: 1} }

// calibrate computes the calibration from samples in any order, and sorts the
// scores of ham.
func calibrate(ham, spam ring, lost, prior float64) Calibration {
	c := neutral()
	c.Ham, c.Spam = len(ham.scores), len(spam.scores)
	slices.Sort(ham.scores)
	c.Threshold = threshold(ham.scores, lost)
	c.Slope, c.Offset = fit(ham.odds, spam.odds, prior)
	return c
}

// threshold returns the score from which on mail is spam, given scores of ham
// in ascending order and the share that may be lost. It moves away from
// the default only where chance does not explain what is seen.
func threshold(ham []float64, lost float64) float64 {
	n := len(ham)
	allowed := lost * float64(n)
	over := n - sort.SearchFloat64s(ham, model.SpamScore)
	above := func(k int) float64 { // the lowest threshold that loses k
		return math.Nextafter(ham[n-1-k], math.Inf(1)) + 0.01
	}
	switch {
	case n < minHam:
		return model.SpamScore
	case over >= minOver && float64(over) > allowed && atLeast(over, allowed) < doubt:
		k := min(max(minOver-1, int(allowed)), n-1) // one user has as many
		return min(above(k), model.SpamScore+maxRaise)
	case float64(over) < allowed:
		k := over
		for k+1 < n && 1-atLeast(k+2, allowed) < doubt {
			k++ // so many lost would still be surely too few
		}
		if 1-atLeast(k+1, allowed) >= doubt {
			return model.SpamScore
		}
		return min(max(above(k), model.SpamScore-maxLower), model.SpamScore)
	}
	return model.SpamScore
}

// atLeast is the probability that k or more happen where mean are expected
// (Poisson).
func atLeast(k int, mean float64) float64 {
	term, sum := math.Exp(-mean), 0.0
	for i := range k {
		sum += term
		term *= mean / float64(i+1)
	}
	return max(0, 1-sum)
}

// fit finds the slope and offset with which the base's log-odds suit the
// samples best (Platt 1999), starting from and drawn to 1 and 0. prior is the
// share of spam in all mail, which the samples do not tell.
func fit(ham, spam []float64, prior float64) (a, b float64) {
	a, b = 1, 0
	if len(ham) == 0 || len(spam) == 0 {
		return a, b
	}
	prior = max(0.05, min(prior, 0.95))
	// The class of which less is known says how much is known: or a single
	// message that was missed would weigh as much as all the spam there is.
	n := min(float64(len(ham))/(1-prior), float64(len(spam))/prior)
	wh, ws := n*(1-prior)/float64(len(ham)), n*prior/float64(len(spam))
	for range 20 {
		ga, gb := -ridge*(a-1), -ridge*b
		haa, hab, hbb := float64(ridge), 0.0, float64(ridge)
		add := func(list []float64, y, w float64) {
			for _, x := range list {
				p := sigmoid(a*x + b)
				ga += w * (y - p) * x
				gb += w * (y - p)
				q := w * p * (1 - p)
				haa += q * x * x
				hab += q * x
				hbb += q
			}
		}
		add(ham, 0, wh)
		add(spam, 1, ws)
		det := haa*hbb - hab*hab
		if det < 1e-9 {
			break
		}
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		a, b = max(0.3, min(a+da, 2)), max(-3, min(b+db, 3))
		if math.Abs(da)+math.Abs(db) < 1e-5 {
			break
		}
	}
	return a, b
}

// oddsOf are the log-odds of a probability, within 20.
func oddsOf(p float64) float64 { return max(-20, min(math.Log(p/(1-p)), 20)) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
