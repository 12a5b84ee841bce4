package learned

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestWhatAUserTaughtSinceIsTakenBack: what others taught, and he before, is
// as if he had taught nothing since, whether the gateway ran or not.
func TestWhatAUserTaughtSinceIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"running": false, "when it starts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db, other := openDB(t, t.TempDir()), openDB(t, t.TempDir())
				s, without := killed(t, db), killed(t, other)
				r := rnd()
				var probe []*model.Vector
				for i := range 100 {
					body, user, spam := text(r, []string{"ham", "spam", "any"}[i%3])+own(i), []string{ana, ben, cleo}[i%3], i%2 == 0
					probe = append(probe, vector(body))
					if i == 20 {
						time.Sleep(time.Hour)
					}
					learn(t, s, lesson(user, fmt.Sprint(i), body, spam))
					if user != ana || i < 20 {
						learn(t, without, lesson(user, fmt.Sprint(i), body, spam))
					}
				}
				weights := func(s *Store) (sum float64) {
					row := s.deps.DB.Read().QueryRow(t.Context(), "SELECT SUM(own + shared_domain + shared_all) FROM learned_lessons WHERE username <> ? OR id <= 21", ana)
					if err := row.Scan(&sum); err != nil {
						t.Fatal(err)
					}
					return sum
				}
				if a, b := weights(s), weights(without); math.Abs(a-b) > 0.2 {
					t.Fatalf("the lessons of others weigh %g, without her %g: the test compares apples with pears", a, b)
				}
				since := time.Now().Add(-time.Minute)
				if late {
					if err := s.saveNow(t.Context()); err != nil {
						t.Fatal(err)
					}
					command, err := Open(t.Context(), DefaultOptions(), Deps{DB: db})
					if err != nil {
						t.Fatal(err)
					}
					n, err := command.UndoSince(t.Context(), "Ana@Example.org", since)
					if n.Ham+n.Spam != 27 || err != nil {
						t.Fatal(n, err)
					}
					s = killed(t, db)
				} else if n, err := s.UndoSince(t.Context(), ana, since); n.Ham+n.Spam != 27 || err != nil {
					t.Fatal(n, err)
				}
				for user, most := range map[string]float64{ana: 0.3, cleo: 0.3, ben: 0.3} {
					worst := 0.0
					for _, v := range probe {
						worst = max(worst, math.Abs(s.scoreFor(t, user, v)-without.scoreFor(t, user, v)))
					}
					if worst > most {
						t.Errorf("scores of %s are off by up to %g", user, worst)
					}
				}
				if n, err := s.UndoSince(t.Context(), ana, since); n != (Undone{}) || err != nil {
					t.Errorf("again: %v, %v", n, err)
				}
				if n, err := s.UndoSince(t.Context(), "*", since); !errors.Is(err, ErrUnknown) {
					t.Errorf("no user: %v, %v", n, err)
				}
				s.Close()
				db.Close()
				other.Close()
			})
		})
	}
}

// own are words that make a message unlike all others.
func own(i int) string {
	s := ""
	for j := range 150 {
		s += fmt.Sprintf("w%dx%d ", i, j)
	}
	return s
}

// TestManyLessonsAreTakenBackAtOnce: more than a rewinding reaches, of which
// only a few of others are learned again.
func TestManyLessonsAreTakenBackAtOnce(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	v := vector(newsletter)
	before := s.scoreFor(t, cleo, v)
	var keys []string
	var list []Lesson
	n := 700
	if os.Getenv("GAPURA_TEST_DATABASE") == "postgres" {
		n = 150 // each is many statements
	}
	for i := range n {
		l := lesson("", fmt.Sprint(i), text(r, "any")+newsletter, true)
		l.Source = Admin
		list, keys = append(list, l), append(keys, l.Key)
	}
	learn(t, s, list...)
	if moved := s.scoreFor(t, cleo, v) - before; moved < 1 {
		t.Errorf("moved by %g", moved)
	}
	if n, err := s.UndoMessages(t.Context(), "", append(keys, "unknown")...); n != (Undone{Spam: len(list)}) || err != nil {
		t.Fatal(n, err)
	}
	if left := math.Abs(s.scoreFor(t, cleo, v) - before); left > 0.1 {
		t.Errorf("%g is left", left)
	}
}

// TestTheOrderInWhichLessonsAreTakenBackLeavesNothing: those that are named, the
// first that was taught before the last, with more behind it than are learned again.
func TestTheOrderInWhichLessonsAreTakenBackLeavesNothing(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	r := rnd()
	s := killed(t, db)
	var list []Lesson
	var keys []string
	n := readUndone + maxRewind + 100
	if os.Getenv("GAPURA_TEST_DATABASE") == "postgres" {
		n = 150
	}
	for i := range n {
		l := lesson("", fmt.Sprint(i), text(r, []string{"ham", "spam", "any"}[i%3])+own(i%50), i%2 == 0)
		l.Source = Admin
		list, keys = append(list, l), append(keys, l.Key)
	}
	learn(t, s, list...)
	if err := s.saveNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := killed(t, db)
	if _, err := again.UndoMessages(t.Context(), "", keys...); err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if off := math.Abs(again.scoreFor(t, cleo, l.Vector) - base().Score(l.Vector).Score); off > 0.01 {
			t.Fatalf("the score of message %s is off by %g", l.Key, off)
		}
	}
}

// TestDamagedRowsStopNobody: what is damaged is passed over and told, what
// comes after it is learned, and taken back.
func TestDamagedRowsStopNobody(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	s := killed(t, db)
	r := rnd()
	for i := range 6 {
		learn(t, s, lesson(ana, fmt.Sprint(i), text(r, "any"), true))
	}
	if err := s.saveNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	spoil := func(query string) {
		t.Helper()
		err := db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, query, []byte("\xff\x00garbage\xff\xff\xff\xff"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	spoil("UPDATE learned_layers SET data = ?")
	spoil("UPDATE learned_steps SET step = ? WHERE lesson IN (1, 3)")
	spoil("UPDATE learned_lessons SET vector = ? WHERE id IN (2, 3)")
	again := killed(t, db)
	v := vector(newsletter)
	before := again.scoreFor(t, ana, v)
	for i := range 6 {
		if err := again.Undo(t.Context(), ana, fmt.Sprint(i)); err != nil {
			t.Errorf("lesson %d: %v", i, err)
		}
	}
	learn(t, again, lesson(ana, "n", newsletter, true))
	if after := again.scoreFor(t, ana, v); !(after > before) {
		t.Errorf("%g, after a lesson %g", before, after)
	}
	if err := again.saveNow(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestALessonWithManyBehindItIsTakenBackInItsLayers: where more came since than
// are learned again, little of it is left.
func TestALessonWithManyBehindItIsTakenBackInItsLayers(t *testing.T) {
	t.Parallel()
	s, without := openStore(t, DefaultOptions()), openStore(t, DefaultOptions())
	s.rewinds = 5
	r := rnd()
	for i := range 30 {
		l := lesson([]string{ana, ben}[i%2], fmt.Sprint(i), text(r, "any")+own(i), i%4 < 2)
		learn(t, s, l)
		if i != 10 {
			learn(t, without, l)
		}
	}
	v := vector(text(rnd(), "any") + own(10))
	was := s.scoreFor(t, ana, v)
	if err := s.Undo(t.Context(), ana, "10"); err != nil {
		t.Fatal(err)
	}
	moved := math.Abs(was - without.scoreFor(t, ana, v))
	if moved < 3 {
		t.Errorf("the lesson moved her score by %g: the test shows nothing", moved)
	}
	for _, user := range []string{ana, ben, cleo} {
		if off := math.Abs(s.scoreFor(t, user, v) - without.scoreFor(t, user, v)); off > moved/3 {
			t.Errorf("the score of %s is off by %g, the lesson moved hers by %g", user, off, moved)
		}
	}
}
