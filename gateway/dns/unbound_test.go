package dns_test

import (
	"bufio"
	"crypto"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/test/peers"
	wire "github.com/miekg/dns"
)

// signedZone is an authoritative server for signed.test, with a record whose
// signature is wrong.
type signedZone struct {
	key  *wire.DNSKEY
	priv crypto.Signer
}

func newSignedZone(t *testing.T) *signedZone {
	t.Helper()
	key := &wire.DNSKEY{
		Hdr:   wire.RR_Header{Name: "signed.test.", Rrtype: wire.TypeDNSKEY, Class: 1, Ttl: 60},
		Flags: 257, Protocol: 3, Algorithm: wire.ED25519,
	}
	priv, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	return &signedZone{key, priv.(crypto.Signer)}
}

func (z *signedZone) ServeDNS(w wire.ResponseWriter, q *wire.Msg) {
	m := new(wire.Msg).SetReply(q)
	m.Authoritative = true
	name := strings.ToLower(q.Question[0].Name)
	hdr := wire.RR_Header{Name: name, Rrtype: q.Question[0].Qtype, Class: 1, Ttl: 60}
	var rr wire.RR
	switch {
	case hdr.Rrtype == wire.TypeDNSKEY:
		rr = z.key
	case hdr.Rrtype == wire.TypeA:
		rr = &wire.A{Hdr: hdr, A: net.IPv4(192, 0, 2, 1)}
	case hdr.Rrtype == wire.TypeTXT && name == "long.signed.test.":
		rr = &wire.TXT{Hdr: hdr, Txt: []string{strings.Repeat("x", 255), strings.Repeat("y", 255), strings.Repeat("z", 255), strings.Repeat("x", 255), strings.Repeat("x", 255)}}
	default: // no data, signed too
		rr = &wire.NSEC{Hdr: wire.RR_Header{Name: name, Rrtype: wire.TypeNSEC, Class: 1, Ttl: 60}, NextDomain: "\\000." + name, TypeBitMap: []uint16{wire.TypeRRSIG, wire.TypeNSEC}}
		soa := &wire.SOA{Hdr: wire.RR_Header{Name: "signed.test.", Rrtype: wire.TypeSOA, Class: 1, Ttl: 30}, Ns: "ns.signed.test.", Mbox: "m.signed.test.", Minttl: 30}
		m.Ns = append(z.sign(rr), z.sign(soa)...)
		_ = w.WriteMsg(m)
		return
	}
	m.Answer = z.sign(rr)
	if a, ok := rr.(*wire.A); ok && name == "bogus.signed.test." {
		a.A = net.IPv4(192, 0, 2, 66)
	}
	if w.LocalAddr().Network() == "udp" {
		m.Truncate(1232)
	}
	_ = w.WriteMsg(m)
}

func (z *signedZone) sign(rr wire.RR) []wire.RR {
	now := uint32(time.Now().Unix())
	sig := &wire.RRSIG{
		Algorithm: z.key.Algorithm, SignerName: "signed.test.", KeyTag: z.key.KeyTag(),
		Inception: now - 3600, Expiration: now + 3600,
	}
	if err := sig.Sign(z.priv, []wire.RR{rr}); err != nil {
		panic(err)
	}
	return []wire.RR{rr, sig}
}

// serveZone starts the authoritative server.
func serveZone(t *testing.T, z *signedZone) string {
	t.Helper()
	udp, tcp := samePort(t)
	for _, s := range []*wire.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}} {
		up, down := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() {
			defer close(down)
			_ = s.ActivateAndServe()
		}()
		<-up
		t.Cleanup(func() {
			_ = s.Shutdown()
			<-down
		})
	}
	return udp.LocalAddr().String()
}

// samePort opens a port over UDP and TCP.
func samePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err := net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		_ = udp.Close()
	}
	t.Fatal("no port is free over UDP and TCP")
	return nil, nil
}

// startUnbound runs a validating resolver for the zone.
func startUnbound(t *testing.T, z *signedZone, zoneAddr string) string {
	t.Helper()
	binary, err := exec.LookPath("unbound")
	if err != nil {
		if _, err = os.Stat("/usr/sbin/unbound"); err != nil {
			peers.Missing(t, "no unbound here")
		}
		binary = "/usr/sbin/unbound"
	}
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := fmt.Sprintf(`server:
  directory: "%[1]s"
  chroot: ""
  username: ""
  pidfile: "%[1]s/pid"
  interface: 127.0.0.1@%[2]d
  do-daemonize: no
  do-not-query-localhost: no
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  so-reuseport: no
  local-zone: "test." nodefault
  trust-anchor: "%[3]s"
remote-control:
  control-enable: no
stub-zone:
  name: "signed.test."
  stub-addr: %[4]s
`, dir, port, strings.ReplaceAll(z.key.String(), "\t", " "), strings.Replace(zoneAddr, ":", "@", 1))
	file := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-d", "-c", file)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log []string
	started, done := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			log = append(log, lines.Text())
			if strings.Contains(lines.Text(), "start of service") {
				started <- true
			}
		}
		started <- false
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(strings.Join(log, "\n"))
		}
	})
	if !<-started {
		t.Fatal("unbound does not start")
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// AD in the query suffices to learn that an answer was validated; DO is not
// needed. A wrong signature is a failure.
func TestClientWithUnbound(t *testing.T) {
	t.Parallel()
	z := newSignedZone(t)
	addr := startUnbound(t, z, serveZone(t, z))
	c := client(t, dns.Options{Resolvers: []string{addr}})
	if _, ad, err := dns.LookupA(t.Context(), c, "good.signed.test"); err != nil || !ad {
		t.Errorf("validated: authentic %v, %v", ad, err)
	}
	if txt, ad, err := dns.LookupTXT(t.Context(), c, "long.signed.test"); err != nil || !ad || len(txt[0]) != 5*255 {
		t.Errorf("validated, over TCP: authentic %v, %v", ad, err)
	}
	var n *dns.NotFound
	if _, ad, err := dns.LookupMX(t.Context(), c, "good.signed.test"); !errors.As(err, &n) || !ad || n.TTL <= 0 || n.TTL > 30*time.Second {
		t.Errorf("validated denial: authentic %v, %v, %+v", ad, err, n)
	}
	if _, _, err := dns.LookupA(t.Context(), c, "bogus.signed.test"); !errors.Is(err, dns.ErrServFail) {
		t.Errorf("wrong signature: %v", err)
	}
}
