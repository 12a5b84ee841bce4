package learned

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

func TestARateOfLessons(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions()
		opt.Rate = 3
		db := openDB(t, t.TempDir())
		s := killed(t, db)
		s.Reconfigure(opt)
		r := rnd()
		for i := range 3 {
			learn(t, s, lesson(ana, fmt.Sprint(i), text(r, "any"), true))
		}
		if _, err := s.Learn(t.Context(), lesson(ana, "x", newsletter, true)); !errors.Is(err, ErrRate) {
			t.Fatal(err)
		}
		learn(t, s, lesson(ben, "x", newsletter, true)) // of another
		admin := lesson(ana, "y", newsletter, true)
		admin.Source = Admin
		learn(t, s, admin)
		released := lesson(ana, "z", newsletter, false) // by an administrator
		released.Source = Quarantine
		learn(t, s, released)
		time.Sleep(24 * time.Hour)
		learn(t, s, lesson(ana, "x", newsletter, true))
		s.Close()
		db.Close()
	})
}

// TestOneUserMovesOthersWithinABound: whatever one user teaches, and as
// often, others' scores stay within the bound that the shares set.
func TestOneUserMovesOthersWithinABound(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	var probe []*model.Vector
	for range 20 {
		probe = append(probe, vector(text(r, "ham")))
	}
	moved := func(user string) (most float64) {
		for _, v := range probe {
			most = max(most, math.Abs(s.scoreFor(t, user, v)-base().Score(v).Score))
		}
		return most
	}
	opt := s.opt.Load()
	for i := range 180 {
		learn(t, s, lesson(ana, fmt.Sprint(i), text(r, "ham"), true)) // all ham is spam to her
	}
	own, domain, other := moved(ana), moved(ben), moved(cleo)
	t.Logf("180 hostile lessons moved scores by up to %.2f for herself, %.2f in her domain, %.2f elsewhere", own, domain, other)
	bound := func(share float64) float64 { return share * worth() }
	if other > bound(opt.Share.Installation) || domain > bound(opt.Share.Domain+opt.Share.Installation) {
		t.Errorf("bounds are %.2f in her domain and %.2f elsewhere", bound(opt.Share.Domain+opt.Share.Installation), bound(opt.Share.Installation))
	}
	if own < 3 {
		t.Error("she taught herself nothing")
	}
	var who teacher
	row := s.deps.DB.Read().QueryRow(t.Context(), "SELECT spent_all FROM learned_teachers WHERE username = ?", ana)
	if err := row.Scan(&who.spentAll); err != nil || who.spentAll/inflate(time.Now(), budgetLife) > opt.Budget+0.1 {
		t.Errorf("she spent %g: %v", who.spentAll, err)
	}
}

// worth is how much the score of the test's model moves where each linear
// view moves by one, at most.
func worth() float64 { return 4.5 }

func TestWeights(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := DefaultOptions()
	user := &Lesson{User: ana, Source: Move, Spam: true}
	full := o.weigh(user, &teacher{}, alike{}, now)
	if full.own != 1 || full.domain <= full.all || full.all <= 0 || full.domain >= 0.5 {
		t.Fatalf("%+v", full)
	}
	for name, c := range map[string]struct {
		l    Lesson
		who  teacher
		a    alike
		want func(w weights) bool
	}{
		"campaigns fall":      {*user, teacher{}, alike{own: 4, domain: 9, all: 9}, func(w weights) bool { return w.own == 0.2 && w.all < full.all/9 && w.domain < full.domain/9 }},
		"no trust, no share":  {*user, teacher{contradicted: 10 * inflate(now, halfLife)}, alike{}, func(w weights) bool { return w.own == 1 && w.all == 0 && w.domain == 0 }},
		"some doubt":          {*user, teacher{contradicted: 2 * inflate(now, halfLife)}, alike{}, func(w weights) bool { return w.all > 0 && w.all < full.all/2 }},
		"doubt fades":         {*user, teacher{contradicted: 10 * inflate(now.Add(-5*halfLife), halfLife)}, alike{}, func(w weights) bool { return w.all > full.all*0.7 }},
		"the budget is spent": {*user, teacher{spentAll: o.Budget * inflate(now, budgetLife)}, alike{}, func(w weights) bool { return w.own == 1 && w.all == 0 && w.domain == full.domain }},
		"an administrator":    {Lesson{Source: Admin}, teacher{}, alike{}, func(w weights) bool { return w == weights{all: 1} }},
		"a release":           {Lesson{User: ana, Source: Quarantine}, teacher{contradicted: 10 * inflate(now, halfLife)}, alike{}, func(w weights) bool { return w == full }},
		"no domain":           {Lesson{User: "ana", Source: Move}, teacher{}, alike{}, func(w weights) bool { return w.domain == 0 && w.own == 1 && w.all > 0 }},
	} {
		if w := o.weigh(&c.l, &c.who, c.a, now); !c.want(w) {
			t.Errorf("%s: %+v of %+v", name, w, full)
		}
	}
}

func TestWhoContradictsManyLosesWeight(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	liar := "liar@example.com"
	trust := func(user string) float64 {
		t.Helper()
		var who teacher
		row := s.deps.DB.Read().QueryRow(t.Context(), "SELECT agreed, contradicted FROM learned_teachers WHERE username = ?", user)
		if err := row.Scan(&who.agreed, &who.contradicted); err != nil {
			t.Fatal(err)
		}
		return who.trust(time.Now())
	}
	for i := range 8 {
		body := text(r, "any")
		for j := range 4 {
			learn(t, s, lesson(fmt.Sprintf("u%d@example.org", j), fmt.Sprint(i), body, true))
		}
		learn(t, s, lesson(liar, fmt.Sprint(i), body, false))
	}
	if x := trust(liar); x != 0 {
		t.Errorf("the liar is trusted %g", x)
	}
	if x := trust("u1@example.org"); x < 0.9 {
		t.Errorf("others are trusted %g", x)
	}
}

func TestNearDuplicatesShareADigest(t *testing.T) {
	t.Parallel()
	r := rnd()
	same := func(a, b digest) bool {
		for i := range a {
			if a[i] == b[i] {
				return true
			}
		}
		return false
	}
	alike, others := 0, 0
	for i := range 100 {
		body := text(r, "any") + text(r, "spam") + text(r, "ham")
		d := digestOf(vector(body))
		if same(d, digestOf(vector(body+fmt.Sprintf("Dear user%d, your number is %d\r\n", i, i*7)))) {
			alike++
		}
		if same(d, digestOf(vector(text(r, "any")+text(r, "spam")+text(r, "ham")))) {
			others++
		}
	}
	if alike < 90 || others > 10 {
		t.Errorf("%d of 100 near-duplicates, %d of 100 others are taken as alike", alike, others)
	}
}

func TestACampaignTeachesLessAndLess(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	for i := range 20 {
		learn(t, s, lesson(ana, fmt.Sprint(i), newsletter+fmt.Sprintf("\r\nserial %d", i), true))
	}
	var first, last float64
	q := s.deps.DB.Read()
	if err := q.QueryRow(t.Context(), "SELECT own FROM learned_lessons ORDER BY id LIMIT 1").Scan(&first); err != nil {
		t.Fatal(err)
	}
	if err := q.QueryRow(t.Context(), "SELECT own FROM learned_lessons ORDER BY id DESC LIMIT 1").Scan(&last); err != nil {
		t.Fatal(err)
	}
	if first != 1 || last > 0.15 {
		t.Errorf("the first weighs %g, the last %g", first, last)
	}
}

func TestOldLessonsAreDropped(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Lessons, opt.UserLessons = 15, 10
	s := openStore(t, opt)
	r := rnd()
	for i := range 12 {
		learn(t, s, lesson(ana, fmt.Sprint(i), text(r, "any"), true), lesson(ben, fmt.Sprint(i), text(r, "any"), true))
	}
	before := s.scoreFor(t, ana, vector(newsletter))
	if err := s.prune(t.Context()); err != nil { // nothing is saved: all is still needed
		t.Fatal(err)
	}
	count := func(where string) (n int) {
		t.Helper()
		if err := s.deps.DB.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM "+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count("learned_lessons"); n != 24 {
		t.Fatalf("%d lessons", n)
	}
	if err := s.saveNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, m := count("learned_lessons"), count("learned_lessons WHERE username = '"+ana+"'"); n > 15 || m > 10 {
		t.Errorf("%d lessons, %d of one user", n, m)
	}
	if n, m := count("learned_digests WHERE lesson NOT IN (SELECT id FROM learned_lessons)"), count("learned_steps WHERE lesson NOT IN (SELECT id FROM learned_lessons)"); n+m > 0 {
		t.Errorf("%d digests and %d steps of dropped lessons", n, m)
	}
	if err := s.Undo(t.Context(), ana, "0"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if got := s.scoreFor(t, ana, vector(newsletter)); got != before {
		t.Error("what they taught is gone as well")
	}
}

// TestOneUserDoesNotMoveTheThreshold: of what he says the model is wrong
// about, two messages are in the sample; three users have it moved.
func TestOneUserDoesNotMoveTheThreshold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s := killed(t, db)
		for i := range minHam {
			s.Seen(t.Context(), say(i, -8, model.Ham))
		}
		r := rnd()
		threshold := func() float64 { s.measure(time.Now()); return s.Threshold() }
		teach := func(user string) {
			for i := range 40 {
				learn(t, s, lesson(user, fmt.Sprint(i), text(r, "spam"), false))
				m := say(i, 20, model.Ham)
				m.Sender.Address, m.By = fmt.Sprintf("s%d@%s", i, user), user
				s.Seen(t.Context(), m)
				if i%10 == 9 {
					time.Sleep(3 * 24 * time.Hour)
				}
			}
		}
		teach(ana)
		if x := threshold(); x != model.SpamScore || len(s.Drift().Warnings) > 0 {
			t.Errorf("one user moves the threshold to %g, %v", x, s.Drift().Warnings)
		}
		teach(ben)
		teach(cleo)
		if x := threshold(); x <= model.SpamScore || len(s.Drift().Warnings) == 0 {
			t.Errorf("three users leave it at %g", x)
		}
		s.Close()
		db.Close()
	})
}

// TestOneUserDoesNotLowerTheThreshold: who answers him under any number of names is
// his share of the sample, the newest of it; a dozen users have it lowered. A restart
// in between changes nothing.
func TestOneUserDoesNotLowerTheThreshold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s := killed(t, db)
		r := rnd()
		answers := func(user string, score float64) {
			for range 1000 {
				m := say(0, score, model.Ham)
				m.Sender.Address, m.By = fmt.Sprintf("%x@far.example", r.Uint64()), user
				s.Seen(t.Context(), m)
			}
			time.Sleep(time.Minute)
			if err := s.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sampled := func() int { s.measure(time.Now()); return s.Calibration().Ham }
		answers(ben, -4)
		for range 3 {
			answers(ana, -5)
			s = killed(t, db)
			answers(ana, -8)
		}
		if n, x := sampled(), s.Threshold(); n != 2*tellerShare || x != model.SpamScore {
			t.Errorf("%d samples of two users, the threshold is %g", n, x)
		}
		by := map[float64]int{}
		for _, x := range s.watch.rings[0].scores {
			by[x]++
		}
		if by[-4] != tellerShare || by[-8] != tellerShare {
			t.Errorf("scores are %v", by)
		}
		for i := range 10 {
			answers(fmt.Sprintf("u%d@example.org", i), -8)
		}
		if n, x := sampled(), s.Threshold(); n != 12*tellerShare || x >= model.SpamScore {
			t.Errorf("%d samples of twelve users, the threshold is %g", n, x)
		}
		s.Close()
		db.Close()
	})
}

// TestTheBoundOfSurprisesOutlivesTheGateway: who restarts it does not begin
// anew, and of a sender one message a day is in the sample, whoever runs.
func TestTheBoundOfSurprisesOutlivesTheGateway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		n := 0
		run := func(s *Store, users ...string) {
			for _, user := range users {
				m := say(n, 20, model.Ham)
				m.Sender.Address, m.By = fmt.Sprintf("s%d@far.example", n), user
				s.Seen(t.Context(), m)
				n++
			}
			m := say(0, -8, model.Ham)
			m.Sender.Address = "daily@far.example"
			s.Seen(t.Context(), m)
			if err := s.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			run(killed(t, db), ana, ben)
		}
		over := func(s *Store) (over, all int) {
			s.watch.mu.Lock()
			defer s.watch.mu.Unlock()
			for _, x := range s.watch.rings[0].scores {
				if x >= model.SpamScore {
					over++
				}
			}
			return over, len(s.watch.rings[0].scores)
		}
		s := killed(t, db)
		if x, all := over(s); x != 2*surprises || all-x != 1 {
			t.Errorf("%d surprises of two users, %d others of one sender on one day", x, all-x)
		}
		// A command that teaches beside it is told of, and so is what waits.
		m := say(n, 20, model.Ham)
		m.By, m.Sender.Address = cleo, "waits@far.example"
		s.Seen(t.Context(), m)
		run(killed(t, db), cleo, "dora@example.org", "dora@example.org")
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		dora := sample{score: 20, at: time.Now().Unix(), teller: nameHash("dora@example.org")}
		if _, ok := s.watch.rings[0].room(dora); ok {
			t.Error("the gateway does not know what the command has added")
		}
		s.Close()
		db.Close()
	})
}
