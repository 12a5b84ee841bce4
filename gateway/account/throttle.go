package account

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered about guesses; what was not heard of for
// longest is forgotten.
const (
	maxCounted = 64 << 10 // addresses, and accounts
	maxBans    = 64 << 10
	sameGuess  = 8                // wrong passwords that are known again
	freeAtOnce = 20               // exchanges at once of an address that has failed
	banRecheck = 10 * time.Second // how often a ban in use is looked up again
)

// Ban is an address that is refused, or an account that is closed to addresses
// that its user has not logged in from.
type Ban struct {
	Subject string    // an address or network, or a user's name
	Until   time.Time // when it ends
	Count   int       // how many in a row, this one included
}

// banStore keeps bans over a restart.
type banStore interface {
	saveBan(ctx context.Context, b Ban) error
	hasBan(ctx context.Context, subject string, now time.Time) (bool, error)
}

// throttle makes guesses slow, then impossible.
type throttle struct {
	store banStore // may be nil
	mu    sync.Mutex
	opt   Throttle
	addrs *lru[netip.Prefix, *guesses]
	names *lru[string, *guesses]
	bans  *lru[string, *ban]

	sleeping int
}

// ban is a Ban in memory.
type ban struct {
	Ban
	checked time.Time // when it was last known to be in the store
}

// guesses counts the failures of an address or at an account.
type guesses struct {
	n       float64 // failures, half of which is forgotten every window
	at      time.Time
	pending int // exchanges that are under way
	recent  [sameGuess]mark
	next    int
}

// mark is the keyed hash of a wrong password, by which it is known again; zero
// for failures that have none.
type mark [8]byte

func newThrottle(opt Throttle, store banStore) *throttle {
	return &throttle{
		store: store, opt: opt,
		addrs: newLRU[netip.Prefix, *guesses](maxCounted),
		names: newLRU[string, *guesses](maxCounted),
		bans:  newLRU[string, *ban](maxBans),
	}
}

// network is what is counted as one client: an IPv4 address, an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// subjectOf is how the ban of a network is called.
func subjectOf(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// attempt is one exchange that is being counted.
type attempt struct {
	t    *throttle
	net  netip.Prefix
	addr *guesses // nil: not counted
	user string
	name *guesses // nil: not counted
}

// begin counts an exchange of a client; it must be ended. The error is
// ErrThrottled.
func (t *throttle) begin(ctx context.Context, a netip.Addr) (*attempt, error) {
	at := &attempt{t: t}
	if !a.IsValid() {
		return at, nil
	}
	a = a.Unmap()
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.opt.Trusted, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) }) {
		return at, nil
	}
	at.net = network(a)
	if t.banned(ctx, subjectOf(at.net)) {
		return nil, fmt.Errorf("%w: the address is banned", ErrThrottled)
	}
	at.addr = entry(t.addrs, at.net)
	at.addr.pending++
	return at, nil
}

func entry[K comparable](c *lru[K, *guesses], k K) *guesses {
	g, ok := c.get(k)
	if !ok {
		g = &guesses{at: time.Now()}
		c.put(k, g)
	}
	return g
}

// suspect tells whether an account has had failures that cost something, so
// that it matters whether the client's address is known.
func (t *throttle) suspect(user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.bans.get(user); ok {
		return true
	}
	g, ok := t.names.get(user)
	return ok && g.count(t.opt.Window) > t.opt.Free
}

// account counts the exchange at an account too. known: its user has logged in
// from there before, so that others' guesses do not matter. The error is
// ErrThrottled.
func (at *attempt) account(ctx context.Context, user string, known bool) error {
	t := at.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if known {
		return nil
	}
	if t.banned(ctx, user) {
		return fmt.Errorf("%w: the account is closed to addresses it was not used from", ErrThrottled)
	}
	at.user, at.name = user, entry(t.names, user)
	at.name.pending++
	return nil
}

// wait is what earlier failures cost. The error is ErrThrottled when too many
// wait already, or ctx's.
func (at *attempt) wait(ctx context.Context) error {
	at.t.mu.Lock()
	d := max(at.addr.delay(&at.t.opt), at.name.delay(&at.t.opt))
	at.t.mu.Unlock()
	return at.t.sleep(ctx, d)
}

func (t *throttle) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t.mu.Lock()
	if t.sleeping >= t.opt.Waiting {
		t.mu.Unlock()
		return fmt.Errorf("%w: too many wait", ErrThrottled)
	}
	t.sleeping++
	t.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	defer func() {
		t.mu.Lock()
		t.sleeping--
		t.mu.Unlock()
	}()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail counts a failure and ends the exchange. What it returns was not there
// before.
func (at *attempt) fail(m mark) []Ban {
	t := at.t
	t.mu.Lock()
	var made []Ban
	if at.addr.add(m, t.opt.Window) >= t.opt.Ban {
		made = append(made, t.ban(subjectOf(at.net)))
		at.addr.n = 0
	}
	if at.name.add(m, t.opt.Window) >= t.opt.Close {
		made = append(made, t.ban(at.user))
		at.name.n = 0
	}
	t.mu.Unlock()
	at.end()
	return made
}

// end ends the exchange.
func (at *attempt) end() {
	at.t.mu.Lock()
	defer at.t.mu.Unlock()
	for _, g := range []*guesses{at.addr, at.name} {
		if g != nil {
			g.pending--
		}
	}
	at.addr, at.name = nil, nil
}

// count is the failures that are not forgotten yet.
func (g *guesses) count(window time.Duration) int {
	now := time.Now()
	g.n *= math.Exp2(-float64(now.Sub(g.at)) / float64(window))
	g.at = now
	return int(math.Round(g.n))
}

// add counts a failure, unless it is one of the last again, and returns how
// many there are.
func (g *guesses) add(m mark, window time.Duration) int {
	if g == nil {
		return 0
	}
	n := g.count(window)
	if m != (mark{}) {
		if slices.Contains(g.recent[:], m) {
			return n
		}
		g.recent[g.next%sameGuess] = m
		g.next++
	}
	g.n++
	return n + 1
}

// delay is what the next attempt waits: failures count, and where there are
// any, exchanges that are under way, whose outcome is not known yet.
func (g *guesses) delay(opt *Throttle) time.Duration {
	if g == nil {
		return 0
	}
	n := g.count(opt.Window)
	if n <= opt.Free {
		return 0
	}
	n += max(0, g.pending-freeAtOnce)
	d := float64(opt.Delay) * math.Exp2(float64(n-opt.Free-1))
	return time.Duration(min(d, float64(opt.MaxDelay)))
}

// banned tells whether a subject is; the caller holds t.mu.
func (t *throttle) banned(ctx context.Context, subject string) bool {
	b, ok := t.bans.get(subject)
	now := time.Now()
	if !ok || !now.Before(b.Until) {
		return false
	}
	if t.store == nil || now.Sub(b.checked) < banRecheck {
		return true
	}
	// It may have been lifted by a command in another process.
	b.checked = now
	t.mu.Unlock()
	has, err := t.store.hasBan(ctx, subject, now)
	t.mu.Lock()
	if err == nil && !has {
		t.forget(subject)
		return false
	}
	return true
}

// ban bans a subject; the caller holds t.mu and saves the result.
func (t *throttle) ban(subject string) Ban {
	now := time.Now()
	b, ok := t.bans.get(subject)
	if !ok {
		b = &ban{Ban: Ban{Subject: subject}}
		t.bans.put(subject, b)
	}
	if now.Sub(b.Until) > t.opt.MaxBanTime { // long ago
		b.Count = 0
	}
	b.Count++
	d := t.opt.BanTime
	for i := 1; i < b.Count && d < t.opt.MaxBanTime; i++ {
		d *= 2
	}
	b.Until, b.checked = now.Add(min(d, t.opt.MaxBanTime)), now
	return b.Ban
}

// forget lifts a ban and what led to it; the caller holds t.mu.
func (t *throttle) forget(subject string) {
	t.bans.remove(subject)
	t.names.remove(subject)
	if p, err := netip.ParsePrefix(subject); err == nil {
		t.addrs.remove(p)
	} else if a, err := netip.ParseAddr(subject); err == nil {
		t.addrs.remove(network(a))
	}
}

// load takes over the bans of an earlier run.
func (t *throttle) load(bans []Ban) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, b := range bans {
		t.bans.put(b.Subject, &ban{Ban: b, checked: now})
	}
}

func (t *throttle) setOptions(opt Throttle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opt = opt
}

// memory is how long a ban counts after its end.
func (t *throttle) memory() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.opt.MaxBanTime
}
