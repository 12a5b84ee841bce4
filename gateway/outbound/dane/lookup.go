package dane

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Status says what TLSA records ask of a connection.
type Status uint8

const (
	// None: DNSSEC proves no TLSA records, or proves nothing. DANE has no say;
	// MTA-STS or opportunistic TLS may.
	None Status = iota
	// Unusable: there are TLSA records, but none that we can use. TLS is
	// mandatory, authentication is not possible (RFC 7672 section 2.2).
	Unusable
	// Usable: TLS and authentication by the records are mandatory.
	Usable
)

// String returns none, unusable or usable.
func (s Status) String() string { return [...]string{"none", "unusable", "usable"}[s] }

// Host is a mail server as it was found.
type Host struct {
	// Name of the host: out of an MX record, or the domain itself where it has
	// none.
	Name string
	// Port of the connection; 0: 25.
	Port uint16
	// MXAuthentic tells whether the answer that led to the host, MX records or
	// the denial of any, was authentic (dns.Answer.Authentic, dns.NotFound).
	// Without it DANE has no say (RFC 7672 section 2.2.1). A host that the
	// configuration names is authentic.
	MXAuthentic bool
	// Domain is the next-hop domain whose MX record named the host, and
	// Canonical the end of the CNAME chain of that look-up (dns.Answer.Name).
	// Both are names that the host may prove with DANE-TA (RFC 7672 section
	// 3.2.2). "" where the host came from no MX record.
	Domain, Canonical string
}

// Set is what DNS says about a host's certificate.
type Set struct {
	Status Status
	// Base is the TLSA base domain, which is sent as SNI (RFC 7672 section
	// 8.1); "" with None.
	Base string
	// Names are the reference identifiers for DANE-TA, Base first.
	Names []string
	// Records are all that were found, Skipped says for each that is unusable
	// why; nil entries are usable.
	Records []dns.TLSA
	Skipped []error
	// TTL is for how long the records may be used.
	TTL time.Duration
}

// maxRecords bounds the TLSA records that are looked at; more are ignored.
const maxRecords = 64

// Lookup finds the TLSA records of a host (RFC 7672 section 2.2.2 and 2.2.3).
// An error says that DNS failed, perhaps because somebody interferes: the host
// must not be used, and mail waits when there is no other (section 2.1.2).
// Addresses and records are asked of r, which had better have a cache.
func Lookup(ctx context.Context, r dns.Resolver, h Host) (Set, error) {
	if !h.MXAuthentic {
		return Set{}, nil
	}
	bases, err := bases(ctx, r, h.Name)
	if err != nil {
		return Set{}, err
	}
	if h.Port == 0 {
		h.Port = 25
	}
	for _, base := range bases {
		a, err := r.Lookup(ctx, "_"+strconv.Itoa(int(h.Port))+"._tcp."+base, dns.TypeTLSA)
		if err != nil && !dns.IsNotFound(err) {
			return Set{}, fmt.Errorf("dane: %w", err)
		}
		if err == nil && a.Authentic {
			return newSet(h, base, a), nil
		}
	}
	return Set{}, nil
}

// bases returns the candidate TLSA base domains: those whose zones DNSSEC
// vouches for, the end of a CNAME chain before its beginning (RFC 7672 section
// 2.2.2, RFC 7671 section 7).
func bases(ctx context.Context, r dns.Resolver, host string) ([]string, error) {
	name, ok := dns.Normal(host)
	if !ok {
		return nil, nil
	}
	end, secure, err := canonical(ctx, r, name)
	switch {
	case err != nil:
		return nil, err
	case secure && end != name:
		return []string{end, name}, nil
	case secure:
		return []string{name}, nil
	case end == name:
		return nil, nil
	}
	// The chain leaves the signed part of DNS; does it begin there?
	a, err := r.Lookup(ctx, name, dns.TypeCNAME)
	if err != nil && !dns.IsNotFound(err) {
		return nil, fmt.Errorf("dane: %w", err)
	}
	if err == nil && a.Authentic {
		return []string{name}, nil
	}
	return nil, nil
}

// canonical looks for addresses of name and returns the end of the CNAME chain
// and whether it is secure. One secure answer is enough: were the other one's
// failure to count, whoever drops packets could switch DANE off.
func canonical(ctx context.Context, r dns.Resolver, name string) (end string, secure bool, err error) {
	type part struct {
		end      string
		ad       bool
		answered bool
		err      error
	}
	ask := func(t dns.Type) part {
		a, err := r.Lookup(ctx, name, t)
		var n *dns.NotFound
		switch {
		case err == nil:
			return part{end: a.Name, ad: a.Authentic, answered: true}
		case errors.As(err, &n):
			return part{end: n.Name, ad: n.Authentic, answered: true}
		}
		return part{err: err}
	}
	six := make(chan part, 1)
	go func() { six <- ask(dns.TypeAAAA) }()
	four := ask(dns.TypeA)
	parts := []part{four, <-six}
	if i := slices.IndexFunc(parts, func(p part) bool { return p.ad }); i >= 0 {
		return parts[i].end, true, nil
	}
	if i := slices.IndexFunc(parts, func(p part) bool { return p.answered }); i >= 0 {
		return parts[i].end, false, nil
	}
	return "", false, fmt.Errorf("dane: %w", parts[0].err)
}

// newSet judges the records of a host.
func newSet(h Host, base string, a dns.Answer) Set {
	s := Set{Status: Unusable, Base: base, TTL: a.TTL}
	// Resolvers turn the records round from answer to answer: sorted, they are
	// one policy to TLS-RPT and to connections that are kept.
	list := slices.SortedFunc(slices.Values(a.Records), func(a, b dns.Record) int {
		return cmp.Or(cmp.Compare(b.TLSA.Usage, a.TLSA.Usage), cmp.Compare(a.TLSA.Selector, b.TLSA.Selector),
			cmp.Compare(a.TLSA.MatchingType, b.TLSA.MatchingType), bytes.Compare(a.TLSA.Data, b.TLSA.Data))
	})
	for _, rec := range list[:min(len(list), maxRecords)] {
		err := Usability(*rec.TLSA)
		if err == nil {
			s.Status = Usable
		}
		s.Records, s.Skipped = append(s.Records, *rec.TLSA), append(s.Skipped, err)
	}
	s.Names = []string{base}
	for _, n := range []string{h.Domain, h.Canonical} {
		if n, ok := dns.Normal(n); ok && !slices.Contains(s.Names, n) {
			s.Names = append(s.Names, n)
		}
	}
	return s
}

// usable returns the records that can be used.
func (s *Set) usable() []dns.TLSA {
	list := make([]dns.TLSA, 0, len(s.Records))
	for i, r := range s.Records {
		if s.Skipped[i] == nil {
			list = append(list, r)
		}
	}
	return list
}

// Strings returns the records as TLS-RPT shows them (RFC 8460 section 4.4):
// usage, selector, matching type and data in hexadecimal.
func (s *Set) Strings() []string {
	list := make([]string, len(s.Records))
	for i, r := range s.Records {
		list[i] = Text(r)
	}
	return list
}
