package mailauth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

const arcBase = "From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\nDKIM-Signature: v=1\r\n\r\nbody\r\n"

// edSealer seals as domain with the Ed25519 key.
func edSealer(domain string) *Signer {
	return &Signer{Key: testKeys.ed, Domain: domain, Selector: "sel", Time: testNow}
}

func edZone(domains ...string) dns.Zone {
	z := dns.Zone{}
	for _, d := range domains {
		z["sel._domainkey."+d] = []dns.ZoneRecord{dnstest.TXT(record(testKeys.ed))}
	}
	return z
}

// chainOf seals base once for each domain.
func chainOf(t testing.TB, base string, domains ...string) (string, dns.Zone) {
	t.Helper()
	z := edZone(domains...)
	for _, d := range domains {
		fields, err := trySeal(t, z, edSealer(d), base)
		if err != nil {
			t.Fatal(err)
		}
		base = fields + base
	}
	return base, z
}

func TestChainTellsItsSealers(t *testing.T) {
	t.Parallel()
	msg, z := chainOf(t, arcBase, "one.example", "two.example", "three.example")
	c := verifyARCString(t, msg, z)
	if c.CV != Pass || c.OldestPass != 0 || fmt.Sprint(c.Sealers()) != "[three.example two.example one.example]" {
		t.Fatalf("%+v", c)
	}
	if s := c.Sets[0]; s.Instance != 1 || s.CV != "none" || s.KeyBits != 256 || s.Results != "mx.example; spf=pass" || !s.Timestamp.Equal(testNow) {
		t.Errorf("%+v", s)
	}
}

// TestOldestPass changes the message between two hops, as a list does.
func TestOldestPass(t *testing.T) {
	t.Parallel()
	msg, _ := chainOf(t, arcBase, "one.example", "two.example")
	msg = strings.Replace(msg, "Subject: x", "Subject: [list] x", 1)
	z := edZone("one.example", "two.example", "list.example", "four.example")
	for i, d := range []string{"list.example", "four.example"} {
		s := edSealer(d)
		h, body := splitMessage(t, msg)
		hash := NewBodyHasher(s.BodyForm())
		hash.Write([]byte(body))
		sum, _ := hash.Sum(s.BodyForm())
		fields, err := s.Seal(h, Pass, "mx; none", sum) // it was valid when it came
		if err != nil {
			t.Fatal(i, err)
		}
		msg = string(fields) + msg
	}
	c := verifyARCString(t, msg, z)
	if c.CV != Pass || c.OldestPass != 3 || c.Sets[1].Signature != Fail || c.Sets[1].Seal != Pass {
		t.Errorf("%+v", c)
	}
}

func TestChainIsBounded(t *testing.T) {
	t.Parallel()
	domains := make([]string, MaxARCInstances)
	for i := range domains {
		domains[i] = "example.com"
	}
	msg, z := chainOf(t, arcBase, domains...)
	counted := dnstest.Record(z)
	if c := verifyARCString(t, msg, counted); c.CV != Pass || len(c.Sets) != MaxARCInstances {
		t.Errorf("%d sets: %s (%s)", len(c.Sets), c.CV, c.Reason)
	}
	if n := len(counted.Queries()); n != 1 {
		t.Errorf("%d queries for one key", n)
	}
	if _, err := trySeal(t, z, edSealer("example.com"), msg); !errors.Is(err, ErrChainEnded) {
		t.Errorf("a set more: %v", err)
	}
	more := strings.Repeat("ARC-Seal: i=1\r\n", 100000) + arcBase
	h, _ := splitMessage(t, strings.Repeat("ARC-Seal: i=1\n", 1900)+"From: a@b\n\n")
	if p := findARC(h); len(p.seal) != MaxARCInstances+1 {
		t.Errorf("%d of %d seals collected", len(p.seal), len(more))
	}
	if c := verifyARCString(t, string(h.Raw())+"\r\n", z); c.CV != Fail {
		t.Errorf("%+v", c)
	}
}

func TestChainWithFailedSealIsAnswered(t *testing.T) {
	t.Parallel()
	msg, z := chainOf(t, arcBase, "one.example", "two.example")
	changed := strings.Replace(msg, "spf=pass", "spf=fail", 1)
	if c := verifyARCString(t, changed, z); c.CV != Fail {
		t.Fatalf("%+v", c)
	}
	// RFC 8617 section 5.1.2: the failure is sealed, alone, and nothing after it.
	z["sel._domainkey.three.example"] = z["sel._domainkey.two.example"]
	fields, err := trySeal(t, z, edSealer("three.example"), changed)
	if err != nil || !strings.Contains(fields, "ARC-Seal: i=3;") || !strings.Contains(fields, "cv=fail") {
		t.Fatalf("%v\n%s", err, fields)
	}
	h, _ := splitMessage(t, fields+arcBase)
	index := newHeaderIndex(h)
	set := arcSet{seal: 0, ams: 1, aar: 2}
	set.as, _, _ = parseInstance(index.fields[0])
	own := newSum(index, 2, 1)
	check := &keyCheck{algorithm: "ed25519", sum: sumWithOwn(own, index, set), signature: set.as.b, exact: true, fetch: new(keyFetch)}
	if v := check.check(keyAnswer{records: []string{record(testKeys.ed)}}); v.result != Pass {
		t.Errorf("the seal does not cover its own set alone: %+v", v)
	}
	if _, err := trySeal(t, z, edSealer("three.example"), fields+changed); !errors.Is(err, ErrChainEnded) {
		t.Errorf("after cv=fail: %v", err)
	}
}

func TestMalformedChainIsSealedAsFailed(t *testing.T) {
	t.Parallel()
	msg, z := chainOf(t, arcBase, "one.example", "two.example")
	msg = regexp.MustCompile(`(?m)^ARC-Authentication-Results: i=1[^\r]*\r\n`).ReplaceAllString(msg, "")
	c := verifyARCString(t, msg, z)
	if c.CV != Fail || !strings.Contains(c.Reason, "incomplete") {
		t.Fatalf("%+v", c)
	}
	fields, err := trySeal(t, z, edSealer("two.example"), msg)
	if err != nil || !strings.Contains(fields, "ARC-Seal: i=3;") || !strings.Contains(fields, "cv=fail") {
		t.Errorf("%v\n%s", err, fields)
	}
	if _, err := trySeal(t, z, edSealer("two.example"), fields+msg); !errors.Is(err, ErrChainEnded) {
		t.Errorf("after cv=fail: %v", err)
	}
}

func TestChainWhoseKeyDoesNotAnswerIsNotSealed(t *testing.T) {
	t.Parallel()
	msg, z := chainOf(t, arcBase, "one.example", "two.example")
	z["sel._domainkey.one.example"] = []dns.ZoneRecord{dnstest.Fail(0, dns.ErrServFail)}
	if c := verifyARCString(t, msg, z); c.CV != TempError || c.Reason == "" {
		t.Errorf("%+v", c)
	}
	if _, err := trySeal(t, z, edSealer("one.example"), msg); !errors.Is(err, ErrChainUnknown) {
		t.Errorf("sealed: %v", err)
	}
	// What fails for good says more.
	z["sel._domainkey.two.example"] = []dns.ZoneRecord{dnstest.TXT("p=")}
	if c := verifyARCString(t, msg, z); c.CV != Fail {
		t.Errorf("%+v", c)
	}
}

func TestChainLookUpsEnd(t *testing.T) {
	t.Parallel()
	msg, _ := chainOf(t, arcBase, "one.example", "two.example")
	h, body := splitMessage(t, msg)
	synctest.Test(t, func(t *testing.T) {
		c, err := VerifyARC(t.Context(), h, strings.NewReader(body), dnstest.Hang(), VerifyOptions{Now: testNow, LookupTimeout: time.Second})
		if err != nil || c.CV != TempError {
			t.Errorf("%+v, %v", c, err)
		}
		NewARCVerifier(t.Context(), h, dnstest.Hang(), VerifyOptions{Now: testNow}).Close()
	})
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	h, _ := splitMessage(t, arcBase)
	s := edSealer("example.com")
	hash := func(f BodyForm) BodyHash { b, _ := NewBodyHasher(f).Sum(f); return b }
	good := hash(s.BodyForm())
	for name, try := range map[string]func() error{
		"a body hashed otherwise": func() error { _, err := s.Seal(h, None, "mx; none", hash(BodyForm{Simple, -1})); return err },
		"ARC-Seal signed": func() error {
			_, err := (&Signer{Key: s.Key, Domain: s.Domain, Selector: s.Selector, Headers: []string{"ARC-Seal"}}).Seal(h, None, "mx; none", good)
			return err
		},
		"no key": func() error {
			_, err := (&Signer{Domain: "a.b", Selector: "s"}).Seal(h, None, "mx; none", good)
			return err
		},
		"no domain": func() error {
			_, err := (&Signer{Key: s.Key, Selector: "s"}).Seal(h, None, "mx; none", good)
			return err
		},
		"no selector": func() error {
			_, err := (&Signer{Key: s.Key, Domain: "a.b"}).Seal(h, None, "mx; none", good)
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s: sealed", name)
		}
	}
	if _, err := s.Seal(h, None, "mx; none", good); err != nil {
		t.Error(err)
	}
}

func TestSealKeepsLineEndsOut(t *testing.T) {
	t.Parallel()
	h, body := splitMessage(t, arcBase)
	s := edSealer("example.com")
	hash := NewBodyHasher(s.BodyForm())
	hash.Write([]byte(body))
	sum, _ := hash.Sum(s.BodyForm())
	fields, err := s.Seal(h, None, "mx; none\r\nX-Injected: yes\nX-Too: yes", sum)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := splitMessage(t, string(fields)+"\r\n")
	if sealed.Count("X-Injected")+sealed.Count("X-Too") > 0 || len(sealed.Fields()) != 3 {
		t.Errorf("%q", fields)
	}
	if c := verifyARCString(t, string(fields)+arcBase, edZone("example.com")); c.CV != Pass {
		t.Errorf("%+v", c)
	}
}

func TestChainRefuses(t *testing.T) {
	t.Parallel()
	msg, z := chainOf(t, arcBase, "one.example")
	for name, c := range map[string]struct{ old, with, reason string }{
		"h= in a seal":                 {"ARC-Seal: ", "ARC-Seal: h=from; ", "h="},
		"a seal that signs seals":      {"h=From:", "h=ARC-Seal:From:", "signs ARC-Seal"},
		"a seal that starts with pass": {"cv=none", "cv=pass", "cv=pass"},
		"an instance out of the row":   {"ARC-Seal: i=1", "ARC-Seal: i=2", "i=2"},
	} {
		got := verifyARCString(t, strings.Replace(msg, c.old, c.with, 1), z)
		if got.CV != Fail || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %s (%s)", name, got.CV, got.Reason)
		}
	}
	h, body := splitMessage(t, msg)
	early, err := VerifyARC(t.Context(), h, strings.NewReader(body), z, VerifyOptions{Now: testNow.Add(-time.Hour)})
	if err != nil || early.CV != Fail || !strings.Contains(early.Reason, "future") {
		t.Errorf("a seal from the future: %+v, %v", early, err)
	}
	s := edSealer("one.example")
	sum, _ := NewBodyHasher(s.BodyForm()).Sum(s.BodyForm())
	if _, err := s.Seal(h, None, "mx; none", sum); err == nil {
		t.Error("a chain that is there was sealed as none")
	}
}

func TestCollectAuthResults(t *testing.T) {
	t.Parallel()
	h, _ := splitMessage(t, `Authentication-Results: lists.example.org; arc=none;
  spf=pass smtp.mfrom=jqd@d1.example
Authentication-Results: Lists.example.org; dkim=pass (1024-bit key) header.i=@d1.example; arc=fail
Authentication-Results: lists.example.org; none
Authentication-Results: nobody.example.org; something=ignored

`)
	got, arc, ok := CollectAuthResults(h, "lists.example.org")
	want := "lists.example.org;\r\n\tarc=none;  spf=pass smtp.mfrom=jqd@d1.example;\r\n\tdkim=pass (1024-bit key) header.i=@d1.example; arc=fail"
	if got != want || !ok {
		t.Errorf("%q\nwant %q", got, want)
	}
	if arc != Fail {
		t.Errorf("arc %q", arc)
	}
	if got, _, ok = CollectAuthResults(h, "other.example"); ok || got != "other.example; none" {
		t.Errorf("%q %v", got, ok)
	}
}

// newSum hashes fields in relaxed form.
func newSum(index *headerIndex, fields ...int) hash.Hash {
	w := sha256.New()
	for _, i := range fields {
		w.Write(index.relaxedField(i))
	}
	return w
}

// BenchmarkARCVerify validates a chain of three sets.
func BenchmarkARCVerify(b *testing.B) {
	msg, z := chainOf(b, arcBase, "one.example", "two.example", "three.example")
	h, body := splitMessage(b, msg)
	b.ReportAllocs()
	for b.Loop() {
		c, err := VerifyARC(b.Context(), h, strings.NewReader(body), z, VerifyOptions{Now: testNow})
		if err != nil || c.CV != Pass {
			b.Fatal(c, err)
		}
	}
}
