package learned

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

const newsletter = "our newsletter of this week: gardening tulips compost seeds watering greenhouse pruning roses harvest tomatoes"

func TestUserTeachesHisOwnLayerFullyAndOthersALittle(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	v := vector(newsletter)
	before := s.scoreFor(t, ana, v)
	learn(t, s, lesson(ana, "m1", newsletter, true))
	own, domain, other := s.scoreFor(t, ana, v)-before, s.scoreFor(t, ben, v)-before, s.scoreFor(t, cleo, v)-before
	if own < 0.3 || own < 2*domain || other > 2 || domain < other || other < 0 {
		t.Errorf("scores rose by %g for herself, %g in her domain, %g elsewhere", own, domain, other)
	}
}

func TestNothingIsSharedWhereItIsForbidden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Options)
		source Source
	}{
		"share 0":                    {func(o *Options) { o.Share = Share{} }, Move},
		"agree 2":                    {func(o *Options) { o.Agree = 2 }, Move},
		"agree 2, taught for a user": {func(o *Options) { o.Agree = 2 }, Admin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt := DefaultOptions()
			c.change(&opt)
			s := openStore(t, opt)
			r := rnd()
			for i := range 30 {
				l := lesson(ana, fmt.Sprint(i), text(r, "ham"), true)
				l.Source = c.source
				learn(t, s, l)
			}
			for _, user := range []string{ben, cleo, "x@example.org"} {
				if l := s.Layers(t.Context(), user); len(l) != 0 {
					t.Errorf("%s has %d layers", user, len(l))
				}
			}
			if l := s.Layers(t.Context(), "Ana@Example.ORG"); len(l) != 1 {
				t.Errorf("she has %d layers", len(l))
			}
		})
	}
}

func TestTwoUsersWhoAgreeTeachOthers(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Agree = 2
	s := openStore(t, opt)
	v := vector(newsletter)
	before := s.scoreFor(t, cleo, v)
	learn(t, s, lesson(ana, "a", newsletter, true))
	if s.scoreFor(t, cleo, v) != before {
		t.Error("one is enough")
	}
	learn(t, s, lesson(ben, "b", newsletter, true))
	if s.scoreFor(t, cleo, v) <= before {
		t.Error("two are not enough")
	}
}

func TestOneMessageTeachesOnce(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	v := vector(newsletter)
	learn(t, s, lesson(ana, "m", newsletter, true))
	once := s.scoreFor(t, ana, v)
	learn(t, s, lesson(ana, "m", newsletter, true), lesson(ana, "m", newsletter, true))
	if got := s.scoreFor(t, ana, v); got != once {
		t.Errorf("%g after once, %g after thrice", once, got)
	}
}

func TestTheOtherLabelUndoesTheFirst(t *testing.T) {
	t.Parallel()
	s, alone := openStore(t, DefaultOptions()), openStore(t, DefaultOptions())
	v := vector(newsletter)
	learn(t, s, lesson(ana, "m", newsletter, true))
	learn(t, s, lesson(ana, "m", newsletter, false))
	learn(t, alone, lesson(ana, "m", newsletter, false))
	if a, b := s.scoreFor(t, ana, v), alone.scoreFor(t, ana, v); math.Abs(a-b) > 0.2 {
		t.Errorf("%g, and %g where the first was never taught", a, b)
	}
	if err := s.Undo(t.Context(), ana, "m"); err != nil {
		t.Fatal(err)
	}
	if err := s.Undo(t.Context(), ana, "m"); !errors.Is(err, ErrUnknown) {
		t.Errorf("undone twice: %v", err)
	}
}

// TestUndoRestoresScores: many lessons by many, all undone in another order,
// leave next to nothing.
func TestUndoRestoresScores(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	s := openStore(t, opt)
	r := rnd()
	probe := []*model.Vector{vector(newsletter), vector(text(r, "ham")), vector(text(r, "spam")), vector(text(r, "any"))}
	users := []string{ana, ben, cleo}
	scores := func() (list []float64) {
		for _, u := range users {
			for _, v := range probe {
				list = append(list, s.scoreFor(t, u, v))
			}
		}
		return list
	}
	before := scores()
	type taught struct{ user, key string }
	var done []taught
	for i := range 60 {
		u, spam := users[r.IntN(3)], r.IntN(2) == 1
		kind := []string{"ham", "spam", "any"}[r.IntN(3)]
		key := fmt.Sprint(i)
		learn(t, s, lesson(u, key, text(r, kind), spam))
		done = append(done, taught{u, key})
	}
	moved := 0.0
	for i, x := range scores() {
		moved = max(moved, math.Abs(x-before[i]))
	}
	r.Shuffle(len(done), func(i, j int) { done[i], done[j] = done[j], done[i] })
	for _, d := range done {
		if err := s.Undo(t.Context(), d.user, d.key); err != nil {
			t.Fatal(err)
		}
	}
	left := 0.0
	for i, x := range scores() {
		left = max(left, math.Abs(x-before[i]))
	}
	t.Logf("lessons moved scores by up to %.2f; undone, %.3f is left", moved, left)
	if moved < 0.5 || left > 0.2*moved {
		t.Errorf("lessons moved scores by %g, undoing left %g", moved, left)
	}
}

func TestAUserIsForgotten(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	s := gatewayOn(t, db, DefaultOptions())
	v := vector(newsletter)
	before, elsewhere := s.scoreFor(t, ana, v), s.scoreFor(t, cleo, v)
	learn(t, s, lesson(ana, "m", newsletter, true), lesson(ana, "n", text(rnd(), "any"), true))
	s.Contact(ana, "friend@far.example")
	if err := s.saveNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.UndoUser(t.Context(), ana); n != (Undone{Spam: 2}) || err != nil {
		t.Fatal(n, err)
	}
	check := func(s *Store) {
		t.Helper()
		if got := s.scoreFor(t, ana, v); math.Abs(got-before) > 0.2 {
			t.Errorf("%g before, %g after", before, got)
		}
		if got := s.scoreFor(t, cleo, v); math.Abs(got-elsewhere) > 0.2 {
			t.Errorf("elsewhere %g before, %g after", elsewhere, got)
		}
		if _, ok := s.layers.get(ana); ok {
			t.Error("the layer is still there")
		}
	}
	check(s)
	if err := s.saveNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(gatewayOn(t, db, DefaultOptions()))
}

func TestWrongLessonsAreRefused(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	good := lesson(ana, "k", newsletter, true)
	for name, change := range map[string]func(*Lesson){
		"no user":       func(l *Lesson) { l.User = "" },
		"nobody's mail": func(l *Lesson) { l.User, l.Source = "", Quarantine },
		"NUL in user":   func(l *Lesson) { l.User = "a\x00b@example.org" },
		"not a user's":  func(l *Lesson) { l.User = "*" },
		"a domain":      func(l *Lesson) { l.User = "@example.org" },
		"no key":        func(l *Lesson) { l.Key = "" },
		"long key":      func(l *Lesson) { l.Key = string(make([]byte, 300)) },
		"no vector":     func(l *Lesson) { l.Vector = nil },
		"no source":     func(l *Lesson) { l.Source = "" },
	} {
		bad := good
		change(&bad)
		if _, err := s.Learn(t.Context(), bad); !errors.Is(err, ErrLesson) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One that is wrong keeps no other back.
	bad := good
	bad.Key = ""
	if _, err := s.Learn(t.Context(), bad, good); !errors.Is(err, ErrLesson) {
		t.Error(err)
	}
	if err := s.Undo(t.Context(), ana, "k"); err != nil {
		t.Error(err)
	}
}

// TestLearnTellsWhatBecameOfLessons: what is new, what was known, what came
// with the other label; of lessons beyond one transaction, too.
func TestLearnTellsWhatBecameOfLessons(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	var list []Lesson
	for i := range writeLessons + 1 {
		l := lesson("", fmt.Sprint(i), newsletter, i == 0)
		l.Source = Admin
		list = append(list, l)
	}
	bad := list[1]
	bad.Key = ""
	other := list[0]
	other.Spam = false
	for _, c := range []struct {
		list []Lesson
		want Learned
	}{
		{list, Learned{Ham: writeLessons, Spam: 1}},
		{list, Learned{Known: writeLessons + 1}},
		{[]Lesson{other, bad, list[1]}, Learned{Ham: 1, Known: 1}},
		{[]Lesson{other, list[0]}, Learned{Known: 1, Spam: 1}},
	} {
		got, err := s.Learn(t.Context(), c.list...)
		if err != nil && !errors.Is(err, ErrLesson) || got != c.want {
			t.Errorf("%+v, %v, want %+v", got, err, c.want)
		}
	}
}

func TestKeyStaysTheSame(t *testing.T) {
	t.Parallel()
	a := raw("hello", newsletter)
	b := append([]byte("Received: by x\r\nX-Spam-Score: 7\r\n"), a...)
	if KeyOf(a) != KeyOf(b) {
		t.Error("fields that were added change it")
	}
	if KeyOf(a) == KeyOf(raw("hello", newsletter+"!")) {
		t.Error("another body does not")
	}
}

// TestWhatAUserTaughtIsNotReadForEachLesson: who teaches much at once has not
// all that he taught before read for each message.
func TestWhatAUserTaughtIsNotReadForEachLesson(t *testing.T) {
	opt := DefaultOptions()
	opt.Rate = 1e5
	db := openDB(t, t.TempDir())
	s, err := Open(t.Context(), opt, Deps{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	teach := func(k int) (allocs uint64) {
		var list []Lesson
		for range k {
			l := lesson(ana, fmt.Sprint(n), own(n), false)
			l.Source, l.Sender = Admin, Sender{Address: fmt.Sprintf("a%d@d%d.example", n, n)}
			list = append(list, l)
			n++
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		learn(t, s, list...)
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	few := teach(writeLessons)
	teach(10 * writeLessons)
	if many := teach(writeLessons); many > 2*few {
		t.Errorf("%d lessons take %d allocations, %d behind a thousand others", writeLessons, few, many)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLessonsOfOneBatchHaveOneVoice: of what is taught at once as well, and where
// a lesson is taken back in between.
func TestLessonsOfOneBatchHaveOneVoice(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	from := Sender{Address: "eve@far.example", Aligned: true}
	say := func(key string, spam bool) Lesson {
		l := lesson(ana, key, own(len(key)), spam)
		l.Sender = from
		return l
	}
	bad := func() float64 {
		r, err := s.Reputation(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		return r.Address.Bad
	}
	learn(t, s, say("1", true))
	one := bad()
	learn(t, s, say("22", true), say("333", true), say("1", false), say("4444", true))
	if got := bad(); one == 0 || math.Abs(got-one) > one/100 {
		t.Errorf("one voice counts %g, those of a batch %g", one, got)
	}
	learn(t, s, say("22", false), say("333", false), say("4444", false))
	if got := bad(); got != 0 {
		t.Errorf("%g is left where all was taken back", got)
	}
}
