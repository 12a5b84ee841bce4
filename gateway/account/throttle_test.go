package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// guess is one failure through the throttle alone; it returns how long it took.
func guess(t *testing.T, th *throttle, addr, user string, known bool, m mark) (time.Duration, []Ban, error) {
	t.Helper()
	began := time.Now()
	at, err := th.begin(context.Background(), netip.MustParseAddr(addr))
	if err != nil {
		return 0, nil, err
	}
	if err := at.account(context.Background(), user, known); err != nil {
		at.end()
		return 0, nil, err
	}
	if err := at.wait(context.Background()); err != nil {
		at.end()
		return 0, nil, err
	}
	return time.Since(began), at.fail(m), nil
}

func newMark(i int) mark { return mark{byte(i), byte(i >> 8), 1} }

func TestGuessesGetSlowerThenBanned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions().Throttle
		opt.Ban = 10
		th := newThrottle(opt, nil)
		var waits []time.Duration
		var bans []Ban
		for i := range 10 {
			d, b, err := guess(t, th, "192.0.2.1", fmt.Sprintf("u%d@example.org", i), false, newMark(i))
			must(t, err)
			waits, bans = append(waits, d), append(bans, b...)
		}
		if got := fmt.Sprint(waits); got != "[0s 0s 0s 0s 1s 2s 4s 8s 10s 10s]" {
			t.Errorf("waits %s", got)
		}
		if len(bans) != 1 || bans[0].Subject != "192.0.2.1" || bans[0].Until != time.Now().Add(opt.BanTime) {
			t.Errorf("%+v", bans)
		}
		_, _, err := guess(t, th, "::ffff:192.0.2.1", ana, true, newMark(99))
		wantErr(t, err, ErrThrottled)
		_, _, err = guess(t, th, "192.0.2.2", ana, false, newMark(99))
		wantErr(t, err, nil)
		// It ends; the next one is twice as long.
		time.Sleep(opt.BanTime)
		for i := range 20 {
			if _, b, _ := guess(t, th, "192.0.2.1", fmt.Sprintf("v%d@example.org", i), false, newMark(200+i)); len(b) > 0 {
				if b[0].Count != 2 || b[0].Until != time.Now().Add(2*opt.BanTime) {
					t.Errorf("%+v", b)
				}
				return
			}
		}
		t.Error("no second ban")
	})
}

// TestBansStartAgain: one of long ago makes the next no longer.
func TestBansStartAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions().Throttle
		th := newThrottle(opt, nil)
		for _, want := range []int{1, 2, 1} {
			if b := th.ban(ana); b.Count != want {
				t.Errorf("%+v, want the %d.", b, want)
			} else if want == 2 {
				time.Sleep(2*opt.BanTime + opt.MaxBanTime + time.Second)
			} else {
				time.Sleep(opt.BanTime)
			}
		}
	})
}

type noStore struct{}

func (noStore) saveBan(context.Context, Ban) error { return errors.New("away") }

func (noStore) hasBan(context.Context, string, time.Time) (bool, error) {
	return false, errors.New("away")
}

// TestBansStayWhileTheDatabaseIsAway.
func TestBansStayWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions().Throttle
		th := newThrottle(opt, noStore{})
		th.ban("192.0.2.1")
		time.Sleep(banRecheck)
		_, _, err := guess(t, th, "192.0.2.1", ana, false, newMark(1))
		wantErr(t, err, ErrThrottled)
	})
}

// TestGuessesAtOnceWaitLonger: past a few they count like failures, though
// their outcome is not known yet.
func TestGuessesAtOnceWaitLonger(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions().Throttle
	g := &guesses{n: float64(opt.Free + 1), at: time.Now()}
	for pending, want := range map[int]time.Duration{1: opt.Delay, freeAtOnce: opt.Delay, freeAtOnce + 3: 8 * opt.Delay, 1000: opt.MaxDelay} {
		g.pending = pending
		if d := g.delay(&opt); d != want {
			t.Errorf("%d at once wait %s, want %s", pending, d, want)
		}
	}
}

// TestWhatCountsAsOne: clients of one IPv6 subnet, and the same wrong password.
func TestWhatCountsAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions().Throttle
		opt.Ban = 5
		th := newThrottle(opt, nil)
		for i := range 100 {
			_, b, err := guess(t, th, "192.0.2.1", ana, true, newMark(7))
			if err != nil || len(b) > 0 {
				t.Fatalf("%d: the same password again: %v, %v", i, b, err)
			}
		}
		for i := range 5 {
			_, b, err := guess(t, th, fmt.Sprintf("2001:db8::%d", i+1), ana, true, newMark(i))
			must(t, err)
			if i == 4 && (len(b) != 1 || b[0].Subject != "2001:db8::/64") {
				t.Errorf("%v", b)
			}
		}
		_, _, err := guess(t, th, "2001:db8::ffff", ana, true, newMark(50))
		wantErr(t, err, ErrThrottled)
		_, _, err = guess(t, th, "2001:db8:0:1::1", ana, true, newMark(50))
		wantErr(t, err, nil)
	})
}

// TestFailuresAreForgotten: half every window.
func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(DefaultOptions().Throttle, nil)
		for i := range 8 {
			guess(t, th, "192.0.2.1", ana, true, newMark(i))
		}
		time.Sleep(3 * time.Hour)
		if d, _, _ := guess(t, th, "192.0.2.1", ana, true, newMark(50)); d != 0 {
			t.Errorf("waited %s", d)
		}
	})
}

// TestAccountsCloseToStrangersAlone: many addresses guess at one account; its
// user still gets in from where it was before.
func TestAccountsCloseToStrangersAlone(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.Throttle.Close = 10
	a := openWith(t, opt)
	_, err := plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
	for i := range 10 {
		_, err := plain(a, peerAt(fmt.Sprintf("198.51.100.%d", i)), ana, fmt.Sprintf("wrong password %d", i))
		wantErr(t, err, ErrCredentials)
	}
	before := a.hasher.count.Load()
	_, err = plain(a, peerAt("198.51.100.99"), ana, anaPass)
	wantErr(t, err, ErrThrottled)
	if a.hasher.count.Load() != before {
		t.Error("a closed account's password was checked")
	}
	_, err = plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
	_, err = scramClient(a, peer, "SCRAM-SHA-256", newSCRAM(t, ana, anaPass, "").NewConversation())
	wantErr(t, err, nil)
	// A trusted network is shared: nobody is known there.
	opt.Throttle.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	must(t, a.SetOptions(opt))
	_, err = plain(a, peer, ana, anaPass)
	wantErr(t, err, ErrThrottled)
	must(t, a.ClearBan(context.Background(), ana))
	_, err = plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
	networks, err := sqldb.Column[string](a.deps.DB.Read().Query(context.Background(), "SELECT network FROM account_networks WHERE username = ?", ana))
	must(t, err)
	if fmt.Sprint(networks) != "[192.0.2.1]" {
		t.Errorf("known networks: %v", networks)
	}
}

// TestKnownNetworksAreForgotten after three months, and beyond fifty.
func TestKnownNetworksAreForgotten(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	_, err := plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
	if !a.isKnown(ctx, ana, network(peer.Addr)) || a.isKnown(ctx, "bob@example.org", network(peer.Addr)) {
		t.Error("not known, or for others")
	}
	now := time.Now()
	must(t, a.writeNetwork(ctx, "old@example.org", "192.0.2.1", now.Add(-networkMemory-time.Hour)))
	if a.isKnown(ctx, "old@example.org", network(peer.Addr)) {
		t.Error("known for ever")
	}
	for i := range maxNetworks + 10 {
		must(t, a.writeNetwork(ctx, ana, fmt.Sprintf("198.51.100.%d", i), now.Add(time.Duration(i)*time.Minute)))
	}
	networks, err := sqldb.Column[string](a.deps.DB.Read().Query(ctx, "SELECT network FROM account_networks WHERE username = ?", ana))
	must(t, err)
	if len(networks) != maxNetworks || a.isKnown(ctx, ana, network(peer.Addr)) {
		t.Errorf("%d are kept", len(networks))
	}
}

// TestAUserNameIsNoAddress: names that look like addresses ban nobody else.
func TestAUserNameIsNoAddress(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.Throttle.Close, opt.Throttle.Ban = 3, 1000
	a := openWith(t, opt)
	for i := range 10 {
		plain(a, peerAt("198.51.100.1"), "192.0.2.1", fmt.Sprintf("wrong password %d", i))
	}
	_, err := plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
}

// TestBansOutliveARestart, and end when a command lifts them.
func TestBansOutliveARestart(t *testing.T) {
	t.Parallel()
	ctx, dir, opt := context.Background(), t.TempDir(), testOptions()
	opt.Throttle.Ban = 5
	db := openDB(t, dir)
	a, err := Open(ctx, opt, Deps{DB: db})
	must(t, err)
	for i := range 5 {
		plain(a, peer, ana, fmt.Sprintf("wrong password %d", i))
	}
	_, err = plain(a, peer, ana, anaPass)
	wantErr(t, err, ErrThrottled)
	must(t, db.Close())
	db = openDB(t, dir)
	b, err := Open(ctx, opt, Deps{DB: db})
	must(t, err)
	must(t, b.AddUser(ctx, User{Name: ana}, anaPass))
	_, err = plain(b, peer, ana, anaPass)
	wantErr(t, err, ErrThrottled)
	if !b.Banned(ctx, netip.MustParseAddr("::ffff:192.0.2.1")) || !b.Banned(ctx, peer.Addr) || b.Banned(ctx, netip.MustParseAddr("192.0.2.2")) {
		t.Error("Banned is wrong")
	}
	list, err := b.Bans(ctx)
	must(t, err)
	if len(list) != 1 || list[0].Subject != "192.0.2.1" || list[0].Count != 1 || time.Until(list[0].Until) < 14*time.Minute {
		t.Errorf("%+v", list)
	}
	recheck := func() {
		b.throttle.mu.Lock()
		defer b.throttle.mu.Unlock()
		x, _ := b.throttle.bans.get("192.0.2.1")
		x.checked = time.Now().Add(-banRecheck)
	}
	if recheck(); !b.Banned(ctx, peer.Addr) {
		t.Error("a ban that nobody lifted has ended")
	}
	// Another process lifts it.
	c, err := Open(ctx, opt, Deps{DB: db})
	must(t, err)
	must(t, c.ClearBan(ctx, "192.0.2.1"))
	wantErr(t, c.ClearBan(ctx, "192.0.2.1"), ErrUnknown)
	if !b.Banned(ctx, peer.Addr) {
		t.Error("the ban is looked up each time")
	}
	recheck()
	_, err = plain(b, peer, ana, anaPass)
	wantErr(t, err, nil)
}

// TestFailuresAreAnsweredAtOneTime, whatever was found out how quickly; and
// who does not wait for it has guessed nevertheless.
func TestFailuresAreAnsweredAtOneTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions()
		opt.Iterations = MinIterations
		db := openDB(t, t.TempDir())
		defer db.Close()
		a, err := Open(context.Background(), opt, Deps{DB: db})
		must(t, err)
		must(t, a.AddUser(context.Background(), User{Name: ana}, anaPass))
		for i, name := range []string{ana, "nobody@example.org", "no address"} {
			began := time.Now()
			_, err := plain(a, peer, name, fmt.Sprint("wrong password ", i))
			wantErr(t, err, ErrCredentials)
			if d := time.Since(began); d != opt.Throttle.Answer {
				t.Errorf("%s: after %s", name, d)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, err = a.Authenticate(ctx, peer, "PLAIN", plainResponse("", ana, "wrong password 9"), noAsk)
		wantErr(t, err, context.DeadlineExceeded)
		if n := a.throttle.addrs.items[network(peer.Addr)].Value.(*lruEntry[netip.Prefix, *guesses]).value.count(time.Hour); n != 4 {
			t.Errorf("%d failures are counted", n)
		}
		// Now attempts wait before anything is checked.
		before := a.hasher.count.Load()
		ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, err = a.Authenticate(ctx, peer, "PLAIN", plainResponse("", ana, anaPass), noAsk)
		wantErr(t, err, context.DeadlineExceeded)
		if a.hasher.count.Load() != before {
			t.Error("it was checked at once")
		}
		if n := a.throttle.addrs.items[network(peer.Addr)].Value.(*lruEntry[netip.Prefix, *guesses]).value.count(time.Hour); n != 5 {
			t.Errorf("%d failures are counted after one that did not wait", n)
		}
	})
}

// TestWhatUsersReadOfThemselvesEnds: an address that the directory listed a day
// ago, when its user logged in, is not theirs to write from for ever.
func TestWhatUsersReadOfThemselvesEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &directory{entries: newLRU[string, dirAnswer](1), selves: newLRU[string, dirAnswer](1)}
		d.entries.put(ana, dirAnswer{nil, time.Now().Add(2 * selfTime)}) // not for us to read
		d.selves.put(ana, dirAnswer{&dirEntry{user: ana, addresses: []string{"sales@example.org"}}, time.Now().Add(selfTime)})
		for _, want := range []bool{true, false} {
			if ok, err := d.owns(t.Context(), ana, "sales@example.org"); ok != want || err != nil {
				t.Errorf("%v, %v, want %v", ok, err, want)
			}
			time.Sleep(selfTime)
		}
	})
}

func TestSleepersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions().Throttle
		opt.Waiting = 2
		th := newThrottle(opt, nil)
		for range 2 {
			go th.sleep(context.Background(), time.Minute)
		}
		synctest.Wait()
		wantErr(t, th.sleep(context.Background(), time.Second), ErrThrottled)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantErr(t, th.sleep(context.Background(), time.Second), nil)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := newLRU[int, int](3)
	for i := range 10 {
		c.put(i, i)
		c.get(0)
	}
	if len(c.items) != 3 || c.order.Len() != 3 {
		t.Errorf("%d items", len(c.items))
	}
	if _, ok := c.get(0); !ok {
		t.Error("the one in use was forgotten")
	}
	c.remove(0)
	if _, ok := c.get(0); ok || c.order.Len() != 2 {
		t.Error("not removed")
	}
	th := newThrottle(DefaultOptions().Throttle, nil)
	th.addrs.size = 10
	for i := range 1000 {
		at, err := th.begin(context.Background(), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		must(t, err)
		at.fail(mark{})
	}
	if len(th.addrs.items) != 10 {
		t.Errorf("%d addresses", len(th.addrs.items))
	}
}

// TestHashingIsBounded: who finds the queue full is told to try later, who
// goes away leaves it.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher()
		for range cap(h.slots) {
			h.slots <- struct{}{}
		}
		p := params{scheme: schemeSCRAM, iterations: 1, salt: "x"}
		ctx, cancel := context.WithCancel(context.Background())
		for range maxHashQueue {
			go h.derive(ctx, p, "x")
		}
		synctest.Wait()
		_, err := h.derive(context.Background(), p, "x")
		wantErr(t, err, ErrTemporary)
		cancel()
		synctest.Wait()
		if h.waiting.Load() != 0 || h.count.Load() != 0 {
			t.Errorf("%d wait, %d were derived", h.waiting.Load(), h.count.Load())
		}
		<-h.slots
		_, err = h.derive(context.Background(), p, "x")
		wantErr(t, err, nil)
	})
}

func TestWhatIsRememberedEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher()
		v := params{scheme: schemeSCRAM, iterations: 1, salt: "x"}.derive("pw")
		h.remember(v, "pw", time.Minute)
		if got, ok := h.recall(v.params, "pw"); !ok || got != v {
			t.Error("not remembered")
		}
		if _, ok := h.recall(v.params, "pw2"); ok {
			t.Error("another password")
		}
		time.Sleep(time.Minute)
		if _, ok := h.recall(v.params, "pw"); ok {
			t.Error("for ever")
		}
		h.remember(v, "pw", 0)
		if _, ok := h.recall(v.params, "pw"); ok {
			t.Error("although that is off")
		}
		d := &directory{right: newLRU[[keySize]byte, dirAnswer](1)}
		d.right.put(macOf(d.key[:], ana, "pw"), dirAnswer{&dirEntry{user: ana}, time.Now().Add(time.Minute)})
		if d.recall(ana, "pw") == nil || d.recall(ana, "pw2") != nil {
			t.Error("of the directory nothing, or another password")
		}
		time.Sleep(time.Minute)
		if d.recall(ana, "pw") != nil {
			t.Error("of the directory for ever")
		}
	})
}
