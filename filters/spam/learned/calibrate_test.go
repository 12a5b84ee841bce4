package learned

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// normal are n scores around a mean.
func normal(r *rand.Rand, n int, mean, deviation float64) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = mean + deviation*r.NormFloat64()
	}
	return list
}

func TestThresholdFollowsHam(t *testing.T) {
	t.Parallel()
	const lost = 0.0005
	r := rnd()
	for name, c := range map[string]struct {
		ham       []float64
		low, high float64
	}{
		"nothing is known":          {nil, 5, 5},
		"a little is known":         {normal(r, 500, -8, 2), 5, 5},
		"one outlier proves little": {append(normal(r, 500, -8, 2), 30), 5, 5},
		"much ham, far away":        {normal(r, 20000, -12, 2), 3, 3},
		"much ham, not so far":      {normal(r, 20000, -4, 2.3), 4, 4.9},
		"ham comes near":            {normal(r, 20000, -4, 3), 5.1, 7},
		"poisoned":                  {append(normal(r, 5000, -8, 2), normal(r, 5000, 40, 1)...), 9, 9},
		"infinite":                  {slices.Repeat([]float64{math.Inf(1)}, 5000), 9, 9},
	} {
		slices.Sort(c.ham)
		got := threshold(c.ham, lost)
		if !(got >= c.low && got <= c.high) {
			t.Errorf("%s: %g, not from %g to %g", name, got, c.low, c.high)
		}
		over := 0
		for _, s := range c.ham {
			if s >= got {
				over++
			}
		}
		if n := float64(len(c.ham)); got < 9 && n > 10000 && float64(over) > lost*n {
			t.Errorf("%s: %d of %g are lost", name, over, n)
		}
	}
}

func TestPoisson(t *testing.T) {
	t.Parallel()
	// From tables of the distribution.
	for _, c := range []struct {
		k    int
		mean float64
		want float64
	}{{0, 1, 1}, {1, 1, 0.6321}, {3, 1, 0.0803}, {10, 5, 0.0318}} {
		if got := atLeast(c.k, c.mean); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%d or more of %g: %g, not %g", c.k, c.mean, got, c.want)
		}
	}
}

func TestProbabilityIsCorrected(t *testing.T) {
	t.Parallel()
	r := rnd()
	// The base says twice the log-odds that are true.
	var ham, spam []float64
	for range 20000 {
		odds := 3 * r.NormFloat64()
		if r.Float64() < sigmoid(odds) {
			spam = append(spam, 2*odds)
		} else {
			ham = append(ham, 2*odds)
		}
	}
	c := neutral()
	c.Slope, c.Offset = fit(ham, spam, 0.5)
	if math.Abs(c.Slope-0.5) > 0.05 || math.Abs(c.Offset) > 0.1 {
		t.Errorf("%+v", c)
	}
	if p := c.Probability(sigmoid(4)); math.Abs(p-sigmoid(2)) > 0.03 {
		t.Errorf("%g is corrected to %g", sigmoid(4), p)
	}
	if e := calibrationError(ham, spam, 0.5); e < warnError {
		t.Errorf("its error is %g", e)
	}
	if a, b := fit(ham[:3], spam[:2], 0.5); math.Abs(a-1) > 0.2 || math.Abs(b) > 0.2 {
		t.Errorf("of five messages: %g, %g", a, b)
	}
	for _, list := range [][]float64{ham, spam} {
		for i := range list {
			list[i] = c.Slope*list[i] + c.Offset
		}
	}
	if e := calibrationError(ham, spam, 0.5); e > 0.02 {
		t.Errorf("corrected, its error is %g", e)
	}
	if a, b := fit(ham, spam, 0.5); math.Abs(a-1) > 0.1 || math.Abs(b) > 0.1 {
		t.Errorf("what is right is corrected by %g, %g", a, b)
	}
	if c := neutral(); c.Probability(0.3) != 0.3 || c.Probability(1) != 1 {
		t.Error("neutral changes it")
	}
}

// say is a Sighting of a score.
func say(i int, score float64, truth string) Sighting {
	m := Sighting{Sender: Sender{Address: fmt.Sprintf("a%d@d.example", i), Aligned: true}, Truth: truth, Class: model.Ham, Score: model.Score{Score: score, Probability: sigmoid(0.8 * score)}}
	if score >= 5 {
		m.Class = model.Spam
	}
	return m
}

func TestTheSampleRollsAndStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s := gatewayOn(t, db, DefaultOptions())
		r := rnd()
		n := 0
		feed := func(list []float64) {
			for i, x := range list {
				s.Seen(t.Context(), say(n, x, model.Ham))
				if n++; i%5000 == 4999 {
					time.Sleep(flushEvery + time.Second)
				}
			}
			time.Sleep(measureEvery + time.Second)
		}
		if s.Threshold() != 5 {
			t.Errorf("at first %g", s.Threshold())
		}
		feed(normal(r, 4000, 2, 1.5))
		if x := s.Threshold(); x < 6 {
			t.Errorf("with such ham %g", x)
		}
		if d := s.Drift(); d.HamLost < 1 || len(d.Warnings) == 0 {
			t.Errorf("%+v", d)
		}
		was := s.Threshold()
		s.Close()
		s = gatewayOn(t, db, DefaultOptions())
		if x := s.Threshold(); math.Abs(x-was) > 1e-9 {
			t.Errorf("%g before, %g after it was opened again", was, x)
		}
		feed(normal(r, sampleSize, -8, 2))
		if x := s.Threshold(); x > 5 {
			t.Errorf("once that is long ago %g", x)
		}
		if c := s.Calibration(); c.Ham != sampleSize {
			t.Errorf("%+v", c)
		}
		off := DefaultOptions()
		off.Recalibrate = false
		s.Reconfigure(off)
		time.Sleep(measureEvery + time.Second)
		if c := s.Calibration(); c.Threshold != 5 || c.Slope != 1 || c.Offset != 0 {
			t.Errorf("switched off: %+v", c)
		}
		s.Close()
		db.Close()
	})
}

// TestFewMessagesDoNotMoveTheProbability: one that was missed does not weigh as
// much as all the spam that came, and of so few no share is told.
func TestFewMessagesDoNotMoveTheProbability(t *testing.T) {
	t.Parallel()
	r := rnd()
	w := newWatch()
	for i, x := range normal(r, 5000, -5, 1.5) {
		w.rings[0].put(i, sample{score: x, odds: x})
	}
	w.rings[1].put(0, sample{spam: 1, score: -3, odds: -3})
	c, d := w.measured(0.0005, time.Now())
	for _, p := range []float64{0.007, 0.05, 0.5, 0.95} {
		if got := c.Probability(p); math.Abs(got-p) > 0.02 {
			t.Errorf("%g is corrected to %g for one message", p, got)
		}
	}
	if d.SpamMissed != 0 {
		t.Errorf("%g %% is missed, of one message", d.SpamMissed)
	}
	for i := range minHam {
		w.rings[1].put(1+i, sample{spam: 1, score: 9, odds: 7})
	}
	if _, d := w.measured(0.0005, time.Now()); math.Abs(d.SpamMissed-100.0/(minHam+1)) > 1e-9 {
		t.Errorf("%g %% is missed", d.SpamMissed)
	}
}

// The probability is no form of the score, and has samples of its own.
func TestTheProbabilityIsCorrectedByWhatItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s := gatewayOn(t, db, DefaultOptions())
		for i := range 600 {
			ham, spam := say(2*i, -10, model.Ham), say(2*i+1, 12, model.Spam)
			ham.Score.Probability, spam.Score.Probability = 0.9, 0.999
			s.Seen(t.Context(), ham)
			s.Seen(t.Context(), spam)
		}
		time.Sleep(measureEvery + flushEvery)
		was := s.Calibration()
		if p := was.Probability(0.9); p > 0.4 {
			t.Errorf("0.9, which all ham has, is corrected to %g", p)
		}
		s.Close()
		s = gatewayOn(t, db, DefaultOptions())
		if c := s.Calibration(); math.Abs(c.Slope-was.Slope)+math.Abs(c.Offset-was.Offset) > 1e-3 {
			t.Errorf("%+v before, %+v after it was opened again", was, c)
		}
		s.Close()
		db.Close()
	})
}

func TestOneSenderIsOneSampleADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s := killed(t, db)
		for range 3 {
			for range 100 {
				s.Seen(t.Context(), say(1, 20, model.Ham))
			}
			time.Sleep(24 * time.Hour)
		}
		s.measure(time.Now())
		if c := s.Calibration(); c.Ham != 3 {
			t.Errorf("%d", c.Ham)
		}
		s.Close()
		db.Close()
	})
}

func TestDriftIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		db := openDB(t, t.TempDir())
		s := killed(t, db)
		s.deps.Log = slog.New(slog.NewTextHandler(&log, nil))
		follow := func() {
			for range 3 {
				if err := s.follow(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(measureEvery)
			}
		}
		r := rnd()
		feed := func(mean float64) {
			for i, x := range normal(r, referenceSize, mean, 2) {
				s.Seen(t.Context(), say(i, x, ""))
				if i%5000 == 4999 {
					if err := s.flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		feed(-6)
		follow()
		if d := s.Drift(); d.Scores > 0.1 || len(d.Warnings) > 0 {
			t.Errorf("nothing has changed: %+v", d)
		}
		time.Sleep(2 * scoreLife)
		feed(-1)
		follow()
		if d := s.Drift(); d.Scores < 0.25 || len(d.Warnings) != 1 {
			t.Errorf("much has changed: %+v", d)
		}
		s.Close()
		if n := strings.Count(log.String(), "drift"); n != 1 {
			t.Errorf("told %d times:\n%s", n, log.String())
		}
		db.Close()
	})
}

func TestAnotherBaseBeginsAnotherSample(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	learn(t, s, lesson(ana, "m", newsletter, true))
	for i := range 50 {
		s.Seen(t.Context(), say(i, -5, model.Ham))
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(t.Context(), model.Empty()); err != nil {
		t.Fatal(err)
	}
	if c := s.Calibration(); c.Ham != 0 {
		t.Errorf("%+v", c)
	}
	if len(s.Layers(t.Context(), ana)) != 3 {
		t.Error("layers are lost")
	}
}
