package outbound

import (
	"cmp"
	"slices"
	"time"
)

// Status is how things stand.
type Status struct {
	Connections int            `json:"connections"` // open
	Idle        int            `json:"idle"`        // of them at rest
	Limit       int            `json:"limit"`       // of connections
	Sites       []SiteStatus   `json:"sites"`
	Sources     []SourceStatus `json:"sources"`
}

// SiteStatus is a destination that there are connections to, or that is
// slowed down, as seen from one of our addresses.
type SiteStatus struct {
	Site        string     `json:"site"`
	Source      string     `json:"source,omitempty"` // "" : the system's choice
	Connections int        `json:"connections"`
	Idle        int        `json:"idle"`
	Waiting     int        `json:"waiting"`                // messages, for a connection
	Limit       int        `json:"limit,omitempty"`        // of connections, while it is lowered
	Interval    float64    `json:"interval,omitempty"`     // seconds between messages, while it is raised
	PausedUntil *time.Time `json:"paused_until,omitempty"` // nothing is sent until then
	Reason      string     `json:"reason,omitempty"`       // the reply that said so
}

// SourceStatus is one of our addresses.
type SourceStatus struct {
	Pool    string   `json:"pool"`
	Address string   `json:"address"`
	Hello   string   `json:"hello"`
	Left    *int     `json:"left,omitempty"`   // messages that it may still send today, while it is warmed up
	Listed  []string `json:"listed,omitempty"` // block lists that it is on
}

// Status returns how things stand.
func (t *Transport) Status() Status {
	s := Status{Sites: []SiteStatus{}, Sources: []SourceStatus{}}
	bySite := map[siteKey]*SiteStatus{}
	of := func(k siteKey) *SiteStatus {
		x := bySite[k]
		if x == nil {
			x = &SiteStatus{Site: k.name}
			if k.source.IsValid() {
				x.Source = k.source.String()
			}
			bySite[k] = x
		}
		return x
	}
	st := t.deps.State
	st.pool.describe(&s, of)
	st.sites.describe(of)
	for _, x := range bySite {
		s.Sites = append(s.Sites, *x)
	}
	slices.SortFunc(s.Sites, func(a, b SiteStatus) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Source, b.Source))
	})
	for _, p := range t.pools.list {
		for _, x := range p.list {
			src := SourceStatus{Pool: p.name, Address: x.addr.String(), Hello: x.hello, Listed: st.listed.of(x.addr)}
			if n := st.warmup.left(x); n >= 0 {
				src.Left = &n
			}
			s.Sources = append(s.Sources, src)
		}
	}
	return s
}

// Resume forgets that a site, or with "" all of them, is slowed down. It
// returns how many were.
func (t *Transport) Resume(site string) int { return t.deps.State.sites.resume(site) }

func (p *pool) describe(s *Status, of func(siteKey) *SiteStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Connections, s.Idle, s.Limit = p.open, p.atRest, p.max
	for k, l := range p.lines {
		x := of(k)
		x.Connections, x.Idle, x.Waiting = l.open, len(l.rest), len(l.waiting)
	}
}

func (s *sites) describe(of func(siteKey) *SiteStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for k, st := range s.m {
		if st.limit == 0 && st.interval == 0 && !now.Before(st.pause) {
			continue // only a configured rate
		}
		x := of(k)
		x.Limit, x.Interval, x.Reason = int(st.limit), st.interval.Seconds(), st.why
		if now.Before(st.pause) {
			until := st.pause.UTC()
			x.PausedUntil = &until
		}
	}
}
