// Package record reads the TXT records of MTA-STS (RFC 8461 section 3.1) and
// TLS reporting (RFC 8460 section 3), which share their syntax: a version, then
// fields name=value, each after a semicolon.
package record

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
	maxName   = 32
)

// ErrNone says that there is no record of the version, or not one only, which
// counts as none.
var ErrNone = errors.New("no record")

// Syntax says what a record has beside fields that nobody knows.
type Syntax struct {
	// Version begins the record, as v=STSv1.
	Version string
	// Own takes the fields that the RFC defines; others are not ok.
	Own func(name, value string) (ok bool, err error)
	// Other takes the other fields, whose names and values are good.
	Other func(name, value string)
}

// Parse reads a record of up to 4 KiB and 64 fields.
func (s Syntax) Parse(txt string) error {
	if len(txt) > maxRecord {
		return fmt.Errorf("longer than %d octets", maxRecord)
	}
	fields := strings.Split(txt, ";")
	if len(fields) > maxFields {
		return fmt.Errorf("more than %d fields", maxFields)
	}
	if strings.TrimRight(fields[0], " \t") != s.Version {
		return fmt.Errorf("it does not begin with %s;", s.Version)
	}
	if last := len(fields) - 1; last > 0 && strings.Trim(fields[last], " \t") == "" {
		fields = fields[:last] // the delimiter may end the record
	}
	for _, f := range fields[1:] {
		if err := s.field(strings.Trim(f, " \t")); err != nil {
			return err
		}
	}
	return nil
}

// field reads name=value.
func (s Syntax) field(f string) error {
	name, value, ok := strings.Cut(f, "=")
	if f == "" {
		return errors.New("an empty field")
	}
	if !ok {
		return fmt.Errorf("%q has no =", Shorten(f))
	}
	own, err := s.Own(name, value)
	switch {
	case own || err != nil:
		return err
	case !ValidName(name):
		return fmt.Errorf("%q is no field name", Shorten(name))
	case !validValue(value):
		return fmt.Errorf("the value of %s is empty or has a character that is not allowed", name)
	}
	s.Other(name, value)
	return nil
}

// ValidName checks sts-ext-name and tlsrpt-ext-name.
func ValidName(s string) bool {
	if len(s) < 1 || len(s) > maxName || !Alphanumeric(rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return !Alphanumeric(c) && !strings.ContainsRune("_-.", c) }) < 0
}

// validValue checks sts-ext-value and tlsrpt-ext-value.
func validValue(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c < '!' || c > '~' || c == '=' || c == ';' }) < 0
}

// Alphanumeric tells ASCII's letters and digits from other characters.
func Alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// Shorten cuts a stranger's text for an error.
func Shorten(s string) string { return s[:min(len(s), 60)] }

// Lookup returns the record of the version at a name. The error wraps ErrNone,
// or is a failure of DNS.
func Lookup(ctx context.Context, r dns.Resolver, name, version string) (string, error) {
	texts, _, err := dns.LookupTXT(ctx, r, name)
	if dns.IsNotFound(err) {
		return "", fmt.Errorf("%w: %w", ErrNone, err)
	}
	if err != nil {
		return "", err
	}
	return choose(texts, version)
}

// choose picks the record among TXT records: those of other versions do not
// count, and two are none.
func choose(texts []string, version string) (string, error) {
	var found []string
	for _, t := range texts {
		if rest, ok := strings.CutPrefix(t, version); ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";") {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return "", ErrNone
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: there are %d", ErrNone, len(found))
}
