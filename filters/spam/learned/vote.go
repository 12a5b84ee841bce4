package learned

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// voiceOfShare is what a user's lesson weighs in the reputation of a sender
	// for a share of the installation of one, where an administrator's weighs 1. With
	// it his opinion of a sender nobody else knows moves the log-odds of all that
	// filters ask of it (half of the address's, 0.4 of the domain's, a quarter of
	// the links') by less than that share.
	voiceOfShare = 0.55
	// maxVotes bounds how many lessons of a user are looked at.
	maxVotes = 5000
)

// vote says how much a lesson weighs in the reputation of its sender, and in
// that of whom. A user has one voice in half a life for each name and class: a
// hundred messages of one sender are one opinion of him. What the options keep
// from others' layers is kept from the reputation, which all share.
func (o Options) vote(ctx context.Context, tx *sqldb.Tx, p *prepared, t *teacher, a alike, now time.Time) error {
	names := p.names
	if p.voice = 1; p.User != "" {
		p.voice = min(1, voiceOfShare*o.Share.Installation) * o.trust(&p.Lesson, t, a, now)
		voted, err := votes(ctx, tx, p, now)
		if err != nil {
			return err
		}
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return voted[name] })
	}
	if p.sender = strings.Join(names, "\n"); p.voice == 0 {
		p.sender = ""
	}
	return nil
}

// votes are the names of which a user has said the same lately.
func votes(ctx context.Context, tx *sqldb.Tx, p *prepared, now time.Time) (map[string]bool, error) {
	list, err := sqldb.Column[string](tx.Query(ctx, "SELECT sender FROM learned_lessons WHERE username = ? AND live = 1 AND spam = ? AND at > ? AND sender <> '' ORDER BY id DESC LIMIT ?",
		p.User, p.Spam, now.Add(-halfLife).Unix(), maxVotes))
	voted := map[string]bool{}
	for _, names := range list {
		for name := range strings.SplitSeq(names, "\n") {
			voted[name] = true
		}
	}
	return voted, err
}
