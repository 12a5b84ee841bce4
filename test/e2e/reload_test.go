package e2e_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hangUp sends SIGHUP and waits until the gateway says that it has heard.
func (g *gapura) hangUp(msg string) {
	g.t.Helper()
	n := len(g.lines(msg))
	g.signal(syscall.SIGHUP)
	if err := g.await(msg, func(string) bool { return len(g.lines(msg)) > n }); err != nil {
		g.t.Fatal(err)
	}
}

// knows tells whether mail for an address is taken on a new connection.
func (g *gapura) knows(t *testing.T, to string) bool {
	t.Helper()
	c := dial(t, g.smtp)
	c.ok(250, "MAIL FROM:<ann@sender.test>")
	r := c.cmd("RCPT TO:<" + to + ">")
	if r.code != 250 && !strings.Contains(r.text, "Relaying denied") {
		t.Fatal(r)
	}
	c.ok(221, "QUIT")
	return r.code == 250
}

// TestReload: SIGHUP and the command swap in the new configuration whole, or
// keep the old one and say why; open connections go on.
func TestReload(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	url := fmt.Sprintf("%q", "smtp://"+b.addr)
	g := serve(t, domainsYAML("", url))
	first := g.config()
	more := func(domain string) string {
		return first + "  " + domain + ": {deliver: proxy, backends: [" + url + "]}\n"
	}

	// A session that begins before and ends after several reloads.
	old := dial(t, g.smtp)
	l := newLetter()
	old.ok(250, "MAIL FROM:<ann@sender.test>")
	old.ok(250, "RCPT TO:<alice@dest.test>")
	old.ok(354, "DATA")
	half := len(l.String()) / 2
	old.send(l.String()[:half])

	if g.knows(t, "a@one.test") {
		t.Error("one.test is known already")
	}
	g.configure(more("one.test"))
	g.hangUp("reloaded")
	if !g.knows(t, "a@one.test") {
		t.Error("SIGHUP: one.test is not known")
	}
	g.configure(more("two.test"))
	if out, err := g.run("reload"); err != nil || out != "" {
		t.Errorf("gapura reload: %v %s", err, out)
	}
	if g.knows(t, "a@one.test") || !g.knows(t, "a@two.test") {
		t.Error("gapura reload: not the new configuration")
	}

	// Mistakes that show when the file is read, when the policy is compiled,
	// when a listener is opened.
	if _, err := write(g.dir, "bad.yaml", "rules:\n  - name: x\n    at: message\n    if: spf.resutl == \"fail\"\n    then: reject\n"); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for bad, why := range map[string]string{
		first + "hostnam: x\n":            "gapura.yaml:",
		first + "policy: [bad.yaml]\n":    "bad.yaml:4:",
		first + "filters: [dmarc, spf]\n": "gapura.yaml:",
		strings.Replace(first, "  - {protocol: http,", "  - {protocol: smtp, address: \""+busy.Addr().String()+"\"}\n  - {protocol: http,", 1): "address already in use",
	} {
		g.configure(bad)
		if out, err := g.run("reload"); err == nil || !strings.Contains(out, why) {
			t.Errorf("gapura reload, want %q: %v %s", why, err, out)
		}
		g.hangUp("reload failed; the old configuration stays")
		lines := g.lines("reload failed; the old configuration stays")
		if e := lines[len(lines)-1].Error; !strings.Contains(e, why) {
			t.Errorf("log, want %q: %s", why, e)
		}
		if !g.knows(t, "a@two.test") {
			t.Errorf("the old configuration does not stay with %q", why)
		}
	}

	old.send(l.String()[half:] + ".\r\n")
	old.want(250)
	if got := b.find(l.mark); len(got) != 1 {
		t.Errorf("%d copies", len(got))
	}
	old.ok(250, "MAIL FROM:<ann@sender.test>") // by the configuration that it began with
	old.ok(250, "RCPT TO:<alice@dest.test>")
	old.ok(221, "QUIT")
}

// TestListenerThatGoes says 421 to who waits, and lets a transaction end; one
// that comes is open.
func TestListenerThatGoes(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	idle, busy, other := dial(t, g.xclient), dial(t, g.xclient), dial(t, g.smtp)
	l := newLetter()
	busy.ok(250, "MAIL FROM:<ann@sender.test>")
	busy.ok(250, "RCPT TO:<alice@dest.test>")
	busy.ok(354, "DATA")
	busy.send(l.String())
	gone := g.xclient
	g.configure(strings.Replace(g.config(), "127.0.0.3:0", "127.0.0.5:0", 1))
	g.hangUp("reloaded")
	idle.want(421)
	if _, err := idle.read(); err == nil {
		t.Error("open after 421")
	}
	if c, err := net.Dial("tcp", gone); err == nil {
		c.Close()
		t.Error("the listener that went takes connections")
	}
	busy.send(".\r\n")
	busy.want(250)
	if len(b.find(l.mark)) != 1 {
		t.Error("the message under way is lost")
	}
	busy.want(421)
	dial(t, g.listener("smtp", "127.0.0.5:")).ok(221, "QUIT")
	other.ok(221, "QUIT")
}

// TestShutdownDrains: SIGTERM ends the listeners and idle connections; the
// message under way arrives; then the program ends with 0.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	idle, busy := dial(t, g.smtp), dial(t, g.smtp)
	l := newLetter()
	busy.ok(250, "MAIL FROM:<ann@sender.test>")
	busy.ok(250, "RCPT TO:<alice@dest.test>")
	busy.ok(354, "DATA")
	busy.send(l.String())
	g.signal(syscall.SIGTERM)
	idle.want(421)
	eventually(t, "the listener's end", func() bool {
		c, err := net.Dial("tcp", g.smtp)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	busy.send(".\r\n")
	busy.want(250)
	busy.want(421)
	<-g.done
	if code := g.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if len(b.find(l.mark)) != 1 {
		t.Error("the message is lost")
	}
}

// TestNewCertificateIsPickedUp without a reload; one that is broken is not.
func TestNewCertificateIsPickedUp(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, domainsYAML("", fmt.Sprintf("%q", "smtp://"+b.addr)))
	serial := func() string {
		c := dial(t, g.smtp)
		c.startTLS(gapuraName)
		return c.conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	if err := authorityFiles(g.dir, "gapura", gapuraName); err != nil {
		t.Fatal(err)
	}
	var after string
	eventually(t, "the new certificate", func() bool { after = serial(); return after != before })
	if err := os.WriteFile(filepath.Join(g.dir, "gapura.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if got := serial(); got != after {
			t.Fatalf("serial %s, want %s", got, after)
		}
	}
}
