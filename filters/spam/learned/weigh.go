package learned

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// maxAlike bounds how many lessons on messages that resemble one another are
	// looked at.
	maxAlike = 300
	// many is how many other users must say the opposite before a lesson
	// contradicts them.
	many = 3
	// sure is the base's probability from which on a lesson that says
	// otherwise contradicts it strongly.
	sure = 0.9995
	// goodFaith is how many lessons a user is taken to have agreed with.
	goodFaith = 4
	// maxAgreed bounds the credit that agreeing earns.
	maxAgreed = 30
	// least is the trust below which a user changes nobody's layer but his.
	least = 0.2
)

// weights are what a lesson weighs in each layer; 0: it does not change it.
//
// all is the layer of administrators for a lesson without a user, and that of all
// users for others.
type weights struct{ own, domain, all float64 }

// teacher is what is known of a user who teaches.
type teacher struct {
	day, today            int64
	agreed, contradicted  float64 // inflated by halfLife
	spentDomain, spentAll float64 // inflated by budgetLife
}

// alike are the lessons on messages like the one at hand.
type alike struct {
	own, domain, all int // with the same label: of the user, in his domain, of anybody
	same, opposite   int // other users who say the same, or the opposite
}

// trust is how much of a user's shared weight counts.
func (t teacher) trust(now time.Time) float64 {
	k := inflate(now, halfLife)
	yes, no := min(t.agreed/k, maxAgreed)+goodFaith, t.contradicted/k
	f := yes / (yes + no)
	if f *= f; f >= least {
		return f
	}
	return 0
}

// judge notes whether a lesson agrees with others, and the base. base is the
// base's probability, or 0.5. It returns what was noted, so that it can be taken
// back: what agreed is larger by, or where that is below 0 contradicted.
func (t *teacher) judge(l *Lesson, a alike, base float64, now time.Time) float64 {
	if l.Spam {
		base = 1 - base
	} // now: how sure the base is of the opposite
	k := inflate(now, halfLife)
	switch {
	case a.opposite >= many && a.opposite > 2*a.same, base > sure && a.same == 0:
		t.contradicted += k
		return -k
	case a.same > 0 && a.same >= a.opposite, base < 0.5:
		k = max(0, min(k, maxAgreed*k-t.agreed))
		t.agreed += k
		return k
	}
	return 0
}

// weigh says what a lesson weighs, and takes it off the budget.
func (o Options) weigh(l *Lesson, t *teacher, a alike, now time.Time) (w weights) {
	if l.User == "" {
		return weights{all: 1 / float64(a.all+1)}
	}
	w.own = 1 / float64(a.own+1)
	trust := o.trust(l, t, a, now)
	if domainOf(l.User) != "" {
		w.domain = trust * min(o.Share.Domain*shareWeight, maxShareWeight) / float64(a.domain+1)
	}
	w.all = trust * min(o.Share.Installation*shareWeight, maxShareWeight) / float64(a.all+1)
	k := inflate(now, budgetLife)
	w.domain = max(0, min(w.domain, 4*o.Budget-t.spentDomain/k))
	w.all = max(0, min(w.all, o.Budget-t.spentAll/k))
	t.spentDomain += k * w.domain
	t.spentAll += k * w.all
	return w
}

// trust is how much of the shared weight of a user's lesson counts.
func (o Options) trust(l *Lesson, t *teacher, a alike, now time.Time) float64 {
	switch {
	case a.same+1 < o.Agree: // an administrator who teaches for him does not agree
		return 0
	case l.Source != Move:
		return 1
	}
	return t.trust(now)
}

// teacherOf reads a teacher, and counts one more lesson of today.
func (o Options) teacherOf(ctx context.Context, tx *sqldb.Tx, l *Lesson, now time.Time) (t teacher, err error) {
	row := tx.QueryRow(ctx, "SELECT day, today, agreed, contradicted, spent_domain, spent_all FROM learned_teachers WHERE username = ?", l.User)
	err = row.Scan(&t.day, &t.today, &t.agreed, &t.contradicted, &t.spentDomain, &t.spentAll)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return t, err
	}
	if day := now.Unix() / 86400; t.day != day {
		t.day, t.today = day, 0
	}
	if t.today++; t.today > int64(o.Rate) && l.Source == Move {
		return t, fmt.Errorf("%w: %s", ErrRate, l.User)
	}
	return t, nil
}

func (t teacher) save(ctx context.Context, tx *sqldb.Tx, user string) error {
	_, err := tx.Exec(ctx, `INSERT INTO learned_teachers (username, day, today, agreed, contradicted, spent_domain, spent_all) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (username) DO UPDATE SET day = excluded.day, today = excluded.today, agreed = excluded.agreed, contradicted = excluded.contradicted,
 spent_domain = excluded.spent_domain, spent_all = excluded.spent_all`, user, t.day, t.today, t.agreed, t.contradicted, t.spentDomain, t.spentAll)
	return err
}

// sqlAlike counts the latest lessons that share bands. They are found first, and
// once: PostgreSQL, which plans for the few lessons there were when it was first
// asked, would else find them again for every lesson there is.
const sqlAlike = `WITH near AS MATERIALIZED (
SELECT DISTINCT lesson FROM (SELECT lesson FROM learned_digests WHERE band IN (?, ?, ?, ?) ORDER BY lesson DESC LIMIT ?) AS latest)
SELECT username, domain, spam, COUNT(*) FROM near CROSS JOIN learned_lessons WHERE id = lesson AND live = 1 GROUP BY username, domain, spam`

// alikeTo finds what was taught of messages like this one.
func alikeTo(ctx context.Context, tx *sqldb.Tx, l *Lesson, d digest) (a alike, err error) {
	rows, err := tx.Query(ctx, sqlAlike, d[0], d[1], d[2], d[3], maxAlike*bands)
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var user, domain string
		var label, n int
		if err := row.Scan(&user, &domain, &label, &n); err != nil {
			return err
		}
		spam := label != 0
		if spam == l.Spam {
			a.all += n
			if domain == domainOf(l.User) {
				a.domain += n
			}
		}
		switch {
		case user == l.User && spam == l.Spam:
			a.own += n
		case user != l.User && spam == l.Spam:
			a.same++
		case user != l.User:
			a.opposite++
		}
		return nil
	})
	return a, err
}
