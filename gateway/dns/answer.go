package dns

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	wire "github.com/miekg/dns"
)

// maxRecords bounds the records of one type that an answer may have.
const maxRecords = 500

// readAnswer takes from a message that answers the question for name and t
// the records at the end of the CNAME chain; everything else in it is
// ignored. It returns ErrServFail for answers that are of no use.
func readAnswer(m *wire.Msg, name string, t Type, ad bool) (Answer, error) {
	if m.Rcode != wire.RcodeSuccess && m.Rcode != wire.RcodeNameError {
		return Answer{}, ErrServFail
	}
	owners := make([]string, len(m.Answer))
	for i, rr := range m.Answer {
		if rr.Header().Class == classIN {
			owners[i], _ = rawName(rr.Header().Name)
		}
	}
	a := Answer{Name: name, Authentic: ad}
	for range maxChain {
		if m.Rcode == wire.RcodeSuccess && !a.take(m.Answer, owners, t) {
			return Answer{}, ErrServFail
		}
		if len(a.Records) > 0 {
			return a, nil
		}
		next, ok := follow(m.Answer, owners, a.Name)
		if !ok || t == TypeCNAME {
			return Answer{}, denial(m, a.Name, t, ad)
		}
		a.TTL = shorter(a.TTL, ttlOf(next.Hdr.Ttl))
		if a.Name, ok = rawName(next.Target); !ok {
			break
		}
	}
	return Answer{}, ErrServFail
}

// take adds the records of type t that a.Name owns; false: there are too many,
// or none of them can be used, which is not to say that there is none.
func (a *Answer) take(list []wire.RR, owners []string, t Type) bool {
	odd := false
	for i, rr := range list {
		if owners[i] != a.Name || Type(rr.Header().Rrtype) != t {
			continue
		}
		rec, ok := record(rr)
		if !ok {
			odd = t == TypeMX // with none, mail would go to the name itself
			continue
		}
		if len(a.Records) == maxRecords {
			return false
		}
		a.Records = append(a.Records, rec)
		a.TTL = shorter(a.TTL, ttlOf(rr.Header().Ttl))
	}
	return !odd || len(a.Records) > 0
}

func follow(list []wire.RR, owners []string, name string) (*wire.CNAME, bool) {
	for i, rr := range list {
		if c, ok := rr.(*wire.CNAME); ok && owners[i] == name {
			return c, true
		}
	}
	return nil, false
}

// denial reads from the authority section for how long there is nothing (RFC
// 2308). A referral is no denial: the server is not recursive.
func denial(m *wire.Msg, name string, t Type, ad bool) error {
	n := &NotFound{Name: name, Type: t, Err: ErrNoData, Authentic: ad}
	if m.Rcode == wire.RcodeNameError {
		n.Err = ErrNXDomain
	}
	referral := false
	for _, rr := range m.Ns {
		switch rr := rr.(type) {
		case *wire.SOA:
			if zone, ok := rawName(rr.Hdr.Name); (ok || rr.Hdr.Name == ".") && within(name, zone) {
				n.TTL = min(ttlOf(rr.Hdr.Ttl), ttlOf(rr.Minttl))
				return n
			}
		case *wire.NS:
			referral = true
		}
	}
	if referral && !m.RecursionAvailable && !m.Authoritative && n.Err == ErrNoData {
		return ErrServFail
	}
	return n
}

// ttlOf reads a TTL (RFC 2181 section 8). 0 counts as a second, since no TTL
// of an Answer is 0.
func ttlOf(seconds uint32) time.Duration {
	if seconds == 0 || seconds > 1<<31-1 {
		return time.Second
	}
	return time.Duration(seconds) * time.Second
}

// record converts the data of one record. It reports false for names that
// nobody should have to handle.
func record(rr wire.RR) (r Record, ok bool) {
	switch rr := rr.(type) {
	case *wire.A:
		r.IP, ok = netip.AddrFromSlice(rr.A.To4())
	case *wire.AAAA:
		r.IP, ok = netip.AddrFromSlice(rr.AAAA)
		ok = ok && r.IP.Is6()
	case *wire.TXT:
		r.Text, ok = joined(rr.Txt), true
	case *wire.MX:
		r.Preference = rr.Preference
		r.Host, ok = hostName(rr.Mx)
	case *wire.SRV:
		r.Preference, r.Weight, r.Port = rr.Priority, rr.Weight, rr.Port
		r.Host, ok = hostName(rr.Target)
	case *wire.PTR:
		r.Host, ok = hostName(rr.Ptr)
	case *wire.NS:
		r.Host, ok = hostName(rr.Ns)
	case *wire.CNAME:
		r.Host, ok = hostName(rr.Target)
	case *wire.SOA:
		r.Host, ok = hostName(rr.Ns)
	case *wire.TLSA:
		data, err := hex.DecodeString(rr.Certificate)
		r.TLSA, ok = &TLSA{rr.Usage, rr.Selector, rr.MatchingType, data}, err == nil
	}
	return r, ok
}

func joined(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		s, _ := unescape(p)
		b.WriteString(s)
	}
	return b.String()
}

// hostName is rawName for names that others will see: without white space,
// and with "" for the root.
func hostName(s string) (string, bool) {
	if s == "." {
		return "", true
	}
	name, ok := rawName(s)
	return name, ok && !strings.Contains(name, " ")
}

// rawName turns a name in the library's form, where a backslash escapes, into
// the form of this package. A dot inside a label has none.
func rawName(s string) (string, bool) {
	s, dot := unescape(s)
	if dot {
		return "", false
	}
	return Normal(s)
}

// unescape undoes \X and \DDD (RFC 1035 section 5.1) and tells whether a dot
// was escaped.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, `\`) {
		return s, false
	}
	b, dot := make([]byte, 0, len(s)), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			i++
			if c = s[i]; i+2 < len(s) && digit(c) && digit(s[i+1]) && digit(s[i+2]) {
				c = (c-'0')*100 + (s[i+1]-'0')*10 + s[i+2] - '0'
				i += 2
			}
			dot = dot || c == '.'
		}
		b = append(b, c)
	}
	return string(b), dot
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
