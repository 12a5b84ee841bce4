package mtasts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/record"
)

// maxID bounds an id (RFC 8461 section 3.1).
const maxID = 32

// Errors of records.
var (
	// ErrNoRecord says that a domain does not publish MTA-STS: no record, or
	// not one only (RFC 8461 section 3.1).
	ErrNoRecord = errors.New("no MTA-STS record")
	// ErrRecord says that a record does not follow the grammar; the domain
	// then counts as one without.
	ErrRecord = errors.New("invalid MTA-STS record")
)

// Record is the TXT record _mta-sts of a domain (RFC 8461 section 3.1).
type Record struct {
	ID         string // changes whenever the policy does
	Extensions []Pair // other fields, in order
}

// Pair is a field that RFC 8461 does not define.
type Pair struct {
	Name, Value string
}

// version begins every record.
const version = "v=STSv1"

// ParseRecord reads a record (RFC 8461 section 3.1). Of repeated fields the
// first counts. Errors wrap ErrRecord.
func ParseRecord(txt string) (Record, error) {
	var r Record
	seen := map[string]bool{}
	err := record.Syntax{
		Version: version,
		Own: func(name, value string) (bool, error) {
			switch {
			case name != "id":
				return false, nil
			case !validID(value):
				return true, fmt.Errorf("id=%q is not 1 to %d letters and digits", record.Shorten(value), maxID)
			}
			r.ID = cmp.Or(r.ID, value)
			return true, nil
		},
		Other: func(name, value string) {
			if !seen[name] {
				r.Extensions = append(r.Extensions, Pair{name, value})
			}
			seen[name] = true
		},
	}.Parse(txt)
	if err == nil && r.ID == "" {
		err = errors.New("it has no id=")
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return r, nil
}

func validID(s string) bool {
	return len(s) >= 1 && len(s) <= maxID && strings.IndexFunc(s, func(c rune) bool { return !record.Alphanumeric(c) }) < 0
}

// String returns the record as it is published.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString(version + "; id=" + r.ID + ";")
	for _, e := range r.Extensions {
		b.WriteString(" " + e.Name + "=" + e.Value + ";")
	}
	return b.String()
}

// LookupRecord returns the record of a domain, among its TXT records: those of
// other versions do not count, and two are none. The error wraps ErrNoRecord or
// ErrRecord; anything else is a failure of DNS.
func LookupRecord(ctx context.Context, r dns.Resolver, domain string) (Record, error) {
	txt, err := record.Lookup(ctx, r, "_mta-sts."+domain, version)
	switch {
	case errors.Is(err, record.ErrNone):
		return Record{}, fmt.Errorf("%w: %w", ErrNoRecord, err)
	case err != nil:
		return Record{}, fmt.Errorf("mtasts: %w", err)
	}
	return ParseRecord(txt)
}
