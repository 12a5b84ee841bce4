package mailbox

import (
	"context"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// domainState is what the mail of a domain's users takes together.
type domainState struct{ octets, messages int64 }

// exceeded tells whether so much is too much.
func (l Limits) exceeded(octets, messages int64) bool {
	return l.Octets > 0 && octets > l.Octets || l.Messages > 0 && messages > l.Messages
}

// over returns l where it says something, as else says otherwise.
func (l Limits) over(other Limits) Limits {
	pick := func(a, b int64) int64 {
		switch {
		case a < 0:
			return 0
		case a > 0:
			return a
		}
		return b
	}
	return Limits{pick(l.Octets, other.Octets), pick(l.Messages, other.Messages)}
}

// limitsOf returns the limits of a user and of the domain.
func (s *Store) limitsOf(name string) (user, domain Limits) {
	o := s.options()
	return o.Only[name].over(o.User), o.Only[domainOf(name)].over(o.Domain)
}

// domainUse returns what a domain's users have.
func (s *Store) domainUse(ctx context.Context, q sqldb.Querier, domain string) (domainState, error) {
	s.mu.Lock()
	d := s.domains[domain]
	if d != nil {
		defer s.mu.Unlock()
		return *d, nil
	}
	s.mu.Unlock()

	var sum domainState
	if err := q.QueryRow(ctx, sqlDomain, domain).Scan(&sum.octets, &sum.messages); err != nil {
		return sum, fmt.Errorf("mailbox: %w", err)
	}
	if !s.shared { // others' deliveries count too
		s.mu.Lock()
		defer s.mu.Unlock()
		s.domains[domain] = &sum
	}
	return sum, nil
}

// domainUsed counts what has changed, where it is counted.
func (s *Store) domainUsed(domain string, octets, messages int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.domains[domain]; d != nil {
		d.octets += octets
		d.messages += messages
	}
}

// room judges the quota of what one op adds.
type room struct {
	p       *plan
	users   map[*userState]*domainState
	domains map[string]*domainState
}

func newRoom(p *plan) *room {
	return &room{p, map[*userState]*domainState{}, map[string]*domainState{}}
}

// add counts what a user gets.
func (r *room) add(u *userState, octets, messages int64) {
	if r.users[u] == nil {
		r.users[u] = &domainState{}
	}
	if r.domains[u.domain] == nil {
		r.domains[u.domain] = &domainState{}
	}
	for _, x := range []*domainState{r.users[u], r.domains[u.domain]} {
		x.octets += octets
		x.messages += messages
	}
}

// fits tells whether all of it fits. A statement's error is noted in the plan.
func (r *room) fits(ctx context.Context) bool {
	for u, more := range r.users {
		limits, domain := r.p.s.limitsOf(u.name)
		u.mu.RLock()
		octets, messages := u.octets+more.octets, u.messages+more.messages
		u.mu.RUnlock()
		if d := r.p.users[u]; d != nil {
			octets += d.octets
			messages += d.messages
		}
		if limits.exceeded(octets, messages) {
			return false
		}
		if domain == (Limits{}) {
			continue
		}
		use, err := r.p.s.domainUse(ctx, r.p.tx, u.domain)
		if r.p.fail(err) != nil {
			return true
		}
		for v, d := range r.p.users {
			if v.domain == u.domain {
				use.octets += d.octets
				use.messages += d.messages
			}
		}
		if more := r.domains[u.domain]; domain.exceeded(use.octets+more.octets, use.messages+more.messages) {
			return false
		}
	}
	return true
}

// Usage is what a user's mail takes, and may.
type Usage struct {
	Octets, Messages int64
	Limits           Limits
	// Domain is what all users of the domain have, where that has limits.
	Domain, DomainLimits Limits
}

// Usage tells it.
func (u *User) Usage(ctx context.Context) (Usage, error) {
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return Usage{}, err
	}
	defer u.s.release(st)
	st.mu.RLock()
	out := Usage{Octets: st.octets, Messages: st.messages}
	st.mu.RUnlock()
	if out.Limits, out.DomainLimits = u.s.limitsOf(u.name); out.DomainLimits != (Limits{}) {
		use, err := u.s.domainUse(ctx, u.s.deps.DB.Read(), st.domain)
		if err != nil {
			return out, err
		}
		out.Domain = Limits{use.octets, use.messages}
	}
	return out, nil
}
