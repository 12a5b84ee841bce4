package learned

import (
	"context"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// What a lesson does to the reputation is written with it, in one transaction:
// after a crash there is neither a lesson without its counts, which would be
// taken back below nothing, nor counts without a lesson.
const (
	// A name that was never seen to arrive has no first sight.
	addVoice = `INSERT INTO learned_reputation (name, first, last, n, ham, spam, good, bad, replies, since) VALUES (?, 0, ?, 0, 0, 0, ?, ?, 0, ?)
ON CONFLICT (name) DO UPDATE SET good = learned_reputation.good + excluded.good, bad = learned_reputation.bad + excluded.bad,
 last = CASE WHEN excluded.last > learned_reputation.last THEN excluded.last ELSE learned_reputation.last END,
 since = CASE WHEN learned_reputation.since = 0 OR excluded.since < learned_reputation.since THEN excluded.since ELSE learned_reputation.since END`
	// A row that was forgotten and began anew since then does not have what is
	// taken back; what rounding leaves of it is nothing.
	takeVoice = `UPDATE learned_reputation SET good = CASE WHEN good - ? <= ? THEN 0 ELSE good - ? END, bad = CASE WHEN bad - ? <= ? THEN 0 ELSE bad - ? END
 WHERE name = ? AND since > 0 AND since <= ?`
	noVoice = `UPDATE learned_reputation SET since = 0 WHERE name = ? AND good = 0 AND bad = 0`
	noName  = `DELETE FROM learned_reputation WHERE name = ? AND n = 0 AND ham = 0 AND spam = 0 AND good = 0 AND bad = 0 AND replies = 0`
)

// rounding is what of a count may be left when it is taken back; earlier versions
// counted by parts of a second, which are not kept.
const rounding = 1e-6

// counts are what a mention counts that was made at a time, inflated.
func (m mention) counts(at int64, voice float64) (good, bad float64) {
	by := m.by * voice * inflate(time.Unix(at, 0), halfLife)
	return max(0, -by), max(0, by)
}

// repute adds what a lesson says to the reputation of what it speaks of.
func repute(ctx context.Context, tx *sqldb.Tx, lesson, at int64, voice float64, speaks []mention) error {
	list := make([]statement, 0, len(speaks))
	for _, m := range speaks {
		good, bad := m.counts(at, voice)
		list = append(list, statement{addVoice, []any{m.name, at, good, bad, lesson}})
	}
	return run(ctx, tx, list)
}

// unrepute takes it off.
func unrepute(ctx context.Context, tx *sqldb.Tx, lesson, at int64, voice float64, spoke []mention) error {
	var take, none, gone []statement
	for _, m := range spoke {
		good, bad := m.counts(at, voice)
		take = append(take, statement{takeVoice, []any{good, good * rounding, good, bad, bad * rounding, bad, m.name, lesson}})
		none = append(none, statement{noVoice, []any{m.name}})
		gone = append(gone, statement{noName, []any{m.name}})
	}
	return run(ctx, tx, append(append(take, none...), gone...))
}

// forget has names read again whose reputation lessons have changed.
func (s *Store) forget(names []string) {
	if len(names) == 0 {
		return
	}
	s.behind.flushes.Add(1) // who has read one before this does not keep it
	for _, name := range names {
		s.names.remove(name)
	}
}
