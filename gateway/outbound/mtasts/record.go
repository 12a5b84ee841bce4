package mtasts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// Bounds of records.
const (
	maxRecord = 4096 // octets
	maxFields = 64
	maxID     = 32 // RFC 8461 section 3.1
)

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
	if len(txt) > maxRecord {
		return r, fmt.Errorf("%w: longer than %d octets", ErrRecord, maxRecord)
	}
	fields := strings.Split(txt, ";")
	if len(fields) > maxFields {
		return r, fmt.Errorf("%w: more than %d fields", ErrRecord, maxFields)
	}
	if strings.TrimRight(fields[0], " \t") != version {
		return r, fmt.Errorf("%w: it does not begin with %s;", ErrRecord, version)
	}
	if last := len(fields) - 1; last > 0 && strings.Trim(fields[last], " \t") == "" {
		fields = fields[:last] // the delimiter may end the record
	}
	seen := map[string]bool{}
	for _, f := range fields[1:] {
		name, value, err := parseField(strings.Trim(f, " \t"))
		if err != nil {
			return Record{}, err
		}
		switch {
		case seen[name]:
		case name == "id":
			r.ID = value
		default:
			r.Extensions = append(r.Extensions, Pair{name, value})
		}
		seen[name] = true
	}
	if r.ID == "" {
		return Record{}, fmt.Errorf("%w: it has no id=", ErrRecord)
	}
	return r, nil
}

// parseField reads name=value.
func parseField(f string) (name, value string, err error) {
	name, value, ok := strings.Cut(f, "=")
	switch {
	case f == "":
		return "", "", fmt.Errorf("%w: an empty field", ErrRecord)
	case !ok:
		return "", "", fmt.Errorf("%w: %q has no =", ErrRecord, shorten(f))
	case name == "id" && !validID(value):
		return "", "", fmt.Errorf("%w: id=%q is not 1 to %d letters and digits", ErrRecord, shorten(value), maxID)
	case !validName(name):
		return "", "", fmt.Errorf("%w: %q is no field name", ErrRecord, shorten(name))
	case !validValue(value):
		return "", "", fmt.Errorf("%w: the value of %s is empty or has a character that is not allowed", ErrRecord, name)
	}
	return name, value, nil
}

func validID(s string) bool {
	return len(s) >= 1 && len(s) <= maxID && strings.IndexFunc(s, func(c rune) bool { return !alphanumeric(c) }) < 0
}

// validName checks the name of an extension, in records and policies.
func validName(s string) bool {
	if len(s) < 1 || len(s) > 32 || !alphanumeric(rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return !alphanumeric(c) && !strings.ContainsRune("_-.", c) }) < 0
}

// validValue checks sts-ext-value.
func validValue(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c < '!' || c > '~' || c == '=' || c == ';' }) < 0
}

func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
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

// LookupRecord returns the record of a domain. The error wraps ErrNoRecord or
// ErrRecord; anything else is a failure of DNS.
func LookupRecord(ctx context.Context, r dns.Resolver, domain string) (Record, error) {
	texts, _, err := dns.LookupTXT(ctx, r, "_mta-sts."+domain)
	if dns.IsNotFound(err) {
		return Record{}, fmt.Errorf("%w: %w", ErrNoRecord, err)
	}
	if err != nil {
		return Record{}, fmt.Errorf("mtasts: %w", err)
	}
	return ChooseRecord(texts)
}

// ChooseRecord picks and reads the record among the TXT records of _mta-sts:
// those of other versions do not count, and two are none.
func ChooseRecord(texts []string) (Record, error) {
	var found []string
	for _, t := range texts {
		if rest, ok := strings.CutPrefix(t, version); ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";") {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return Record{}, ErrNoRecord
	case 1:
		return ParseRecord(found[0])
	}
	return Record{}, fmt.Errorf("%w: there are %d", ErrNoRecord, len(found))
}

// shorten cuts text for an error.
func shorten(s string) string { return s[:min(len(s), 60)] }
