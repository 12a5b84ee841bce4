package learned

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// readTime bounds a question of a message to the database: mail does not
	// wait for it long.
	readTime = 250 * time.Millisecond
	// cachedNames is how many names are remembered, in each of two generations.
	cachedNames = 50_000
	// maxNames is how many names one question has: address, domain, network
	// and links.
	maxNames = 3 + MaxLinks
)

// Counts is what was seen of one name. All but First and N decay, by half in
// thirty days.
type Counts struct {
	First   time.Time // when it was first seen; zero: never
	N       int64     // messages since then
	Ham     float64   // messages that were classified as ham
	Spam    float64   // and as spam
	Good    float64   // lessons that said ham
	Bad     float64   // and spam
	Replies float64   // mail that users here wrote to it
}

// How much each count says of whether the next message is spam. What the
// filter itself thought says little, or it would believe itself.
const (
	byFilter  = 0.2
	maxFilter = 4 // what the filter's own opinion weighs at most
	byLesson  = 3
	byReply   = 3
	oddsPrior = 2 // as if so many messages of each class had been seen
	maxOdds   = 4
)

// Odds returns the log-odds, from -4 to 4, that a message is spam by what was
// seen of the name before; 0 where nothing was.
func (c Counts) Odds() float64 {
	spam := oddsPrior + min(byFilter*c.Spam, maxFilter) + byLesson*c.Bad
	ham := oddsPrior + min(byFilter*c.Ham, maxFilter) + byLesson*c.Good + byReply*c.Replies
	return max(-maxOdds, min(math.Log(spam/ham), maxOdds))
}

// Age returns for how long the name has been known at a time.
func (c Counts) Age(now time.Time) time.Duration {
	if c.First.IsZero() {
		return 0
	}
	return max(0, now.Sub(c.First))
}

// Reputation is what this gateway has seen of a sender.
type Reputation struct {
	Address Counts // of From, where it is aligned
	Domain  Counts // of From; of unaligned mail kept apart
	Network Counts // the client's /24 or /48
	Links   Counts // the worst of the link domains
	NewLink bool   // a link domain was never seen before
}

// row is what is kept of a name; counts are inflated.
type row struct {
	first, last, n                int64
	ham, spam, good, bad, replies float64
}

func (r row) plus(d row) row {
	if r.first == 0 || d.first != 0 && d.first < r.first {
		r.first = d.first
	}
	r.last = max(r.last, d.last)
	r.n += d.n
	r.ham += d.ham
	r.spam += d.spam
	r.good += d.good
	r.bad += d.bad
	r.replies += d.replies
	return r
}

// counts are those of a row at a time.
func (r row) counts(now time.Time) Counts {
	k := 1 / inflate(now, halfLife)
	at := func(x float64) float64 { return max(0, x*k) }
	var first time.Time // lessons alone are no sight
	if r.first != 0 {
		first = time.Unix(r.first, 0)
	}
	return Counts{first, r.n, at(r.ham), at(r.spam), at(r.good), at(r.bad), at(r.replies)}
}

// Reputation returns what was seen of a sender before. It answers from memory
// where it can, and otherwise waits for the database at most 250 ms; with the
// error comes what is known.
func (s *Store) Reputation(ctx context.Context, from Sender) (Reputation, error) {
	n := from.names()
	rows, err := s.rows(ctx, n.all())
	now := time.Now()
	of := func(name string) Counts { return rows[name].counts(now) }
	r := Reputation{Address: of(n.address), Domain: of(n.domain), Network: of(n.network)}
	worst := math.Inf(-1)
	for _, l := range n.links {
		c := of(l)
		if c.First.IsZero() && err == nil {
			r.NewLink = true
		}
		if o := c.Odds(); o > worst {
			worst, r.Links = o, c
		}
	}
	return r, err
}

// rows returns what is kept of names, with what is not yet written.
func (s *Store) rows(ctx context.Context, list []string) (map[string]row, error) {
	found := make(map[string]row, len(list))
	var miss []string
	for _, name := range list {
		if r, ok := s.names.get(name); ok {
			found[name] = r
		} else {
			miss = append(miss, name)
		}
	}
	var err error
	if len(miss) > 0 {
		err = s.readRows(ctx, miss, found)
	}
	s.behind.addRows(list, found)
	return found, err
}

const selectRows = "SELECT name, first, last, n, ham, spam, good, bad, replies FROM learned_reputation WHERE name IN "

// readRows reads names from the database.
func (s *Store) readRows(ctx context.Context, miss []string, found map[string]row) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	args := make([]any, maxNames) // always as many, so that statements are few
	for i := range args {
		args[i] = miss[min(i, len(miss)-1)]
	}
	flushed := s.behind.flushes.Load()
	rows, err := s.deps.DB.Read().Query(ctx, selectRows+"("+sqldb.Marks(maxNames)+")", args...)
	err = sqldb.Each(rows, err, func(rows *sqldb.Rows) error {
		var name string
		var r row
		if err := rows.Scan(&name, &r.first, &r.last, &r.n, &r.ham, &r.spam, &r.good, &r.bad, &r.replies); err != nil {
			return err
		}
		found[name] = r
		return nil
	})
	if err != nil {
		return fmt.Errorf("learned: reputation: %w", err)
	}
	for _, name := range miss {
		s.names.put(name, found[name])
	}
	if s.behind.flushes.Load() != flushed { // it may have been read before a batch, and put after it
		for _, name := range miss {
			s.names.remove(name)
		}
	}
	return nil
}
