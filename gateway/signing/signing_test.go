package signing

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func openDB(t testing.TB) *sqldb.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := sqldb.Open(context.Background(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openKeys(t testing.TB, db *sqldb.DB, opt Options) *Keys {
	t.Helper()
	k, err := Open(context.Background(), opt, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func (k *Keys) must(t testing.TB, req Request) []Key {
	t.Helper()
	if req.Now.IsZero() {
		req.Now = time.Now()
	}
	list, err := k.Generate(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const text = "From: Ana <ana@Example.org>\r\nTo: bob@example.com\r\nSubject: hello\r\nX-Own: 1\r\n\r\nHello\r\n"

// sign returns the message with its signatures.
func sign(t testing.TB, k *Keys, user, msg string) string {
	t.Helper()
	fields, err := k.Sign(unsigned(t, k, user, msg))
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + msg
}

func unsigned(t testing.TB, k *Keys, user, msg string) Message {
	t.Helper()
	head, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	hasher := mailauth.NewBodyHasher(k.Form())
	_, _ = hasher.Write(body)
	sum, ok := hasher.Sum(k.Form())
	if !ok {
		t.Fatal("no hash")
	}
	return Message{User: user, Header: h, Body: sum, Time: time.Now()}
}

// publish returns a zone with the keys' records.
func publish(lists ...[]Key) dns.Zone {
	z := dns.Zone{}
	for _, k := range slices.Concat(lists...) {
		z[k.Name()] = []dns.ZoneRecord{{Type: dns.TypeTXT, Record: dns.Record{Text: k.Record()}}}
	}
	return z
}

// verify checks the message with our verifier and with go-msgauth, and returns
// the selectors that pass, in order.
func verify(t testing.TB, z dns.Zone, msg string) (selectors []string) {
	t.Helper()
	head, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := mailauth.VerifyDKIM(context.Background(), h, bytes.NewReader(body), z, mailauth.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Signatures {
		if s.Result != mailauth.Pass {
			t.Errorf("s=%s: %s %s", s.Selector, s.Result, s.Reason)
		}
		selectors = append(selectors, s.Selector)
	}
	theirs, err := dkim.VerifyWithOptions(strings.NewReader(msg), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		texts, _, err := dns.LookupTXT(context.Background(), z, name)
		return texts, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range theirs {
		if v.Err != nil {
			t.Errorf("go-msgauth: %v", v.Err)
		}
	}
	if len(theirs) != len(selectors) {
		t.Errorf("go-msgauth sees %d signatures of %d", len(theirs), len(selectors))
	}
	return selectors
}

func TestTwoAlgorithmsAtOnce(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	list := k.must(t, Request{Domain: "Example.ORG.", Selector: "s1"})
	if len(list) != 2 || list[0].Algorithm() != RSA || list[0].Bits() != 2048 || list[1].Algorithm() != Ed25519 || list[0].State != Active {
		t.Fatalf("%+v", list)
	}
	signed := sign(t, k, "ana@example.org", text)
	if got := verify(t, publish(list), signed); !slices.Equal(got, []string{"s1", "s1-ed"}) {
		t.Errorf("%q", got)
	}
	// Another From on top, or any other field that counts, breaks it.
	for _, forged := range []string{"From: eve@example.org\r\n", "Subject: x\r\n", "Reply-To: x@y.example\r\n", "Content-Type: text/html\r\n"} {
		head, body := message.Split([]byte(forged + signed))
		h, _ := message.ParseHeader(head, message.HeaderLimits{})
		report, err := mailauth.VerifyDKIM(t.Context(), h, bytes.NewReader(body), publish(list), mailauth.VerifyOptions{})
		if err != nil || len(report.Signatures) != 2 || report.Signatures[0].Result == mailauth.Pass || report.Signatures[1].Result == mailauth.Pass {
			t.Errorf("%q: %+v, %v", forged, report, err)
		}
	}
}

func TestWhoseKeysSign(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{Subdomains: true, Headers: []string{"X-Own", "subject"}})
	var all []Key
	for _, req := range []Request{
		{Domain: "example.org", Selector: "all"},
		{Domain: "example.org", User: "Ana@example.org", Selector: "ana"},
		{Domain: "sub.example.org", Selector: "sub"},
		{Domain: "xn--bcher-kva.example", Selector: "idn"},
		{Domain: "waiting.example", Selector: "w", Wait: true},
		{Domain: "xn--bcher-kva.example", User: "Eva@b\u00fccher.example", Selector: "eva"},
	} {
		req.Algorithms = []Algorithm{Ed25519}
		all = append(all, k.must(t, req)...)
	}
	zone := publish(all)
	for _, c := range []struct {
		user, from string
		want       []string
	}{
		{"bob@example.org", "bob@example.org", []string{"all"}},
		{"", "bob@EXAMPLE.org", []string{"all"}},
		{"ana@example.org", "ana@example.org", []string{"ana"}},
		{"Ana@example.org", "ana@example.org", []string{"ana"}},
		{"bob", "x@sub.example.org", []string{"sub"}},
		{"bob", "x@deep.sub.example.org", []string{"sub"}},
		{"bob", "x@other.example.org", []string{"all"}},
		{"bob", "x@b\u00fccher.example", []string{"idn"}},
		{"eva@xn--bcher-kva.example", "x@b\u00fccher.example", []string{"eva"}},
		{"bob", "x@sub.example.org, y@example.org", []string{"sub", "all"}},
		{"bob", "x@example.net", nil},
		{"bob", "x@org", nil},
		{"bob", "x@notexample.org", nil},
		{"bob", "x@waiting.example", nil},
		{"bob", "nobody", nil},
	} {
		msg := strings.Replace(text, "Ana <ana@Example.org>", c.from, 1)
		signed := sign(t, k, c.user, msg)
		if got := verify(t, zone, signed); !slices.Equal(got, c.want) {
			t.Errorf("%s from %s: %q", c.user, c.from, got)
		}
		if len(c.want) > 0 && strings.Count(strings.ToLower(strings.Join(strings.Fields(signed[:strings.Index(signed, "bh=")]), "")), "x-own:x-own") == 0 {
			t.Errorf("X-Own is not signed: %s", signed)
		}
	}
	strict := openKeys(t, k.db, Options{})
	if signed := sign(t, strict, "", strings.Replace(text, "Example.org", "other.example.org", 1)); strings.HasPrefix(signed, "DKIM") {
		t.Error("a parent's key signs though it should not")
	}
}

func TestKeysOfFiles(t *testing.T) {
	t.Parallel()
	private, err := generate(RSA)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(private)
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	k := openKeys(t, openDB(t), Options{})
	if signed := sign(t, k, "", text); signed != text {
		t.Error("signed without keys")
	}
	set, err := k.Prepare(Options{Keys: []KeyFile{{Domain: "example.org", Selector: "file", Key: file}}, Expire: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	set()
	list, err := k.List(t.Context(), "example.org")
	if err != nil || len(list) != 1 || list[0].File != file {
		t.Fatalf("%+v, %v", list, err)
	}
	signed := sign(t, k, "", text)
	if got := verify(t, publish(list), signed); !slices.Equal(got, []string{"file"}) || !strings.Contains(signed, " x=") {
		t.Errorf("%q: %s", got, signed)
	}
	for _, bad := range []Options{
		{Keys: []KeyFile{{Domain: "example.org", Selector: "x", Key: file + ".none"}}},
		{Keys: []KeyFile{{Domain: "example.org", Selector: "x y", Key: file}}},
		{Keys: []KeyFile{{Domain: "org", Selector: "x", Key: file}}},
		{Keys: []KeyFile{{Domain: "example.org", Selector: "x", Key: file, User: "not an address"}}},
		{Keys: []KeyFile{{Domain: "example.org", Selector: "x", Key: file}, {Domain: "Example.org", Selector: "x", Key: file}}},
	} {
		if _, err := k.Prepare(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestAFaultIsTold: whose signature was found wrong before it left.
func TestAFaultIsTold(t *testing.T) {
	t.Parallel()
	var told []string
	k := openKeys(t, openDB(t), Options{Fault: func(domain, selector string) { told = append(told, selector+" of "+domain) }})
	list := k.must(t, Request{Domain: "example.org", Selector: "s1", Algorithms: []Algorithm{RSA}})
	signed := sign(t, k, "", text)
	if got := verify(t, publish(list), signed); len(got) != 1 || len(told) > 0 {
		t.Fatalf("%q, told %q", got, told)
	}
	for _, s := range k.ring.Load().signers[owner{"example.org", ""}] {
		if _, plain := s.Key.(*rsa.PrivateKey); plain {
			t.Skip("crypto/rsa signs: no AVX-512 IFMA")
		}
		s.Key.Public().(*rsa.PublicKey).E = 3 // now no signature is right
	}
	k.Sign(unsigned(t, k, "", text))
	if !slices.Equal(told, []string{"s1 of example.org"}) {
		t.Errorf("told %q", told)
	}
}

// TestAnotherProcess: keys that a command makes sign in a running gateway.
func TestAnotherProcess(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	k := openKeys(t, db, Options{})
	command := openKeys(t, db, Options{})
	list := command.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}})
	if signed := sign(t, k, "", text); signed != text {
		t.Fatal("the keys are known already: the test proves nothing")
	}
	k.checked.Store(0)
	sign(t, k, "", text)
	k.wg.Wait()
	if got := verify(t, publish(list), sign(t, k, "", text)); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if err := command.Remove(t.Context(), "example.org", list[0].Selector); err != nil {
		t.Fatal(err)
	}
	if err := command.Remove(t.Context(), "example.org", list[0].Selector); !errors.Is(err, ErrNoKeys) {
		t.Error(err)
	}
	k.checked.Store(0)
	sign(t, k, "", text)
	k.wg.Wait()
	if signed := sign(t, k, "", text); signed != text {
		t.Error("a removed key signs")
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	k.must(t, Request{Domain: "example.org", Selector: "s", Algorithms: []Algorithm{Ed25519}})
	for _, req := range []Request{
		{Domain: ""},
		{Domain: "org"},
		{Domain: "a b.example"},
		{Domain: "ex\u0000.example"},
		{Domain: strings.Repeat("a.", 150) + "b"},
		{Domain: "example.org", Selector: "-x"},
		{Domain: "example.org", Selector: "x;y"},
		{Domain: "example.org", Selector: "S"},
		{Domain: "example.org", Algorithms: []Algorithm{"dsa"}},
		{Domain: "example.org", User: "not an address"},
		{Domain: "example.org", User: "ana"},
		{Domain: strings.Repeat("abcdefg.", 28) + "example", Selector: strings.Repeat("s", 60)},
	} {
		req.Now = time.Now()
		if list, err := k.Generate(t.Context(), req); err == nil {
			t.Errorf("%+v gives %+v", req, list)
		}
	}
	again := k.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}})
	more := k.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}})
	if again[0].State != New || again[0].Selector == more[0].Selector {
		t.Errorf("%+v %+v", again, more)
	}
}

// TestManyKeysOfADomain: what signs one message is bounded.
func TestManyKeysOfADomain(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	k := openKeys(t, db, Options{})
	for range 8 {
		k.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}})
	}
	_, err := k.Rotate(t.Context(), dns.Zone{}, "example.org", "", RotateOptions{Force: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(sign(t, k, "", text), "DKIM-Signature:"); n != maxKeys {
		t.Errorf("%d signatures", n)
	}
}

func BenchmarkSign(b *testing.B) {
	for name, algorithms := range map[string][]Algorithm{"both": nil, "ed25519": {Ed25519}, "rsa": {RSA}} {
		b.Run(name, func(b *testing.B) {
			k := openKeys(b, openDB(b), Options{})
			k.must(b, Request{Domain: "example.org", Algorithms: algorithms})
			m := unsigned(b, k, "ana@example.org", text)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if f, err := k.Sign(m); err != nil || len(f) == 0 {
						b.Error(err)
					}
				}
			})
		})
	}
}

// TestDomainsThatMayNotSign, however they are written.
func TestDomainsThatMayNotSign(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	for _, d := range []string{"example.org", "xn--bcher-kva.example"} {
		k.must(t, Request{Domain: d, Selector: "s", Algorithms: []Algorithm{Ed25519}})
	}
	for _, c := range []struct {
		from, not string
		want      int
	}{
		{"a@example.org, b@b\u00fccher.example", "", 2},
		{"a@example.org, b@b\u00fccher.example", "EXAMPLE.org.", 1},
		{"a@example.org, b@b\u00fccher.example", "xn--bcher-kva.example", 1},
		{"b@xn--bcher-kva.example", "B\u00fccher.example", 0},
		{"a@a.example.org, a@b.example.org, a@c.example.org, b@b\u00fccher.example", "", 0}, // no more than three are asked for
	} {
		m := unsigned(t, k, "ana", strings.Replace(text, "Ana <ana@Example.org>", c.from, 1))
		m.Not = strings.Fields(c.not)
		fields, err := k.Sign(m)
		if n := strings.Count(string(fields), "DKIM-Signature:"); err != nil || n != c.want {
			t.Errorf("%s without %s: %d, %v", c.from, c.not, n, err)
		}
	}
}
