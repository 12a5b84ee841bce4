package learned

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// sampleSize is how many scores of each class are kept.
	sampleSize = 20_000
	// bins of scores, each one wide, around 0.
	bins = 61
	// referenceSize is how many messages make the distribution that later ones
	// are compared with.
	referenceSize = 20_000
)

// Kinds of distributions in the database.
const (
	reference = "reference" // the first messages scored by this base
	recent    = "recent"    // decaying, inflated
	classHam  = "ham"       // volumes by class, decaying
	classSpam = "spam"
)

type bin struct {
	kind string
	bin  int
}

// sample is one score of a message whose class is known.
type sample struct {
	spam, slot, at int64
	score          float64
}

// ring is a rolling sample.
type ring struct {
	scores []float64
	next   int
}

func (r *ring) add(score float64) (slot int) {
	slot = r.next
	if slot < len(r.scores) {
		r.scores[slot] = score
	} else {
		r.scores = append(r.scores, score)
	}
	r.next = (slot + 1) % sampleSize
	return slot
}

// watch follows scores.
type watch struct {
	mu     sync.Mutex
	hist   map[bin]float64
	total  float64 // of the reference
	rings  [2]ring // ham, spam
	slope  float64 // log-odds of a score of one
	change int     // samples since the calibration
}

func newWatch() watch { return watch{hist: map[bin]float64{}, slope: 0.8} }

// score counts a score.
func (w *watch) score(b *behind, m model.Score, spam bool, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if math.IsNaN(m.Score) {
		return
	}
	if p := m.Probability; math.Abs(m.Score) > 0.5 && p > 1e-9 && p < 1-1e-9 {
		if k := math.Log(p/(1-p)) / m.Score; k > 0.01 && k < 100 {
			w.slope = k
		}
	}
	i, x := binOf(m.Score), inflate(now, scoreLife)
	class := classHam
	if spam {
		class = classSpam
	}
	add := map[bin]float64{{recent, i}: x, {class, 0}: x}
	if w.total < referenceSize {
		w.total++
		add[bin{reference, i}] = 1
	}
	for k, n := range add {
		w.hist[k] += n
	}
	b.with(func(b *batch) {
		for k, n := range add {
			b.scores[k] += n
		}
	})
}

func binOf(score float64) int {
	return int(max(0, min(math.Floor(score)+bins/2, bins-1)))
}

func (w *watch) sample(b *behind, spam bool, score float64, now time.Time) {
	if math.IsNaN(score) || math.IsInf(score, 0) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := int64(0)
	if spam {
		i = 1
	}
	slot := w.rings[i].add(score)
	w.change++
	b.with(func(b *batch) {
		b.samples = append(b.samples, sample{i, int64(slot), now.Unix(), score})
	})
}

// load reads what was kept.
func (w *watch) load(ctx context.Context, db *sqldb.DB) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	rows, err := db.Read().Query(ctx, "SELECT kind, bin, n FROM learned_scores")
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var k bin
		var n float64
		if err := row.Scan(&k.kind, &k.bin, &n); err != nil {
			return err
		}
		w.hist[k] = n
		if k.kind == reference {
			w.total += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("learned: scores: %w", err)
	}
	return w.loadSamples(ctx, db)
}

func (w *watch) loadSamples(ctx context.Context, db *sqldb.DB) error {
	var last [2]int64
	rows, err := db.Read().Query(ctx, "SELECT spam, slot, at, score FROM learned_samples ORDER BY spam, slot LIMIT ?", 2*sampleSize)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var x sample
		if err := row.Scan(&x.spam, &x.slot, &x.at, &x.score); err != nil {
			return err
		}
		r := &w.rings[x.spam&1]
		r.scores = append(r.scores, x.score)
		if x.at >= last[x.spam&1] {
			last[x.spam&1], r.next = x.at, len(r.scores)%sampleSize
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("learned: samples: %w", err)
	}
	w.change = 1
	return nil
}

// forget begins anew, with another base.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hist, w.total, w.rings, w.change = map[bin]float64{}, 0, [2]ring{}, 1
}
