package learned

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// killed is a gateway that ends without a word: what it has in memory is lost.
func killed(t testing.TB, db *sqldb.DB) *Store {
	t.Helper()
	s, err := Open(context.Background(), DefaultOptions(), Deps{DB: db, Model: base()})
	if err != nil {
		t.Fatal(err)
	}
	s.deps.Keep, s.patience = true, time.Minute
	return s
}

func TestLessonsSurviveAKill(t *testing.T) {
	t.Parallel()
	for _, saveAfter := range []int{-1, 0, 5, 9} {
		t.Run(fmt.Sprint("saved after ", saveAfter), func(t *testing.T) {
			t.Parallel()
			db, r := openDB(t, t.TempDir()), rnd()
			s := killed(t, db)
			var bodies []string
			for i := range 10 {
				bodies = append(bodies, text(r, []string{"ham", "spam", "any"}[i%3]))
				learn(t, s, lesson([]string{ana, ben, cleo}[i%3], fmt.Sprint(i), bodies[i], i%2 == 0))
				if i == 7 {
					if err := s.Undo(t.Context(), ben, "4"); err != nil {
						t.Fatal(err)
					}
				}
				if i == saveAfter {
					if err := s.saveNow(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			again := killed(t, db)
			for _, b := range bodies {
				for _, u := range []string{ana, ben, cleo} {
					if x, y := s.scoreFor(t, u, vector(b)), again.scoreFor(t, u, vector(b)); math.Abs(x-y) > 1e-3 {
						t.Errorf("%s: %g before, %g after the kill", u, x, y)
					}
				}
			}
			// Both can still undo.
			for _, x := range []*Store{again, s} {
				if err := x.Undo(t.Context(), ana, map[*Store]string{again: "0", s: "3"}[x]); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestGatewayLearnsWhatACommandTeaches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := gatewayOn(t, openDB(t, dir), DefaultOptions())
	command, err := Open(t.Context(), DefaultOptions(), Deps{DB: openDB(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	v := vector(newsletter)
	before := s.scoreFor(t, cleo, v)
	learn(t, command, Lesson{Key: "m", Spam: true, Source: Admin, Vector: v})
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := s.scoreFor(t, cleo, v); after < before+0.3 {
		t.Errorf("%g before, %g after", before, after)
	}
}

func TestLayersAreReadAgain(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Memory = 1 << 20
	s := openStore(t, opt)
	r := rnd()
	want := map[string]float64{}
	v := vector(newsletter)
	for i := range 60 {
		u := fmt.Sprintf("u%d@example.org", i)
		learn(t, s, lesson(u, "m", text(r, "any")+newsletter, i%2 == 0))
		if i%20 == 19 || i == 59 {
			if err := s.saveNow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := func() int64 {
		s.layers.mu.Lock()
		defer s.layers.mu.Unlock()
		var size int64
		for name, h := range s.layers.held {
			if name != installation && name != everybody {
				size += h.size
			}
		}
		return size
	}
	for range 2 {
		for i := range 60 {
			u := fmt.Sprintf("u%d@example.org", i)
			if l := s.Layers(t.Context(), u); len(l) != 3 {
				t.Fatalf("%s has %d layers", u, len(l))
			}
			got := s.scoreFor(t, u, v)
			if w, ok := want[u]; ok && math.Abs(got-w) > 0.2 {
				t.Errorf("%s: %g, then %g", u, w, got)
			}
			want[u] = got
			if n := held(); n > opt.Memory {
				t.Fatalf("layers take %d octets", n)
			}
		}
	}
}
