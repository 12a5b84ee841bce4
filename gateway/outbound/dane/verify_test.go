package dane_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
	"github.com/gapura-mail/gapura/test/peers"
)

// chain reads the certificates of a PEM file.
func chain(t testing.TB, name string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return list
		}
		list = append(list, b.Bytes)
	}
}

func own(t testing.TB, name string) [][]byte {
	return chain(t, filepath.Join("testdata", "chains", name))
}

// record makes the TLSA record for a certificate.
func record(t testing.TB, usage, selector, matching uint8, der []byte) dns.TLSA {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: bytes.Clone(dane.Data(c, selector, matching))}
}

// wrong spoils a digest.
func wrong(r dns.TLSA) dns.TLSA {
	r.Data = bytes.Clone(r.Data)
	r.Data[len(r.Data)-1] ^= 1
	return r
}

// TestNamesOfDANEEE: they count only where that is asked for.
func TestNamesOfDANEEE(t *testing.T) {
	t.Parallel()
	leaf := own(t, "leaf.pem")
	c := dane.Check{Records: []dns.TLSA{record(t, 3, 1, 1, leaf[0]), record(t, 2, 0, 1, own(t, "root.crt")[0])}, Names: []string{"other.example"}, Now: time.Now()}
	if _, err := c.Verify(leaf); err != nil {
		t.Error(err)
	}
	c.EENames = true
	var e *dane.Error
	if _, err := c.Verify(leaf); !errors.As(err, &e) || e.TLSResult() != "certificate-host-mismatch" {
		t.Error(err)
	}
	c.Names = []string{"mx.example.com"}
	if _, err := c.Verify(leaf); err != nil {
		t.Error(err)
	}
	peers.Tool(t, "openssl")
	for name, ok := range map[string]bool{"other.example": false, "mx.example.com": true} {
		if out := sClient(t, serve(t, "leaf.pem"), name, c.Records); strings.Contains(out, "Verification: OK") != ok {
			t.Errorf("%s: OpenSSL says\n%s", name, out)
		}
	}
}

// TestKeysOfUnknownAlgorithms: a record with a whole key is compared even
// when nobody here knows what kind of key it is.
func TestKeysOfUnknownAlgorithms(t *testing.T) {
	t.Parallel()
	ed448, err := hex.DecodeString("3043300506032b6571033a00" + strings.Repeat("ab", 57))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		data []byte
		ok   bool
	}{{ed448, true}, {ed448[:20], false}, {append(bytes.Clone(ed448), 0), false}, {[]byte("key"), false}, {nil, false}} {
		if err := dane.Usability(dns.TLSA{Usage: 3, Selector: 1, Data: c.data}); (err == nil) != c.ok {
			t.Errorf("%x: %v", c.data, err)
		}
	}
}

// FuzzVerify: records and certificates of strangers.
func FuzzVerify(f *testing.F) {
	leaf, root := own(f, "leaf.pem"), own(f, "root.crt")
	for _, u := range []uint8{0, 1, 2, 3, 4} {
		f.Add(u, uint8(0), uint8(0), root[0], leaf[0], leaf[1])
		f.Add(u, uint8(1), uint8(0), dane.Data(must(f, root[0]), 1, 0), leaf[0], root[0])
		f.Add(u, uint8(1), uint8(1), dane.Data(must(f, leaf[0]), 1, 1), leaf[0], []byte{})
	}
	f.Fuzz(func(t *testing.T, usage, selector, matching uint8, data, first, second []byte) {
		r := dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: data}
		depth, err := dane.Check{Records: []dns.TLSA{r}, Now: time.Now()}.Verify([][]byte{first, second})
		var e *dane.Error
		switch {
		case err == nil && (depth < 0 || depth > 3 || dane.Usability(r) != nil):
			t.Errorf("%s passes at depth %d", dane.Text(r), depth)
		case err != nil && !errors.As(err, &e):
			t.Errorf("%v", err)
		}
	})
}

func must(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type check struct {
	chain   string
	names   []string
	records []dns.TLSA
	depth   int
	result  string // "" : it passes
}

func checks(t testing.TB) map[string]check {
	leaf, inter, root := own(t, "leaf.pem")[0], own(t, "inter.crt")[0], own(t, "root.crt")[0]
	direct, self, old, stranger := own(t, "direct.pem")[0], own(t, "self.pem")[0], own(t, "old.pem")[0], own(t, "stranger.crt")[0]
	r := func(u, s, m uint8, der []byte) []dns.TLSA { return []dns.TLSA{record(t, u, s, m, der)} }
	mx := []string{"mx.example.com"}
	return map[string]check{
		"EE key":                         {"leaf.pem", mx, r(3, 1, 1, leaf), 0, ""},
		"EE certificate":                 {"leaf.pem", mx, r(3, 0, 2, leaf), 0, ""},
		"EE in full":                     {"leaf.pem", mx, r(3, 0, 0, leaf), 0, ""},
		"EE key in full":                 {"leaf.pem", mx, r(3, 1, 0, leaf), 0, ""},
		"EE takes any name":              {"leaf.pem", []string{"other.example"}, r(3, 1, 1, leaf), 0, ""},
		"EE expired":                     {"old.pem", mx, r(3, 1, 1, old), 0, ""},
		"EE of self-signed":              {"self.pem", mx, r(3, 0, 1, self), 0, ""},
		"EE not the leaf":                {"leaf.pem", mx, r(3, 1, 1, inter), 0, "certificate-not-trusted"},
		"EE of another":                  {"leaf.pem", mx, r(3, 1, 1, direct), 0, "certificate-not-trusted"},
		"TA root":                        {"leaf.pem", mx, r(2, 0, 1, root), 2, ""},
		"TA root key":                    {"leaf.pem", mx, r(2, 1, 2, root), 2, ""},
		"TA intermediate":                {"leaf-short.pem", mx, r(2, 1, 1, inter), 1, ""},
		"TA nearest of two":              {"leaf.pem", mx, append(r(2, 1, 1, root), r(2, 1, 1, inter)...), 1, ""},
		"TA in any order":                {"leaf-jumbled.pem", mx, r(2, 0, 1, root), 2, ""},
		"TA digest not shown":            {"leaf-short.pem", mx, r(2, 0, 1, root), 0, "certificate-not-trusted"},
		"TA in full not shown":           {"leaf-short.pem", mx, r(2, 0, 0, root), 2, ""},
		"TA key in full not shown":       {"leaf-short.pem", mx, r(2, 1, 0, root), 1, ""},
		"TA key in full signs the leaf":  {"direct-alone.pem", mx, r(2, 1, 0, root), 0, ""},
		"TA in full, gap":                {"leaf-alone.pem", mx, r(2, 0, 0, root), 0, "certificate-not-trusted"},
		"TA key in full, gap":            {"leaf-alone.pem", mx, r(2, 1, 0, root), 0, "certificate-not-trusted"},
		"TA key in full of a stranger":   {"leaf-short.pem", mx, r(2, 1, 0, stranger), 0, "certificate-not-trusted"},
		"TA shown but not the issuer":    {"stranger.pem", mx, r(2, 0, 1, stranger), 0, "certificate-not-trusted"},
		"TA is no match for the leaf":    {"leaf.pem", mx, r(2, 0, 1, leaf), 0, "certificate-not-trusted"},
		"TA is no match for self-signed": {"self.pem", mx, r(2, 0, 1, self), 0, "certificate-not-trusted"},
		"TA full is not self-signed":     {"self.pem", mx, r(2, 0, 0, self), 0, "certificate-not-trusted"},
		"TA key in full of self-signed":  {"self.pem", mx, r(2, 1, 0, self), 0, ""},
		"TA expired":                     {"old.pem", mx, r(2, 0, 1, root), 0, "certificate-expired"},
		"TA other name":                  {"leaf.pem", []string{"other.example"}, r(2, 0, 1, root), 0, "certificate-host-mismatch"},
		"TA no name checks":              {"leaf.pem", nil, r(2, 0, 1, root), 2, ""},
		"TA second name":                 {"leaf.pem", []string{"other.example", "mx.example.com"}, r(2, 0, 1, root), 2, ""},
		"TA wildcard":                    {"leaf.pem", []string{"a.wild.example.com"}, r(2, 0, 1, root), 2, ""},
		"TA wildcard is one label":       {"leaf.pem", []string{"a.b.wild.example.com"}, r(2, 0, 1, root), 0, "certificate-host-mismatch"},
		"TA wildcard is a label":         {"leaf.pem", []string{"wild.example.com"}, r(2, 0, 1, root), 0, "certificate-host-mismatch"},
		"TA common name":                 {"cn.pem", mx, r(2, 0, 1, root), 2, ""},
		"TA common name beside others":   {"leaf.pem", []string{"ignored"}, r(2, 0, 1, root), 0, "certificate-host-mismatch"},
		"TA client certificate":          {"client.pem", mx, r(2, 0, 1, root), 0, "certificate-not-trusted"},
		"TA under no CA":                 {"undernotca.pem", mx, r(2, 0, 1, root), 0, "certificate-not-trusted"},
		"EE or TA":                       {"leaf.pem", mx, append(r(2, 0, 1, stranger), r(3, 1, 1, leaf)...), 0, ""},
		"EE fails, TA holds":             {"leaf.pem", mx, append(r(3, 1, 1, direct), r(2, 0, 1, root)...), 2, ""},
		"stronger digest is wrong":       {"leaf.pem", mx, []dns.TLSA{record(t, 3, 1, 1, leaf), wrong(record(t, 3, 1, 2, leaf))}, 0, "certificate-not-trusted"},
		"weaker digest is wrong":         {"leaf.pem", mx, []dns.TLSA{wrong(record(t, 3, 1, 1, leaf)), record(t, 3, 1, 2, leaf)}, 0, ""},
		"digests of other selectors":     {"leaf.pem", mx, []dns.TLSA{record(t, 3, 1, 1, leaf), wrong(record(t, 3, 0, 2, leaf))}, 0, ""},
		"full beside a wrong digest":     {"leaf.pem", mx, []dns.TLSA{record(t, 3, 1, 0, leaf), wrong(record(t, 3, 1, 2, leaf))}, 0, ""},
		"malformed digest is not strong": {"leaf.pem", mx, []dns.TLSA{record(t, 3, 1, 1, leaf), {Usage: 3, Selector: 1, MatchingType: 2, Data: []byte("short")}}, 0, ""},
		"PKIX-EE alone":                  {"leaf.pem", mx, r(1, 1, 1, leaf), 0, "tlsa-invalid"},
		"PKIX-TA beside EE":              {"leaf.pem", mx, append(r(0, 0, 1, root), r(3, 1, 1, leaf)...), 0, ""},
		"unknown numbers":                {"leaf.pem", mx, []dns.TLSA{{Usage: 4, Data: leaf}, {Usage: 3, Selector: 2, Data: leaf}, {Usage: 3, MatchingType: 3, Data: leaf}}, 0, "tlsa-invalid"},
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, c := range checks(t) {
		t.Run(name, func(t *testing.T) {
			depth, err := dane.Check{Records: c.records, Names: c.names, Now: time.Now()}.Verify(own(t, c.chain))
			var e *dane.Error
			switch {
			case c.result == "" && err != nil:
				t.Error(err)
			case c.result == "" && depth != c.depth:
				t.Errorf("depth %d, want %d", depth, c.depth)
			case c.result != "" && (!errors.As(err, &e) || e.TLSResult() != c.result):
				t.Errorf("got %v, want %s", err, c.result)
			}
		})
	}
}

// TestOpenSSLAgrees asks another implementation about the same chains and
// records. OpenSSL prefers SHA2-512 as we do.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	peers.Tool(t, "openssl")
	for name, c := range checks(t) {
		if len(c.names) != 1 || strings.HasPrefix(name, "unknown") || c.result == "tlsa-invalid" || name == "PKIX-TA beside EE" || strings.HasPrefix(name, "malformed") {
			continue // what s_client cannot be asked, or takes for another purpose
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := sClient(t, serve(t, c.chain), c.names[0], c.records, "-dane_ee_no_namechecks")
			ok := strings.Contains(out, "Verification: OK") && strings.Contains(out, "DANE TLSA")
			if ok != (c.result == "") {
				t.Errorf("want %q, OpenSSL says:\n%s", c.result, out)
			}
			if m := atDepth.FindStringSubmatch(out); ok && m != nil && m[1] != strconv.Itoa(c.depth) {
				t.Errorf("depth %d, OpenSSL says %s", c.depth, m[0])
			}
		})
	}
}

var atDepth = regexp.MustCompile(`at depth (\d+)`)

// serve shows a chain to one client and returns where.
func serve(t *testing.T, name string) string {
	t.Helper()
	base, _, _ := strings.Cut(strings.TrimSuffix(name, ".pem"), "-")
	if base == "stranger" {
		base = "leaf"
	}
	key, err := os.ReadFile(filepath.Join("testdata", "chains", base+".key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: own(t, name), PrivateKey: private}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_ = tls.Server(conn, cfg).Handshake()
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func sClient(t *testing.T, addr, name string, records []dns.TLSA, flags ...string) string {
	t.Helper()
	args := append([]string{"s_client", "-brief", "-connect", addr, "-dane_tlsa_domain", name}, flags...)
	for _, r := range records {
		args = append(args, "-dane_tlsa_rrdata", fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.MatchingType, r.Data))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", args...)
	out, _ := cmd.CombinedOutput() // it ends with an error when the server closes
	return string(out)
}

// TestConfig proves the handshake, resumption included.
func TestConfig(t *testing.T) {
	t.Parallel()
	leaf, direct := own(t, "leaf.pem")[0], own(t, "direct.pem")[0]
	zone := func(r dns.TLSA) dns.Zone {
		return dns.Zone{
			"mx.example.com":          {a("192.0.2.1")},
			"_25._tcp.mx.example.com": {{Type: dns.TypeTLSA, Record: dns.Record{TLSA: &r}}},
			"$authentic":              {{}},
		}
	}
	for _, c := range []struct {
		name   string
		record dns.TLSA
		status dane.Status
		ok     bool
	}{
		{"match", record(t, 3, 1, 1, leaf), dane.Usable, true},
		{"no match", record(t, 3, 1, 1, direct), dane.Usable, false},
		{"unusable", record(t, 1, 1, 1, leaf), dane.Unusable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set, err := dane.Lookup(t.Context(), zone(c.record), dane.Host{Name: "mx.example.com", MXAuthentic: true})
			if err != nil || set.Status != c.status {
				t.Fatalf("%v, %v", set, err)
			}
			cfg := set.Config(&tls.Config{MinVersion: tls.VersionTLS12})
			if cfg.ServerName != "mx.example.com" || cfg.MinVersion != tls.VersionTLS12 {
				t.Errorf("%+v", cfg)
			}
			conn, err := net.Dial("tcp", serve(t, "leaf.pem"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = tls.Client(conn, cfg).Handshake()
			var e *dane.Error
			if c.ok != (err == nil) || err != nil && !errors.As(err, &e) {
				t.Errorf("handshake: %v", err)
			}
		})
	}
}

// TestRealChains checks the chains of two domains as they were found.
func TestRealChains(t *testing.T) {
	t.Parallel()
	dir := peers.Suite(t, "conformance/dane-samples")
	text, err := os.ReadFile(filepath.Join(dir, "dns.txt"))
	if err != nil {
		t.Fatal(err)
	}
	records := map[string][]dns.TLSA{}
	for line := range strings.Lines(string(text)) {
		var owner, data string
		var r dns.TLSA
		if _, err := fmt.Sscan(line, &owner, &r.Usage, &r.Selector, &r.MatchingType, &data); err != nil {
			t.Fatal(err)
		}
		if r.Data, err = hex.DecodeString(data); err != nil {
			t.Fatal(err)
		}
		owner = strings.TrimPrefix(owner, "_25._tcp.")
		records[owner] = append(records[owner], r)
	}
	for host, list := range records {
		files, _ := filepath.Glob(filepath.Join(dir, host+".*.cert"))
		slices.Sort(files)
		var shown [][]byte
		for _, f := range files {
			der, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := pem.Decode(der); b != nil {
				der = b.Bytes
			}
			shown = append(shown, der)
		}
		leaf, err := x509.ParseCertificate(shown[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			depth, err := dane.Check{Records: []dns.TLSA{r}, Names: []string{host}, Now: leaf.NotBefore.Add(time.Hour)}.Verify(shown)
			want := 0
			if r.Usage == dane.DANETA {
				want = 1
			}
			if err != nil || depth != want {
				t.Errorf("%s %s: depth %d, %v", host, dane.Text(r), depth, err)
			}
			if _, err = (dane.Check{Records: []dns.TLSA{wrong(r)}, Names: []string{host}, Now: leaf.NotBefore}).Verify(shown); err == nil {
				t.Errorf("%s: a wrong record matches", host)
			}
		}
		t.Logf("%s: %d records, %d certificates", host, len(list), len(shown))
	}
}
