package queue

import (
	"time"

	"github.com/gapura-mail/gapura/gateway"
)

// spare counts what copies of refused mail take in quarantine. Who sends mail
// decides how much of it is refused, and so how much is kept: that is bounded.
// It is guarded by Queue.mu. The column takes has it of each row, so that what a
// process has counted is there in the next one.
type spare struct {
	taken  int64
	warned int64 // when it was last told that there is no room; 0: never
}

// spareWarn is how often that is told.
const spareWarn = time.Hour

// spareRow is what a row takes beside its octets, with its part of the indexes,
// about: of small mail to many that is most of it.
const spareRow = 512

// claims returns what e takes of the bound: its row, and its share of the
// message's octets, which are there once for all its entries.
func (e *entry) claims(size int64) int64 {
	if !e.apart() || e.kept.Reason == "" {
		return 0
	}
	n := e.msg.entries
	return (size+n-1)/n + int64(len(appendRow(nil, e))) + spareRow
}

// claimSpare takes room for copies of refused mail before they are stored; an
// error wraps gateway.ErrNotKept: there is none.
func (q *Queue) claimSpare(entries []*entry, size int64) error {
	all := int64(0)
	for _, e := range entries {
		e.takes = e.claims(size)
		all += e.takes
	}
	if all == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	most := q.options().Refused
	if q.spare.taken+all <= most {
		q.spare.taken += all
		return nil
	}
	q.metrics.quarantined("dropped", len(entries))
	if now := q.clock.now(); q.spare.warned == 0 || now-q.spare.warned >= spareWarn.Milliseconds() {
		q.spare.warned = now
		q.log.Warn("quarantine full: refused mail is refused all the same, and no copy of it kept", "id", entries[0].msg.trace,
			"takes", q.spare.taken, "quarantine.refused", max(most, 0))
	}
	return gateway.ErrNotKept
}

// unclaim gives back what entries took that were not stored.
func (q *Queue) unclaim(entries []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range entries {
		q.spare.giveBack(e)
	}
}

// giveBack notes that e is not in quarantine any more.
func (s *spare) giveBack(e *entry) {
	s.taken -= e.takes
	e.takes = 0
}

// taken returns what copies of refused mail take.
func (q *Queue) taken() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.spare.taken
}
