package e2e_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// proxyV2 is a PROXY header, version 2, of a client over TCP.
func proxyV2(client, server netip.AddrPort) string {
	b := []byte("\r\n\r\n\x00\r\nQUIT\n\x21")
	family := byte(0x11)
	if client.Addr().Is6() {
		family = 0x21
	}
	var addrs []byte
	addrs = append(addrs, client.Addr().AsSlice()...)
	addrs = append(addrs, server.Addr().AsSlice()...)
	addrs = binary.BigEndian.AppendUint16(addrs, client.Port())
	addrs = binary.BigEndian.AppendUint16(addrs, server.Port())
	b = append(b, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(addrs)))
	return string(append(b, addrs...))
}

// TestClientsAddressBehindAProxy: PROXY v1, v2 and XCLIENT tell it to every
// filter; nobody else may tell one.
func TestClientsAddressBehindAProxy(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	g := serve(t, w.fullYAML())
	v2 := func(ip string) string {
		return proxyV2(netip.AddrPortFrom(netip.MustParseAddr(ip), 4321), netip.MustParseAddrPort("192.0.2.1:25"))
	}
	v1 := func(ip string) string { return "PROXY TCP4 " + ip + " 192.0.2.1 4321 25\r\n" }
	for name, preface := range map[string]func(string) string{"PROXY v1": v1, "PROXY v2": v2} {
		t.Run(name, func(t *testing.T) {
			listed := connect(t, g.proxied)
			listed.send(preface(listedIP))
			listed.hello()
			listed.ok(250, "MAIL FROM:<who@other.test>")
			refused(t, g, listed.cmd("RCPT TO:<alice@dest.test>"), 550, "5.7.1 Block-listed: ")

			l := newLetter()
			msg := l.String() // unsigned: SPF alone
			c := connect(t, g.proxied)
			c.send(preface(senderNet))
			c.hello()
			if r := c.mail("ann@sender.test", "alice@dest.test", msg); r.code != 250 {
				t.Fatal(r)
			}
			top := arrivedWhole(t, w.dest.one(t, "alice@dest.test", l.mark), msg)
			for _, want := range []string{"(mail.sender.test [" + senderNet + "])", "spf=pass", "dmarc=pass"} {
				if !strings.Contains(top, want) {
					t.Errorf("no %q in %s", want, top)
				}
			}
		})
	}

	c := connect(t, g.proxied) // without the header: no greeting, no session
	c.send("EHLO mail.sender.test\r\n")
	if r, err := c.read(); err == nil && r.code != 421 && r.code != 550 && r.code != 554 {
		t.Errorf("without a header: %s", r)
	}
	c = connect(t, g.smtp) // a header where none is allowed
	c.want(220)
	if r := c.cmd("PROXY TCP4 " + senderNet + " 192.0.2.1 4321 25"); r.code/100 == 2 {
		t.Errorf("a stranger's PROXY: %s", r)
	}
	c = dial(t, g.smtp)
	if r := c.cmd("XCLIENT ADDR=" + senderNet); r.code/100 == 2 {
		t.Errorf("a stranger's XCLIENT: %s", r)
	}
	c = dial(t, g.xclient) // IPv6 is an address too
	c.ok(220, "XCLIENT ADDR=IPV6:2001:db8::66")
	c.ok(250, "EHLO mail.sender.test")
	l := newLetter()
	l.from = "who@other.test"
	if r := c.mail("who@other.test", "alice@dest.test", l.String()); r.code != 250 {
		t.Fatal(r)
	}
	if top := arrivedWhole(t, w.dest.one(t, "alice@dest.test", l.mark), l.String()); !strings.Contains(top, "[IPv6:2001:db8::66]") || !strings.Contains(top, "spf=fail") {
		t.Errorf("got %s", top)
	}
}

// TestPort25WithoutRoot: with CAP_NET_BIND_SERVICE alone; without it the
// refusal says what is missing.
func TestPort25WithoutRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		missing(t, "only root can become somebody else")
	}
	setpriv := tool(t, "setpriv")
	const addr = "127.0.0.25:25"
	l, err := net.Listen("tcp", addr)
	if err != nil {
		missing(t, "%s is in use: %v", addr, err)
	}
	l.Close()
	b := startBackend(t, nil)
	dir := folder(t)
	if err := authorityFiles(dir, "gapura", gapuraName); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "gapura.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "gapura.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ownedDir(filepath.Join(dir, "data"), "nobody"); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(fmt.Sprintf(listenersYAML, filepath.Join(dir, "data")), "127.0.0.1:0", addr, 1)
	file, err := write(dir, "gapura.yaml", config+domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	if err != nil {
		t.Fatal(err)
	}
	nobody := []string{"--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"}
	run := func(args ...string) *process {
		p, err := start("gapura", exec.Command(setpriv, append(args, program, "-c", file, "serve")...))
		if err != nil {
			t.Fatal(err)
		}
		p.showOnFailure(t)
		t.Cleanup(p.stop)
		return p
	}
	if port, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil && strings.TrimSpace(string(port)) == "1024" {
		p := run(append(nobody, "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")...)
		<-p.done
		if out := p.output(0); !strings.Contains(out, "CAP_NET_BIND_SERVICE") {
			t.Errorf("no hint: %s", out)
		}
	}
	p := run(append(nobody, "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service", "--bounding-set=-all,+net_bind_service")...)
	if err := p.await("ready", func(s string) bool { return strings.Contains(s, `"msg":"ready"`) }); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil || !strings.Contains(string(status), "Uid:\t65534\t65534") || !strings.Contains(string(status), "CapEff:\t0000000000000400") {
		t.Errorf("runs as %v %s", err, status)
	}
	letter := newLetter()
	if r := dial(t, addr).mail("ann@sender.test", "alice@dest.test", letter.String()); r.code != 250 {
		t.Fatal(r)
	}
	if len(b.find(letter.mark)) != 1 {
		t.Error("not delivered")
	}
}
