package learned

import (
	"math"
	"time"
)

// Half-lives of what is counted.
const (
	halfLife   = 30 * 24 * time.Hour // reputation, and whether a user agrees with others
	budgetLife = 7 * 24 * time.Hour  // what a user has used of his budget
	scoreLife  = 7 * 24 * time.Hour  // the distribution of scores
)

// epoch is when a count weighs as it is stored. A count made later is stored
// larger: all counts of a row are then of one scale, and adding is all that a
// writer does (forward decay, Cormode et al. 2009). A double has room
// for 19 years at the shortest half-life.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// inflate returns what a count of one at t is stored as.
func inflate(t time.Time, life time.Duration) float64 {
	x := float64(t.Sub(epoch)) / float64(life)
	return math.Exp2(max(-1000, min(x, 1000)))
}
