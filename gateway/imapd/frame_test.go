package imapd_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
)

func TestPlaintextNeedsTLSToLogIn(t *testing.T) {
	t.Parallel()
	s := newServer(t, imapd.Options{TLS: testTLS(), PlaintextFrom: loopbackElsewhere}, nil)
	c := dialSilent(t, s)
	greeting := c.line()
	c.has(greeting, ` STARTTLS LOGINDISABLED\]`)
	if strings.Contains(greeting, "AUTH=") {
		t.Error(greeting)
	}
	c.fails("LOGIN bob secret", "NO [PRIVACYREQUIRED]")
	c.fails("AUTHENTICATE PLAIN", "NO [PRIVACYREQUIRED]")
	c.ok("STARTTLS")
	c.startTLS()
	caps := c.ok("CAPABILITY")
	c.has(caps, ` AUTH=PLAIN AUTH=LOGIN$`)
	if strings.Contains(caps, "STARTTLS") || strings.Contains(caps, "LOGINDISABLED") {
		t.Error(caps)
	}
	c.fails("STARTTLS", "BAD ")
}

// TestPlaintextBehindSTARTTLSIsDropped: what somebody put behind the command
// in plaintext never becomes a command (CVE-2011-0411).
func TestPlaintextBehindSTARTTLSIsDropped(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{TLS: testTLS()}, nil))
	c.send("a STARTTLS\r\nb NOOP\r\nc LOGIN bob secret\r\n")
	c.expect("a OK")
	c.startTLS()
	c.send("d NOOP\r\n")
	c.expect("d OK")
}

func (c *client) startTLS() {
	c.t.Helper()
	inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := inside.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.Conn, c.r = inside, bufio.NewReader(inside)
}

func TestCommandsOutOfPlace(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{}, nil))
	for command, want := range map[string]string{
		"CHECK":        "BAD No mailbox",
		"XYZZY":        "BAD There is no such command",
		"NOOP x":       "BAD Malformed",
		"CAPABILITY ":  "BAD Malformed",
		"LOGIN a":      "BAD Malformed",
		"LOGIN a b c":  "BAD Malformed",
		"STARTTLS":     "NO ",
		"AUTHENTICATE": "BAD ",
	} {
		c.fails(command, want)
	}
	c.send("\r\n")
	c.expect("* BAD ")
	c.send("a\r\n")
	c.expect("a BAD ")
	c.send("* NOOP\r\n")
	c.expect("* BAD ")
	c.send("x1 noop\r\n")
	c.expect("x1 OK ")
	c.send("x2 NoOp\n") // Postel
	c.expect("x2 OK ")
}

func TestTooManyBadCommands(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{Limits: imapd.Limits{BadCommands: 3}}, nil))
	c.fails("X", "BAD")
	c.fails("X", "BAD")
	c.ok("NOOP")
	c.fails("X", "BAD")
	c.fails("X", "BAD")
	c.fails("X", "BAD")
	c.expect("* BYE ")
	c.gone()
}

func TestLogout(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{}, nil))
	c.send("a LOGOUT\r\nb NOOP\r\n")
	c.expect("* BYE ")
	c.expect("a OK ")
	c.gone()
}

func TestFailedLogins(t *testing.T) {
	t.Parallel()
	s := newServer(t, imapd.Options{Limits: imapd.Limits{FailedLogins: 4}}, nil)
	c := dial(t, s)
	c.fails("LOGIN bob wrong", "NO [AUTHENTICATIONFAILED]")
	c.fails("LOGIN banned x", "NO [LIMIT]")
	c.fails("LOGIN away x", "NO [UNAVAILABLE]")
	c.fails(`LOGIN "" ""`, "NO [AUTHENTICATIONFAILED]")
	c.expect("* BYE ")
	c.gone()

	c = dial(t, s)
	c.fails("AUTHENTICATE GSSAPI", "NO [CANNOT]")
	c.fails("AUTHENTICATE PLAIN *", "BAD ")
	plain := base64.StdEncoding.EncodeToString([]byte("\x00bob\x00wrong"))
	c.fails("AUTHENTICATE PLAIN "+plain, "NO [AUTHENTICATIONFAILED]")
	c.send("x AUTHENTICATE PLAIN\r\n")
	c.expect("+ ")
	c.send("*\r\n")
	c.expect("x BAD Cancelled")
	c.send("y AUTHENTICATE PLAIN\r\n")
	c.expect("+ ")
	c.send(strings.Repeat("A", 20000) + "\r\n")
	c.expect("y BAD ")
	c.ok("NOOP")
}

func TestLongCommands(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{}, nil))
	long := strings.Repeat("x", 70000)
	c.fails("LOGIN bob "+long, "BAD [TOOBIG]")
	c.fails("LOGIN bob "+long+long+long, "BAD [TOOBIG]")
	c.send("a LOGIN {70000}\r\n")
	c.expect("a BAD [TOOBIG]")
	c.send("b LOGIN {70000+}\r\n" + long[:70000] + " {3+}\r\nabc\r\nc NOOP\r\n")
	c.expect("b BAD [TOOBIG]")
	c.expect("c OK")
	c.send("d LOGIN {70000+}\r\n" + long[:70000] + " {3}\r\n")
	c.expect("d BAD [TOOBIG]")
	c.ok("NOOP")
	c.send("e LOGIN {900000+}\r\n")
	c.expect("* BYE")
	c.gone()

	c = dial(t, newServer(t, imapd.Options{}, nil))
	go c.Conn.Write([]byte(strings.Repeat("x", 400000)))
	c.expect("* BYE")
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{}, nil))
	c.send("a LOGIN {3}\r\n")
	c.expect("+ ")
	c.send("bob {5}\r\n")
	c.expect("+ ")
	c.send("wrong\r\n")
	c.expect("a NO [AUTHENTICATIONFAILED]")
	c.send("b LOGIN {3+}\r\nbob {5+}\r\nwrong\r\nc NOOP\r\n")
	c.expect("b NO [AUTHENTICATIONFAILED]")
	c.expect("c OK")
	c.send("d LOGIN {0+}\r\n {0+}\r\n\r\n")
	c.expect("d NO [AUTHENTICATIONFAILED]")
	// An octet at a time, and a literal that is larger than the small buffer.
	for _, b := range []byte("e LOGIN {3+}\r\nbob x\r\n") {
		c.send(string(b))
	}
	c.expect("e NO [AUTHENTICATIONFAILED]")
	c.send("f LOGIN {30000+}\r\n" + strings.Repeat("u", 30000) + " x\r\n")
	c.expect("f NO [AUTHENTICATIONFAILED]")
}

// TestPipelinedCommandsAreAnsweredAtOnce: in one write.
func TestPipelinedCommandsAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, imapd.Options{}, nil))
	c.send("a NOOP\r\nb NOOP\r\nc CAPABILITY\r\n")
	b := make([]byte, 4096)
	n, err := c.Conn.Read(b)
	if got := string(b[:n]); err != nil || !strings.HasPrefix(got, "a OK") || !strings.Contains(got, "\r\nc OK") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhoIsSilentHasToGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, newServer(t, imapd.Options{}, nil))
		began := time.Now()
		c.SetReadDeadline(time.Time{})
		l, err := c.r.ReadString('\n')
		if d := time.Since(began); err != nil || !strings.HasPrefix(l, "* BYE ") || d < time.Minute || d > 90*time.Second {
			t.Errorf("%q, %v after %v", l, err, d)
		}
		c.gone()
	})
}

// TestSlowCommands have to come within their time, however they trickle.
func TestSlowCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, newServer(t, imapd.Options{Limits: imapd.Limits{LoginTimeout: time.Hour}}, nil))
		c.SetReadDeadline(time.Time{})
		got := make(chan string)
		began := time.Now()
		go func() {
			l, _ := c.r.ReadString('\n')
			got <- l
		}()
		for {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.Conn.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(20 * time.Second)
		}
		if l, d := <-got, time.Since(began); !strings.HasPrefix(l, "* BYE") || d < time.Minute || d > 2*time.Minute {
			t.Errorf("%q after %v", l, d)
		}
	})
}

func TestShutdownSaysBye(t *testing.T) {
	t.Parallel()
	s := newServer(t, imapd.Options{}, nil)
	c := dial(t, s)
	down := make(chan error)
	go func() { down <- s.Shutdown(t.Context()) }()
	c.expect("* BYE [UNAVAILABLE]")
	c.gone()
	if err := <-down; err != nil {
		t.Error(err)
	}
}
