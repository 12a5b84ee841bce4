package learned

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// Sighting is one message that came in, once its class is decided.
type Sighting struct {
	Sender Sender
	// Score is what the model said of the message itself, without what is
	// known of its sender: the sample would otherwise prove itself.
	Score model.Score
	Class string // that the policy may act on: model.Ham, Unsure, Spam
	// Truth is model.Ham where the message is surely ham: authenticated, and
	// from a contact of its recipient or a reply to mail of ours; model.Spam
	// where it is surely spam, sent to a trap for instance; otherwise "".
	Truth string
	// By is the user by whom the truth is known: whose contact the sender is, or
	// whom he answers; "" : it is known otherwise.
	By string
}

// Seen counts a message in the reputation of its sender, in the distribution of
// scores, and where its truth is known in the sample. It waits for nothing: what is
// more than memory has room for is dropped and counted as such.
func (s *Store) Seen(_ context.Context, m Sighting) {
	now := time.Now()
	d := row{first: now.Unix(), last: now.Unix(), n: 1}
	switch {
	case m.Class == model.Spam || m.Truth == model.Spam:
		d.spam = inflate(now, halfLife)
	case m.Class == model.Ham || m.Truth == model.Ham:
		d.ham = inflate(now, halfLife)
	}
	list := m.Sender.names().all()
	s.behind.with(func(b *batch) {
		for _, name := range list {
			b.rows[name] = b.rows[name].plus(d)
		}
	})
	s.watch.score(&s.behind, m.Score, m.Class == model.Spam, now)
	if m.Truth != "" {
		s.sample(m.Truth == model.Spam, m.Sender.Address, m.By, m.Score, now)
	}
}

// surprises is how many messages that one user says the model is wrong about
// are in the sample, of each class, of a period of surprisePeriod. The threshold moves
// from one more on, so that no user moves it alone. Who says so is kept with
// the sample, or the bound would begin anew when the gateway does.
const (
	surprises      = (minOver - 1) / 2 // of two periods
	surprisePeriod = 365 * 86400       // seconds
)

// sample adds what the model said to the rolling sample: of one sender one a day, so that nobody is
// the measure of the others. user: who says what the message is; "" : nobody who
// needs a bound.
func (s *Store) sample(spam bool, sender, user string, m model.Score, now time.Time) {
	k := sampled{nameHash(sender), now.Unix() / 86400, spam}
	if _, ok := s.sampled.get(k); ok {
		return
	}
	teller := int64(0)
	if user != "" {
		teller = nameHash(user)
	}
	if s.watch.sample(&s.behind, sample{at: now.Unix(), score: m.Score, odds: oddsOf(m.Probability), spam: asInt(spam), sender: k.sender, teller: teller}) {
		s.sampled.put(k, struct{}{})
	}
}

// resample reads the sample again, to which others may have added.
func (s *Store) resample(ctx context.Context) error {
	today, err := s.watch.resample(ctx, s.deps.DB, &s.behind)
	for _, k := range today {
		s.sampled.put(k, struct{}{})
	}
	return err
}

// nameHash stands for a sender or a user in the sample; it is never 0.
func nameHash(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return int64(h.Sum64() | 1)
}

func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// sampled is a sender that is in the sample of a day.
type sampled struct {
	sender, day int64
	spam        bool
}
