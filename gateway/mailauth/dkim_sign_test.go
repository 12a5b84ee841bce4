package mailauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/test/peers"
)

func TestSignIsDeterministicAndFolded(t *testing.T) {
	t.Parallel()
	for _, key := range oracleKeys() {
		s := &Signer{Key: key, Domain: "example.com", Selector: "sel", Identity: "jo\u00e9; x@sub.example.com", Time: testNow, Expire: time.Hour}
		field := signOurs(t, s, craftHeader, craftBody)
		if field != signOurs(t, s, craftHeader, craftBody) {
			t.Error("two signatures differ")
		}
		for _, l := range strings.Split(strings.TrimSuffix(field, "\r\n"), "\r\n") {
			if len(strings.ReplaceAll(l, "\t", "        ")) > 78 {
				t.Errorf("long line %q", l)
			}
		}
		h, _ := splitMessage(t, field+craftHeader+"\r\n")
		if len(h.Defects()) > 0 {
			t.Errorf("%v in %q", h.Defects(), field)
		}
		tags, err := ParseTagList(string(h.Fields()[0].Body()))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"v": "1", "t": "1700000000", "x": "1700003600", "c": "relaxed/relaxed", "i": "jo=C3=A9=3B=20x@sub.example.com"} {
			if got, _ := tags.Get(name); got != want {
				t.Errorf("%s=%s, want %s", name, got, want)
			}
		}
	}
}

func TestDefaultHeadersAreOverSigned(t *testing.T) {
	t.Parallel()
	h, _ := splitMessage(t, "from: a\nSubject: x\nSubject: y\nList-Id: z\nReceived: r\nDKIM-Signature: d\n\n")
	got := ":" + strings.Join(DefaultHeaders(h), "::") + ":"
	for name, want := range map[string]int{"From": 2, "Subject": 3, "To": 1, "List-Id": 1, "List-Post": 0, "Received": 0, "DKIM-Signature": 0, "Content-Type": 1} {
		if n := strings.Count(got, ":"+name+":"); n != want {
			t.Errorf("%s %d times, want %d", name, n, want)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	h, _ := splitMessage(t, craftHeader+"\n")
	good := Signer{Key: testKeys.ed, Domain: "example.com", Selector: "sel"}
	sum, _ := NewBodyHasher(good.BodyForm()).Sum(good.BodyForm())
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Signer){
		"no key":                   func(s *Signer) { s.Key = nil },
		"an ECDSA key":             func(s *Signer) { s.Key = ec },
		"a domain with a tag":      func(s *Signer) { s.Domain = "example.com; l=0" },
		"a domain of one label":    func(s *Signer) { s.Domain = "com" },
		"a selector with a fold":   func(s *Signer) { s.Selector = "a\r\nb" },
		"From not signed":          func(s *Signer) { s.Headers = []string{"To"} },
		"a name with a semicolon":  func(s *Signer) { s.Headers = []string{"From", "a;l=0"} },
		"a name with a colon":      func(s *Signer) { s.Headers = []string{"From", "a:b"} },
		"an empty name":            func(s *Signer) { s.Headers = []string{"From", ""} },
		"too many names":           func(s *Signer) { s.Headers = make([]string, MaxSignedNames+1) },
		"body hashed in the other": func(s *Signer) { s.Canon[1] = Simple },
	} {
		s := good
		change(&s)
		if f, err := s.Sign(h, sum); err == nil {
			t.Errorf("%s: %s", name, f)
		}
	}
	if _, err := good.Sign(h, sum); err != nil {
		t.Error(err)
	}
}

func TestParsePrivateKey(t *testing.T) {
	t.Parallel()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(testKeys.ed)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"dkimpy PKCS #1":    []byte(readSample(t, "dkimpy", "1024_testkey.key")),
		"dkimpy PKCS #8":    []byte(readSample(t, "dkimpy", "2048_testkey_PKCS8.key")),
		"dkimpy ed25519":    []byte(readSample(t, "dkimpy", "rfc8032_7_1.key")),
		"PKCS #8 ed25519":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		"ed25519 with a LF": []byte(base64.StdEncoding.EncodeToString(testKeys.ed.Seed()) + "\n"),
	} {
		if _, err := ParsePrivateKey(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, data := range []string{"", "AAAA", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := ParsePrivateKey([]byte(data)); err == nil {
			t.Errorf("%q is a key", data)
		}
	}
}

// What is often put in a key's place is told by its name.
func TestPrivateKeyThatIsNone(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, _ := x509.MarshalECPrivateKey(ec)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(ec)
	public, _ := x509.MarshalPKIXPublicKey(testKeys.ed.Public())
	for want, block := range map[string]*pem.Block{
		"is encrypted":                         {Type: "ENCRYPTED PRIVATE KEY", Bytes: pkcs8},
		"key is encrypted: write it without":   {Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: pkcs8},
		`"EC PRIVATE KEY" is no private key`:   {Type: "EC PRIVATE KEY", Bytes: sec1},
		"private key is neither RSA nor ed255": {Type: "PRIVATE KEY", Bytes: pkcs8},
		`"PUBLIC KEY" is no private key`:       {Type: "PUBLIC KEY", Bytes: public},
	} {
		if _, err := ParsePrivateKey(pem.EncodeToMemory(block)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestKeyRecordsOfOthers parses what dkimpy publishes.
func TestKeyRecordsOfOthers(t *testing.T) {
	t.Parallel()
	for file, bits := range map[string]int{
		"1024_testkey_wo_markers.pub.rsa.txt": 1024, "1024_testkey_wo_markers.pub.txt": 1024,
		"2048_testkey_PKCS8.key.pub.txt": 2048, "2048_testkey_wo_markers.pub.rsa.txt": 2048, "2048_testkey_wo_markers.pub.txt": 2048,
		"ed25519test.dns": 256, "eximtest.dns": 256, "test.txt": 1024, "test2.txt": 1024, "test_tlsrpt.txt": 1024,
		"badk.txt": 0, "badversion.txt": 0, "test_bad.txt": 0,
	} {
		k, err := ParseKeyRecord(strings.TrimSpace(readSample(t, "dkimpy", file)))
		if (err == nil) != (bits > 0) || err == nil && k.Bits != bits {
			t.Errorf("%s: %+v, %v", file, k, err)
		}
	}
}

func TestKeyWithoutPadding(t *testing.T) {
	t.Parallel()
	txt := record(testKeys.ed)
	if !strings.HasSuffix(txt, "=") {
		t.Fatal("a key without padding")
	}
	if k, err := ParseKeyRecord(strings.TrimSuffix(txt, "=")); err != nil || k.String() != txt {
		t.Errorf("%v, %v", k, err)
	}
}

// TestKeyRecordsOfOpenDKIM takes the records of t-testdata.h, whose licence is
// not stated where we have them, so they are not copied.
func TestKeyRecordsOfOpenDKIM(t *testing.T) {
	t.Parallel()
	dir := peers.Suite(t, "conformance/dkim-basic")
	data, err := os.ReadFile(filepath.Join(dir, "opendkim-t-testdata.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("\\\n", "", "\"", "").Replace(string(data))
	bad := map[string]bool{"PUBLICKEYBADV": true, "PUBLICKEYBADK": true, "PUBLICKEYNOP": true, "PUBLICKEYCORRUPTP": true}
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^#define\s+(PUBLICKEY\w*)\s+(.*)$`).FindAllStringSubmatch(text, -1) {
		n++
		value := regexp.MustCompile(`\t+`).ReplaceAllString(m[2], "")
		k, err := ParseKeyRecord(value)
		if (err != nil) != bad[m[1]] {
			t.Errorf("%s: %+v, %v\n%s", m[1], k, err, value)
			continue
		}
		check := &keyCheck{algorithm: "rsa", signature: []byte{1}, exact: true, fetch: new(keyFetch)}
		switch v := check.checkRecord(value); m[1] {
		case "PUBLICKEYBADH", "PUBLICKEYEMPTYP":
			if v.result != PermError {
				t.Errorf("%s: %+v", m[1], v)
			}
		case "PUBLICKEY":
			if v.result != Fail || !v.testing || !k.Strict() {
				t.Errorf("%s: %+v", m[1], v)
			}
		}
	}
	if n != 11 {
		t.Errorf("%d records", n)
	}
}

func FuzzTagList(f *testing.F) {
	f.Add("v=1; a=b ; c = d\r\n e;")
	f.Add("b=;b=;")
	f.Add("=;;\xff\r")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseTagList(s)
		if err != nil {
			return
		}
		for _, tag := range l {
			if got := trimFWS(s[tag.start:tag.end]); got != tag.Value {
				t.Fatalf("%s= is %q at its place, %q in the list", tag.Name, got, tag.Value)
			}
		}
		again, err := ParseTagList(l.String())
		if err != nil || again.String() != l.String() {
			t.Fatalf("%q printed is %q: %v", s, l, err)
		}
	})
}

func FuzzKeyRecord(f *testing.F) {
	f.Add("v=DKIM1; k=rsa; t=y:s; h=sha1:sha256; s=email; n=note; p=")
	f.Add(record(testKeys.ed))
	f.Add(record(testKeys.rsa1024()))
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKeyRecord(s)
		if err != nil {
			return
		}
		again, err := ParseKeyRecord(k.String())
		if len(k.String()) > MaxKeyRecord {
			return
		}
		if err != nil || again.String() != k.String() || again.Bits != k.Bits {
			t.Fatalf("%q printed is %q: %v", s, k, err)
		}
		k.verify(make([]byte, 32), make([]byte, 128))
	})
}

func FuzzDKIMVerify(f *testing.F) {
	add := func(msg string) { f.Add(strings.ReplaceAll(msg, "\n", "\r\n"), record(testKeys.ed)) }
	add(readSample(f, "chasquid", "09-limited_body.msg"))
	add(readSample(f, "chasquid", "11-strict_domain_check_fail.msg"))
	add(readSample(f, "dkimpy", "test2.message"))
	f.Add(string(craft(f, testKeys.ed, "v=1; a=ed25519-sha256; d=example.com; s=sel; h=from; bh=BH", craftHeader, craftBody).Raw())+"\r\n"+craftBody, record(testKeys.ed))
	f.Fuzz(func(t *testing.T, msg, key string) {
		header, body := message.Split([]byte(msg))
		h, _ := message.ParseHeader(header, message.HeaderLimits{})
		r, err := VerifyDKIM(t.Context(), h, strings.NewReader(string(body)), anyName(key), VerifyOptions{Now: testNow})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Signatures {
			if s.Result == "" || (s.Result == Pass) != (s.Reason == "") {
				t.Fatalf("%+v", s)
			}
			if s.Result == Pass && (s.KeyBits < 256 || s.Domain == "" || !hasName(s.Headers, "From")) {
				t.Fatalf("passes: %+v", s)
			}
		}
	})
}

func FuzzARC(f *testing.F) {
	for _, c := range loadARCSuite(f)[:40] {
		f.Add(strings.ReplaceAll(c.Message, "\n", "\r\n"), record(testKeys.ed))
	}
	msg, _ := chainOf(f, arcBase, "one.example", "two.example")
	f.Add(msg, record(testKeys.ed))
	f.Fuzz(func(t *testing.T, msg, key string) {
		header, body := message.Split([]byte(msg))
		h, _ := message.ParseHeader(header, message.HeaderLimits{})
		c, err := VerifyARC(t.Context(), h, strings.NewReader(string(body)), anyName(key), VerifyOptions{Now: testNow})
		if err != nil || c.CV != None && c.CV != Pass && c.CV != Fail {
			t.Fatalf("%+v, %v", c, err)
		}
		// Whatever the chain is, a set of ours on top makes it one that is
		// valid, ended, or failed.
		s := edSealer("example.com")
		hash := NewBodyHasher(s.BodyForm())
		hash.Write(body)
		sum, _ := hash.Sum(s.BodyForm())
		fields, err := s.Seal(h, c.CV, "mx; none", sum)
		if err != nil || len(msg) > 0 && isFWS(msg[0]) { // what begins with white space continues our last field
			return
		}
		if c.CV == Pass || c.CV == None {
			if again := verifyARCString(t, string(fields)+string(h.Raw())+"\r\n"+string(body), anyName(record(testKeys.ed))); again.CV != Pass && key == record(testKeys.ed) {
				t.Fatalf("%s sealed is %s (%s)", c.CV, again.CV, again.Reason)
			}
		}
	})
}

// anyName has one key under every name.
func anyName(key string) dns.Resolver {
	return dnstest.Func(func(context.Context, string, dns.Type) (dns.Answer, error) {
		return dns.Answer{Records: []dns.Record{{Text: key}}}, nil
	})
}
