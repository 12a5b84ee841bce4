package learned

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// writeLessons bounds how many lessons one transaction writes.
const writeLessons = 100

// Learned says what became of lessons.
type Learned struct {
	Ham, Spam int // that are new, or had the other label
	Known     int // that their user has taught before, with the same label
}

// Learn takes lessons in, in their order, and where this Store keeps the layers
// learns them before it returns. A lesson that its user has taught before is
// passed over; one with the other label undoes that first. An ErrRate tells
// that lessons of a user were refused, an ErrLesson that one is wrong; others
// are learned nevertheless. What is returned counts those that were written
// before an error, too.
func (s *Store) Learn(ctx context.Context, lessons ...Lesson) (n Learned, err error) {
	var refused error
	for len(lessons) > 0 {
		some := lessons[:min(len(lessons), writeLessons)]
		lessons = lessons[len(some):]
		err := s.write(ctx, some, &n)
		if err != nil && !errors.Is(err, ErrRate) && !errors.Is(err, ErrLesson) {
			return n, err
		}
		if refused == nil {
			refused = err
		}
	}
	return n, errors.Join(refused, s.catchUp(ctx))
}

// taught is what became of one lesson.
type taught struct {
	err    error
	known  bool
	undone *kept    // the lesson with the other label
	names  []string // whose reputation has changed
}

// kept is a lesson that was read.
type kept struct {
	id, at                 int64
	spam                   bool
	sender                 string // names whose reputation it moved, one a line
	about                  string // what it is about, see mentions
	voice, judged          float64
	ownW, domainW, sharedW float64
}

// write makes lessons durable, and counts them.
func (s *Store) write(ctx context.Context, lessons []Lesson, n *Learned) error {
	now := time.Now()
	list := make([]prepared, 0, len(lessons))
	var errs error
	for i := range lessons {
		l := lessons[i]
		if err := l.check(now); err != nil {
			errs = err
			continue
		}
		p, err := s.prepare(ctx, &l)
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	var done []taught
	opt := *s.opt.Load()
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		done = make([]taught, len(list))
		said := opinions{}
		for i := range list {
			if done[i], err = opt.insert(ctx, tx, &list[i], said, now); err != nil {
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
		s.note(&list[i], t, now, n)
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
	about  []mention
	speaks []mention // those of about whose reputation it moves
	voice  float64   // and how much
	judged float64   // what it made of its user's trust
	model  *model.Model
	own    model.Score // of the message itself, where there are clues
}

func (s *Store) prepare(ctx context.Context, l *Lesson) (p prepared, err error) {
	p = prepared{Lesson: *l, digest: digestOf(l.Vector), base: 0.5}
	if m := s.model.Load(); m != nil && m.About().Ham > 0 && m.About().Spam > 0 {
		p.base = m.Score(l.Vector).Probability
	}
	s.judgeClues(ctx, &p)
	p.vector, err = l.Vector.AppendBinary(nil)
	return p, err
}

// insert writes one lesson.
func (o Options) insert(ctx context.Context, tx *sqldb.Tx, p *prepared, said opinions, now time.Time) (t taught, err error) {
	old, err := live(ctx, tx, p.User, p.Key)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return t, err
	}
	if err == nil && old.spam == p.Spam {
		return taught{known: true}, nil
	}
	var who teacher
	if p.User != "" {
		if who, t.err = o.teacherOf(ctx, tx, &p.Lesson, now); errors.Is(t.err, ErrRate) {
			return t, nil
		} else if t.err != nil {
			return t, t.err
		}
	}
	if err == nil {
		t.undone = &old
		said.forget(p.User)
		if t.names, err = takeBack(ctx, tx, p.User, now, old); err != nil {
			return t, err
		}
		if err = logUndo(ctx, tx, p.User, p.Key, old, now); err != nil {
			return t, err
		}
		if p.User != "" { // what it had spent is his again
			if who, err = o.teacherOf(ctx, tx, &p.Lesson, now); err != nil {
				return t, err
			}
		}
	}
	return t, o.teach(ctx, tx, p, &who, &t, said, now)
}

// teach weighs a lesson and writes it, and what it does to the reputation.
func (o Options) teach(ctx context.Context, tx *sqldb.Tx, p *prepared, who *teacher, t *taught, said opinions, now time.Time) error {
	a, err := alikeTo(ctx, tx, &p.Lesson, p.digest)
	if err != nil {
		return err
	}
	if p.Source == Move {
		p.judged = who.judge(&p.Lesson, a, p.base, now)
	}
	w := o.weigh(&p.Lesson, who, a, now)
	steps, err := p.teaches(ctx, tx, now)
	if err != nil {
		return err
	}
	p.about = append(p.mentions(), steps...)
	if err := o.vote(ctx, tx, p, who, a, said, now); err != nil {
		return err
	}
	if p.User != "" {
		if err := who.save(ctx, tx, p.User); err != nil {
			return err
		}
	}
	id, err := insertRow(ctx, tx, p, w)
	if err != nil {
		return err
	}
	t.names = append(t.names, namesOf(p.speaks)...)
	return repute(ctx, tx, id, p.At.Unix(), p.voice, p.speaks)
}

const insertLesson = `INSERT INTO learned_lessons (username, domain, message, source, spam, at, undoes, live, own, shared_domain, shared_all, sender, about, voice, judged, vector)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`

func insertRow(ctx context.Context, tx *sqldb.Tx, p *prepared, w weights) (id int64, err error) {
	err = tx.QueryRow(ctx, insertLesson, p.User, domainOf(p.User), p.Key, string(p.Source), p.Spam, p.At.Unix(), 0, 1, w.own, w.domain, w.all, strings.Join(namesOf(p.speaks), "\n"), written(p.about), p.voice, p.judged, p.vector).Scan(&id)
	if err != nil {
		return id, err
	}
	rows := make([][]any, 0, bands)
	for _, b := range p.digest {
		rows = append(rows, []any{b, id})
	}
	_, err = tx.ExecMany(ctx, "INSERT INTO learned_digests (band, lesson) VALUES (?, ?) ON CONFLICT (band, lesson) DO NOTHING", rows)
	return id, err
}

// live finds the lesson of a user on a message.
func live(ctx context.Context, q sqldb.Querier, user, key string) (k kept, err error) {
	var spam int
	err = q.QueryRow(ctx, "SELECT id, at, spam, sender, about, voice, judged, own, shared_domain, shared_all FROM learned_lessons WHERE username = ? AND message = ? AND live = 1", user, key).
		Scan(&k.id, &k.at, &spam, &k.sender, &k.about, &k.voice, &k.judged, &k.ownW, &k.domainW, &k.sharedW)
	k.spam = spam != 0
	return k, err
}

// note counts what became of a lesson.
func (s *Store) note(p *prepared, t taught, now time.Time, n *Learned) {
	switch {
	case errors.Is(t.err, ErrRate):
		s.deps.Metrics.lesson("refused", p.Spam)
		return
	case t.known:
		s.deps.Metrics.lesson("known", p.Spam)
		n.Known++
		return
	case p.Spam:
		n.Spam++
	default:
		n.Ham++
	}
	s.deps.Metrics.lesson(string(p.Source), p.Spam)
	s.forget(t.names)
	if m := s.model.Load(); m != nil {
		s.sample(p.Spam, p.sampleOf(), p.User, m.Score(p.Vector, s.taughtByAdmin()...), now)
	}
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
