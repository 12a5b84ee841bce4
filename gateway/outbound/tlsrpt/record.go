package tlsrpt

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Bounds of records.
const (
	maxRecord = 4096 // octets
	maxFields = 64
	maxURIs   = 16
)

// Errors of records.
var (
	// ErrNoRecord says that a domain wants no reports: no record, or not one
	// only (RFC 8460 section 3).
	ErrNoRecord = errors.New("no TLS-RPT record")
	// ErrRecord says that a record does not follow the grammar.
	ErrRecord = errors.New("invalid TLS-RPT record")
)

// Record is the TXT record _smtp._tls of a domain (RFC 8460 section 3).
type Record struct {
	RUA        []string // URIs, in order; those of schemes that nobody knows included
	Extensions []Pair   // other fields, in order
}

// Pair is a field that RFC 8460 does not define.
type Pair struct {
	Name, Value string
}

// version begins every record.
const version = "v=TLSRPTv1"

// ParseRecord reads a record (RFC 8460 section 3). Errors wrap ErrRecord.
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
	for _, f := range fields[1:] {
		if err := r.field(strings.Trim(f, " \t")); err != nil {
			return Record{}, err
		}
	}
	if len(r.RUA) == 0 {
		return Record{}, fmt.Errorf("%w: it has no rua=", ErrRecord)
	}
	return r, nil
}

// field reads name=value.
func (r *Record) field(f string) error {
	name, value, ok := strings.Cut(f, "=")
	switch {
	case f == "":
		return fmt.Errorf("%w: an empty field", ErrRecord)
	case !ok:
		return fmt.Errorf("%w: %q has no =", ErrRecord, shorten(f))
	case name == "rua":
		return r.rua(value)
	case !validName(name):
		return fmt.Errorf("%w: %q is no field name", ErrRecord, shorten(name))
	case !validValue(value):
		return fmt.Errorf("%w: the value of %s is empty or has a character that is not allowed", ErrRecord, name)
	}
	r.Extensions = append(r.Extensions, Pair{name, value})
	return nil
}

// rua reads a list of URIs. The field may be repeated.
func (r *Record) rua(value string) error {
	for uri := range strings.SplitSeq(value, ",") {
		uri = strings.Trim(uri, " \t")
		if err := checkURI(uri); err != nil {
			return fmt.Errorf("%w: rua %q: %w", ErrRecord, shorten(uri), err)
		}
		if len(r.RUA) == maxURIs {
			return fmt.Errorf("%w: more than %d URIs", ErrRecord, maxURIs)
		}
		r.RUA = append(r.RUA, uri)
	}
	return nil
}

// checkURI checks a URI, and what it names where the scheme is one of RFC
// 8460's two.
func checkURI(uri string) error {
	if i := strings.IndexFunc(uri, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("!\"<>\\^`{|}", c) }); i >= 0 {
		return fmt.Errorf("character %q must be encoded", uri[i])
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return errors.New("not a URI")
	case u.Scheme == "":
		return errors.New("no scheme")
	case u.Scheme == "mailto":
		_, err = mailbox(uri)
	case u.Scheme == "https" && (u.Hostname() == "" || u.Opaque != ""):
		err = errors.New("no host")
	}
	return err
}

// mailbox returns the address of a mailto URI (RFC 6068), of which the first
// counts.
func mailbox(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(u.Opaque, ",")
	text, err := url.PathUnescape(first)
	if err != nil {
		return "", err
	}
	if _, err := smtp.ParseMailbox(text, smtp.Syntax(0)); err != nil {
		return "", errors.New("no address")
	}
	return text, nil
}

// validName checks tlsrpt-ext-name.
func validName(s string) bool {
	if len(s) < 1 || len(s) > 32 || !alphanumeric(rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return !alphanumeric(c) && !strings.ContainsRune("_-.", c) }) < 0
}

// validValue checks tlsrpt-ext-value.
func validValue(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c < '!' || c > '~' || c == '=' || c == ';' }) < 0
}

func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// String returns the record as it is published.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString(version + "; rua=" + strings.Join(r.RUA, ",") + ";")
	for _, e := range r.Extensions {
		b.WriteString(" " + e.Name + "=" + e.Value + ";")
	}
	return b.String()
}

// LookupRecord returns the record of a domain. The error wraps ErrNoRecord or
// ErrRecord; anything else is a failure of DNS.
func LookupRecord(ctx context.Context, r dns.Resolver, domain string) (Record, error) {
	texts, _, err := dns.LookupTXT(ctx, r, "_smtp._tls."+domain)
	if dns.IsNotFound(err) {
		return Record{}, fmt.Errorf("%w: %w", ErrNoRecord, err)
	}
	if err != nil {
		return Record{}, fmt.Errorf("tlsrpt: %w", err)
	}
	return ChooseRecord(texts)
}

// ChooseRecord picks and reads the record among the TXT records of _smtp._tls:
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
