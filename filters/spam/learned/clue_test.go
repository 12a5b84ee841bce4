package learned

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	wrongList = "dnsbl"        // lists half of the ham here
	rightSign = "dmarc-policy" // is of spam alone
)

func listed() Clue { return Clue{Name: wrongList, Odds: 3, Full: 3} }
func forged() Clue { return Clue{Name: rightSign, Odds: 1.5, Full: 1.5} }

func worthOf(t testing.TB, s *Store, name string) float64 {
	t.Helper()
	return s.Worth(t.Context(), []Clue{{Name: name, Odds: 1, Full: 1}})[0]
}

// arrival is a message that came to an installation, with what was known of it.
func arrival(r *rand.Rand, n int, spam bool) Lesson {
	kind := "any" // such as words alone do not tell
	if n%3 == 0 {
		kind = map[bool]string{false: "ham", true: "spam"}[spam]
	}
	l := lesson(fmt.Sprintf("u%d@example%d.org", n%40, n%3), fmt.Sprint(n), text(r, kind)+own(n), spam)
	if r.IntN(10) < map[bool]int{false: 5, true: 3}[spam] {
		l.Clues = append(l.Clues, listed())
	}
	if spam && r.IntN(10) < 8 {
		l.Clues = append(l.Clues, forged())
	}
	return l
}

// scored is the score of a message with what is known of it, as its recipient has it.
func scored(t testing.TB, s *Store, l Lesson) float64 {
	t.Helper()
	m := s.model.Load()
	odds := Together(l.Clues, s.Worth(t.Context(), l.Clues))
	return m.Add(m.Score(l.Vector, s.Layers(t.Context(), l.User)...), max(-MaxEvidence, min(odds, MaxEvidence))).Score
}

// TestASignThatIsWrongHereLosesItsWeight: an installation whose block list has half
// of its ham. Users move what is wrong, as users do: what looks like spam and is
// not out of Junk, and spam that looks like ham into it.
func TestASignThatIsWrongHereLosesItsWeight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s, r := killed(t, db), rnd()
		lessons, n := 0, 0
		for ; lessons < 60 && n < 3000; n++ {
			l := arrival(r, n, n%2 == 0)
			if x := scored(t, s, l); l.Spam == (x > 0) { // its class is right
				continue
			}
			learn(t, s, l)
			if lessons++; lessons%20 == 0 {
				t.Logf("%d messages, %d lessons: %s is worth %.2f, %s %.2f", n, lessons, wrongList, worthOf(t, s, wrongList), rightSign, worthOf(t, s, rightSign))
			}
			time.Sleep(4 * time.Hour)
		}
		wrong, right := worthOf(t, s, wrongList), worthOf(t, s, rightSign)
		if wrong > 0.5 || right < 0.8 {
			t.Errorf("after %d lessons the wrong list is worth %.2f, the right sign %.2f", lessons, wrong, right)
		}
		again := killed(t, db)
		if x := worthOf(t, again, wrongList); math.Abs(x-wrong) > 1e-9 {
			t.Errorf("after a kill %g, before %g", x, wrong)
		}
		time.Sleep(6 * halfLife)
		if x := worthOf(t, again, wrongList); x < 0.9 {
			t.Errorf("what nobody confirms is still worth %g", x)
		}
		db.Close()
	})
}

// TestAnAdministratorTeachesFaster: some dozens of lessons of one who is
// trusted are enough.
func TestAnAdministratorTeachesFaster(t *testing.T) {
	t.Parallel()
	s, r := openStore(t, DefaultOptions()), rnd()
	var list []Lesson
	for n := range 60 {
		l := arrival(r, n, n%2 == 0)
		l.User, l.Source = "", Admin
		list = append(list, l)
	}
	learn(t, s, list...)
	if wrong, right := worthOf(t, s, wrongList), worthOf(t, s, rightSign); wrong > 0.6 || right < 0.8 {
		t.Errorf("the wrong list is worth %.2f, the right sign %.2f", wrong, right)
	}
}

// TestOnePoisonerDoesNotTurnASign: whatever one user teaches, and for how
// long, what a sign weighs for others moves by less than his share; nor does it do
// so where he shares nothing.
func TestOnePoisonerDoesNotTurnASign(t *testing.T) {
	t.Parallel()
	for _, spam := range []bool{false, true} {
		t.Run(fmt.Sprint("as spam ", spam), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := openDB(t, t.TempDir())
				s, r := killed(t, db), rnd()
				clues := []Clue{listed(), {Name: "network", Odds: 1, Full: 1}, {Name: "virus", Odds: 6, Full: 6}, {Name: "allowlist", Odds: -2, Full: 2}}
				if spam { // what the lesson says is unexpected of each
					clues[0].Odds, clues[1].Odds, clues[2].Odds = 0.4, -1, 0.5
				}
				most := map[string]float64{}
				for i := range 240 {
					l := lesson(ana, fmt.Sprint(i), text(r, "any")+own(i), spam)
					l.Clues = clues[i%len(clues) : i%len(clues)+1]
					learn(t, s, l)
					for _, c := range clues {
						most[c.Name] = max(most[c.Name], c.Full*math.Abs(worthOf(t, s, c.Name)-1))
					}
					time.Sleep(24 * time.Hour)
				}
				share, moved := s.opt.Load().Share.Installation, 0.0
				for name, x := range most {
					if moved += x; x > share {
						t.Errorf("%s is moved by %g, the share is %g", name, x, share)
					}
				}
				if moved == 0 {
					t.Error("nothing was moved: the test shows nothing")
				}
				none := DefaultOptions()
				none.Share.Installation = 0
				s.Reconfigure(none)
				l := lesson(ben, "x", own(999), spam)
				l.Clues = []Clue{{Name: "spf", Odds: 0.7, Full: 0.7}}
				if learn(t, s, l); worthOf(t, s, "spf") != 1 {
					t.Error("moved where nothing is shared")
				}
				db.Close()
			})
		})
	}
}

// TestWhatCluesWereTaughtIsTakenBack: with their lessons, whoever taught them in
// whatever order.
func TestWhatCluesWereTaughtIsTakenBack(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	s, r := killed(t, db), rnd()
	var list []Lesson
	for n := range 40 {
		l := arrival(r, n, n%2 == 0)
		l.User = []string{ana, ben, cleo, ""}[n%4]
		if l.User == "" {
			l.Source = Admin
		}
		l.Clues = []Clue{listed(), forged()}
		list = append(list, l)
	}
	learn(t, s, list...)
	if x := worthOf(t, s, wrongList); x > 0.9 {
		t.Fatalf("taught nothing: %g", x)
	}
	s = killed(t, db)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for _, l := range list {
		if err := s.Undo(t.Context(), l.User, l.Key); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := worthOf(t, s, wrongList), worthOf(t, s, rightSign); a != 1 || b != 1 {
		t.Errorf("%g and %g are left", a, b)
	}
	var left int
	row := db.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM learned_reputation")
	if err := row.Scan(&left); err != nil || left > 0 {
		t.Errorf("%d rows are left: %v", left, err)
	}
}

// TestCluesAreBounded: those that somebody made up are passed over, or cut.
func TestCluesAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxClueName+1)
	got := checkClues([]Clue{
		{"a", 99, 3},
		{"a", 1, 3},
		{"b c", 1, 1},
		{"B", 1, 1},
		{"\xff", 1, 1},
		{"", 1, 1},
		{long, 1, 1},
		{"n", math.NaN(), 1},
		{"f", 1, math.NaN()},
		{"g", 1, 0},
		{"big", math.Inf(-1), math.Inf(1)},
	})
	if want := []Clue{{"a", 3, 3}, {"big", -12, 12}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
	var many []Clue
	for i := range 3 * MaxClues {
		many = append(many, Clue{fmt.Sprint("list/", i), 6, 6})
	}
	s := openStore(t, DefaultOptions())
	l := lesson("", "m", text(rnd(), "any"), false)
	l.Clues, l.Source = many, Admin
	learn(t, s, l)
	moved := 0.0
	for i, x := range s.Worth(t.Context(), many) {
		if moved += 6 * (1 - x); i >= MaxClues && x != 1 {
			t.Errorf("clue %d is worth %g", i, x)
		}
	}
	if moved < 0.5 || moved > 1 {
		t.Errorf("one lesson moves all together by %g", moved)
	}
}

// TestWorthIsBounded: no lessons make a clue say the contrary.
func TestWorthIsBounded(t *testing.T) {
	t.Parallel()
	s, r := openStore(t, DefaultOptions()), rnd()
	var list []Lesson
	for n := range 90 { // at once, so that the words teach nothing in between
		l := lesson("", fmt.Sprint(n), text(r, "any")+own(n), n >= 45)
		if l.Clues, l.Source = []Clue{listed(), {"allowlist", -2, 2}}, Admin; l.Spam {
			l.Clues = l.Clues[1:]
		} else {
			l.Clues = l.Clues[:1]
		}
		list = append(list, l)
	}
	learn(t, s, list...)
	for _, name := range []string{wrongList, "allowlist"} {
		if x := worthOf(t, s, name); x < 0 || x > 0.3 {
			t.Errorf("%s is worth %g", name, x)
		}
	}
	var sum float64 // it is not wound up behind its bound
	row := s.deps.DB.Read().QueryRow(t.Context(), "SELECT MAX(good - bad) FROM learned_reputation")
	if err := row.Scan(&sum); err != nil || sum/inflate(time.Now(), halfLife) > 1+clueRate {
		t.Errorf("%g below one: %v", sum/inflate(time.Now(), halfLife), err)
	}
}

// TestTogetherIsWhatWasWrittenByHand: where nothing was taught, and of
// senders at most so much.
func TestTogetherIsWhatWasWrittenByHand(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	clues := []Clue{listed(), forged(), {ClueAddress, 2, 2}, {ClueDomain, 1.6, 1.6}}
	if x := Together(clues, s.Worth(t.Context(), clues)); x != 3+1.5+2.5 {
		t.Errorf("%g", x)
	}
	if x := Together(clues, []float64{0.5, 2, 0.5, 0}); x != 1.5+3+1 {
		t.Errorf("%g", x)
	}
}
