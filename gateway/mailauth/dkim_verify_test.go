package mailauth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
)

// testNow is the time of crafted signatures' judgement.
var testNow = time.Unix(1700000000, 0)

// testKeys are made once, since RSA keys take long.
var testKeys = struct {
	rsa1024, rsa2048 func() *rsa.PrivateKey
	ed               ed25519.PrivateKey
}{
	sync.OnceValue(func() *rsa.PrivateKey { return mustRSA(1024) }),
	sync.OnceValue(func() *rsa.PrivateKey { return mustRSA(2048) }),
	ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
}

func mustRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

// record returns the key record for a private key.
func record(key crypto.Signer) string {
	k := &KeyRecord{Type: "rsa", Key: key.Public()}
	if _, ok := key.(ed25519.PrivateKey); ok {
		k.Type = "ed25519"
	}
	return k.String()
}

const (
	craftHeader = "From: Joe <joe@example.com>\r\nTo: sue@example.net\r\nSubject: One\r\n  two\r\nDate: now\r\n"
	craftBody   = "Hi.  \r\n\r\nWe lost\tthe game.\r\n\r\n\r\n"
)

// craft signs header and body with whatever tags are wanted: BH stands for the
// right body hash, and b= is appended.
func craft(t testing.TB, key crypto.Signer, tags, header, body string) *message.Header {
	t.Helper()
	form, canon := BodyForm{Simple, -1}, [2]Canon{Simple, Simple}
	var names []string
	if l, err := ParseTagList(strings.ReplaceAll(tags, "BH", "")); err == nil {
		if canon, _ = parseCanon(l); true {
			form.Canon = canon[1]
		}
		h, _ := l.Get("h")
		names = colonList(h)
		v, _ := l.Get("l")
		if n, ok := parseDigits(v, 20); ok {
			form.Limit = n
		}
	}
	hash := NewBodyHasher(form)
	io.WriteString(hash, body)
	sum, _ := hash.Sum(form)
	field := "DKIM-Signature: " + strings.ReplaceAll(tags, "BH", base64.StdEncoding.EncodeToString(sum.Sum[:])) + "; b="
	h, err := message.ParseHeader([]byte(field+"\r\n"+header), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	index := newHeaderIndex(h)
	w := sha256.New()
	index.hashFields(w, names, canon[0], 0)
	index.hashOwn(w, 0, canon[0], [2]int{})
	s := Signer{Key: key}
	sig, err := s.sign(w.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	h, err = message.ParseHeader([]byte(field+sig+"\r\n"+header), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// verifyOne verifies a message with one signature.
func verifyOne(t testing.TB, h *message.Header, body string, r dns.Resolver) DKIMSignature {
	t.Helper()
	rep, err := VerifyDKIM(t.Context(), h, iotest.OneByteReader(strings.NewReader(body)), r, VerifyOptions{Now: testNow})
	if err != nil || len(rep.Signatures) != 1 {
		t.Fatalf("%d signatures, error %v", len(rep.Signatures), err)
	}
	return rep.Signatures[0]
}

func TestDKIMTags(t *testing.T) {
	t.Parallel()
	const base = "v=1; a=ed25519-sha256; d=example.com; s=sel; c=relaxed/relaxed; h=from:to; bh=BH"
	edit := func(old, with string) string { return strings.Replace(base, old, with, 1) }
	zone := dns.Zone{"sel._domainkey.example.com": {dnstest.TXT(record(testKeys.ed))}}
	for _, c := range []struct {
		name, tags string
		want       Result
		reason     string
	}{
		{"as it should be", base, Pass, ""},
		{"spaces and folds anywhere", "v = 1 ;a\t= ed25519-sha256;d=example.com\r\n ;s=sel;\r\n\tc=relaxed/relaxed;h= from :\r\n to;bh= BH", Pass, ""},
		{"unknown tags", base + "; foo=bar; z=From:a|To:b", Pass, ""},
		{"upper case domain", edit("d=example.com", "d=Example.COM"), Pass, ""},
		{"simple/relaxed", edit("c=relaxed/relaxed", "c=simple/relaxed"), Pass, ""},
		{"relaxed alone means simple for the body", edit("c=relaxed/relaxed", "c=relaxed"), Pass, ""},
		{"no c=", edit("c=relaxed/relaxed; ", ""), Pass, ""},
		{"i= of d=", base + "; i=joe@example.com", Pass, ""},
		{"i= below d=", base + "; i=@sub.example.com", Pass, ""},
		{"i= in quoted-printable", base + "; i=joe=20six=40x@example.com", Pass, ""},
		{"q= with what we know", base + "; q=foo/bar : dns/txt", Pass, ""},
		{"fields that are not there", edit("h=from:to", "h=from:from:x-none"), Pass, ""},
		{"not yet expired", base + "; t=1699999000; x=1700000100", Pass, ""},
		{"clocks may differ a little", base + "; t=1700000200", Pass, ""},
		{"l= of all", base + "; l=26", Pass, ""},

		{"no v=", edit("v=1; ", ""), Neutral, "v="},
		{"v=2", edit("v=1", "v=2"), Neutral, "v="},
		{"no d=", edit("d=example.com; ", ""), Neutral, "no d="},
		{"no s=", edit("s=sel; ", ""), Neutral, "no s="},
		{"no a=", edit("a=ed25519-sha256; ", ""), Neutral, "no a="},
		{"no bh=", edit("; bh=BH", ""), Neutral, "no bh="},
		{"no h=", edit("h=from:to; ", ""), Neutral, "no h="},
		{"d= a top-level domain", edit("d=example.com", "d=com"), Neutral, "d="},
		{"d= with a slash", edit("d=example.com", "d=example.com/x"), Neutral, "d="},
		{"a label of 64", edit("s=sel", "s="+strings.Repeat("a", 64)), Neutral, "s="},
		{"a key name of more than 253 octets", strings.Replace(edit("s=sel", "s="+strings.Repeat("a.", 60)+"a"), "d=", "d="+strings.Repeat("b.", 60), 1), Neutral, "too long"},
		{"a tag twice", base + "; d=example.com", Neutral, "twice"},
		{"an empty tag", edit("; h=", ";; h="), Neutral, "tag-list"},
		{"a tag without value", base + "; foo", Neutral, "tag-list"},
		{"unknown hash", edit("ed25519-sha256", "ed25519-sha512"), Neutral, "algorithm"},
		{"rsa-sha1", edit("ed25519-sha256", "rsa-sha1"), PermError, "rsa-sha1"},
		{"unknown canonicalisation", edit("relaxed/relaxed", "relaxed/nofws"), Neutral, "canonicalization"},
		{"bh= of another length", edit("bh=BH", "bh=AAAA"), Neutral, "bh="},
		{"t= no number", base + "; t=now", Neutral, "t="},
		{"t= of 13 digits", base + "; t=1234567890123", Neutral, "t="},
		{"x= no number", base + "; x=-1", Neutral, "x="},
		{"l= no number", base + "; l=1k", Neutral, "l="},
		{"q= unknown alone", base + "; q=http", Neutral, "q="},
		{"i= without @", base + "; i=joe", Neutral, "i="},
		{"i= elsewhere", base + "; i=joe@example.org", PermError, "within d="},
		{"i= with d= as its end", base + "; i=joe@badexample.com", PermError, "within d="},
		{"From not signed", edit("h=from:to", "h=to:subject"), PermError, "From"},
		{"h= with what is no name", edit("h=from:to", "h=from:t o"), Neutral, "h="},
		{"an empty name in h=", edit("h=from:to", "h=from::to"), Neutral, "h="},
		{"too many names", edit("h=from:to", "h=from"+strings.Repeat(":a", MaxSignedNames)), Policy, "names"},
		{"expired", base + "; x=1699999000", PermError, "expired"},
		{"x= before t=", base + "; t=1699999000; x=1699998000", PermError, "x="},
		{"from the future", base + "; t=1700009000", PermError, "future"},
		{"l= beyond the body", base + "; l=27", Fail, "shorter"},
		{"an enormous l=", base + "; l=" + strings.Repeat("9", 76), Fail, "shorter"},
		{"l= of 77 digits", base + "; l=" + strings.Repeat("9", 77), Neutral, "l="},
		{"another body", edit("bh=BH", "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), Fail, "body hash"},
		{"no key", edit("s=sel", "s=none"), PermError, "no key"},
		{"too long a field", base + "; z=" + strings.Repeat("x", MaxSignatureField), Policy, "octets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := verifyOne(t, craft(t, testKeys.ed, c.tags, craftHeader, craftBody), craftBody, zone)
			if got.Result != c.want || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%s (%s), want %s (...%s...)", got.Result, got.Reason, c.want, c.reason)
			}
		})
	}
}

func TestDKIMKeyRecords(t *testing.T) {
	t.Parallel()
	rsaTags := "v=1; a=rsa-sha256; d=example.com; s=sel; h=from; bh=BH; i=@sub.example.com"
	p := func(key crypto.Signer) string { return record(key)[strings.Index(record(key), "p="):] }
	good := p(testKeys.rsa1024())
	weak := `MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKmXwtw3FU/88TPoOpYR3FKkD4ViDLQZOSitce6cJzdoksJ2Vs9Tl6d1V9OIOsvktC1nmaZ8Xs5I7oMkJF8PbXUCAwEAAQ==`
	for _, c := range []struct {
		name    string
		records []string
		want    Result
		reason  string
	}{
		{"the least that may be", []string{good}, Pass, ""},
		{"all tags", []string{"v=DKIM1; h=sha1:sha256; k=rsa; s=email:foo; t=foo; n=note; x=y; " + good}, Pass, ""},
		{"s=*", []string{"s=*; " + good}, Pass, ""},
		{"p= with spaces", []string{"p=" + good[2:20] + " " + good[20:]}, Pass, ""},
		{"second of two", []string{"v=DKIM1; p=", "v=DKIM1; " + good}, Pass, ""},
		{"fifth of five is not looked at", []string{"p=", "p=", "p=", "p=", good}, PermError, "revoked"},
		{"v=DKIM2", []string{"v=DKIM2; " + good}, PermError, "DKIM1"},
		{"v= not first", []string{good + "; v=DKIM1"}, PermError, "first"},
		{"revoked", []string{"v=DKIM1; p="}, PermError, "revoked"},
		{"no p=", []string{"v=DKIM1; k=rsa"}, PermError, "no p="},
		{"p= not base64", []string{"p=???"}, PermError, "base64"},
		{"p= with too much padding", []string{good + "===="}, PermError, "base64"},
		{"p= no key", []string{"p=AAAA"}, PermError, "RSA"},
		{"unknown k=", []string{"k=dsa; " + good}, PermError, "dsa"},
		{"k= of the other kind", []string{record(testKeys.ed)}, PermError, "ed25519"},
		{"h= without sha256", []string{"h=sha1; " + good}, PermError, "sha256"},
		{"s= for something else", []string{"s=tlsrpt; " + good}, PermError, "email"},
		{"t=s and another domain in i=", []string{"t=s; " + good}, PermError, "i="},
		{"too short", []string{"p=" + weak}, PermError, "512 bits"},
		{"another key", []string{p(testKeys.rsa2048())}, Fail, "did not verify"},
		{"another key, and one that fits", []string{p(testKeys.rsa2048()), good}, Pass, ""},
		{"failure says more than an unusable record", []string{"p=", p(testKeys.rsa2048()), "p="}, Fail, "did not verify"},
		{"testing and wrong", []string{"t=y; " + p(testKeys.rsa2048())}, Neutral, "testing"},
		{"testing and right", []string{"t=y:foo; " + good}, Pass, ""},
		{"no tag-list", []string{"v=spf1 -all"}, PermError, "v="},
		{"too long", []string{"n=" + strings.Repeat("x", MaxKeyRecord) + "; " + good}, PermError, "longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			z := dns.Zone{}
			for _, r := range c.records {
				z["sel._domainkey.example.com"] = append(z["sel._domainkey.example.com"], dnstest.TXT(r))
			}
			got := verifyOne(t, craft(t, testKeys.rsa1024(), rsaTags, craftHeader, craftBody), craftBody, z)
			if got.Result != c.want || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%s (%s), want %s (...%s...)", got.Result, got.Reason, c.want, c.reason)
			}
		})
	}
}

func TestDKIMKeyAboveTheBoundIsNotComputed(t *testing.T) {
	t.Parallel()
	large := &rsa.PublicKey{N: new(big.Int).Lsh(testKeys.rsa1024().N, MaxRSABits), E: 65537}
	if _, err := ParseKeyRecord((&KeyRecord{Type: "rsa", Key: large}).String()); err == nil || !strings.Contains(err.Error(), "9216 bits") {
		t.Errorf("error %v", err)
	}
}

// TestVerifyingOneMessageIsBounded: a hundred signatures with keys as large as
// may be would take a second.
func TestVerifyingOneMessageIsBounded(t *testing.T) {
	t.Parallel()
	large := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), MaxRSABits-1), E: 1<<31 - 1}
	large.N.SetBit(large.N, 0, 1)
	for _, c := range []struct {
		key  crypto.PublicKey
		kind string
		want int
	}{{large, "rsa", 6}, {testKeys.rsa2048().Public(), "rsa", 200}, {testKeys.ed.Public(), "ed25519", 200}} {
		txt := (&KeyRecord{Type: c.kind, Key: c.key}).String()
		check := &keyCheck{algorithm: c.kind, sum: make([]byte, 32), signature: make([]byte, 64), exact: true, fetch: new(keyFetch)}
		n := 0
		for check.check(keyAnswer{records: []string{txt}}).result == Fail {
			n++
		}
		if n != c.want {
			t.Errorf("%d signatures verified with %T, want %d", n, c.key, c.want)
		}
	}
}

func TestDKIMPartlySignedBody(t *testing.T) {
	t.Parallel()
	zone := dns.Zone{"sel._domainkey.example.com": {dnstest.TXT(record(testKeys.ed))}}
	h := craft(t, testKeys.ed, "v=1; a=ed25519-sha256; d=example.com; s=sel; c=simple/simple; h=from; l=9; bh=BH", craftHeader, craftBody)
	s := verifyOne(t, h, craftBody, zone)
	if s.Result != Pass || !s.Limited || !s.Partial() || s.Unsigned != int64(len(craftBody))-4-9 {
		t.Errorf("%+v", s)
	}
	if s = verifyOne(t, h, "Hi.  \r\n\r\nAn advertisement.\r\n", zone); s.Result != Pass || s.Unsigned != 19 {
		t.Errorf("with another end: %+v", s)
	}
	if s = verifyOne(t, h, "Hi!  \r\n\r\n", zone); s.Result != Fail {
		t.Errorf("with another beginning: %+v", s)
	}
}

func TestDKIMOverSigningForbidsMoreFields(t *testing.T) {
	t.Parallel()
	zone := dns.Zone{"sel._domainkey.example.com": {dnstest.TXT(record(testKeys.ed))}}
	const tags = "v=1; a=ed25519-sha256; d=example.com; s=sel; h=from:from:subject; bh=BH"
	h := craft(t, testKeys.ed, tags, craftHeader, craftBody)
	add := func(field string) *message.Header {
		more, err := message.ParseHeader([]byte(field+string(h.Raw())), message.HeaderLimits{})
		if err != nil {
			t.Fatal(err)
		}
		return more
	}
	if s := verifyOne(t, add("Subject: another\r\n"), craftBody, zone); s.Result != Pass {
		t.Errorf("a Subject more above: %+v", s)
	}
	if s := verifyOne(t, add("From: another\r\n"), craftBody, zone); s.Result != Fail {
		t.Errorf("a From more above: %+v", s)
	}
}

func TestDKIMSignaturesBeyondTheBoundAreCounted(t *testing.T) {
	t.Parallel()
	h, body := splitMessage(t, strings.Repeat("DKIM-Signature: v=1\n", 20)+"From: a@b\n\nHi\n")
	rep, err := VerifyDKIM(t.Context(), h, strings.NewReader(body), dns.Zone{}, VerifyOptions{})
	if err != nil || len(rep.Signatures) != defaultSignatures || rep.Ignored != 20-defaultSignatures {
		t.Errorf("%d judged, %d ignored, %v", len(rep.Signatures), rep.Ignored, err)
	}
}

func TestDKIMBodyFormsAreBounded(t *testing.T) {
	t.Parallel()
	var fields strings.Builder
	for i := range 30 {
		h := craft(t, testKeys.ed, fmt.Sprintf("v=1; a=ed25519-sha256; d=example.com; s=sel; h=from; l=%d; bh=BH", i), "From: a@b\r\n", "body\r\n")
		fields.Write(h.Fields()[0].Raw)
	}
	h, body := splitMessage(t, fields.String()+"From: a@b\n\nbody\n")
	v := NewDKIMVerifier(t.Context(), h, dns.Zone{}, VerifyOptions{MaxSignatures: 30})
	io.WriteString(v, body)
	policy := 0
	for _, s := range v.Report().Signatures {
		if s.Result == Policy {
			policy++
		}
	}
	if v.forms() != maxBodyForms || policy != 30-maxBodyForms {
		t.Errorf("%d forms, %d refused", v.forms(), policy)
	}
}

// TestDKIMKeysAreAskedWhileTheBodyArrives also shows that look-ups run at the
// same time, each name once.
func TestDKIMKeysAreAskedWhileTheBodyArrives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, body := splitMessage(t, readSample(t, "chasquid", "02-too_many_headers.msg"))
		asked := dnstest.Record(dnstest.Slow(footballZone(t), time.Second))
		start := time.Now()
		v := NewDKIMVerifier(t.Context(), h, asked, VerifyOptions{Now: testNow})
		time.Sleep(1500 * time.Millisecond) // the body takes its time
		synctest.Wait()
		if n := len(asked.Queries()); n != 2 {
			t.Errorf("%d queries before the body, want 2 for seven signatures", n)
		}
		io.WriteString(v, body)
		for _, s := range v.Report().Signatures {
			if s.Result != Pass {
				t.Errorf("%+v", s)
			}
		}
		if d := time.Since(start); d != 1500*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

func TestDKIMLookUpsEnd(t *testing.T) {
	t.Parallel()
	h, body := splitMessage(t, readSample(t, "chasquid", "01-rfc8463.msg"))
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rep, err := VerifyDKIM(t.Context(), h, strings.NewReader(body), dnstest.Hang(), VerifyOptions{Now: testNow, LookupTimeout: 3 * time.Second})
		if err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		for _, s := range rep.Signatures {
			if s.Result != TempError {
				t.Errorf("%+v", s)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // synctest fails when a goroutine is left
		NewDKIMVerifier(t.Context(), h, dnstest.Hang(), VerifyOptions{Now: testNow}).Close()
		ctx, cancel := context.WithCancel(t.Context())
		v := NewDKIMVerifier(ctx, h, dnstest.Hang(), VerifyOptions{Now: testNow})
		cancel()
		v.Report()
	})
}

func TestDKIMReadErrorLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	h, body := splitMessage(t, readSample(t, "chasquid", "01-rfc8463.msg"))
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader(body), iotest.ErrReader(broken))
	if _, err := VerifyDKIM(t.Context(), h, r, footballZone(t), VerifyOptions{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkDKIMVerify is one message of 4 KiB with one signature, as most are.
func BenchmarkDKIMVerify(b *testing.B) {
	for _, c := range []struct {
		name string
		key  crypto.Signer
	}{{"rsa2048", testKeys.rsa2048()}, {"ed25519", testKeys.ed}} {
		b.Run(c.name, func(b *testing.B) {
			body := strings.Repeat("A line of text that is as long as lines are in mail that people write.\r\n", 50)
			s := Signer{Key: c.key, Domain: "example.com", Selector: "sel", Time: testNow}
			h, _ := splitMessage(b, strings.Repeat("Received: from a by b;\n\tat some time in the past\n", 6)+craftHeader+"\n")
			hash := NewBodyHasher(s.BodyForm())
			io.WriteString(hash, body)
			sum, _ := hash.Sum(s.BodyForm())
			field, err := s.Sign(h, sum)
			if err != nil {
				b.Fatal(err)
			}
			h, err = message.ParseHeader(append(field, h.Raw()...), message.HeaderLimits{})
			if err != nil {
				b.Fatal(err)
			}
			zone := dns.Zone{"sel._domainkey.example.com": {dnstest.TXT(record(c.key))}}
			b.ReportAllocs()
			for b.Loop() {
				rep, err := VerifyDKIM(b.Context(), h, strings.NewReader(body), zone, VerifyOptions{Now: testNow})
				if err != nil || rep.Signatures[0].Result != Pass {
					b.Fatal(rep, err)
				}
			}
		})
	}
}
