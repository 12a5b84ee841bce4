package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/peers"
)

// outside is where other people's mail servers are: each has an address of
// loopback of its own, all listen on one port since MX records name none. The
// third and second octet are this run's alone, so that runs do not meet.
type outside struct {
	net  string // "127.x.y."
	port int
	// Domains, each with one mail exchanger, mx.DOMAIN, and policies.
	domains map[string]*domain
	order   []*domain
	taken   atomic.Int32 // of the domains for anything
}

// domain is somebody's domain.
type domain struct {
	name   string
	host   string
	addr   string // address and port of host
	policy string // one of policies
	server string // one of servers
	cert   tls.Certificate
}

// What domains demand of TLS with their mail exchangers: nothing; DANE by key
// or by authority; MTA-STS; a policy that names another host; one that cannot
// be fetched; one whose web server has the wrong certificate.
var policies = []string{"none", "dane", "daneta", "enforce", "testing", "unlisted", "nofetch", "badweb"}

// The mail exchangers' ways with TLS: as it should be; none; a certificate that
// has expired, of another name, of an unknown authority; STARTTLS offered and
// then refused, or not understood.
var servers = []string{"good", "plain", "expired", "othername", "stranger", "refuses", "garbles"}

// freeDomains is how many domains tests can take for what they like.
const freeDomains = 120

// stranger is an authority whom nobody trusts.
var stranger = sync.OnceValue(newAuthority)

// theOutside is built before the zone that names it.
var theOutside = sync.OnceValues(newOutside)

func newOutside() (*outside, error) {
	port, err := peers.FreePort()
	if err != nil {
		return nil, err
	}
	o := &outside{net: fmt.Sprintf("127.%d.%d.", 20+rand.IntN(200), rand.IntN(250)), port: port, domains: map[string]*domain{}}
	for _, p := range policies {
		for _, s := range servers {
			if err := o.add(s+"-"+p+".test", p, s); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range []string{"reports.test", "plain.test", "tls.test"} {
		if err := o.add(name, "none", "good"); err != nil {
			return nil, err
		}
	}
	for name, policy := range map[string]string{"dane.test": "dane", "sts.test": "enforce"} {
		if err := o.add(name, policy, "good"); err != nil {
			return nil, err
		}
	}
	for i := range freeDomains {
		if err := o.add(fmt.Sprintf("d%d.test", i), "none", "good"); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// add gives a domain the next address.
func (o *outside) add(name, policy, server string) error {
	d := &domain{name: name, host: "mx." + name, policy: policy, server: server}
	d.addr = fmt.Sprintf("%s%d:%d", o.net, 2+len(o.order), o.port)
	o.domains[name], o.order = d, append(o.order, d)
	if strings.HasPrefix(name, "d") && strings.TrimLeft(name[1:], "0123456789") == ".test" {
		return nil
	}
	by, host, until := ca(), d.host, 24*time.Hour
	switch server {
	case "expired":
		until = -time.Minute
	case "othername":
		host = "mx.elsewhere.test"
	case "stranger":
		by = stranger()
	}
	cert, key, err := by.issueUntil(until, host)
	if err == nil {
		d.cert, err = tls.X509KeyPair([]byte(cert+by.pem), []byte(key))
	}
	return err
}

// of returns a domain.
func (o *outside) of(name string) *domain {
	d := o.domains[name]
	if d == nil {
		panic("no domain " + name)
	}
	return d
}

// take returns a domain that no other test has, without policies.
func (o *outside) take(t testing.TB) *domain {
	t.Helper()
	n := o.taken.Add(1) - 1
	if n >= freeDomains {
		t.Fatal("freeDomains are not enough")
	}
	return o.of(fmt.Sprintf("d%d.test", n))
}

// web is where MTA-STS policies are.
func (o *outside) web() string { return o.net + "1" }

// zone are the lines about all this.
func (o *outside) zone() string {
	var b strings.Builder
	for _, d := range o.order {
		name := strings.TrimSuffix(d.name, ".test")
		ip, _, _ := strings.Cut(d.addr, ":")
		fmt.Fprintf(&b, "%[1]s IN MX 10 mx.%[1]s\nmx.%[1]s IN A %[2]s\n_smtp._tls.%[1]s IN TXT \"v=TLSRPTv1; rua=mailto:tls@reports.test\"\n", name, ip)
		switch d.policy {
		case "dane":
			leaf := d.cert.Certificate[0]
			if d.server == "stranger" { // the record is of another key
				leaf = o.of("good-dane.test").cert.Certificate[0]
			}
			fmt.Fprintf(&b, "_%d._tcp.mx.%s IN TLSA 3 1 1 %s\n", o.port, name, keySum(leaf))
		case "daneta":
			fmt.Fprintf(&b, "_%d._tcp.mx.%s IN TLSA 2 1 1 %s\n", o.port, name, keySum(ca().cert.Raw))
		case "enforce", "testing", "unlisted", "nofetch", "badweb":
			fmt.Fprintf(&b, "_mta-sts.%[1]s IN TXT \"v=STSv1; id=1;\"\nmta-sts.%[1]s IN A %[2]s\n", name, o.web())
		}
	}
	return b.String()
}

// keySum is what a TLSA record 1 1 says of a certificate.
func keySum(der []byte) string {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// pem is the key and the certificates in a file.
func (d *domain) pem() (string, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(d.cert.PrivateKey)
	text := pemOf("PRIVATE KEY", raw)
	for _, der := range d.cert.Certificate {
		text += pemOf("CERTIFICATE", der)
	}
	return text, err
}

// config is a server's TLS; nil: it has none.
func (d *domain) config() *tls.Config {
	if d.server == "plain" {
		return nil
	}
	return &tls.Config{Certificates: []tls.Certificate{d.cert}}
}

// theWeb serves the MTA-STS policies of the outside.
var theWeb = sync.OnceValue(func() error {
	o, err := theOutside()
	if err != nil {
		return err
	}
	return o.serveWeb()
})

// serveWeb serves the policies of the domains until the tests end.
func (o *outside) serveWeb() error {
	l, err := net.Listen("tcp", o.web()+":443")
	if err != nil {
		return err
	}
	certificate := func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := h.ServerName
		if strings.HasSuffix(name, "-badweb.test") {
			name = "elsewhere.test"
		}
		cert, key, err := ca().issue(name)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		return &pair, err
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(o.policyOf), TLSConfig: &tls.Config{GetCertificate: certificate},
		ReadHeaderTimeout: patience, ErrorLog: quiet,
	}
	go srv.ServeTLS(l, "", "")
	return nil
}

func (o *outside) policyOf(w http.ResponseWriter, r *http.Request) {
	d := o.domains[strings.TrimPrefix(r.Host, "mta-sts.")]
	if d == nil || r.URL.Path != "/.well-known/mta-sts.txt" || d.policy == "nofetch" {
		http.NotFound(w, r)
		return
	}
	mode, host := "enforce", d.host
	switch d.policy {
	case "testing":
		mode = "testing"
	case "unlisted":
		host = "mx.elsewhere.test"
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 86400\r\n", mode, host)
}

// sender is a gateway with users, who reach the outside through the DNS.
type sender struct {
	*gapura
	w       *world
	o       *outside
	home    *backend // what the users get
	submits string   // address of the listener for users
}

const (
	annAddress = "ann@sender.test"
	annPass    = "correct horse"
)

// serveSender starts one; rest is more configuration. It signs with the keys of
// the zone, and queue and outbound are for rest to complete as YAML flow.
func serveSender(t *testing.T, queue, out, rest string) *sender {
	t.Helper()
	w := theWorld(t)
	o, err := theOutside()
	if err != nil {
		t.Fatal(err)
	}
	if err := theWeb(); err != nil {
		missing(t, "port 443: %v", err)
	}
	s := &sender{w: w, o: o, home: startBackend(t, nil)}
	dir := folder(t)
	for name, key := range map[string]any{"rsa.key": w.dns.keys.rsa, "ed.key": w.dns.keys.ed} {
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		if err == nil {
			_, err = write(dir, name, pemOf("PRIVATE KEY", raw))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	config := strings.Replace(listenersYAML, "  - {protocol: lmtp", "  - {protocol: submission, address: \"127.0.0.1:0\"}\n  - {protocol: lmtp", 1)
	config = fmt.Sprintf(config, dir) + fmt.Sprintf(`dns: {resolvers: [%q]}
networks: {relay: [127.0.0.0/8]}
domains:
  sender.test: {deliver: proxy, backends: ["smtp://%s"]}
signing:
  keys:
    - {domain: sender.test, selector: s1, key: rsa.key}
    - {domain: sender.test, selector: ed, key: ed.key}
mta_sts: {allow_private: true}
tls_rpt: {contact: postmaster@sender.test}
outbound: {port: %d, allow: [127.0.0.0/8], families: [ipv4]%s}
queue: {%s}
`, w.dns.addr, s.home.addr, o.port, out, queue) + rest
	if err := authorityFiles(dir, "gapura", gapuraName); err != nil {
		t.Fatal(err)
	}
	file, err := write(dir, "gapura.yaml", config)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := runTool(t, annPass+"\n", program, "-c", file, "user", "add", "--force", "--password-stdin", annAddress); err != nil {
		t.Fatalf("user add: %v: %s", err, out)
	}
	s.gapura = serveIn(t, dir, config, "SSL_CERT_FILE="+dir+"/ca.pem")
	s.submits = s.listener("submission", "")
	return s
}

// again starts the gateway again.
func (s *sender) again() {
	s.t.Helper()
	s.start("SSL_CERT_FILE=" + s.dir + "/ca.pem")
	s.submits = s.listener("submission", "")
}

// waiting are the entries of the queue.
type waiting struct {
	ID, State, Domain, From, Hold string
	Attempts                      int
	Recipients                    []struct{ To, Reply, MTA string }
}

// queued lists the queue.
func (g *gapura) queued(keys ...string) (list []waiting) {
	g.t.Helper()
	out, err := g.run(append([]string{"queue", "list", "--json"}, keys...)...)
	if err != nil {
		g.t.Fatalf("queue list: %v: %s", err, out)
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		g.t.Fatalf("queue list: %v: %s", err, out)
	}
	return list
}

// parsed runs a parser of the binary on a message.
func parsed[T any](t testing.TB, kind, msg string) (v T) {
	t.Helper()
	out, err := runTool(t, msg, program, "parse", kind, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &v)
	}
	if err != nil {
		t.Fatalf("parse %s: %v: %s\n%s", kind, err, out, msg)
	}
	return v
}

// scripted is a server that does what f says with each connection.
func scripted(t testing.TB, addr string, f func(c net.Conn, in *bufio.Reader)) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open, closed := map[net.Conn]bool{}, false
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if closed {
				c.Close()
			}
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				f(c, bufio.NewReader(c))
				c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		closed = true
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// follows is a script: "S text" says it, ~ being the end of a line; "C text"
// waits for a line that begins so; "X" closes. At its end it hangs.
func follows(steps ...string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, in *bufio.Reader) {
		for _, s := range steps {
			verb, arg, _ := strings.Cut(s, " ")
			switch verb {
			case "S":
				io.WriteString(c, strings.ReplaceAll(arg, "~", "\r\n"))
			case "C":
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, arg) {
						break
					}
				}
			case "X":
				return
			}
		}
		io.Copy(io.Discard, in)
	}
}
