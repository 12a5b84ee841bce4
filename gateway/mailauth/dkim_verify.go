package mailauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/message"
)

// DKIMReport is what the DKIM signatures of a message say.
type DKIMReport struct {
	Signatures []DKIMSignature `json:"signatures"`        // topmost first
	Ignored    int             `json:"ignored,omitempty"` // signatures beyond MaxSignatures
}

// DKIMSignature is one judged DKIM-Signature field.
type DKIMSignature struct {
	Result    Result `json:"result"`
	Domain    string `json:"domain"`    // d=, A-labels, lower case; "" : none that is one
	Selector  string `json:"selector"`  // s=
	Algorithm string `json:"algorithm"` // a=
	KeyBits   int    `json:"key_bits"`  // 0: no key seen
	Reason    string `json:"reason"`    // why it is not pass; "" otherwise

	Identity  string   `json:"identity,omitempty"`  // i=, or "@" and d=
	Canon     string   `json:"canon,omitempty"`     // header/body
	Headers   []string `json:"headers,omitempty"`   // h=, as written
	Testing   bool     `json:"testing,omitempty"`   // the key says t=y
	Authentic bool     `json:"authentic,omitempty"` // DNSSEC proved the key
	// Limited tells that l= was given; then Unsigned octets of the body (in
	// canonical form) are not covered.
	Limited   bool      `json:"limited,omitempty"`
	Unsigned  int64     `json:"unsigned,omitempty"`
	Timestamp time.Time `json:"timestamp,omitzero"` // t=
	Expires   time.Time `json:"expires,omitzero"`   // x=
	B         string    `json:"b,omitempty"`        // b= without white space; RFC 6008 names signatures by its beginning
}

// Partial tells whether something follows the part of the body that is signed.
func (s *DKIMSignature) Partial() bool { return s.Unsigned > 0 }

// DKIMVerifier judges the DKIM signatures of one message: made when the header
// is complete, it looks up keys and checks signatures at once, is given the
// body as it arrives, and asked at the end. It ends with Report or Close.
type DKIMVerifier struct {
	*BodyHasher
	fetch   keyFetch
	checks  []*dkimCheck
	ignored int
}

// dkimCheck is a signature under way. verdict is written by the look-up's
// goroutine and read after it ended.
type dkimCheck struct {
	out     DKIMSignature
	field   *sigField
	pending bool // out.Result waits for key and body
	verdict keyVerdict
}

// NewDKIMVerifier begins to verify the signatures in h by RFC 6376, 8301 and
// 8463. h must not change. Look-ups end with ctx.
func NewDKIMVerifier(ctx context.Context, h *message.Header, r dns.Resolver, opt VerifyOptions) *DKIMVerifier {
	opt = opt.withDefaults()
	v := &DKIMVerifier{BodyHasher: NewBodyHasher(), fetch: keyFetch{resolver: r, keys: opt.Keys}}
	var index *headerIndex
	for i, f := range h.Fields() {
		if !f.Is("DKIM-Signature") {
			continue
		}
		if len(v.checks) == opt.MaxSignatures {
			v.ignored++
			continue
		}
		if index == nil {
			index = newHeaderIndex(h)
		}
		v.checks = append(v.checks, v.begin(index, i, opt.Now))
	}
	v.fetch.start(ctx, opt.LookupTimeout)
	return v
}

// begin parses the signature at field i, hashes what it covers and wants its
// key.
func (v *DKIMVerifier) begin(index *headerIndex, i int, now time.Time) *dkimCheck {
	c := &dkimCheck{}
	s, err := parseSigField(index.fields[i])
	c.field = s
	c.out = DKIMSignature{Domain: s.domain, Selector: s.selector, Algorithm: message.CleanValue(s.algorithm), B: s.bText}
	exact := false
	if err == nil {
		exact, err = c.parse(now)
	}
	if err == nil && v.forms() == maxBodyForms {
		err = &fieldError{Policy, fmt.Sprintf("more than %d forms of the body to hash", maxBodyForms)}
	}
	if err != nil {
		c.out.Result, c.out.Reason = judged(err)
		return c
	}
	w := sha256.New()
	index.hashFields(w, s.names, s.canon[0], i)
	index.hashOwn(w, i, s.canon[0], s.bAt)
	check := &keyCheck{algorithm: s.keyType, sum: w.Sum(nil), signature: s.b, exact: exact, fetch: &v.fetch}
	v.add(s.form())
	c.pending = true
	v.fetch.want(s.keyName(), func(a keyAnswer) { c.verdict = check.check(a) })
	return c
}

// judged turns an error about a field into a result.
func judged(err error) (Result, string) {
	var f *fieldError
	if errors.As(err, &f) {
		return f.result, f.reason
	}
	return Neutral, err.Error()
}

// parse reads what only DKIM-Signature has (RFC 6376 section 6.1.1).
func (c *dkimCheck) parse(now time.Time) (exact bool, err error) {
	s := c.field
	if version, ok := s.tags.Get("v"); !ok || version != "1" {
		return false, unclear("v= is not 1")
	}
	if err := s.parseBody(false); err != nil {
		return false, err
	}
	c.describe()
	if q, ok := s.tags.Get("q"); ok && !hasName(colonList(q), "dns/txt") {
		return false, unclear("q= names no known way to the key")
	}
	if c.out.Identity, exact, err = s.identity(); err != nil {
		return false, err
	}
	if !hasName(s.names, "From") { // RFC 6376 section 5.4
		return false, unusable("From is not signed")
	}
	return exact, s.inTime(now)
}

func (c *dkimCheck) describe() {
	s := c.field
	c.out.Headers = s.names
	c.out.Canon = s.canon[0].String() + "/" + s.canon[1].String()
	c.out.Limited = s.limit >= 0
	if s.hasTime {
		c.out.Timestamp = time.Unix(s.time, 0).UTC()
	}
	if s.expires > 0 {
		c.out.Expires = time.Unix(s.expires, 0).UTC()
	}
}

func hasName(list []string, name string) bool {
	for _, n := range list {
		if equalName(n, name) {
			return true
		}
	}
	return false
}

// NeedsBody tells whether the body has to be written; without, Report may be
// called at once.
func (v *DKIMVerifier) NeedsBody() bool { return v.forms() > 0 }

// Report ends the body, waits for keys and returns what was found.
func (v *DKIMVerifier) Report() DKIMReport {
	v.fetch.wait()
	r := DKIMReport{Signatures: make([]DKIMSignature, 0, len(v.checks)), Ignored: v.ignored}
	for _, c := range v.checks {
		if c.pending {
			body, _ := v.Sum(c.field.form())
			c.conclude(body)
		}
		r.Signatures = append(r.Signatures, c.out)
	}
	return r
}

// Close gives up: look-ups are stopped and waited for.
func (v *DKIMVerifier) Close() { v.fetch.stop() }

// conclude brings key and body together (RFC 6376 section 6.1.3).
func (c *dkimCheck) conclude(body BodyHash) {
	o, k := &c.out, c.verdict
	o.KeyBits, o.Testing, o.Authentic = k.bits, k.testing, k.authentic
	o.Result, o.Reason = k.result, k.reason
	if reason := c.field.bodyMismatch(body); reason != "" && (k.result == Pass || k.result == Fail) {
		o.Result, o.Reason = Fail, reason
	}
	if c.field.limit >= 0 {
		o.Unsigned = max(0, body.Octets-c.field.limit)
	}
	if o.Testing && o.Result == Fail {
		// Not to be treated differently from unsigned mail, RFC 6376
		// section 3.6.1.
		o.Result, o.Reason = Neutral, o.Reason+"; the domain is testing"
	}
}

// bodyMismatch returns why the body is not the signed one.
func (s *sigField) bodyMismatch(body BodyHash) string {
	switch {
	case s.limit > body.Octets:
		return "body is shorter than l="
	case subtle.ConstantTimeCompare(body.Sum[:], s.bh) != 1:
		return "body hash did not verify"
	}
	return ""
}

// VerifyDKIM verifies a message whose body is read from body; its error is
// that of reading.
func VerifyDKIM(ctx context.Context, h *message.Header, body io.Reader, r dns.Resolver, opt VerifyOptions) (DKIMReport, error) {
	v := NewDKIMVerifier(ctx, h, r, opt)
	defer v.Close()
	if v.NeedsBody() {
		if _, err := io.Copy(v, body); err != nil {
			return DKIMReport{}, fmt.Errorf("mailauth: body: %w", err)
		}
	}
	return v.Report(), nil
}
