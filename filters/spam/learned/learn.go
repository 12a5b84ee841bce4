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
	sender                 string
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
	return errs
}

// prepared is a lesson with what is computed of it before the transaction.
type prepared struct {
	Lesson
	digest digest
	vector []byte
	base   float64 // the base's probability of spam; 0.5: it has none
	sender string  // names, one a line
}

func (s *Store) prepare(l *Lesson) (p prepared, err error) {
	p = prepared{Lesson: *l, digest: digestOf(l.Vector), base: 0.5, sender: strings.Join(l.Sender.names().all(), "\n")}
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
	if p.Source == Move || p.Source == Release {
		who.judge(&p.Lesson, a, p.base, now)
	}
	w := opt.weigh(&p.Lesson, &who, a, now)
	if p.User != "" {
		if err := who.save(ctx, tx, p.User); err != nil {
			return t, err
		}
	}
	return t, insertRow(ctx, tx, p, w)
}

const insertLesson = `INSERT INTO learned_lessons (username, domain, message, source, spam, at, undoes, live, own, shared_domain, shared_all, sender, vector)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`

func insertRow(ctx context.Context, tx *sqldb.Tx, p *prepared, w weights) error {
	var id int64
	err := tx.QueryRow(ctx, insertLesson, p.User, domainOf(p.User), p.Key, string(p.Source), p.Spam, p.At.Unix(), 0, 1, w.own, w.domain, w.all, p.sender, p.vector).Scan(&id)
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
	err = q.QueryRow(ctx, "SELECT id, at, spam, sender, own, shared_domain, shared_all FROM learned_lessons WHERE username = ? AND message = ? AND live = 1", user, key).
		Scan(&k.id, &k.at, &spam, &k.sender, &k.ownW, &k.domainW, &k.sharedW)
	k.spam = spam != 0
	return k, err
}

// undo writes that a lesson is undone.
func undo(ctx context.Context, tx *sqldb.Tx, user, key string, k kept, now time.Time) error {
	if _, err := tx.Exec(ctx, "UPDATE learned_lessons SET live = 0 WHERE id = ?", k.id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM learned_digests WHERE lesson = ?", k.id); err != nil {
		return err
	}
	var id int64
	return tx.QueryRow(ctx, insertLesson, user, domainOf(user), key, "undo", k.spam, now.Unix(), k.id, 0, k.ownW, k.domainW, k.sharedW, "", []byte{}).Scan(&id)
}

// Undo takes back what a user has taught of a message; user "" : what an
// administrator has. An ErrUnknown tells that no such lesson is kept.
func (s *Store) Undo(ctx context.Context, user, key string) error {
	user, _ = normalName(user)
	var old kept
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if old, err = live(ctx, tx, user, key); err != nil {
			return err
		}
		return undo(ctx, tx, user, key, old, time.Now())
	})
	if errors.Is(err, sqldb.ErrNoRows) {
		return fmt.Errorf("%w: %.100q of %q", ErrUnknown, key, user)
	}
	if err != nil {
		return fmt.Errorf("learned: undo: %w", err)
	}
	s.repute(old.sender, old.spam, -1, time.Unix(old.at, 0))
	s.deps.Metrics.lesson("undone", old.spam)
	return s.catchUp(ctx)
}

// UndoUser takes back all lessons of a user that are kept, and forgets what
// else he taught his own layer, and his contacts: of an account that was
// abused, or is no more. It tells how many lessons that were.
func (s *Store) UndoUser(ctx context.Context, user string) (n int, err error) {
	user, ok := account(user)
	if !ok {
		return 0, fmt.Errorf("%w: no user", ErrUnknown)
	}
	err = s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var err error
		if n, err = undoAll(ctx, tx, user, time.Now()); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM learned_contacts WHERE username = ?", user)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("learned: undo: %w", err)
	}
	return n, s.catchUp(ctx)
}

// undoAll writes that all lessons of a user are undone, and that his layer is
// dropped: an undoing of no lesson.
func undoAll(ctx context.Context, tx *sqldb.Tx, user string, now time.Time) (int, error) {
	rows, err := tx.Query(ctx, "SELECT message FROM learned_lessons WHERE username = ? AND live = 1 ORDER BY id DESC", user)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var k string
		if err := rows.Scan(&k); err != nil {
			return 0, err
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, key := range keys {
		k, err := live(ctx, tx, user, key)
		if err == nil {
			err = undo(ctx, tx, user, key, k, now)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(keys), undo(ctx, tx, user, "", kept{id: dropLayer}, now)
}

// dropLayer stands for a lesson in the undoing that drops a user's layer.
const dropLayer = -1

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
		s.repute(t.undone.sender, t.undone.spam, -1, time.Unix(t.undone.at, 0))
	}
	if p.Source == Outbound {
		return
	}
	s.repute(p.sender, p.Spam, 1, p.At)
	if m := s.model.Load(); m != nil {
		s.sample(p.Spam, p.sampleOf(), m.Score(p.Vector, s.taughtByAdmin()...).Score, now)
	}
}

// repute adds a lesson to the reputation of names, or takes it off.
func (s *Store) repute(names string, spam bool, by float64, at time.Time) {
	if names == "" {
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
