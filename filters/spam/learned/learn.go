package learned

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// writeLessons bounds how many lessons one transaction writes.
const writeLessons = 100

// Learn takes lessons in, in their order, and where this Store keeps the layers
// learns them before it returns. A lesson that its user has taught before is
// passed over; one with the other label undoes that first. An ErrRate tells
// that lessons of a user were refused, an ErrLesson that one is wrong; others
// are learned nevertheless.
func (s *Store) Learn(ctx context.Context, lessons ...Lesson) error {
	var refused error
	for len(lessons) > 0 {
		n := min(len(lessons), writeLessons)
		err := s.write(ctx, lessons[:n])
		if err != nil && !errors.Is(err, ErrRate) && !errors.Is(err, ErrLesson) {
			return err
		}
		if refused == nil {
			refused = err
		}
		lessons = lessons[n:]
	}
	return errors.Join(refused, s.catchUp(ctx))
}

// taught is what became of one lesson.
type taught struct {
	err    error
	known  bool
	undone *kept // the lesson with the other label
}

// kept is a lesson that was read.
type kept struct {
	id, at                 int64
	spam                   bool
	sender                 string // whose reputation it moved, by voice
	voice                  float64
	ownW, domainW, sharedW float64
}

// write makes lessons durable.
func (s *Store) write(ctx context.Context, lessons []Lesson) error {
	now := time.Now()
	list := make([]prepared, 0, len(lessons))
	var errs error
	for i := range lessons {
		l := lessons[i]
		if err := l.check(now); err != nil {
			errs = err
			continue
		}
		p, err := s.prepare(&l)
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	var done []taught
	opt := *s.opt.Load()
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		done = make([]taught, len(list))
		for i := range list {
			if done[i], err = insert(ctx, tx, opt, &list[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("learned: %w", err)
	}
	for i, t := range done {
		if errs == nil {
			errs = t.err
		}
		s.note(&list[i], t, now)
	}
	if err := s.flushFull(ctx); err != nil {
		return err
	}
	return errs
}

// prepared is a lesson with what is computed of it before the transaction.
type prepared struct {
	Lesson
	digest digest
	vector []byte
	base   float64 // the base's probability of spam; 0.5: it has none
	names  []string
	sender string  // those of names whose reputation it moves, one a line
	voice  float64 // and how much
}

func (s *Store) prepare(l *Lesson) (p prepared, err error) {
	p = prepared{Lesson: *l, digest: digestOf(l.Vector), base: 0.5, names: l.Sender.names().all()}
	if m := s.model.Load(); m != nil && m.About().Ham > 0 && m.About().Spam > 0 {
		p.base = m.Score(l.Vector).Probability
	}
	p.vector, err = l.Vector.AppendBinary(nil)
	return p, err
}

// insert writes one lesson.
func insert(ctx context.Context, tx *sqldb.Tx, opt Options, p *prepared, now time.Time) (t taught, err error) {
	old, err := live(ctx, tx, p.User, p.Key)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return t, err
	}
	if err == nil && old.spam == p.Spam {
		return taught{known: true}, nil
	}
	var who teacher
	if p.User != "" {
		if who, t.err = opt.teacherOf(ctx, tx, &p.Lesson, now); errors.Is(t.err, ErrRate) {
			return t, nil
		} else if t.err != nil {
			return t, t.err
		}
	}
	if err == nil {
		t.undone = &old
		if err := undo(ctx, tx, p.User, p.Key, old, now); err != nil {
			return t, err
		}
	}
	a, err := alikeTo(ctx, tx, &p.Lesson, p.digest)
	if err != nil {
		return t, err
	}
	if p.Source == Move {
		who.judge(&p.Lesson, a, p.base, now)
	}
	w := opt.weigh(&p.Lesson, &who, a, now)
	if err := opt.vote(ctx, tx, p, &who, a, now); err != nil {
		return t, err
	}
	if p.User != "" {
		if err := who.save(ctx, tx, p.User); err != nil {
			return t, err
		}
	}
	return t, insertRow(ctx, tx, p, w)
}

const insertLesson = `INSERT INTO learned_lessons (username, domain, message, source, spam, at, undoes, live, own, shared_domain, shared_all, sender, voice, vector)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`

func insertRow(ctx context.Context, tx *sqldb.Tx, p *prepared, w weights) error {
	var id int64
	err := tx.QueryRow(ctx, insertLesson, p.User, domainOf(p.User), p.Key, string(p.Source), p.Spam, p.At.Unix(), 0, 1, w.own, w.domain, w.all, p.sender, p.voice, p.vector).Scan(&id)
	if err != nil {
		return err
	}
	rows := make([][]any, 0, bands)
	for _, b := range p.digest {
		rows = append(rows, []any{b, id})
	}
	_, err = tx.ExecMany(ctx, "INSERT INTO learned_digests (band, lesson) VALUES (?, ?) ON CONFLICT (band, lesson) DO NOTHING", rows)
	return err
}

// live finds the lesson of a user on a message.
func live(ctx context.Context, q sqldb.Querier, user, key string) (k kept, err error) {
	var spam int
	err = q.QueryRow(ctx, "SELECT id, at, spam, sender, voice, own, shared_domain, shared_all FROM learned_lessons WHERE username = ? AND message = ? AND live = 1", user, key).
		Scan(&k.id, &k.at, &spam, &k.sender, &k.voice, &k.ownW, &k.domainW, &k.sharedW)
	k.spam = spam != 0
	return k, err
}

// note counts what became of a lesson.
func (s *Store) note(p *prepared, t taught, now time.Time) {
	switch {
	case errors.Is(t.err, ErrRate):
		s.deps.Metrics.lesson("refused", p.Spam)
		return
	case t.known:
		s.deps.Metrics.lesson("known", p.Spam)
		return
	}
	s.deps.Metrics.lesson(string(p.Source), p.Spam)
	if t.undone != nil {
		s.unrepute(*t.undone)
	}
	s.repute(p.sender, p.Spam, p.voice, p.At)
	if m := s.model.Load(); m != nil {
		s.sample(p.Spam, p.sampleOf(), p.User, m.Score(p.Vector, s.taughtByAdmin()...).Score, now)
	}
}

// unrepute takes a lesson that was undone off the reputation.
func (s *Store) unrepute(k kept) { s.repute(k.sender, k.spam, -k.voice, time.Unix(k.at, 0)) }

// repute adds a lesson to the reputation of names, or takes it off.
func (s *Store) repute(names string, spam bool, by float64, at time.Time) {
	if names == "" || by == 0 {
		return
	}
	d := row{first: at.Unix(), last: at.Unix()}
	if by *= inflate(at, halfLife); spam {
		d.bad = by
	} else {
		d.good = by
	}
	s.behind.with(func(b *batch) {
		for _, name := range strings.Split(names, "\n") {
			b.rows[name] = b.rows[name].plus(d)
		}
	})
}

// sampleShare is how many lessons a user may add to the sample in a day.
const sampleShare = 8

// sampleOf is the sender as whom a lesson is in the sample. Those of one user
// are few: he is not to move the threshold by himself.
func (p *prepared) sampleOf() string {
	if p.User == "" {
		return p.Sender.Address
	}
	return p.User + string(rune('0'+uint64(p.digest[0])%sampleShare))
}
