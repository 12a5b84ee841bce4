package mailauth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Bounds of a signature field.
const (
	MaxSignatureField = 64 << 10 // octets of the field; z= makes some long
	MaxSignedNames    = 256      // names in h=
	maxDomain         = 253      // octets of a domain name, RFC 1035 section 2.3.4
)

// fieldError is why a signature field cannot be used.
type fieldError struct {
	result Result
	reason string
}

func (e *fieldError) Error() string { return e.reason }

// unclear is for fields that cannot be understood (RFC 8601 section 2.7.1:
// neutral), unusable for those that a rule forbids.
func unclear(format string, a ...any) error {
	return &fieldError{Neutral, fmt.Sprintf(format, a...)}
}

func unusable(format string, a ...any) error {
	return &fieldError{PermError, fmt.Sprintf(format, a...)}
}

// sigField is what DKIM-Signature and ARC-Message-Signature have in common,
// and, without body and h=, ARC-Seal.
type sigField struct {
	tags      TagList
	algorithm string // a=, lower case
	keyType   string
	b, bh     []byte
	bText     string // b= without white space
	bAt       [2]int // where the value of b= lies in the field's body
	domain    string // d=, A-labels, lower case
	selector  string // s=, likewise
	canon     [2]Canon
	names     []string // h=
	limit     int64    // l=, -1: none
	hasTime   bool
	time      int64 // t=
	expires   int64 // x=, 0: none
}

// parseSigField reads the tag-list and the tags that all three fields have.
// What it could read is in the field even with an error.
func parseSigField(f message.Field) (*sigField, error) {
	s := &sigField{limit: -1}
	if len(f.Raw) > MaxSignatureField {
		return s, &fieldError{Policy, fmt.Sprintf("signature field above %d octets", MaxSignatureField)}
	}
	var err error
	if s.tags, err = ParseTagList(string(f.Body())); err != nil {
		return s, unclear("%v", err)
	}
	// Names first, so that a bad signature can be told apart in results.
	d, _ := s.tags.Get("d")
	sel, _ := s.tags.Get("s")
	dOK, sOK := false, false
	s.domain, dOK = domainLabels(d, 2)
	s.selector, sOK = domainLabels(sel, 1)
	a, _ := s.tags.Get("a")
	s.algorithm = strings.ToLower(a)
	b := s.tags.find("b")
	s.bText, s.bAt = stripFWS(b.Value), [2]int{b.start, b.end}
	for _, name := range []string{"a", "b", "d", "s"} {
		if _, ok := s.tags.Get(name); !ok {
			return s, unclear("no %s=", name)
		}
	}
	switch {
	case !dOK:
		return s, unclear("d= is no domain name")
	case !sOK:
		return s, unclear("s= is no selector")
	case len(s.keyName()) > maxDomain:
		return s, unclear("s= and d= are too long for a name")
	}
	if err := s.parseAlgorithm(); err != nil {
		return s, err
	}
	if s.b, err = decodeBase64(b.Value); err != nil || len(s.b) == 0 {
		return s, unclear("b= is not base64")
	}
	if t, ok := s.tags.Get("t"); ok {
		if s.time, ok = parseDigits(t, 12); !ok {
			return s, unclear("t= is no time")
		}
		s.hasTime = true
	}
	return s, nil
}

func (s *sigField) parseAlgorithm() error {
	switch s.algorithm {
	case "rsa-sha256":
		s.keyType = "rsa"
	case "ed25519-sha256":
		s.keyType = "ed25519"
	case "rsa-sha1": // RFC 8301 section 3.1
		return unusable("rsa-sha1 is not accepted")
	default:
		return unclear("unknown algorithm %q", shorten(s.algorithm))
	}
	return nil
}

// parseBody reads the tags about the body and the signed fields. In ARC a
// blank name in h= is one of no field, and c= is relaxed where it is missing,
// as the sealers in use have it.
func (s *sigField) parseBody(arc bool) error {
	bh, ok := s.tags.Get("bh")
	if !ok {
		return unclear("no bh=")
	}
	var err error
	if s.bh, err = decodeBase64(bh); err != nil || len(s.bh) != sha256.Size {
		return unclear("bh= is no SHA-256 hash in base64")
	}
	h, ok := s.tags.Get("h")
	if !ok {
		return unclear("no h=")
	}
	if s.names = colonList(h); len(s.names) > MaxSignedNames {
		return &fieldError{Policy, fmt.Sprintf("more than %d names in h=", MaxSignedNames)}
	}
	for _, n := range s.names {
		if !message.ValidFieldName(n) && !(arc && n == "") {
			return unclear("h= has %q, no field name", shorten(n))
		}
	}
	if s.canon, ok = parseCanon(s.tags); !ok {
		return unclear("unknown canonicalization")
	}
	if _, ok := s.tags.Get("c"); !ok && arc {
		s.canon = [2]Canon{Relaxed, Relaxed}
	}
	if l, ok := s.tags.Get("l"); ok {
		if s.limit, ok = parseDigits(l, 76); !ok {
			return unclear("l= is no number")
		}
	}
	return s.parseExpiry()
}

func (s *sigField) parseExpiry() error {
	x, ok := s.tags.Get("x")
	if !ok {
		return nil
	}
	if s.expires, ok = parseDigits(x, 12); !ok {
		return unclear("x= is no time")
	}
	if s.hasTime && s.expires <= s.time {
		return unusable("x= is not later than t=")
	}
	return nil
}

// inTime judges t= and x=.
func (s *sigField) inTime(now time.Time) error {
	if s.hasTime && time.Unix(s.time, 0).After(now.Add(clockSkew)) {
		return unusable("signature from the future")
	}
	if _, ok := s.tags.Get("x"); ok && time.Unix(s.expires, 0).Before(now.Add(-clockSkew)) {
		return unusable("signature expired")
	}
	return nil
}

// keyName is where the key is (RFC 6376 section 3.6.2.1).
func (s *sigField) keyName() string { return s.selector + "._domainkey." + s.domain }

func (s *sigField) form() BodyForm { return BodyForm{s.canon[1], s.limit} }

// parseCanon reads c= (RFC 6376 section 3.5); each half is simple when it is
// not there.
func parseCanon(tags TagList) ([2]Canon, bool) {
	canon := [2]Canon{Simple, Simple}
	c, ok := tags.Get("c")
	if !ok {
		return canon, true
	}
	header, body, both := strings.Cut(c, "/")
	if canon[0], ok = canonByName(header); !ok {
		return canon, false
	}
	if both {
		canon[1], ok = canonByName(body)
	}
	return canon, ok
}

func canonByName(s string) (Canon, bool) {
	switch {
	case equalName(s, "relaxed"):
		return Relaxed, true
	case equalName(s, "simple"):
		return Simple, true
	}
	return Simple, false
}

// parseDigits reads at most n digits; what does not fit is the largest number.
func parseDigits(s string, n int) (int64, bool) {
	if s == "" || len(s) > n {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	v, err := strconv.ParseInt(s, 10, 64) // at the largest when out of range
	return v, err == nil || errors.Is(err, strconv.ErrRange)
}

// domainLabels returns a name of at least n labels in lower-case A-labels (RFC
// 8616 section 4), and whether it may be asked for. Underscores are taken,
// since selectors in use have them.
func domainLabels(s string, n int) (string, bool) {
	if len(s) > 1000 {
		return "", false
	}
	if !isASCII(s) {
		a, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", false
		}
		s = a
	}
	s = strings.ToLower(s)
	if len(s) > maxDomain {
		return "", false
	}
	labels := 0
	for label := range strings.SplitSeq(s, ".") {
		if labels++; !validLabel(label) {
			return "", false
		}
	}
	return s, labels >= n
}

func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// identity reads i=, whose domain must be that of d= or below it (RFC 6376
// section 3.5); exact when it is the same.
func (s *sigField) identity() (id string, exact bool, err error) {
	v, ok := s.tags.Get("i")
	if !ok {
		return "@" + s.domain, true, nil
	}
	raw, qerr := io.ReadAll(quotedprintable.NewReader(strings.NewReader(stripFWS(v))))
	at := strings.LastIndexByte(string(raw), '@')
	if qerr != nil || at < 0 {
		return "", false, unclear("i= is no identity")
	}
	domain, ok := domainLabels(string(raw[at+1:]), 2)
	if !ok {
		return "", false, unclear("i= has no domain name")
	}
	id = message.CleanValue(string(raw[:at])) + "@" + domain
	if domain == s.domain {
		return id, true, nil
	}
	if !strings.HasSuffix(domain, "."+s.domain) {
		return id, false, unusable("i= is not within d=")
	}
	return id, false, nil
}
