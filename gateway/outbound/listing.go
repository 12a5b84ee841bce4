package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Listings says how it is watched whether our addresses are on block lists.
type Listings struct {
	// DNS block lists to ask, such as zen.example.org.
	Zones []string `yaml:"zones"`
	// How often they are asked.
	Interval time.Duration `yaml:"interval"`
	// Addresses to ask for beside those of the pools. Default: without pools,
	// this machine's public ones.
	Addresses []netip.Addr `yaml:"addresses"`
	// Whether a source is not used while it is listed.
	Pause bool `yaml:"pause"`
}

const (
	minListInterval = time.Minute
	maxZones        = 50
	maxWatched      = 1000
	listingTime     = 30 * time.Second // for one question
	// listedTime is how long an address counts as listed where the list does
	// not answer any more.
	listedTime = 24 * time.Hour
)

func (l *Listings) check() error {
	if len(l.Zones) > maxZones {
		return fmt.Errorf("listings: more than %d zones", maxZones)
	}
	for _, z := range l.Zones {
		if _, ok := dns.Normal(z); !ok {
			return fmt.Errorf("listings: zones: %q is no domain", z)
		}
	}
	if l.Interval < minListInterval {
		return fmt.Errorf("listings: interval: at least %s", minListInterval)
	}
	return nil
}

// listed is on which lists our addresses are.
type listed struct {
	mu sync.Mutex
	m  map[netip.Addr][]string
	at map[listing]time.Time // when the list said so last
}

// listing is an address on a list.
type listing struct {
	addr netip.Addr
	zone string
}

// stale tells whether a list has not said for long that an address is on it.
func (l *listed) stale(a netip.Addr, zone string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.m[a], zone) && time.Since(l.at[listing{a, zone}]) >= listedTime
}

func (l *listed) of(a netip.Addr) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.m[a]
}

// set notes a list's answer, and tells whether it is a new one.
func (l *listed) set(a netip.Addr, zone string, on bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := slices.Contains(l.m[a], zone)
	if on {
		if l.at == nil {
			l.at = map[listing]time.Time{}
		}
		l.at[listing{a, zone}] = time.Now()
	} else {
		delete(l.at, listing{a, zone})
	}
	if was == on {
		return false
	}
	if l.m == nil {
		l.m = map[netip.Addr][]string{}
	}
	rest := slices.DeleteFunc(slices.Clone(l.m[a]), func(z string) bool { return z == zone })
	if on {
		rest = append(rest, zone)
	}
	l.m[a] = rest
	return true
}

// keep forgets what is not watched any more.
func (l *listed) keep(addrs []netip.Addr, zones []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.at {
		if !slices.Contains(addrs, k.addr) || !slices.Contains(zones, k.zone) {
			delete(l.at, k)
		}
	}
	for a := range l.m {
		if !slices.Contains(addrs, a) {
			delete(l.m, a)
			continue
		}
		l.m[a] = slices.DeleteFunc(slices.Clone(l.m[a]), func(z string) bool { return !slices.Contains(zones, z) })
	}
}

// shut tells whether a source is not used because it is listed.
func (t *Transport) shut(a netip.Addr) bool {
	return t.opt.Listings.Pause && len(t.opt.Listings.Zones) > 0 && len(t.deps.State.listed.of(a)) > 0
}

// watched are the addresses that are asked for.
func (t *Transport) watched() []netip.Addr {
	list := slices.Clone(t.opt.Listings.Addresses)
	for _, p := range t.pools.list {
		for _, s := range p.list {
			list = append(list, s.addr)
		}
	}
	if len(list) == 0 {
		for _, a := range t.deps.Addresses {
			if a.IsGlobalUnicast() && !a.IsPrivate() {
				list = append(list, a)
			}
		}
	}
	for i := range list {
		list[i] = list[i].Unmap()
	}
	slices.SortFunc(list, netip.Addr.Compare)
	list = slices.Compact(list)
	return list[:min(len(list), maxWatched)]
}

// watch asks the lists until ctx ends.
func (t *Transport) watch(ctx context.Context) {
	addrs, l := t.watched(), &t.opt.Listings
	t.deps.State.listed.keep(addrs, l.Zones)
	tick := time.NewTicker(l.Interval)
	defer tick.Stop()
	for {
		for _, z := range l.Zones {
			end := t.namesAll(ctx, z)
			for _, a := range addrs {
				if end {
					t.heard(ctx, a, z, "")
				} else {
					t.ask(ctx, a, z)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask asks one list for one address (RFC 5782). A list that does not answer
// says nothing, nor does one that answers outside 127.0.0.0/8 or with the
// codes by which some tell that they do not like the question.
func (t *Transport) ask(ctx context.Context, a netip.Addr, zone string) {
	ctx, cancel := context.WithTimeout(ctx, listingTime)
	defer cancel()
	ips, _, err := dns.LookupA(ctx, t.deps.Resolver, dns.ReverseLabels(a)+"."+strings.TrimSuffix(zone, "."))
	if err != nil && !dns.IsNotFound(err) {
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.deps.Log.Debug("block list does not answer", "zone", zone, "source", a.String(), "error", err.Error())
		}
		if t.deps.State.listed.stale(a, zone) {
			t.heard(ctx, a, zone, "")
		}
		return
	}
	code := listCode(ips)
	if len(ips) > 0 && code == "" {
		t.deps.Log.Debug("block list refuses the question", "zone", zone, "answer", ips[0].String())
		return
	}
	t.heard(ctx, a, zone, code)
}

// namesAll tells whether a list has 127.0.0.1, which none may have (RFC 5782
// section 5): it is one of those that name every address to say that they have
// ended.
func (t *Transport) namesAll(ctx context.Context, zone string) bool {
	ctx, cancel := context.WithTimeout(ctx, listingTime)
	defer cancel()
	ips, _, _ := dns.LookupA(ctx, t.deps.Resolver, "1.0.0.127."+strings.TrimSuffix(zone, "."))
	if listCode(ips) == "" {
		return false
	}
	t.deps.Log.Warn("block list names every address, and is not listened to", "zone", zone)
	return true
}

// listCode returns what says that an address is listed, "" : nothing.
func listCode(ips []netip.Addr) (code string) {
	for _, ip := range ips {
		if b := ip.Unmap().As16(); ip.Is4() && b[12] == 127 && !(b[13] == 255 && b[14] == 255) {
			code = ip.String()
		}
	}
	return code
}

// heard notes what a list says of an address; no code: it is not there.
func (t *Transport) heard(ctx context.Context, a netip.Addr, zone, code string) {
	t.deps.Metrics.isListed(a, zone, code != "")
	was := t.shut(a)
	if !t.deps.State.listed.set(a, zone, code != "") {
		return
	}
	if code != "" {
		t.deps.Log.Warn("our address is on a block list", "source", a.String(), "zone", zone, "code", code, "paused", t.opt.Listings.Pause)
	} else {
		t.deps.Log.Info("our address is off a block list", "source", a.String(), "zone", zone)
	}
	if was && !t.shut(a) && t.deps.Freed != nil {
		t.deps.Freed(ctx)
	}
}
