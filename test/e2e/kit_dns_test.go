package e2e_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gapura-mail/gapura/test/peers"
)

// Addresses of the zone's story.
const (
	senderIP  = "127.0.0.2"    // Postfix A of sender.test
	senderNet = "198.51.100.7" // another mail server of sender.test
	strangeIP = "198.51.100.66"
	listedIP  = "203.0.113.9" // is on bl.test
)

// nameServer is unbound with a signed zone: resolver, validator and authority
// in one.
type nameServer struct {
	*process
	addr string
	keys keys
}

// keys are the private keys whose public half the zone has.
type keys struct {
	rsa    *rsa.PrivateKey    // s1._domainkey.sender.test, s1 of list.test and other.test
	ed     ed25519.PrivateKey // ed._domainkey.sender.test
	rsaPEM string
}

func newKeys() (k keys, err error) {
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return k, err
	}
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	k.rsaPEM = pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa))
	return k, err
}

// zoneText is the zone test. The name tampered has a key whose record is
// changed after signing.
func zoneText(k keys) (string, error) {
	pub, err := x509.MarshalPKIXPublicKey(crypto.Signer(k.rsa).Public())
	if err != nil {
		return "", err
	}
	rsaKey := txt("v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(pub))
	o, err := theOutside()
	if err != nil {
		return "", err
	}
	edKey := txt("v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k.ed.Public().(ed25519.PublicKey)))
	return `$ORIGIN test.
$TTL 60
@ IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
gapura IN MX 10 mx.gapura
mx.gapura IN A 127.0.0.1
sender IN MX 10 mail.sender
sender IN TXT "v=spf1 ip4:` + senderIP + ` ip4:` + senderNet + ` -all"
mail.sender IN A ` + senderIP + `
mail.sender IN A ` + senderNet + `
mail.sender IN TXT "v=spf1 a -all"
_dmarc.sender IN TXT "v=DMARC1; p=reject"
s1._domainkey.sender IN TXT ` + rsaKey + `
ed._domainkey.sender IN TXT ` + edKey + `
bogus._domainkey.sender IN TXT ` + rsaKey + `
list IN MX 10 mail.list
list IN TXT "v=spf1 ip4:` + strangeIP + ` -all"
mail.list IN A ` + strangeIP + `
s1._domainkey.list IN TXT ` + rsaKey + `
other IN TXT "v=spf1 ip4:` + strangeIP + ` -all"
s1._domainkey.other IN TXT ` + rsaKey + `
9.113.0.203.bl IN A 127.0.0.2
9.113.0.203.bl IN TXT "listed for the test"
` + o.zone(), nil
}

// txt writes a TXT value in strings of at most 255 octets.
func txt(s string) string {
	var out []string
	for len(s) > 250 {
		out, s = append(out, `"`+s[:250]+`"`), s[250:]
	}
	return strings.Join(append(out, `"`+s+`"`), " ")
}

const unboundConf = `server:
  directory: "%[1]s"
  chroot: ""
  username: ""
  pidfile: "%[1]s/pid"
  interface: 127.0.0.1@%[2]d
  do-daemonize: no
  use-syslog: no
  logfile: ""
  verbosity: 1
  val-log-level: 2
  num-threads: 1
  so-reuseport: no
  local-zone: "." static
  local-zone: "test." transparent
  local-data-ptr: "` + senderIP + ` mail.sender.test"
  local-data-ptr: "` + senderNet + ` mail.sender.test"
  local-data-ptr: "` + strangeIP + ` mail.list.test"
%[3]s
remote-control:
  control-enable: no
auth-zone:
  name: "test."
  zonefile: "%[1]s/signed.zone"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
`

// startUnbound starts a name server; more are lines of its zone.
func startUnbound(dir string, more ...string) (*nameServer, error) {
	k, err := newKeys()
	if err != nil {
		return nil, err
	}
	anchors, err := signZone(dir, k, more...)
	if err != nil {
		return nil, err
	}
	bin, err := findTool("unbound")
	if err != nil {
		return nil, err
	}
	port, err := peers.FreePort()
	if err != nil {
		return nil, err
	}
	conf, err := write(dir, "unbound.conf", fmt.Sprintf(unboundConf, dir, port, anchors))
	if err != nil {
		return nil, err
	}
	p, err := start("unbound", exec.Command(bin, "-d", "-c", conf))
	if err != nil {
		return nil, err
	}
	return &nameServer{p, fmt.Sprintf("127.0.0.1:%d", port), k},
		p.await("start of service", func(s string) bool { return strings.Contains(s, "start of service") })
}

// signZone writes signed.zone and returns the lines that name its anchors.
func signZone(dir string, k keys, more ...string) (anchors string, err error) {
	text, err := zoneText(k)
	if err != nil {
		return "", err
	}
	text += strings.Join(more, "\n") + "\n"
	if _, err := write(dir, "test.zone", text); err != nil {
		return "", err
	}
	args := []string{"-f", "signed.zone", "test.zone"}
	for _, flag := range []string{"-k", "-v"} { // a key that signs keys, one that signs the rest
		keygen := []string{"-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "test"}
		if flag == "-k" {
			keygen = append([]string{"-k"}, keygen...)
		}
		out, err := inDir(dir, "ldns-keygen", keygen...)
		if err != nil {
			return "", err
		}
		base := strings.TrimSpace(out)
		args = append(args, base)
		anchors += fmt.Sprintf("  trust-anchor-file: %q\n", filepath.Join(dir, base+".key"))
	}
	if _, err := inDir(dir, "ldns-signzone", args...); err != nil {
		return "", err
	}
	return anchors, tamper(filepath.Join(dir, "signed.zone"))
}

// tamper changes a record that is signed.
func tamper(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(string(b), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "bogus._domainkey.sender.test.") && strings.Contains(l, "v=DKIM1; k=rsa") {
			lines[i] = strings.Replace(l, "v=DKIM1; k=rsa", "v=DKIM1; t=s; k=rsa", 1)
		}
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644)
}

func inDir(dir, name string, args ...string) (string, error) {
	bin, err := findTool(name)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(out), nil
}
