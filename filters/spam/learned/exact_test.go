package learned

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// deed is what somebody does in a random sequence.
type deed struct {
	learn *Lesson
	undo  bool // of learn
	stays bool // what is learned is never taken back
	sleep time.Duration
	kill  bool
	save  bool
	seen  *Sighting
}

// deeds makes a random sequence, of senders that the users teach again and again.
func deeds(r *rand.Rand, n int) []deed {
	var list []deed
	liveAt := map[string]int{} // user and key -> where it was learned
	sender := func() Sender {
		i := r.IntN(3)
		return Sender{Address: fmt.Sprintf("a%d@d%d.example", r.IntN(2), i), Aligned: true, Links: []string{fmt.Sprintf("l%d.example", r.IntN(3))}}
	}
	for i := range n {
		switch k := r.IntN(20); {
		case k < 10:
			user := []string{ana, ben, cleo, ""}[r.IntN(4)]
			l := lesson(user, fmt.Sprint(i), own(i), r.IntN(2) == 0)
			if l.Sender = sender(); user == "" {
				l.Source = Admin
			}
			liveAt[l.User+" "+l.Key] = len(list)
			list = append(list, deed{learn: &l, stays: true})
		case k < 16 && len(liveAt) > 0:
			keys := make([]string, 0, len(liveAt))
			for key := range liveAt {
				keys = append(keys, key)
			}
			sort.Strings(keys)
			key := keys[r.IntN(len(keys))]
			old := list[liveAt[key]].learn
			list[liveAt[key]].stays = false
			if k < 13 {
				delete(liveAt, key)
				list = append(list, deed{learn: old, undo: true})
				continue
			}
			again := *old
			again.Spam = !old.Spam
			liveAt[key] = len(list)
			list = append(list, deed{learn: &again, stays: true})
		case k == 16:
			list = append(list, deed{sleep: time.Duration(1+r.IntN(20*24)) * time.Hour})
		case k == 17:
			list = append(list, deed{kill: true})
		case k == 18:
			list = append(list, deed{save: true})
		default:
			list = append(list, deed{seen: &Sighting{Sender: sender(), Class: model.Ham}})
		}
	}
	return list
}

// TestUndoLeavesTheStateWithoutTheLesson: whatever was learned, taken back and
// taught otherwise, in any order, across kills and weeks, what is stored is as if
// nothing that was taken back had ever been taught.
func TestUndoLeavesTheStateWithoutTheLesson(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db, other := openDB(t, t.TempDir()), openDB(t, t.TempDir())
				s, without := killed(t, db), killed(t, other)
				for _, d := range deeds(rand.New(rand.NewPCG(seed, 1)), 60) {
					switch {
					case d.undo:
						if err := s.Undo(t.Context(), d.learn.User, d.learn.Key); err != nil {
							t.Fatal(err)
						}
					case d.learn != nil:
						learn(t, s, *d.learn)
						if d.stays {
							learn(t, without, *d.learn)
						}
					case d.kill:
						s = killed(t, db)
					case d.save:
						if err := s.saveNow(t.Context()); err != nil {
							t.Fatal(err)
						}
					case d.seen != nil:
						for _, x := range []*Store{s, without} {
							x.Seen(t.Context(), *d.seen)
							if err := x.flush(t.Context()); err != nil {
								t.Fatal(err)
							}
						}
					}
					time.Sleep(d.sleep + time.Second)
				}
				for _, query := range []string{
					"SELECT name, 0, first, n, ham, spam, good, bad, replies FROM learned_reputation",
					"SELECT username || ' ' || message || ' ' || sender || ' ' || about, spam, at, 0, own, shared_domain, shared_all, voice, judged FROM learned_lessons WHERE live = 1",
					"SELECT username, 0, 0, 0, agreed, contradicted, spent_domain, spent_all, 0.0 FROM learned_teachers",
				} {
					same(t, stateOf(t, s, query), stateOf(t, without, query))
				}
				worst := 0.0
				for i := range 60 {
					for _, user := range []string{ana, ben, cleo} {
						v := vector(own(i))
						worst = max(worst, math.Abs(s.scoreFor(t, user, v)-without.scoreFor(t, user, v)))
					}
				}
				if worst > 0.01 {
					t.Errorf("scores differ by up to %g", worst)
				}
				s.Close()
				db.Close()
				other.Close()
			})
		})
	}
}

// stateOf are the numbers of rows by their names, without those of nothing.
func stateOf(t *testing.T, s *Store, query string) map[string][8]float64 {
	t.Helper()
	rows, err := s.deps.DB.Read().Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	state := map[string][8]float64{}
	for rows.Next() {
		var name string
		var x [8]float64
		if err := rows.Scan(&name, &x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &x[6], &x[7]); err != nil {
			t.Fatal(err)
		}
		if name = strings.ReplaceAll(name, "\n", ","); x != [8]float64{} {
			state[name] = x
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return state
}

func same(t *testing.T, got, want map[string][8]float64) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			t.Errorf("%s is missing: %v", name, w)
		}
		for i := range w {
			if math.Abs(g[i]-w[i]) > 1e-6*(math.Abs(w[i])+1e-3) {
				t.Errorf("%s is %v, without what was taken back %v", name, g, w)
				break
			}
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is left: %v", name, g)
		}
	}
}

// TestAnotherLessonSpeaksForTheOneThatIsUndone: a user's voice on a sender
// stays as long as one lesson of his says so.
func TestAnotherLessonSpeaksForTheOneThatIsUndone(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	from := Sender{Address: "news@shop.example", Aligned: true}
	bad := func() float64 { return reputation(t, s, from).Domain.Bad }
	for i := range 3 {
		l := lesson(ana, fmt.Sprint(i), text(r, "any")+own(i), true)
		l.Sender = from
		learn(t, s, l)
	}
	one := bad()
	if one <= 0 {
		t.Fatal("she has no voice")
	}
	for i := range 3 {
		if err := s.Undo(t.Context(), ana, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		want := one
		if i == 2 {
			want = 0
		}
		if got := bad(); math.Abs(got-want) > 1e-6 {
			t.Errorf("after %d were taken back her voice is %g, it was %g", i+1, got, one)
		}
	}
}

// TestAKillBetweenLearningAndWritingTakesNothingOffOthers: the counts of a
// lesson are as durable as the lesson.
func TestAKillBetweenLearningAndWritingTakesNothingOffOthers(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	r := rnd()
	from := Sender{Address: "news@shop.example", Aligned: true}
	s := killed(t, db)
	l := lesson("", "m", text(r, "any"), true)
	l.Sender, l.Source = from, Admin
	learn(t, s, l)
	again := killed(t, db)
	if x := reputation(t, again, from).Domain.Bad; math.Abs(x-1) > 1e-3 {
		t.Errorf("after a kill the lesson counts %g", x)
	}
	if err := again.Undo(t.Context(), "", "m"); err != nil {
		t.Fatal(err)
	}
	again = killed(t, db)
	var least float64
	row := db.Read().QueryRow(t.Context(), "SELECT COALESCE(MIN(bad), 0) FROM learned_reputation")
	if err := row.Scan(&least); err != nil || least < 0 {
		t.Errorf("a count is %g: %v", least, err)
	}
	l.Key = "n"
	learn(t, again, l)
	if x := reputation(t, again, from).Domain.Bad; math.Abs(x-1) > 1e-3 {
		t.Errorf("a lesson counts %g after another was taken back", x)
	}
}

// TestUndoingTakesNothingOffARowThatBeganAnew: a row that was forgotten does
// not have the lesson any more.
func TestUndoingTakesNothingOffARowThatBeganAnew(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	from := Sender{Address: "news@shop.example", Aligned: true}
	teach := func(key string) {
		l := lesson("", key, text(r, "any"), true)
		l.Sender, l.Source = from, Admin
		learn(t, s, l)
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	teach("old")
	exec(t, s.deps.DB, "DELETE FROM learned_reputation")
	s.names.clear()
	teach("new")
	if err := s.Undo(t.Context(), "", "old"); err != nil {
		t.Fatal(err)
	}
	if x := reputation(t, s, from).Domain.Bad; math.Abs(x-1) > 1e-3 {
		t.Errorf("the new lesson counts %g", x)
	}
}

// TestAUserIsForgottenAtOnce: what he teaches while he is forgotten is
// either taken back or kept as a whole.
func TestAUserIsForgottenAtOnce(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	for i := range 60 { // more than one transaction
		learn(t, s, lesson(ana, fmt.Sprint(i), text(r, "any"), i%2 == 0))
	}
	done := make(chan error)
	go func() {
		_, err := s.UndoUser(t.Context(), ana)
		done <- err
	}()
	for i, ended := 0, false; !ended; i++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
			if i < 20 {
				learn(t, s, lesson(ana, fmt.Sprint("n", i), newsletter, true))
			}
		}
	}
	// The drop of her layer is behind all that was taken back, and what is live
	// behind the drop.
	var drop, live int64
	row := s.deps.DB.Read().QueryRow(t.Context(), "SELECT (SELECT MAX(id) FROM learned_lessons WHERE undoes = -1), (SELECT COUNT(*) FROM learned_lessons WHERE live = 1 AND username = ? AND id < (SELECT MAX(id) FROM learned_lessons WHERE undoes = -1))", ana)
	if err := row.Scan(&drop, &live); err != nil || live > 0 {
		t.Errorf("%d lessons are live whose layer was dropped: %v", live, err)
	}
}

// TestLessonsOfBeforeAreTakenBack: those of a database of an earlier version.
func TestLessonsOfBeforeAreTakenBack(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	if err := db.Migrate(t.Context(), "learned", migrations[:2]); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour)
	data, err := vector(newsletter).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	by := inflate(at, halfLife)
	exec(t, db, `INSERT INTO learned_lessons (username, domain, message, source, spam, at, undoes, live, own, shared_domain, shared_all, sender, voice, vector)
VALUES ('', '', 'm', 'admin', 1, ?, 0, 1, 0, 0, 1, ?, 1, ?)`, at.Unix(), "d:shop.example\nl:shop.example", data)
	const add = "INSERT INTO learned_reputation (name, first, last, n, ham, spam, good, bad, replies) VALUES (?, ?, ?, ?, 0, 0, 0, ?, 0)"
	exec(t, db, add, "d:shop.example", at.Unix(), at.Unix(), 3, 2*by)
	exec(t, db, add, "l:shop.example", at.Unix(), at.Unix(), 0, by)
	exec(t, db, add, "d:spoilt.example", at.Unix(), at.Unix(), 1, -by)
	exec(t, db, "INSERT INTO learned_samples (spam, slot, at, score) VALUES (0, 0, ?, -3)", at.Unix())
	s := killed(t, db)
	if err := s.Undo(t.Context(), "", "m"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"shop.example": 1, "spoilt.example": 0} {
		if x := reputation(t, s, Sender{Address: "a@" + name, Aligned: true}).Domain.Bad; math.Abs(x-want) > 0.01 {
			t.Errorf("%s has %g bad lessons, not %g", name, x, want)
		}
	}
	var least float64
	var left int
	row := db.Read().QueryRow(t.Context(), "SELECT MIN(bad), COUNT(*) FROM learned_reputation")
	if err := row.Scan(&least, &left); err != nil || least < 0 || left != 2 {
		t.Errorf("%d rows are left, of %g at least: %v", left, least, err)
	}
}
