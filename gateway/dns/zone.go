package dns

import (
	"context"
	"strings"
	"time"
)

// DefaultTTL is that of Zone records which name none.
const DefaultTTL = time.Minute

// maxChain bounds the CNAMEs that one look-up follows.
const maxChain = 12

// Zone is a Resolver that knows only what stands in it: the DNS in a literal
// or a file (ParseZone), for tests and for trying things out. Keys are domain
// names without the final dot. A name above a key exists without records;
// "*.name" is a wildcard (RFC 4592). The key "$authentic" lists, as Host of its
// entries, domains whose answers are Authentic with all below; "" is the root.
type Zone map[string][]ZoneRecord

// ZoneRecord is an entry of a Zone: a record, or how questions about its name
// end.
type ZoneRecord struct {
	Type Type
	Record
	TTL time.Duration // 0: DefaultTTL
	// Fail ends questions of Type, or of every type when that is 0, for which
	// there is no record: ErrTimeout, ErrServFail, ErrNXDomain or ErrNoData.
	Fail error
	// Minimum is a SOA's, in seconds: how long denials hold.
	Minimum uint32
	// Authentic makes all answers about the name authentic.
	Authentic bool
}

// authenticKey holds the domains that are Authentic as a whole.
const authenticKey = "$authentic"

// Lookup answers at once, ErrTimeout included.
func (z Zone) Lookup(ctx context.Context, name string, t Type) (Answer, error) {
	cur, ok := Normal(name)
	if !ok {
		return Answer{}, unaskable(name, t)
	}
	if ctx.Err() != nil {
		return Answer{}, ended(ctx, cur, t)
	}
	ad, ttl := true, time.Duration(0)
	for range maxChain {
		recs, exists := z.node(cur)
		ad = ad && z.authentic(cur, recs)
		a := Answer{Name: cur, TTL: ttl}
		for _, r := range recs {
			if r.Type == t && r.Fail == nil {
				a.add(r)
			}
		}
		if len(a.Records) > 0 {
			a.Authentic = ad
			return a, nil
		}
		if err := fails(recs, t); err != nil && !IsNotFound(err) {
			return Answer{}, failed(cur, t, err)
		} else if err != nil {
			return Answer{}, &NotFound{cur, t, err, z.negativeTTL(cur), ad}
		}
		next, found := alias(recs)
		if !found || t == TypeCNAME {
			err := ErrNoData
			if !exists {
				err = ErrNXDomain
			}
			return Answer{}, &NotFound{cur, t, err, z.negativeTTL(cur), ad}
		}
		ttl = shorter(ttl, next.ttl())
		if cur, ok = Normal(next.Host); !ok {
			break
		}
	}
	return Answer{}, failed(name, t, ErrServFail)
}

// add appends a record and keeps the least TTL.
func (a *Answer) add(r ZoneRecord) {
	a.Records = append(a.Records, r.Record)
	a.TTL = shorter(a.TTL, r.ttl())
}

func (r ZoneRecord) ttl() time.Duration {
	if r.TTL > 0 {
		return r.TTL
	}
	return DefaultTTL
}

// shorter returns the lesser of two TTLs, where 0 is none yet.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// fails returns how a question for t ends, nil when nothing is said.
func fails(recs []ZoneRecord, t Type) error {
	for _, r := range recs {
		if r.Fail != nil && (r.Type == 0 || r.Type == t) {
			return r.Fail
		}
	}
	return nil
}

func alias(recs []ZoneRecord) (ZoneRecord, bool) {
	for _, r := range recs {
		if r.Type == TypeCNAME && r.Fail == nil {
			return r, true
		}
	}
	return ZoneRecord{}, false
}

// node returns the entries for name, wildcards considered, and whether the
// name exists.
func (z Zone) node(name string) ([]ZoneRecord, bool) {
	if recs, exists := z.own(name); exists {
		return recs, true
	}
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return nil, false
		}
		if recs, exists := z.own("*." + parent); exists {
			return recs, true
		}
		if _, exists := z.own(parent); exists { // the closest encloser
			return nil, false
		}
		name = parent
	}
}

// own returns the entries under name itself.
func (z Zone) own(name string) (recs []ZoneRecord, exists bool) {
	if recs, exists = z[name]; exists {
		return recs, true
	}
	for key, recs := range z {
		key = strings.TrimSuffix(key, ".")
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return recs, true
		}
		if within(key, name) {
			exists = true
		}
	}
	return nil, exists
}

// within tells whether name is domain or below it; "" is the root.
func within(name, domain string) bool {
	i := len(name) - len(domain)
	if i < 0 || !strings.EqualFold(name[i:], domain) {
		return false
	}
	return i == 0 || domain == "" || name[i-1] == '.'
}

func (z Zone) authentic(name string, recs []ZoneRecord) bool {
	for _, r := range recs {
		if r.Authentic {
			return true
		}
	}
	for _, r := range z[authenticKey] {
		if within(name, r.Host) {
			return true
		}
	}
	return false
}

// negativeTTL looks for the nearest SOA above name (RFC 2308 section 5).
func (z Zone) negativeTTL(name string) time.Duration {
	for ok := true; ok; _, name, ok = strings.Cut(name, ".") {
		for _, r := range z[name] {
			if r.Type == TypeSOA && r.Fail == nil {
				return min(r.ttl(), time.Duration(r.Minimum)*time.Second)
			}
		}
	}
	return 0
}
