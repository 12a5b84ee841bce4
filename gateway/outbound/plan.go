package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// hop is one host that mail may be handed to.
type hop struct {
	host  string // as it is written in MX or in the smart host's URL
	port  uint16
	pref  uint16
	addrs []netip.Addr // in the order in which they are tried
	why   *failure     // why there are none
	smart *target      // nil: by MX
	site  string
	shape Shape

	tls      *tlsPolicy
	block    *blocked   // why there is none
	required *tlsPolicy // for REQUIRETLS; nil: there is none
	lax      *tlsPolicy // for TLS-Required: No; nil: the configuration wants what it wants
}

// plan is the hops of a destination, the one to try first first.
type plan struct {
	hops  []*hop
	why   *failure // why there are none
	until time.Time
}

// plans remembers plans for as long as it takes to send a burst.
type plans struct {
	mu sync.Mutex
	m  map[planKey]*plan
}

type planKey struct{ domain, way string }

const (
	planTime = 5 * time.Second
	maxPlans = 10_000
	// maxResolved bounds the exchangers whose addresses are looked up; a few
	// more than are tried, since we may be among them.
	maxResolved = maxHosts + 5
	dnsTime     = time.Minute // for all questions of one plan
)

func (p *plans) get(k planKey) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.m[k]; x != nil && time.Now().Before(x.until) {
		return x
	}
	return nil
}

func (p *plans) put(k planKey, x *plan) {
	x.until = time.Now().Add(planTime)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.m) >= maxPlans {
		for old, y := range p.m { // any will do
			if delete(p.m, old); x.until.After(y.until) {
				break
			}
		}
	}
	p.m[k] = x
}

// plan returns the hops for mail to a domain by a way.
func (t *Transport) plan(ctx context.Context, w *way, domain string) *plan {
	if !w.mx {
		domain = "" // they share their hosts
	}
	k := planKey{domain, w.key}
	if p := t.plans.get(k); p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	var p *plan
	switch {
	case !w.mx:
		p = t.smartPlan(ctx, w)
	case domain == "" || domain[0] == '[':
		p = t.literalPlan(ctx, domain)
	default:
		p = t.mxPlan(ctx, domain)
	}
	if ctx.Err() == nil && (p.why == nil || p.why.reason != reasonDNS) {
		t.plans.put(k, p)
	}
	return p
}

// smartPlan looks up the smart hosts of a way.
func (t *Transport) smartPlan(ctx context.Context, w *way) *plan {
	p := &plan{hops: make([]*hop, len(w.hosts))}
	for i, h := range w.hosts {
		p.hops[i] = &hop{host: h.host, port: h.port, pref: uint16(i), smart: h}
		p.hops[i].site, p.hops[i].shape = t.shapes.of("", h.host)
	}
	t.resolve(ctx, p.hops)
	for _, h := range p.hops {
		t.smartTLS(h)
	}
	return p
}

// literalPlan is for user@[192.0.2.1] (RFC 5321 section 4.1.3).
func (t *Transport) literalPlan(ctx context.Context, domain string) *plan {
	ip, ok := smtp.ParseLiteral(domain)
	switch {
	case !ok:
		return &plan{why: failed(reasonRoute, 550, smtp.EnhancedCode{5, 1, 2}, "The recipient's address has no domain that mail can be sent to")}
	case !t.opt.AddressLiterals:
		return &plan{why: failed(reasonRoute, 550, smtp.EnhancedCode{5, 1, 2}, "Mail to address literals is not sent from here")}
	}
	h := &hop{host: ip.String(), port: uint16(t.opt.Port)}
	h.site, h.shape = t.shapes.of(domain, h.host)
	h.take([]netip.Addr{ip}, t)
	if h.why != nil {
		return &plan{why: h.why}
	}
	p := &plan{hops: []*hop{h}}
	t.secure(ctx, p, mtasts.Result{}, domain, "", false)
	return p
}

// mxPlan asks for the mail exchangers of a domain (RFC 5321 section 5.1).
func (t *Transport) mxPlan(ctx context.Context, domain string) *plan {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a policy that nobody waits for
	policy := t.askPolicy(ctx, domain)
	x, why := t.lookupMX(ctx, domain)
	if why != nil {
		return &plan{why: why}
	}
	p := &plan{hops: t.exchangers(domain, x.list)}
	t.resolve(ctx, p.hops)
	if why := p.hops[0].why; x.implicit && why != nil && why.reason == reasonRoute && why != failLoop {
		return &plan{why: failed(reasonRoute, 550, smtp.EnhancedCode{5, 1, 2}, "The domain "+domain+" has neither a mail exchanger nor an address that mail can be sent to")}
	}
	t.cutOwn(p, domain)
	if p.why == nil {
		t.secure(ctx, p, policy(), domain, x.canonical, x.authentic)
	}
	return p
}

// exchange is what the DNS says of who takes mail for a domain.
type exchange struct {
	list      []dns.MX // at least one
	implicit  bool     // there is no MX: it is the domain itself
	authentic bool
	canonical string // the end of the CNAME chain
}

// lookupMX asks for MX records.
func (t *Transport) lookupMX(ctx context.Context, domain string) (x exchange, why *failure) {
	a, err := t.deps.Resolver.Lookup(ctx, domain, dns.TypeMX)
	var none *dns.NotFound
	switch {
	case errors.Is(err, dns.ErrNoData):
		// The domain itself is the exchanger, of preference 0.
		x = exchange{list: []dns.MX{{Host: domain}}, implicit: true, canonical: domain}
		if errors.As(err, &none) {
			x.authentic, x.canonical = none.Authentic, none.Name
		}
		return x, nil
	case errors.Is(err, dns.ErrNXDomain):
		return x, failed(reasonRoute, 550, smtp.EnhancedCode{5, 1, 2}, "The domain "+domain+" does not exist")
	case err != nil:
		return x, deferred(reasonDNS, 451, smtp.EnhancedCode{4, 4, 3}, "The DNS does not tell where mail for "+domain+" goes: "+dnsError(err))
	}
	x = exchange{authentic: a.Authentic, canonical: a.Name}
	for _, r := range a.Records {
		if r.Host != "" { // a null MX among others means nothing (RFC 7505 section 3)
			x.list = append(x.list, dns.MX{Preference: r.Preference, Host: r.Host})
		}
	}
	if len(x.list) == 0 {
		return x, failed(reasonRoute, 556, smtp.EnhancedCode{5, 1, 10}, "The domain "+domain+" takes no mail (null MX)")
	}
	return x, nil
}

// dnsError says in a few words what is wrong with the DNS.
func dnsError(err error) string {
	if errors.Is(err, dns.ErrTimeout) {
		return "no answer"
	}
	return "server failure"
}

// exchangers turns MX records into hops, equal ones in random order.
func (t *Transport) exchangers(domain string, list []dns.MX) []*hop {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b dns.MX) int { return cmp.Compare(a.Preference, b.Preference) })
	hops := make([]*hop, 0, min(len(list), maxResolved))
	for _, m := range list {
		if len(hops) == maxResolved {
			break
		}
		if !slices.ContainsFunc(hops, func(h *hop) bool { return h.host == m.Host }) {
			h := &hop{host: m.Host, port: uint16(t.opt.Port), pref: m.Preference}
			h.site, h.shape = t.shapes.of(domain, m.Host)
			hops = append(hops, h)
		}
	}
	return hops
}

// resolve looks up the addresses of all hops at once.
func (t *Transport) resolve(ctx context.Context, hops []*hop) {
	var wg sync.WaitGroup
	for _, h := range hops[1:] {
		wg.Go(func() { t.resolveOne(ctx, h) })
	}
	t.resolveOne(ctx, hops[0])
	wg.Wait()
}

func (t *Transport) resolveOne(ctx context.Context, h *hop) {
	ip, err := netip.ParseAddr(h.host)
	if err == nil && h.smart == nil {
		// An address where a name belongs (RFC 5321 section 5.1 wants a
		// name), which nobody should have to guess about.
		h.why = failed(reasonRoute, 550, smtp.EnhancedCode{5, 4, 4}, "The mail exchanger "+h.host+" is an address, not a name")
		return
	}
	if err == nil {
		h.take([]netip.Addr{ip}, t)
		return
	}
	if h.smart == nil && t.own.names[h.host] {
		h.why = failLoop
		return
	}
	ips, own, err := t.lookupIP(ctx, h.host)
	switch {
	case own && h.smart == nil:
		h.why = failLoop
	case err == nil:
		h.take(ips, t)
	case dns.IsNotFound(err):
		h.why = failed(reasonRoute, 550, smtp.EnhancedCode{5, 4, 4}, "The host "+h.host+" has no address")
	default:
		h.why = deferred(reasonDNS, 451, smtp.EnhancedCode{4, 4, 3}, "The DNS does not tell the address of "+h.host+": "+dnsError(err))
	}
}

// lookupIP asks for the kinds of addresses that are wanted. own: the host is a
// CNAME of this gateway, which no mail exchanger may be (RFC 5321 section 5.1),
// and some are.
func (t *Transport) lookupIP(ctx context.Context, host string) (ips []netip.Addr, own bool, err error) {
	var four []netip.Addr
	var own4 bool
	var err4 error = &dns.NotFound{Name: host, Type: dns.TypeA, Err: dns.ErrNoData}
	var wg sync.WaitGroup
	if t.want4 {
		wg.Go(func() { four, own4, err4 = t.askIP(ctx, host, dns.TypeA) })
	}
	var six []netip.Addr
	var own6 bool
	var err6 error = &dns.NotFound{Name: host, Type: dns.TypeAAAA, Err: dns.ErrNoData}
	if t.want6 {
		six, own6, err6 = t.askIP(ctx, host, dns.TypeAAAA)
	}
	wg.Wait()
	own = own4 || own6
	switch {
	case len(four)+len(six) > 0:
		return append(six, four...), own, nil
	case dns.IsNotFound(err4):
		return nil, own, err6
	}
	return nil, own, err4
}

func (t *Transport) askIP(ctx context.Context, host string, kind dns.Type) (ips []netip.Addr, own bool, err error) {
	a, err := t.deps.Resolver.Lookup(ctx, host, kind)
	var none *dns.NotFound
	switch {
	case errors.As(err, &none):
		return nil, t.own.names[strings.ToLower(none.Name)], err
	case err != nil:
		return nil, false, err
	}
	for _, r := range a.Records {
		ips = append(ips, r.IP)
	}
	return ips, t.own.names[strings.ToLower(a.Name)], nil
}

// failLoop is the failure of hosts that are this gateway.
var failLoop = failed(reasonRoute, 554, smtp.EnhancedCode{5, 4, 6}, "The mail would come back here: the domain's mail exchanger is this gateway, which does not keep its mail")

// take keeps the addresses that mail may be sent to, in the order in which
// they are tried.
func (h *hop) take(ips []netip.Addr, t *Transport) {
	var six, four []netip.Addr
	for _, ip := range ips {
		ip = ip.Unmap()
		if h.smart == nil {
			switch t.own.place(ip) {
			case ourselves:
				h.addrs, h.why = nil, failLoop
				return
			case nowhere:
				h.why = failed(reasonRoute, 550, smtp.EnhancedCode{5, 4, 4}, fmt.Sprintf("The host %s has the address %s, which no mail can be sent to", h.host, ip))
				continue
			}
		}
		switch {
		case ip.Is4() && t.want4:
			four = append(four, ip)
		case ip.Is6() && t.want6:
			six = append(six, ip)
		}
	}
	rand.Shuffle(len(four), func(i, j int) { four[i], four[j] = four[j], four[i] })
	rand.Shuffle(len(six), func(i, j int) { six[i], six[j] = six[j], six[i] })
	if t.opt.Families[0] == "ipv6" {
		h.addrs = interleave(six, four)
	} else {
		h.addrs = interleave(four, six)
	}
	h.addrs = h.addrs[:min(len(h.addrs), t.opt.Addresses)]
	switch {
	case len(h.addrs) > 0:
		h.why = nil
	case h.why == nil:
		h.why = failed(reasonRoute, 550, smtp.EnhancedCode{5, 4, 4}, "The host "+h.host+" has no address of a kind that is used here")
	}
}

// interleave takes from both lists in turn, so that a bounded number of tries
// has some of each.
func interleave(a, b []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(a)+len(b))
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out
}

// cutOwn drops the preference that we are of, and what is worse (RFC 5321
// section 5.1).
func (t *Transport) cutOwn(p *plan, domain string) {
	for _, h := range p.hops {
		if h.why != failLoop {
			continue
		}
		p.hops = slices.DeleteFunc(p.hops, func(x *hop) bool { return x.pref >= h.pref })
		if len(p.hops) == 0 {
			t.deps.Log.Warn("mail would loop: the mail exchanger is this gateway", "domain", domain, "host", h.host)
			p.why = failLoop
		}
		return
	}
}
