package e2e_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tlsaOf is the DANE-EE record for the certificate in a PEM file.
func tlsaOf(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "3 1 1 " + hex.EncodeToString(sum[:])
}

// TestMailLeavesByMX: a Postfix is found through unbound, and gets mail over
// TLS as its domain's records want it, or not at all.
func TestMailLeavesByMX(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	_, port, _ := net.SplitHostPort(w.second.addr)
	right := tlsaOf(t, filepath.Join(filepath.Dir(w.second.dir), "postfix.pem"))
	for name, c := range map[string]struct {
		tlsa string
		opt  string
		log  string // of the delivery
		gets bool
	}{
		"no records":              {"", "", ` unverified"`, true},
		"verified":                {"", "tls: verify, ", ` pkix"`, true},
		"DANE":                    {right, "", ` dane"`, true},
		"DANE of another key":     {"3 1 1 " + strings.Repeat("00", 32), "", "TLS with the next server failed", false},
		"DANE, without validator": {"3 1 1 " + strings.Repeat("00", 32), "dane: false, ", ` unverified"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone := []string{"second IN MX 10 mail.second", "mail.second IN A 127.0.0.1"}
			if c.tlsa != "" {
				zone = append(zone, "_"+port+"._tcp.mail.second IN TLSA "+c.tlsa)
			}
			ns, err := startUnbound(folder(t), zone...)
			if err != nil {
				missing(t, "%v", err)
			}
			ns.showOnFailure(t)
			t.Cleanup(ns.stop)
			g := serve(t, fmt.Sprintf(`networks: {relay: [127.0.0.0/8]}
dns: {resolvers: [%q]}
outbound: {port: %s, %sca: %q, allow: [127.0.0.0/8]}
`, ns.addr, port, c.opt, filepath.Join(filepath.Dir(w.second.dir), "ca.pem")))
			l := newLetter()
			if r := dial(t, g.smtp).mail("ann@sender.test", "alice@second.test", l.String()); r.code != 250 {
				t.Fatal(r)
			}
			eventually(t, "an attempt is made", func() bool { return strings.Contains(g.log.since(0), `"msg":"delivery"`) })
			for _, line := range strings.Split(g.log.since(0), "\n") {
				if strings.Contains(line, `"msg":"delivery"`) && (!strings.Contains(line, c.log) || !strings.Contains(line, `"mta":"mail.second.test"`)) {
					t.Error(line)
				}
			}
			if c.gets { // Postfix files it after its 250
				eventually(t, "the message arrives", func() bool { return len(w.second.find("alice@second.test", l.mark)) == 1 })
			} else if got := w.second.find("alice@second.test", l.mark); len(got) != 0 {
				t.Errorf("%d messages arrived", len(got))
			}
			out, err := g.run("outbound", "status")
			if err != nil || !strings.Contains(out, "connections of 1000 at most") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
