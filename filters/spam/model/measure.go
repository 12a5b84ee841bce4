package model

import (
	"math"
	"slices"
	"sort"
)

// Measure collects scores of messages whose class is known and computes what
// the TREC spam track measured (Cormack, Lynam 2005).
type Measure struct {
	Ham, Spam []float64
	sorted    bool
}

// Add adds one score.
func (m *Measure) Add(spam bool, score float64) {
	m.sorted = false
	if spam {
		m.Spam = append(m.Spam, score)
	} else {
		m.Ham = append(m.Ham, score)
	}
}

func (m *Measure) sort() {
	if !m.sorted {
		sort.Float64s(m.Ham)
		sort.Float64s(m.Spam)
		m.sorted = true
	}
}

// Area returns the area above the ROC curve in percent, "(1-ROCA)%": how
// often a ham message scores above a spam message; ties count half.
func (m *Measure) Area() float64 {
	m.sort()
	if len(m.Ham) == 0 || len(m.Spam) == 0 {
		return math.NaN()
	}
	bad, below, upto := 0.0, 0, 0
	for _, h := range m.Ham {
		for below < len(m.Spam) && m.Spam[below] < h {
			below++
		}
		upto = max(upto, below)
		for upto < len(m.Spam) && m.Spam[upto] <= h {
			upto++
		}
		bad += float64(below) + float64(upto-below)/2
	}
	return 100 * bad / float64(len(m.Ham)) / float64(len(m.Spam))
}

// SpamMissed returns the share of spam in percent that is missed when the
// threshold is the smallest that loses at most hamLost percent of the ham, and
// that threshold: above it is spam.
func (m *Measure) SpamMissed(hamLost float64) (missed, threshold float64) {
	m.sort()
	k := int(math.Floor(float64(len(m.Ham))*hamLost/100 + 1e-9))
	if k >= len(m.Ham) {
		return 0, math.Inf(-1)
	}
	t := m.Ham[len(m.Ham)-1-k]
	i := sort.Search(len(m.Spam), func(i int) bool { return m.Spam[i] > t })
	return 100 * float64(i) / float64(len(m.Spam)), t
}

// HamLost returns the share of ham in percent that is lost when the threshold
// is the largest that misses at most spamMissed percent of the spam.
func (m *Measure) HamLost(spamMissed float64) (lost, threshold float64) {
	m.sort()
	k := int(math.Floor(float64(len(m.Spam))*spamMissed/100 + 1e-9))
	if k >= len(m.Spam) {
		return 0, math.Inf(1)
	}
	t := m.Spam[k]
	i, _ := slices.BinarySearch(m.Ham, t)
	return 100 * float64(len(m.Ham)-i) / float64(len(m.Ham)), t
}

// At returns the shares in percent of ham lost and spam missed when scores
// from threshold on are spam, and their logistic average.
func (m *Measure) At(threshold float64) (hamLost, spamMissed, lam float64) {
	m.sort()
	h, _ := slices.BinarySearch(m.Ham, threshold)
	s, _ := slices.BinarySearch(m.Spam, threshold)
	fp, fn := float64(len(m.Ham)-h), float64(s)
	logit := func(k, n float64) float64 { p := (k + .5) / (n + 1); return math.Log(p / (1 - p)) }
	z := (logit(fp, float64(len(m.Ham))) + logit(fn, float64(len(m.Spam)))) / 2
	return 100 * fp / float64(len(m.Ham)), 100 * fn / float64(len(m.Spam)), 100 / (1 + math.Exp(-z))
}
