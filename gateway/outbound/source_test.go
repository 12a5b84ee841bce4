package outbound

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Which pool and which of its addresses mail leaves from.
func TestPools(t *testing.T) {
	t.Parallel()
	list := []Pool{
		{Name: "main", Sources: []Source{{Address: addr("198.51.100.1")}}, Domains: []string{"*"}},
		{Name: "news", Sources: []Source{{Address: addr("198.51.100.2"), Hello: "news.gw.test"}}, Lanes: []string{"bulk"}},
		{Name: "six", Sources: []Source{{Address: addr("2001:db8:1::1")}}},
	}
	for name, c := range map[string]struct {
		queue func(*queue.Job)
		dials string
		hello string
		want  string
	}{
		"by domain":           {func(*queue.Job) {}, "198.51.100.1>192.0.2.1", "gw.test", "delivered"},
		"by lane":             {func(j *queue.Job) { j.Queue.Lane = "bulk" }, "198.51.100.2>192.0.2.1", "news.gw.test", "delivered"},
		"an unknown lane":     {func(j *queue.Job) { j.Queue.Lane = "other" }, "198.51.100.1>192.0.2.1", "gw.test", "delivered"},
		"chosen":              {func(j *queue.Job) { j.Queue.Pool = "news" }, "198.51.100.2>192.0.2.1", "news.gw.test", "delivered"},
		"chosen, not there":   {func(j *queue.Job) { j.Queue.Pool = "none" }, "198.51.100.1>192.0.2.1", "gw.test", "delivered"},
		"IPv6 alone":          {func(j *queue.Job) { j.Queue.Pool = "six"; j.Destination = "e.test" }, "2001:db8:1::1>2001:db8::1", "gw.test", "delivered"},
		"no source of a kind": {func(j *queue.Job) { j.Queue.Pool = "six" }, "", "", "deferred 451 4.4.4 local dest mx.d.test 192.0.2.1"},
		"IPv4 of both":        {func(j *queue.Job) { j.Destination = "e.test" }, "198.51.100.1>192.0.2.1", "gw.test", "delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				z := one()
				z["e.test"], z["mx.e.test"] = append(z["e.test"], MX(10, "mx.e.test")), append(z["mx.e.test"], A("192.0.2.1"), AAAA("2001:db8::1"))
				w, s := newWorld(t, z), &sink{}
				w.opt.Pools = list
				w.hosts["192.0.2.1"], w.hosts["2001:db8::1"] = s.serve, s.serve
				j := job("b@d.test")
				c.queue(j)
				out := w.transport().Deliver(t.Context(), j)
				if got := shows(out); !strings.HasPrefix(got, c.want) || w.dialled() != c.dials || s.said("EHLO") != strings.TrimSpace("EHLO "+c.hello) && c.hello != "" {
					t.Errorf("%s: dialled %s as %s", got, w.dialled(), s.said("EHLO"))
				}
			})
		})
	}
}

// A source that the machine does not have keeps no mail from leaving by the
// others of its pool, nor does one whose way to a server is broken.
func TestSourcesThatAreNotThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{}
		w.hosts["192.0.2.1"] = s.serve
		w.opt.Pools = []Pool{{Name: "default", Sources: []Source{{Address: addr("198.51.100.1"), Weight: 999}, {Address: addr("198.51.100.2"), Weight: 999}, {Address: addr("198.51.100.3")}}}}
		w.refuse = func(from netip.Addr) error {
			switch from {
			case addr("198.51.100.1"):
				return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}
			case addr("198.51.100.2"):
				return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}
			}
			return nil
		}
		tr := w.transport()
		n := 0
		for range 10 {
			if tr.Deliver(t.Context(), job("b@d.test"))[0].Result == queue.Delivered {
				n++
			}
		}
		if n < 9 { // one finds out about the way
			t.Errorf("%d are delivered: %s", n, w.dialled())
		}
		if !strings.Contains(w.log.String(), "does not have an address") {
			t.Error("not logged")
		}
		// All of them.
		w.refuse = func(netip.Addr) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}
		}
		time.Sleep(time.Minute)
		if got := shows(tr.Deliver(t.Context(), job("b@d.test"))); got != "deferred 451 4.4.0 local mx.d.test 192.0.2.1" {
			t.Error(got)
		}
	})
}

func TestWeights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, one())
	w.opt.Pools = []Pool{{Name: "default", Sources: []Source{{Address: addr("198.51.100.1"), Weight: 9}, {Address: addr("198.51.100.2")}}}}
	tr := w.transport()
	n := map[string]int{}
	for range 1000 {
		s, _ := tr.choose(tr.pools.of("d.test", gateway.Queueing{}), netip.MustParseAddrPort("192.0.2.1:25"), "d.test")
		n[s.String()]++
	}
	if n["198.51.100.1"] < 850 || n["198.51.100.2"] < 50 {
		t.Errorf("%v", n)
	}
	// One that the destination wants nothing from now is the last choice.
	w.state.sites.obey(siteKey{"d.test", addr("198.51.100.1")}, &action{pause: time.Hour}, &Shape{Connections: 1}, "")
	for range 100 {
		if s, _ := tr.choose(tr.pools.of("d.test", gateway.Queueing{}), netip.MustParseAddrPort("192.0.2.1:25"), "d.test"); s.String() != "198.51.100.2" {
			t.Fatal(s)
		}
	}
}

// An address that is being warmed up sends what its day allows, the rest
// leaves from others or waits; a restart does not forget what was sent.
func TestWarmup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // or midnight comes meanwhile
		dir := t.TempDir()
		open := func() *sqldb.DB {
			db, err := sqldb.Open(t.Context(), sqldb.Options{URL: sqldbtest.URL(t, dir), Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		today := day(time.Now())
		cold := Source{Address: addr("198.51.100.2"), Warmup: &Warmup{Start: today.AddDate(0, 0, -1).Format(time.DateOnly), Days: []int{1, 5, 10}}}
		run := func(spill string, n int) (from map[string]int, last queue.Outcome) {
			db := open()
			defer db.Close()
			w := newWorld(t, one())
			w.opt.Pools = []Pool{{Name: "default", Sources: []Source{cold}, Spill: spill}, {Name: "warm", Sources: []Source{{Address: addr("198.51.100.1")}}}}
			s := &sink{}
			w.hosts["192.0.2.1"] = s.serve
			var err error
			if w.state, err = NewState(t.Context(), db, nil, nil); err != nil {
				t.Fatal(err)
			}
			tr := w.transport()
			w.state.pool.setLimits(100, 0, time.Second)
			for range n {
				last = tr.Deliver(t.Context(), job("b@d.test"))[0]
			}
			tr.Close()
			w.state.Close()
			w.wg.Wait()
			from = map[string]int{}
			for _, d := range strings.Fields(w.dialled()) {
				a, _, _ := strings.Cut(d, ">")
				from[a]++
			}
			return from, last
		}
		if from, _ := run("warm", 3); from["198.51.100.2"] != 3 || from["198.51.100.1"] != 0 {
			t.Errorf("at first: %v", from)
		}
		if from, _ := run("warm", 5); from["198.51.100.2"] != 2 || from["198.51.100.1"] != 3 {
			t.Errorf("after a restart: %v", from)
		}
		from, last := run("", 1)
		if len(from) != 0 || !last.Untried || last.Retry <= 0 || last.Retry > time.Hour {
			t.Errorf("without another pool: %v, %s after %s", from, show(last), last.Retry)
		}
		s, err := newSource(cold, "gw.test")
		if err != nil {
			t.Fatal(err)
		}
		for days, want := range map[int]int{-3: 0, -2: 0, -1: 1, 0: 5, 1: 10, 2: -1, 100: -1} {
			if got := s.allowance(today.AddDate(0, 0, days)); got != want {
				t.Errorf("in %d days: %d, want %d", days, got, want)
			}
		}
	})
}

// A clock that is set back over midnight gives no allowance anew, with a
// restart or without, and a day that was too early has its own when it comes.
func TestWarmupWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		db, err := sqldb.Open(t.Context(), sqldb.Options{URL: sqldbtest.URL(t, dir), Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		today := day(time.Now())
		s := &source{addr: addr("198.51.100.2"), start: today, days: []int{5, 5, 5, 5, 5, 5}}
		w := &warmup{log: slog.Default()}
		if err := w.open(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		for i, step := range []struct{ day, most, want int }{{0, 2, 2}, {1, 2, 2}, {0, 9, 1}, {5, 1, 1}, {0, 1, 0}, {1, 9, 5}, {5, 9, 5}, {1, 1, 0}} {
			got := 0
			for range step.most {
				if w.take(s, today.AddDate(0, 0, step.day)) {
					got++
				}
			}
			if got != step.want {
				t.Errorf("restart %v, step %d: %d of %d, want %d", restart, i, got, step.most, step.want)
			}
			if restart {
				w.close()
				w = &warmup{log: slog.Default()}
				if err := w.open(t.Context(), db); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.close()
	}
}

// A message that was not sent does not count.
func TestWarmupGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one()) // nobody listens
		w.opt.Pools = []Pool{{Name: "default", Sources: []Source{{Address: addr("198.51.100.2"), Warmup: &Warmup{Start: "2000-01-01", Days: []int{5}}}}}}
		tr := w.transport()
		for range 2 { // the second time it is known that nobody does
			tr.Deliver(t.Context(), job("b@d.test"))
		}
		if n := w.state.warmup.left(tr.pools.list[0].list[0]); n != 5 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestPoolsThatCannotBe(t *testing.T) {
	t.Parallel()
	src := []Source{{Address: addr("198.51.100.1")}}
	for want, list := range map[string][]Pool{
		"pools[0]: name is missing":            {{Sources: src}},
		"pools[0]: name: \"A b\" is not":       {{Name: "A b", Sources: src}},
		"pools[1]: \"a\" is there twice":       {{Name: "a", Sources: src}, {Name: "a", Sources: src}},
		"pools[0]: from 1 to 1000 sources":     {{Name: "a"}},
		"pools[0]: sources[0]: address":        {{Name: "a", Sources: []Source{{}}}},
		"pools[0]: sources[0]: hello":          {{Name: "a", Sources: []Source{{Address: addr("198.51.100.1"), Hello: "a b"}}}},
		"pools[0]: sources[0]: weight":         {{Name: "a", Sources: []Source{{Address: addr("198.51.100.1"), Weight: -1}}}},
		"pools[0]: sources[0]: warmup: start":  {{Name: "a", Sources: []Source{{Address: addr("198.51.100.1"), Warmup: &Warmup{Start: "soon"}}}}},
		"pools[0]: sources[0]: warmup: days":   {{Name: "a", Sources: []Source{{Address: addr("198.51.100.1"), Warmup: &Warmup{Start: "2026-01-01"}}}}},
		"pools[0]: spill: there is no pool":    {{Name: "a", Sources: src, Spill: "b"}},
		"pools[1]: spill leads back to it":     {{Name: "a", Sources: src, Spill: "b"}, {Name: "b", Sources: src, Spill: "a"}},
		"pools[0]: \"a b\" is neither a domai": {{Name: "a", Sources: src, Domains: []string{"a b"}}},
	} {
		if err := (Options{Pools: list}).Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Our addresses are looked for on block lists, and those on one are not used
// where that is wanted.
func TestListings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := one()
		z["2.100.51.198.bl.test"] = []dns.ZoneRecord{A("127.0.0.2")}
		z["1.100.51.198.bl.test"] = []dns.ZoneRecord{A("127.255.255.254")} // the list does not like who asks
		z["1.100.51.198.odd.test"] = []dns.ZoneRecord{A("192.0.2.7")}
		z["2.100.51.198.dead.test"] = []dns.ZoneRecord{Timeout}
		w := newWorld(t, z)
		var now atomic.Pointer[Zone]
		now.Store(&z)
		w.deps.Resolver = Func(func(ctx context.Context, name string, typ dns.Type) (dns.Answer, error) {
			return now.Load().Lookup(ctx, name, typ)
		})
		w.opt.Pools = []Pool{{Name: "default", Sources: []Source{{Address: addr("198.51.100.1")}, {Address: addr("198.51.100.2"), Weight: 1000}}}}
		w.opt.Listings = Listings{Zones: []string{"bl.test", "odd.test", "dead.test"}, Pause: true}
		var freed atomic.Int32
		w.deps.Freed = func(context.Context) { freed.Add(1) }
		w.hosts["192.0.2.1"] = (&sink{}).serve
		tr := w.transport()
		synctest.Wait()
		if w.state.listed.of(addr("198.51.100.2")) == nil || w.state.listed.of(addr("198.51.100.1")) != nil {
			t.Errorf("%v", w.state.listed.m)
		}
		if !strings.Contains(w.log.String(), "our address is on a block list") {
			t.Error("nobody is told")
		}
		tr.Deliver(t.Context(), job("b@d.test"))
		if w.dialled() != "198.51.100.1>192.0.2.1" {
			t.Error(w.dialled())
		}
		off := one()
		now.Store(&off)
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if len(w.state.listed.of(addr("198.51.100.2"))) != 0 || !strings.Contains(w.log.String(), "off a block list") {
			t.Errorf("%v", w.state.listed.m)
		}
		if freed.Load() != 1 {
			t.Errorf("the queue heard of it %d times", freed.Load())
		}
		tr.Close()
	})
}

// A list that has come to its end stops no mail: neither one that names every
// address, nor one that does not answer any more after it had named ours.
func TestListsThatEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listed := []dns.ZoneRecord{A("127.0.0.2")}
		z := Zone{
			"1.100.51.198.all.test": listed, "1.0.0.127.all.test": listed, // RFC 5782 section 5: never there
			"1.100.51.198.ends.test": listed, "1.100.51.198.turns.test": listed,
		}
		w := newWorld(t, z)
		var now atomic.Pointer[Zone]
		now.Store(&z)
		w.deps.Resolver = Func(func(ctx context.Context, name string, typ dns.Type) (dns.Answer, error) {
			return now.Load().Lookup(ctx, name, typ)
		})
		w.opt.Pools = []Pool{{Name: "default", Sources: []Source{{Address: addr("198.51.100.1")}}}}
		w.opt.Listings = Listings{Zones: []string{"all.test", "ends.test", "turns.test"}, Pause: true}
		tr := w.transport()
		on := func() string {
			synctest.Wait()
			list := slices.Clone(w.state.listed.of(addr("198.51.100.1")))
			slices.Sort(list)
			return strings.Join(list, " ")
		}
		if got := on(); got != "ends.test turns.test" || !strings.Contains(w.log.String(), "names every address") {
			t.Errorf("on %q", got)
		}
		then := Zone{
			"1.100.51.198.ends.test": {Timeout}, "1.0.0.127.ends.test": {Timeout},
			"1.100.51.198.turns.test": listed, "1.0.0.127.turns.test": listed,
		}
		now.Store(&then)
		time.Sleep(time.Hour + time.Minute)
		if got := on(); got != "ends.test" {
			t.Errorf("on %q after an hour", got)
		}
		time.Sleep(listedTime)
		if got := on(); got != "" {
			t.Errorf("on %q after %s", got, listedTime)
		}
		tr.Close()
	})
}
