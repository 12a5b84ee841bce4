package learned

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"
	"time"
)

// TestLessonsAfterAPruningAreLearned: the numbers of lessons go on where all
// that were before are deleted.
func TestLessonsAfterAPruningAreLearned(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	for i := range 5 {
		learn(t, s, lesson(ana, fmt.Sprint(i), own(i), true))
	}
	if _, err := s.UndoUser(t.Context(), ana); err != nil {
		t.Fatal(err)
	}
	if err := s.saveNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := vector(newsletter)
	before := s.scoreFor(t, ana, v)
	learn(t, s, lesson(ana, "n", newsletter, true))
	if after := s.scoreFor(t, ana, v); !(after > before) {
		t.Errorf("a lesson after a pruning moves the score from %g to %g", before, after)
	}
}

// TestCommandsCountWhatTheyTeach: however many lessons a command teaches, or
// takes back, all senders are counted.
func TestCommandsCountWhatTheyTeach(t *testing.T) {
	t.Parallel()
	if os.Getenv("GAPURA_TEST_DATABASE") == "postgres" {
		t.Skip("each lesson is many statements, and what is gathered is the same")
	}
	db := openDB(t, t.TempDir())
	command := func(f func(s *Store)) {
		s, err := Open(context.Background(), DefaultOptions(), Deps{DB: db})
		if err != nil {
			t.Fatal(err)
		}
		f(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	senders := func() (n int, sum float64) {
		err := db.Read().QueryRow(t.Context(), "SELECT COUNT(*), COALESCE(SUM(ABS(bad)), 0) FROM learned_reputation").Scan(&n, &sum)
		if err != nil {
			t.Fatal(err)
		}
		return n, sum
	}
	const n = 500
	command(func(s *Store) {
		var list []Lesson
		for i := range n {
			l := Lesson{Key: fmt.Sprint(i), Spam: true, Source: Admin, Vector: vector(fmt.Sprint("w", i))}
			for j := range MaxLinks {
				l.Sender.Links = append(l.Sender.Links, fmt.Sprintf("l%d.s%d.example", j, i))
			}
			list = append(list, l)
		}
		learn(t, s, list...)
	})
	_, all := senders()
	if got, _ := senders(); got != n*MaxLinks {
		t.Errorf("%d names are counted, not %d", got, n*MaxLinks)
	}
	command(func(s *Store) {
		if got, err := s.UndoSince(t.Context(), "", time.Now().Add(-time.Hour)); got.Spam != n || err != nil {
			t.Fatal(got, err)
		}
	})
	if _, left := senders(); left > all/1e5 {
		t.Errorf("%g of %g is left of their bad name", left, all)
	}
}

// TestWhatIsNotSharedDoesNotCount: what users taught while they shared it says
// nothing to others once it is not to.
func TestWhatIsNotSharedDoesNotCount(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Share = Share{Domain: 4, Installation: 4}
	s := openStore(t, opt)
	v := vector(newsletter)
	before := map[string]float64{ben: s.scoreFor(t, ben, v), cleo: s.scoreFor(t, cleo, v)}
	for i := range 30 {
		learn(t, s, lesson(ana, fmt.Sprint(i), newsletter+own(i), true))
	}
	for user, was := range before {
		if s.scoreFor(t, user, v)-was < 0.3 {
			t.Fatalf("nothing reached %s", user)
		}
	}
	opt.Share.Installation = 0.01
	s.Reconfigure(opt)
	if moved := s.scoreFor(t, cleo, v) - before[cleo]; math.Abs(moved) > 0.2 {
		t.Errorf("%s's score is moved by %g beyond a small share", cleo, moved)
	}
	opt.Share = Share{}
	s.Reconfigure(opt)
	for user, was := range before {
		if is := s.scoreFor(t, user, v); is != was {
			t.Errorf("%s's score is %g, without what others taught %g", user, is, was)
		}
	}
}
