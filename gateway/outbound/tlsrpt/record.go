package tlsrpt

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/record"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxURIs bounds the URIs of a record.
const maxURIs = 16

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
	err := record.Syntax{
		Version: version,
		Own: func(name, value string) (bool, error) {
			if name != "rua" {
				return false, nil
			}
			return true, r.rua(value)
		},
		Other: func(name, value string) { r.Extensions = append(r.Extensions, Pair{name, value}) },
	}.Parse(txt)
	if err == nil && len(r.RUA) == 0 {
		err = errors.New("it has no rua=")
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return r, nil
}

// rua reads a list of URIs. The field may be repeated.
func (r *Record) rua(value string) error {
	for uri := range strings.SplitSeq(value, ",") {
		uri = strings.Trim(uri, " \t")
		if err := checkURI(uri); err != nil {
			return fmt.Errorf("rua %q: %w", record.Shorten(uri), err)
		}
		if len(r.RUA) == maxURIs {
			return fmt.Errorf("more than %d URIs", maxURIs)
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

// String returns the record as it is published.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString(version + "; rua=" + strings.Join(r.RUA, ",") + ";")
	for _, e := range r.Extensions {
		b.WriteString(" " + e.Name + "=" + e.Value + ";")
	}
	return b.String()
}

// LookupRecord returns the record of a domain, among its TXT records: those of
// other versions do not count, and two are none. The error wraps ErrNoRecord or
// ErrRecord; anything else is a failure of DNS.
func LookupRecord(ctx context.Context, r dns.Resolver, domain string) (Record, error) {
	txt, err := record.Lookup(ctx, r, "_smtp._tls."+domain, version)
	switch {
	case errors.Is(err, record.ErrNone):
		return Record{}, fmt.Errorf("%w: %w", ErrNoRecord, err)
	case err != nil:
		return Record{}, fmt.Errorf("tlsrpt: %w", err)
	}
	return ParseRecord(txt)
}
