package dns

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
)

// MX is one mail exchanger (RFC 1035 section 3.3.9). Host is "" for a null MX
// (RFC 7505).
type MX struct {
	Preference uint16
	Host       string
}

// LookupTXT returns the texts of name, each with its strings joined. The bool
// of this and the other functions is Answer.Authentic.
func LookupTXT(ctx context.Context, r Resolver, name string) ([]string, bool, error) {
	return collect(ctx, r, name, TypeTXT, func(r Record) string { return r.Text })
}

// LookupA returns the IPv4 addresses of name.
func LookupA(ctx context.Context, r Resolver, name string) ([]netip.Addr, bool, error) {
	return collect(ctx, r, name, TypeA, func(r Record) netip.Addr { return r.IP })
}

// LookupAAAA returns the IPv6 addresses of name.
func LookupAAAA(ctx context.Context, r Resolver, name string) ([]netip.Addr, bool, error) {
	return collect(ctx, r, name, TypeAAAA, func(r Record) netip.Addr { return r.IP })
}

// LookupMX returns the mail exchangers of name, the most preferred first.
func LookupMX(ctx context.Context, r Resolver, name string) ([]MX, bool, error) {
	list, ad, err := collect(ctx, r, name, TypeMX, func(r Record) MX { return MX{r.Preference, r.Host} })
	slices.SortStableFunc(list, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return list, ad, err
}

// LookupPTR returns the names of an address. They prove nothing before their
// own addresses were looked up.
func LookupPTR(ctx context.Context, r Resolver, ip netip.Addr) ([]string, bool, error) {
	return collect(ctx, r, ReverseName(ip), TypePTR, func(r Record) string { return r.Host })
}

// LookupTLSA returns the TLSA records of name.
func LookupTLSA(ctx context.Context, r Resolver, name string) ([]TLSA, bool, error) {
	return collect(ctx, r, name, TypeTLSA, func(r Record) TLSA { return *r.TLSA })
}

// LookupIP returns the addresses of name, IPv6 first. Both types are asked at
// once; when one of them fails and the other gives addresses, these are
// returned without error. Authentic means that both answers were.
func LookupIP(ctx context.Context, r Resolver, name string) ([]netip.Addr, bool, error) {
	v6, ad6, err6, v4, ad4, err4 := lookupBoth(ctx, r, name)
	ad := denialOr(ad4, err4) && denialOr(ad6, err6)
	if ips := slices.Concat(v6, v4); len(ips) > 0 {
		return ips, ad, nil
	}
	if !IsNotFound(err4) {
		return nil, false, err4
	}
	return nil, ad, err6
}

// lookupBoth asks for both types, at once where the first is not known.
func lookupBoth(ctx context.Context, r Resolver, name string) (v6 []netip.Addr, ad6 bool, err6 error, v4 []netip.Addr, ad4 bool, err4 error) {
	if Known(r, name, TypeAAAA) {
		v6, ad6, err6 = LookupAAAA(ctx, r, name)
		v4, ad4, err4 = LookupA(ctx, r, name)
		return v6, ad6, err6, v4, ad4, err4
	}
	type part struct {
		ips []netip.Addr
		ad  bool
		err error
	}
	six := make(chan part, 1)
	go func() {
		ips, ad, err := LookupAAAA(ctx, r, name)
		six <- part{ips, ad, err}
	}()
	v4, ad4, err4 = LookupA(ctx, r, name)
	p := <-six
	return p.ips, p.ad, p.err, v4, ad4, err4
}

// denialOr is ad, or, when err denies the records, whether the denial is
// authentic.
func denialOr(ad bool, err error) bool {
	var n *NotFound
	return ad || errors.As(err, &n) && n.Authentic
}

func collect[T any](ctx context.Context, r Resolver, name string, t Type, f func(Record) T) ([]T, bool, error) {
	a, err := r.Lookup(ctx, name, t)
	if err != nil {
		return nil, denialOr(false, err), err
	}
	list := make([]T, len(a.Records))
	for i, rec := range a.Records {
		list[i] = f(rec)
	}
	return list, a.Authentic, nil
}
