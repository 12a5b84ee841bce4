package learned

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// sampleSize is how many scores of each class are kept.
	sampleSize = 20_000
	// tellerShare is how many of them one user may have told: of a dozen times as many
	// the threshold may fall, so that no user, and nobody who answers him under many
	// names, lowers it alone or outweighs what others have told.
	tellerShare = 500
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
	score, odds    float64
	sender         int64 // see nameHash
	teller         int64 // the user who says what the message is; 0: nobody who needs a bound
}

// surprises tells whether the model was wrong about the message.
func (x sample) surprises() bool {
	return x.spam != 0 && x.score < 0 || x.spam == 0 && x.score >= model.SpamScore
}

// ring is a rolling sample.
type ring struct {
	scores []float64
	odds   []float64 // of each score: the log-odds of the model's probability
	told   []told
}

// told is who said what the message is, and when.
type told struct{ teller, at int64 }

// put puts a sample into its slot; one beyond the end is put there.
func (r *ring) put(slot int, x sample) {
	if slot < len(r.scores) {
		r.scores[slot], r.odds[slot], r.told[slot] = x.score, x.odds, told{x.teller, x.at}
		return
	}
	r.scores, r.odds, r.told = append(r.scores, x.score), append(r.odds, x.odds), append(r.told, told{x.teller, x.at})
}

// room returns where a sample goes: behind the others, or into the place of the
// oldest; of a user who has his share, of his own oldest. ok is false where he has
// said often enough that the model is wrong.
func (r *ring) room(x sample) (slot int, ok bool) {
	oldest, own, n, wrong := 0, -1, 0, 0
	for i, t := range r.told {
		if t.at < r.told[oldest].at {
			oldest = i
		}
		if x.teller == 0 || t.teller != x.teller {
			continue
		}
		n++
		if own < 0 || t.at < r.told[own].at {
			own = i
		}
		if t.at/surprisePeriod == x.at/surprisePeriod && (sample{spam: x.spam, score: r.scores[i]}).surprises() {
			wrong++
		}
	}
	switch {
	case wrong >= surprises && x.surprises():
		return 0, false
	case n >= tellerShare:
		return own, true
	case len(r.told) < sampleSize:
		return len(r.told), true
	}
	return oldest, true
}

// clone is a copy of what is measured.
func (r *ring) clone() ring { return ring{scores: slices.Clone(r.scores), odds: slices.Clone(r.odds)} }

// watch follows scores.
type watch struct {
	mu     sync.Mutex
	hist   map[bin]float64
	total  float64 // of the reference
	rings  [2]ring // ham, spam
	change int     // samples since the calibration
}

func newWatch() watch { return watch{hist: map[bin]float64{}} }

// score counts a score.
func (w *watch) score(b *behind, m model.Score, spam bool, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if math.IsNaN(m.Score) {
		return
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

// sample adds to the sample; false: of its teller there is enough.
func (w *watch) sample(b *behind, x sample) bool {
	if math.IsNaN(x.score) || math.IsInf(x.score, 0) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &w.rings[x.spam]
	slot, ok := r.room(x)
	if !ok {
		return false
	}
	x.slot = int64(slot)
	r.put(slot, x)
	w.change++
	b.with(func(b *batch) { b.samples = append(b.samples, x) })
	return true
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
	return nil
}

// resample reads the sample as it was kept, and what waits to be written. It
// returns who is in that of today.
func (w *watch) resample(ctx context.Context, db *sqldb.DB, b *behind) (today []sampled, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	rings, today, err := readSamples(ctx, db, time.Now().Unix()/86400)
	if err != nil {
		return nil, fmt.Errorf("learned: samples: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.now.samples {
		rings[x.spam&1].put(int(x.slot), x)
	}
	w.rings, w.change = rings, 1
	return today, nil
}

func readSamples(ctx context.Context, db *sqldb.DB, day int64) (rings [2]ring, today []sampled, err error) {
	rows, err := db.Read().Query(ctx, "SELECT spam, slot, at, score, odds, sender, teller FROM learned_samples ORDER BY spam, slot LIMIT ?", 2*sampleSize)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var x sample
		if err := row.Scan(&x.spam, &x.slot, &x.at, &x.score, &x.odds, &x.sender, &x.teller); err != nil {
			return err
		}
		i := x.spam & 1
		rings[i].put(len(rings[i].scores), x)
		if x.at/86400 == day && x.sender != 0 {
			today = append(today, sampled{x.sender, day, i == 1})
		}
		return nil
	})
	return rings, today, err
}

// forget begins anew, with another base.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hist, w.total, w.rings, w.change = map[bin]float64{}, 0, [2]ring{}, 1
}
