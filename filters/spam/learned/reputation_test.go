package learned

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

func reputation(t testing.TB, s *Store, from Sender) Reputation {
	t.Helper()
	r, err := s.Reputation(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReputationCountsAndDecays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, t.TempDir())
		s := killed(t, db)
		from := Sender{Address: "News@Shop.example", Aligned: true, IP: netip.MustParseAddr("192.0.2.77"), Links: []string{"shop.example", "track.example"}}
		if r := reputation(t, s, from); !r.NewLink || r.Domain.N != 0 || r.Domain.Odds() != 0 {
			t.Errorf("of nothing: %+v", r)
		}
		begun := time.Now()
		for i := range 10 {
			m := Sighting{Sender: from, Class: model.Ham}
			if i == 9 {
				m.Class = model.Spam
			}
			s.Seen(t.Context(), m)
		}
		check := func(s *Store, when string, scale float64) {
			t.Helper()
			r := reputation(t, s, from)
			for name, c := range map[string]Counts{"address": r.Address, "domain": r.Domain, "network": r.Network, "link": r.Links} {
				if c.N != 10 || math.Abs(c.Ham-9*scale) > 0.01 || math.Abs(c.Spam-scale) > 0.01 || !c.First.Equal(begun.Truncate(time.Second)) {
					t.Errorf("%s, %s: %+v", when, name, c)
				}
			}
			if r.NewLink {
				t.Errorf("%s: the link is new", when)
			}
		}
		check(s, "before it is written", 1)
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(s, "written", 1)
		check(s, "from memory", 1)
		time.Sleep(halfLife)
		check(s, "a half-life later", 0.5)
		near := Sender{Address: "other@shop.example", Aligned: true, IP: netip.MustParseAddr("192.0.2.1")}
		if r := reputation(t, s, near); r.Address.N != 0 || r.Domain.N != 10 || r.Network.N != 10 {
			t.Errorf("a neighbour: %+v", r)
		}
		forged := from
		forged.Aligned = false
		if r := reputation(t, s, forged); r.Address.N != 0 || r.Domain.N != 0 {
			t.Errorf("somebody who is not he: %+v", r)
		}
		s.Close()
		again := killed(t, db)
		check(again, "opened again", 0.5)
		again.Close()
		db.Close()
	})
}

func TestLessonsAndRepliesCountMost(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	from := Sender{Address: "bad@spam.example", Aligned: true}
	l := lesson("", "m", newsletter, true)
	l.Sender, l.Source = from, Admin
	learn(t, s, l)
	if r := reputation(t, s, from); r.Domain.Odds() < 0.5 || r.Address.Bad == 0 {
		t.Errorf("%+v", r)
	}
	if err := s.Undo(t.Context(), "", "m"); err != nil {
		t.Fatal(err)
	}
	if r := reputation(t, s, from); math.Abs(r.Domain.Odds()) > 1e-3 {
		t.Errorf("undone: %+v", r)
	}
	for range 50 { // is as much as once
		s.Contact(ana, "Bad@spam.example")
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := reputation(t, s, from); r.Domain.Odds() > -0.5 || r.Address.Replies < 0.99 || r.Address.Replies > 1 {
		t.Errorf("written to: %+v", r)
	}
	s.Contact(ben, "bad@spam.example")
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := reputation(t, s, from); r.Address.Replies < 1.9 {
		t.Errorf("written to by two: %+v", r)
	}
}

// TestAUserHasOneVoiceInTheReputation: whatever he teaches of a sender, and
// how often, what filters ask of it moves by less than the share; users who agree
// move it more, and undoing leaves nothing.
func TestAUserHasOneVoiceInTheReputation(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	r := rnd()
	odds := func(from Sender) float64 {
		x := reputation(t, s, from)
		return math.Abs(0.5*x.Address.Odds() + 0.4*x.Domain.Odds() + 0.25*x.Links.Odds()) // the filter's weights
	}
	for _, spam := range []bool{true, false} {
		from := Sender{Address: fmt.Sprintf("news@%v.example", spam), Aligned: true, Links: []string{fmt.Sprintf("l%v.example", spam)}}
		teach := func(user string, i int) {
			l := lesson(user, fmt.Sprintf("%v%d", spam, i), text(r, "any"), spam)
			l.Sender = from
			learn(t, s, l)
		}
		for i := range 50 {
			teach(ana, i)
		}
		one := odds(from)
		if share := s.opt.Load().Share.Installation; one == 0 || one > share {
			t.Errorf("one user moves it by %g, the share is %g", one, share)
		}
		for i := range 9 {
			teach(fmt.Sprintf("u%d@example.org", i), 100+i)
		}
		if many := odds(from); many < 3*one {
			t.Errorf("ten users move it by %g, one by %g", many, one)
		}
		for i := range 9 {
			if _, err := s.UndoSince(t.Context(), fmt.Sprintf("u%d@example.org", i), time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.UndoUser(t.Context(), ana); err != nil {
			t.Fatal(err)
		}
		if left := odds(from); left > 1e-6 {
			t.Errorf("undone, %g is left", left)
		}
	}
	none := DefaultOptions()
	none.Share.Installation = 0
	s.Reconfigure(none)
	l := lesson(ana, "x", newsletter, true)
	l.Sender = Sender{Address: "a@zero.example", Aligned: true}
	learn(t, s, l)
	if x := odds(l.Sender); x != 0 {
		t.Errorf("moved by %g where nothing is shared", x)
	}
}

func TestContactsAreOfTheirUser(t *testing.T) {
	t.Parallel()
	db := openDB(t, t.TempDir())
	s := gatewayOn(t, db, DefaultOptions())
	known := func(s *Store, user, address string, want bool) {
		t.Helper()
		if got, err := s.Known(t.Context(), user, address); got != want || err != nil {
			t.Errorf("%s knows %s: %v, %v", user, address, got, err)
		}
	}
	reply := func(s *Store, user string, want bool, ids ...string) {
		t.Helper()
		if got, err := s.IsReply(t.Context(), user, ids...); got != want || err != nil {
			t.Errorf("%q: %v, %v", ids, got, err)
		}
	}
	known(s, ana, "friend@far.example", false)
	reply(s, ana, false, "<1@example.org>")
	s.Sent(Sent{User: ana, To: []string{"Friend@Far.example", "no address", "two@far.example"}, MessageID: "<1@example.org>"})
	for range 2 {
		known(s, ana, "friend@far.example", true)
		known(s, "Ana@example.org", "TWO@far.example", true)
		known(s, ben, "friend@far.example", false)
		reply(s, "Ana@example.org", true, "<0@x>", "<1@example.org>")
		reply(s, ben, false, "<1@example.org>") // who has it from the archive of a list
		reply(s, ana, false, "<2@example.org>", "")
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := killed(t, db)
	known(again, ana, "friend@far.example", true)
	known(again, ben, "friend@far.example", false)
	reply(again, ana, true, "1@example.org")
}

// TestAFloodOfNamesIsBounded: names that strangers make up fill neither memory
// nor tables.
func TestAFloodOfNamesIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions()
		opt.Senders = 1000
		db := openDB(t, t.TempDir())
		s, err := Open(t.Context(), opt, Deps{DB: db, Model: base()}) // nobody writes
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 * maxPending {
			s.Seen(t.Context(), Sighting{Sender: Sender{Address: fmt.Sprintf("a@d%d.example", i)}, Class: model.Spam})
		}
		if n := s.behind.now.size(); n > maxPending+maxNames || s.behind.lost == 0 {
			t.Errorf("%d wait, %d were lost", n, s.behind.lost)
		}
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = gatewayOn(t, db, opt)
		time.Sleep(pruneEvery + time.Minute)
		if n := countNames(t, db); n > opt.Senders {
			t.Errorf("%d names are kept", n)
		}
		s.Close()
		db.Close()
	})
}

func countNames(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM learned_reputation").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAFloodOfNamesHasNobodyForgotten: those who write for long are not put out
// by names that are made up.
func TestAFloodOfNamesHasNobodyForgotten(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Senders = 1000
	s := openStore(t, opt)
	see := func(n int, name string) {
		for i := range n {
			s.Seen(t.Context(), Sighting{Sender: Sender{Address: fmt.Sprintf("a@%s%d.example", name, i)}, Class: model.Ham})
		}
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	see(300, "known")
	see(300, "known")
	exec(t, s.deps.DB, "UPDATE learned_reputation SET last = last - 3600")
	see(2500, "made-up")
	if err := s.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	var known int
	if err := s.deps.DB.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM learned_reputation WHERE n > 1").Scan(&known); err != nil {
		t.Fatal(err)
	}
	if n := countNames(t, s.deps.DB); known != 300 || n != opt.Senders {
		t.Errorf("of 300 that are known %d are kept, and %d in all", known, n)
	}
}

// TestWhatIsTaughtAgainIsNotForgotten: a clue is never seen to arrive, and is
// forgotten by its lessons alone.
func TestWhatIsTaughtAgainIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	teach := func(i int) {
		learn(t, s, Lesson{Key: fmt.Sprint(i), Source: Admin, Vector: vector(own(i)), Clues: []Clue{{Name: "dnsbl", Odds: 3, Full: 3}}})
	}
	teach(0)
	exec(t, s.deps.DB, "UPDATE learned_reputation SET last = last - ?", 2*int64(s.opt.Load().Forget/time.Second))
	teach(1)
	if err := s.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := countNames(t, s.deps.DB); n != 1 {
		t.Errorf("%d names are kept of what was taught just now", n)
	}
}

func TestWhatFailsIsWrittenLater(t *testing.T) {
	t.Parallel()
	s := openStore(t, DefaultOptions())
	from := Sender{Address: "a@b.example", Aligned: true}
	s.Seen(t.Context(), Sighting{Sender: from, Class: model.Ham})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.flush(ended); err == nil {
		t.Error("written after the end")
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := reputation(t, s, from); r.Domain.N != 1 {
		t.Errorf("%+v", r.Domain)
	}
}

func TestContactsAreBounded(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Contacts = 10
	s := openStore(t, opt)
	for i := range 50 {
		s.Contact(ana, fmt.Sprintf("c%d@far.example", i))
		if i < 7 {
			s.Contact(ben, fmt.Sprintf("c%d@far.example", i))
		}
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // of whom nothing is new the second time
		if err := s.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		for user, want := range map[string]int{ana: 10, ben: 7} {
			var n int
			if err := s.deps.DB.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM learned_contacts WHERE username = ?", user).Scan(&n); err != nil || n != want {
				t.Errorf("%d contacts of %s: %v", n, user, err)
			}
		}
	}
}

func FuzzSender(f *testing.F) {
	f.Add("a@b.example", "c.example", []byte{192, 0, 2, 1})
	f.Add("\"x y\"@\xff", "..", []byte{})
	f.Fuzz(func(t *testing.T, address, link string, ip []byte) {
		addr, _ := netip.AddrFromSlice(ip)
		for _, name := range (Sender{address, true, addr, []string{link}}).names().all() {
			if len(name) > maxName+20 {
				t.Errorf("%q", name)
			}
			for _, r := range name {
				if r <= ' ' || r == 0xFFFD && !containsRune(address+link) {
					t.Errorf("%q cannot be kept as text", name)
				}
			}
		}
	})
}

func containsRune(s string) bool {
	for _, r := range s {
		if r == 0xFFFD {
			return true
		}
	}
	return false
}

func BenchmarkReputation(b *testing.B) {
	s := openStore(b, DefaultOptions())
	from := Sender{Address: "a@b.example", Aligned: true, IP: netip.MustParseAddr("192.0.2.1"), Links: []string{"b.example", "c.example"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Reputation(b.Context(), from); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeen(b *testing.B) {
	s := openStore(b, DefaultOptions())
	m := Sighting{Sender: Sender{Address: "a@b.example", Aligned: true, IP: netip.MustParseAddr("192.0.2.1"), Links: []string{"b.example", "c.example"}}, Class: model.Ham}
	b.ReportAllocs()
	for b.Loop() {
		s.Seen(b.Context(), m)
	}
}
