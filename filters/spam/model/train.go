package model

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// Example is one message to learn from.
type Example struct {
	Vector *Vector // not changed, and kept while training; nil: Read gives it
	// Read fills a vector with this example's, which is kept elsewhere than in
	// memory. Several goroutines may call it, each with a vector of its own.
	Read   func(*Vector) error
	Spam   bool
	Source string // where it comes from
	Beside bool   // it is learned with the rest, but neither measured nor counted
}

// In returns the vector, which is read into room where it is not in memory.
func (e *Example) In(room *Vector) (*Vector, error) {
	if e.Vector != nil {
		return e.Vector, nil
	}
	return room, e.Read(room)
}

// TrainOptions says how to train.
type TrainOptions struct {
	Name     string
	Passes   int                 // over all examples; 0: 3
	Folds    int                 // parts left out in turn to calibrate with; 0: 4
	HamLost  float64             // share of ham that the threshold may lose; 0: DefaultHamLost
	Progress func(done, all int) // called as messages are learned; may be nil
	Jobs     int                 // folds trained at a time; 0: 1
}

// DefaultHamLost is the share of ham that may score as spam.
const DefaultHamLost = 0.0005

// Report says what a model is worth on messages that it has not learned: each
// part of the set scored by a model of the others.
type Report struct {
	All     Measure
	Sources map[string]*Measure
	Odds    Measure // calibrated log-odds
}

// Train trains a base model and calibrates it on parts left out in turn. The
// same set gives the same model.
func Train(ctx context.Context, set []Example, opt TrainOptions) (*Model, *Report, error) {
	if opt.Passes == 0 {
		opt.Passes = 3
	}
	if opt.Folds == 0 {
		opt.Folds = 4
	}
	if opt.HamLost == 0 {
		opt.HamLost = DefaultHamLost
	}
	t := &trainer{ctx: ctx, opt: opt, all: opt.Passes * len(set) * opt.Folds}
	held := make([]float64, len(set))
	if err := t.crossFit(set, held); err != nil {
		return nil, nil, err
	}
	m := Empty()
	m.stack, m.about = baseStack(), About{Name: opt.Name}
	l, err := t.fit(set)
	if err != nil {
		return nil, nil, err
	}
	l.freeze()
	m.base = l
	for _, e := range set {
		switch {
		case e.Beside:
		case e.Spam:
			m.about.Spam++
		default:
			m.about.Ham++
		}
	}
	m.curve = calibrate(held, set, opt.HamLost)
	r := &Report{Sources: map[string]*Measure{}}
	for i, e := range set {
		if e.Beside {
			continue
		}
		r.All.Add(e.Spam, held[i])
		r.Odds.Add(e.Spam, m.curve.odds(held[i]))
		s := r.Sources[e.Source]
		if s == nil {
			s = &Measure{}
			r.Sources[e.Source] = s
		}
		s.Add(e.Spam, held[i])
	}
	return m, r, nil
}

// trainer trains several models of parts of a set.
type trainer struct {
	ctx context.Context
	opt TrainOptions

	mu        sync.Mutex
	done, all int
}

func (t *trainer) step() {
	if t.opt.Progress == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	t.opt.Progress(t.done, t.all)
}

// crossFit scores every example by a model that has not learned it.
func (t *trainer) crossFit(set []Example, held []float64) error {
	folds := t.opt.Folds
	errs := make([]error, folds)
	slots := make(chan struct{}, max(1, t.opt.Jobs))
	var wg sync.WaitGroup
	for f := range folds {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var rest []Example
			for i, e := range set {
				if e.Beside || fold(i, folds) != f {
					rest = append(rest, e)
				}
			}
			l, err := t.fit(rest)
			if err != nil {
				errs[f] = err
				return
			}
			m := Empty()
			m.base, m.stack = l, baseStack()
			var room Vector
			for i := range set {
				if set[i].Beside || fold(i, folds) != f {
					continue
				}
				v, err := set[i].In(&room)
				if err != nil {
					errs[f] = err
					return
				}
				held[i] = m.Score(v).Joined
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fold returns the part that the i-th example is in.
func fold(i, folds int) int { return int(mix(uint64(i), 7)>>33) % folds }

// fit learns a set in passes, each in another order.
func (t *trainer) fit(set []Example) (*Layer, error) {
	l := NewLayer()
	empty := Empty()
	r := rand.New(rand.NewPCG(1, 2))
	var room Vector
	for p := range t.opt.Passes {
		for _, i := range r.Perm(len(set)) {
			if err := t.ctx.Err(); err != nil {
				return nil, err
			}
			v, err := set[i].In(&room)
			if err != nil {
				return nil, err
			}
			l.learn(empty, nil, v, set[i].Spam, 1, p == 0)
			t.step()
		}
	}
	return l, nil
}

// calibrate fits log-odds to joined scores of messages that were held out, and
// the threshold to the share of ham that may be lost.
func calibrate(held []float64, set []Example, hamLost float64) curve {
	c := Empty().curve
	if len(set) == 0 {
		return c
	}
	c.fit(held, set)
	var ham []float64
	for i, e := range set {
		if !e.Spam && !e.Beside {
			ham = append(ham, c.odds(held[i]))
		}
	}
	c.threshold = minThreshold
	if len(ham) > 0 {
		slices.Sort(ham)
		c.threshold = max(c.threshold, topQuantile(ham, hamLost)+0.01)
	}
	return c
}

// topQuantile returns what a share of new values is expected to exceed, as one
// of n sorted values: the highest but k is exceeded by (k+0.7)/(n+0.4) of all,
// more or less with even odds. Between two values it lies in proportion.
func topQuantile(sorted []float64, share float64) float64 {
	n := len(sorted)
	k := max(0, min(share*(float64(n)+0.4)-0.7, float64(n-1)))
	i := n - 1 - int(k)
	part := k - math.Floor(k)
	return sorted[i]*(1-part) + sorted[max(0, i-1)]*part
}

// minThreshold is the least log-odds at which a message is spam: 95 in 100.
const minThreshold = 3

func (c *curve) odds(joined float64) float64 { return c.slope*joined + c.shift }

// fit fits slope and shift by Newton's method, held near the usual values so
// that a set that is separated without error does not make them endless.
func (c *curve) fit(held []float64, set []Example) {
	a, b := c.slope, c.shift
	for range 50 {
		ga, gb, haa, hab, hbb := 10*(a-usualSlope), b, 10.0, 0.0, 1.0
		for i, e := range set {
			if e.Beside {
				continue
			}
			x := held[i]
			p := sigmoid(a*x + b)
			d := p
			if e.Spam {
				d = p - 1
			}
			w := max(p*(1-p), 1e-9)
			ga += d * x
			gb += d
			haa += w * x * x
			hab += w * x
			hbb += w
		}
		det := haa*hbb - hab*hab
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		a, b = a-da, b-db
		if da*da+db*db < 1e-12 {
			break
		}
	}
	if a > 0 {
		c.slope, c.shift = a, b
	}
}
