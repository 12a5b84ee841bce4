package outbound

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// site returns the name under which what is known of a mail exchanger is
// kept: the organisation's domain, since one operator's limits hold for all of
// its hosts.
func site(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}

// How a site is slowed down, and recovers.
const (
	firstInterval = time.Second     // between messages, when a site first wants it slower
	maxInterval   = 5 * time.Minute // however often it says so
	recoverTime   = time.Minute     // without trouble, until one step back towards the full speed
	minInterval   = 200 * time.Millisecond
	troubleTime   = 5 * time.Second // in which complaints count once: many were under way
	maxPause      = 24 * time.Hour
)

// siteKey tells apart what is known: an operator knows us by the address that
// we come from.
type siteKey struct {
	name   string
	source netip.Addr
}

// siteState is what an operator wants of one of our addresses.
type siteState struct {
	limit    float64       // connections; 0: as the shape says
	interval time.Duration // between messages, longer than the shape's rate has it; 0: as the shape says
	next     time.Time     // by the rates, the next message is due
	pause    time.Time     // nothing is sent until then
	why      string        // the reply that said so last
	changed  time.Time     // of limit and interval
	slowed   time.Time
}

// sites is what is known of all destinations. What is known of one that did
// nothing special is nothing.
type sites struct {
	mu sync.Mutex
	m  map[siteKey]*siteState
}

// maxSites bounds the sites that something is known of.
const maxSites = 20_000

// admit tells whether a message may be sent now, and counts it; if not, for how
// long to wait. It returns how many connections may be open.
func (s *sites) admit(k siteKey, x *Shape) (limit int, wait time.Duration, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.m[k]
	if st == nil {
		if x.Rate.N == 0 {
			return x.Connections, 0, ""
		}
		st = s.state(k)
	}
	now := time.Now()
	if wait := st.pause.Sub(now); wait > 0 {
		return 0, wait, st.why
	}
	st.recover(now, x)
	limit = x.Connections
	if st.limit > 0 {
		limit = max(1, min(limit, int(st.limit)))
	}
	step, ahead := x.Rate.interval(), x.Rate.burst()
	if st.interval > step {
		step, ahead = st.interval, 0
	}
	if step > 0 {
		if st.next.Before(now) {
			st.next = now
		}
		if wait := st.next.Sub(now) - ahead; wait > 0 {
			return limit, wait, st.why
		}
		st.next = st.next.Add(step)
	} else if st.free(now) {
		delete(s.m, k)
	}
	return limit, 0, ""
}

// state returns what is known, to be changed.
func (s *sites) state(k siteKey) *siteState {
	st := s.m[k]
	if st != nil {
		return st
	}
	if s.m == nil {
		s.m = map[siteKey]*siteState{}
	}
	if len(s.m) >= maxSites {
		now := time.Now()
		for old, x := range s.m { // one at least, and what is over
			delete(s.m, old)
			if !x.free(now) {
				break
			}
		}
	}
	st = &siteState{}
	s.m[k] = st
	return st
}

// free tells whether nothing is known any more.
func (st *siteState) free(now time.Time) bool {
	return st.limit == 0 && st.interval == 0 && !now.Before(st.pause) && !now.Before(st.next)
}

// recover takes steps back that are due.
func (st *siteState) recover(now time.Time, x *Shape) {
	for (st.limit > 0 || st.interval > 0) && now.Sub(st.changed) >= recoverTime {
		st.changed = st.changed.Add(recoverTime)
		if st.limit > 0 {
			if st.limit += max(1, st.limit/4); st.limit >= float64(x.Connections) {
				st.limit = 0
			}
		}
		if st.interval /= 2; st.interval < minInterval || st.interval <= x.Rate.interval() {
			st.interval = 0
		}
	}
}

// obey does what an answer asks for. It returns whether something changed.
func (s *sites) obey(k siteKey, a *action, x *Shape, reply string) bool {
	if !a.slow && !a.fewer && a.pause == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, now := s.state(k), time.Now()
	st.why = reply
	changed := false
	if until := now.Add(min(a.pause, maxPause)); a.pause > 0 && until.After(st.pause) {
		changed = now.After(st.pause)
		st.pause = until
	}
	if now.Sub(st.slowed) < troubleTime || !a.slow && !a.fewer {
		return changed // others were under way at the same time
	}
	st.recover(now, x)
	st.slowed, st.changed = now, now
	if a.slow {
		rate := x.Rate.interval()
		st.interval = min(max(firstInterval, 2*max(st.interval, rate)), max(maxInterval, 2*rate))
	}
	if a.fewer {
		from := st.limit
		if from == 0 {
			from = float64(x.Connections)
		}
		st.limit = max(1, from/2)
	}
	return true
}

// resume ends pauses and slow-downs of a site.
func (s *sites) resume(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k := range s.m {
		if name == "" || k.name == name {
			delete(s.m, k)
			n++
		}
	}
	return n
}

// paused tells whether nothing may be sent now.
func (s *sites) paused(k siteKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.m[k]
	return st != nil && time.Now().Before(st.pause)
}
