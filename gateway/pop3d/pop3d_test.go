package pop3d_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/pop3d"
)

const (
	first  = "Subject: one\r\n\r\nline 1\r\n.line 2\r\n..\r\n.\r\nlast\r\n"
	second = "Subject: two\r\nX: y\r\n\r\n"
	third  = "Subject: three\r\n\r\nno line end"
)

// TestSession is the example of RFC 1939 section 10, and more.
func TestSession(t *testing.T) {
	t.Parallel()
	m := newMemory(first, second, third)
	s := newServer(t, pop3d.Options{}, m)
	c := dial(t, s)
	c.expect("+OK Gapura pop.example.test")
	c.say("STAT", "-ERR Log in first")
	c.say("PASS x", "-ERR Say USER first")
	c.say("USER bob", "+OK")
	c.say("PASS wrong", "-ERR [AUTH]")
	c.say("PASS pass word", "-ERR Say USER first")
	c.say("user bob", "+OK")
	c.say("pass pass word", "+OK 3 messages (97 octets)")
	c.say("USER bob", "-ERR You are logged in")
	c.say("STAT", "+OK 3 97")
	if got := c.ask("LIST"); got != "1 46\r\n2 22\r\n3 29\r\n" {
		t.Error(got)
	}
	c.say("LIST 2", "+OK 2 ")
	c.say("LIST 4", "-ERR There is no such message")
	c.say("LIST 0", "-ERR There is no such message")
	c.say("LIST x", "-ERR")
	c.say("LIST 99999999999", "-ERR")
	if got := c.ask("UIDL"); got != "1 0000000a00abcdef\r\n2 0000000b00abcdef\r\n3 0000000c00abcdef\r\n" {
		t.Error(got)
	}
	c.say("UIDL 3", "+OK 3 0000000c00abcdef")
	for n, want := range []string{first, second, third + "\r\n"} {
		if got := c.ask("RETR %d", n+1); got != want {
			t.Errorf("%d: %q", n+1, got)
		}
	}
	c.say("DELE 2", "+OK")
	c.say("DELE 2", "-ERR The message is marked as deleted")
	c.say("RETR 2", "-ERR The message is marked as deleted")
	c.say("UIDL 2", "-ERR")
	if got := c.ask("UIDL"); strings.Contains(got, "2 ") || !strings.Contains(got, "\r\n3 ") {
		t.Error(got)
	}
	c.say("STAT", "+OK 2 ")
	c.say("RSET", "+OK 3 messages")
	c.say("NOOP", "+OK")
	c.say("DELE 1", "+OK")
	c.say("APOP x y", "-ERR There is no such command")
	c.say("QUIT", "+OK Bye")
	c.expectEnd()
	if got := m.left(); !slices.Equal(got, []string{second, third}) {
		t.Errorf("%q", got)
	}
	for _, l := range m.users["bob"].now {
		if !l.seen {
			t.Errorf("%d is not seen", l.uid)
		}
	}
}

// TestWithoutQUITNothingIsRemoved, whatever else ends a session; but what was
// fetched is seen.
func TestWithoutQUITNothingIsRemoved(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *pop3d.Server, c *client){
		"gone":     func(_ *pop3d.Server, c *client) { c.Close() },
		"half":     func(_ *pop3d.Server, c *client) { c.send("QUI"); c.Close() },
		"shutdown": func(s *pop3d.Server, c *client) { go s.Shutdown(context.Background()); c.expect("-ERR [SYS/TEMP]") },
		"timeout": func(_ *pop3d.Server, c *client) {
			began := time.Now()
			c.expectEnd() // with no word
			if d := time.Since(began); d < 10*time.Minute || d > 13*time.Minute {
				t.Errorf("after %v", d)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(first, second)
				s := newServer(t, pop3d.Options{}, m)
				c := dial(t, s)
				c.login()
				c.say("DELE 1", "+OK")
				c.ask("RETR 2")
				end(s, c)
				<-c.done
				if got := m.left(); len(got) != 2 {
					t.Errorf("%q", got)
				}
				if d := m.users["bob"]; d.inUse || !d.now[1].seen || d.now[0].seen || name == "timeout" && d.rests == 0 {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

func TestKeepUnseen(t *testing.T) {
	t.Parallel()
	m := newMemory(first)
	c := dial(t, newServer(t, pop3d.Options{KeepUnseen: true}, m))
	c.login()
	c.ask("RETR 1")
	c.say("QUIT", "+OK")
	c.expectEnd()
	if m.users["bob"].now[0].seen {
		t.Error("seen")
	}
}

func TestARemovalThatFailsIsTold(t *testing.T) {
	t.Parallel()
	m := newMemory(first)
	m.fail = errors.New("a secret of the server")
	c := dial(t, newServer(t, pop3d.Options{}, m))
	c.login()
	c.say("DELE 1", "+OK")
	c.say("QUIT", "-ERR [SYS/TEMP] Something went wrong here")
	c.expectEnd()
	if m.users["bob"].inUse {
		t.Error("the lock stays")
	}
}

// TestOneSessionAtATime: the second waits a little for the first, in vain or
// not.
func TestOneSessionAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, pop3d.Options{}, newMemory(first))
		one, two := dial(t, s), dial(t, s)
		one.login()
		two.expect("+OK")
		began := time.Now()
		two.say("USER bob", "+OK")
		two.say("PASS pass word", "-ERR [IN-USE]")
		if d := time.Since(began); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("after %v", d)
		}
		two.say("USER bob", "+OK")
		two.send("PASS pass word\r\n")
		time.Sleep(time.Second)
		one.say("QUIT", "+OK")
		began = time.Now()
		two.expect("+OK 1 messages")
		if d := time.Since(began); d > 250*time.Millisecond {
			t.Errorf("after %v", d)
		}
		two.say("QUIT", "+OK")
	})
}

// TestPipelining: all replies of a group come in one write.
func TestPipelining(t *testing.T) {
	t.Parallel()
	s := newServer(t, pop3d.Options{}, newMemory(first, second))
	c := dial(t, s)
	c.login()
	b := make([]byte, 4096)
	c.send("STAT\r\nRETR 1\r\nNOOP\r\nDELE 2\r\nQUIT\r\n")
	n, err := c.Read(b)
	if got := string(b[:n]); err != nil || strings.Count(got, "+OK") != 5 || !strings.HasSuffix(got, "+OK Bye\r\n") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTop(t *testing.T) {
	t.Parallel()
	long := "Subject: x\r\nY: " + strings.Repeat("y", 20000) + "\r\n\r\n" + strings.Repeat("z\r\n", 10000)
	c := dial(t, newServer(t, pop3d.Options{}, newMemory(first, second, third, long)))
	c.login()
	for _, x := range []struct{ ask, want string }{
		{"TOP 1 0", "Subject: one\r\n\r\n"},
		{"TOP 1 2", "Subject: one\r\n\r\nline 1\r\n.line 2\r\n"},
		{"TOP 1 100", first},
		{"TOP 2 0", second},
		{"TOP 2 5", second},
		{"TOP 3 0", "Subject: three\r\n\r\n"},
		{"TOP 3 1", third + "\r\n"},
		{"TOP 4 0", long[:strings.Index(long, "z")]},
		{"TOP 4 9000", long[:strings.Index(long, "z")+27000]},
	} {
		if got := c.ask("%s", x.ask); got != x.want {
			t.Errorf("%s: %d octets %.40q, want %d", x.ask, len(got), got, len(x.want))
		}
	}
	for _, bad := range []string{"TOP", "TOP 1", "TOP 1 x", "TOP 1 -1", "TOP x 1", "TOP 9 1"} {
		c.say(bad, "-ERR")
	}
}

// TestDotsWhereverTheyAre: what comes is what was sent, however it falls into
// chunks.
func TestDotsWhereverTheyAre(t *testing.T) {
	t.Parallel()
	var texts []string
	for k := range 5 {
		for _, s := range []string{".", ".\r\n", "\r\n.", "..\r\n", "a\r\n.b", "\n.", ".\n"} {
			texts = append(texts, strings.Repeat(s, 30000+k)+"\r\n", strings.Repeat("x", 60<<10-3+k)+"\r\n"+s+"\r\n")
		}
	}
	c := dial(t, newServer(t, pop3d.Options{}, newMemory(texts...)))
	c.login()
	for n, want := range texts {
		if got := c.ask("RETR %d", n+1); got != want {
			t.Errorf("%d: %d octets, want %d", n, len(got), len(want))
		}
	}
}

// TestWhatIsBrokenIsNotTakenForAWhole.
func TestWhatIsBrokenIsNotTakenForAWhole(t *testing.T) {
	t.Parallel()
	m := newMemory(first, strings.Repeat("long\r\n", 100000))
	m.failRead = errors.New("bits have rotted")
	c := dial(t, newServer(t, pop3d.Options{}, m))
	c.login()
	c.say("RETR 1", "-ERR [SYS/TEMP]")
	c.send("RETR 2\r\n")
	b, err := io.ReadAll(c.r)
	if err != nil || !strings.HasPrefix(string(b), "+OK") || strings.HasSuffix(string(b), "\r\n.\r\n") {
		t.Errorf("%d octets, %v", len(b), err)
	}
}

func TestMessagesThatOthersRemove(t *testing.T) {
	t.Parallel()
	m := newMemory(first, second, third)
	c := dial(t, newServer(t, pop3d.Options{}, m))
	c.login()
	m.users["bob"].Update(t.Context(), nil, mailbox.One(11))
	if got := c.ask("LIST"); strings.Contains(got, "\n2 ") || !strings.Contains(got, "3 ") {
		t.Error(got)
	}
	c.say("RETR 2", "-ERR The message has been removed meanwhile")
	c.say("DELE 2", "+OK")
	c.say("DELE 3", "+OK")
	c.say("QUIT", "+OK")
	if got := m.left(); !slices.Equal(got, []string{first}) {
		t.Errorf("%q", got)
	}
}

// TestNothingSecretWithoutTLS.
func TestNothingSecretWithoutTLS(t *testing.T) {
	t.Parallel()
	opt := pop3d.Options{TLS: acceptortest.TLS(), PlaintextFrom: []netip.Prefix{netip.MustParsePrefix("127.9.9.9/32")}}
	c := dial(t, newServer(t, opt, newMemory(first)))
	c.expect("+OK")
	if got := c.ask("CAPA"); strings.Contains(got, "USER\r\n") && !strings.Contains(got, "UTF8 USER\r\n") || strings.Contains(got, "SASL") || strings.Contains(got, "\nUSER\r\n") || !strings.Contains(got, "STLS\r\n") {
		t.Error(got)
	}
	c.say("USER bob", "-ERR Say STLS first")
	c.say("PASS x", "-ERR Say STLS first")
	c.say("AUTH PLAIN AGJvYgBwYXNzIHdvcmQ=", "-ERR Say STLS first")
	c.say("STLS x", "-ERR")

	// Plaintext behind STLS never becomes a command (CVE-2011-0411).
	c.send("STLS\r\nUSER mallory\r\nCAPA\r\n")
	c.expect("+OK Begin TLS")
	inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c.Conn, c.r = inside, bufio.NewReader(inside)
	c.say("PASS pass word", "-ERR Say USER first")
	if got := c.ask("CAPA"); !strings.Contains(got, "\r\nUSER\r\nSASL SCRAM-TEST PLAIN\r\n") || strings.Contains(got, "STLS") {
		t.Error(got)
	}
	c.say("STLS", "-ERR")
	c.say("USER bob", "+OK")
	c.say("PASS pass word", "+OK")
	c.say("STLS", "-ERR")
	if got := c.ask("CAPA"); strings.Contains(got, "SASL") {
		t.Error(got)
	}
	c.say("QUIT", "+OK")
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, pop3d.Options{TLS: acceptortest.TLS(), ImplicitTLS: true, PlaintextFrom: []netip.Prefix{}}, newMemory(first)))
	inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c.Conn, c.r = inside, bufio.NewReader(inside)
	c.login()
	if got := c.ask("RETR 1"); got != first {
		t.Error(got)
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestSASL(t *testing.T) {
	t.Parallel()
	plain := b64("\x00bob\x00pass word")
	for name, lines := range map[string][]string{
		"initial":      {"AUTH PLAIN " + plain, "+OK 1 messages"},
		"asked":        {"AUTH plain", "+ ", plain, "+OK 1 messages"},
		"empty":        {"AUTH SCRAM-TEST =", "+ " + b64("challenge"), plain, "+ " + b64("proof"), "", "+OK 1 messages"},
		"cancelled":    {"AUTH PLAIN", "+ ", "*", "-ERR", "NOOP", "-ERR Log in first"},
		"no base64":    {"AUTH PLAIN", "+ ", "###", "-ERR", "NOOP", "-ERR Log in first"},
		"bad initial":  {"AUTH PLAIN x y", "-ERR"},
		"wrong":        {"AUTH PLAIN " + b64("\x00bob\x00x"), "-ERR [AUTH]"},
		"throttled":    {"AUTH PLAIN " + b64("\x00banned\x00x"), "-ERR [SYS/TEMP] Too many"},
		"away":         {"AUTH PLAIN " + b64("\x00away\x00x"), "-ERR [SYS/TEMP] Authentication is not possible"},
		"broken":       {"AUTH PLAIN " + b64("\x00broken\x00x"), "-ERR [SYS/TEMP] Something"},
		"panics":       {"AUTH PLAIN " + b64("\x00panics\x00x"), "-ERR [SYS/TEMP] Internal"},
		"unknown":      {"AUTH CRAM-MD5", "-ERR This is not offered"},
		"long":         {"AUTH PLAIN " + b64("\x00bob\x00"+strings.Repeat("x", 8000)), "-ERR [AUTH]"},
		"longer":       {"AUTH PLAIN " + strings.Repeat("x", 13000), "-ERR Line too long"},
		"long answer":  {"AUTH PLAIN", "+ ", strings.Repeat("x", 13000), "-ERR", "NOOP", "-ERR Log in first"},
		"no such user": {"USER nobody", "+OK", "PASS x", "-ERR [AUTH]"},
		"NUL":          {"USER bob\x00x", "-ERR", "USER bob", "+OK", "PASS x\x00pass word", "-ERR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, newServer(t, pop3d.Options{}, newMemory(first)))
			c.expect("+OK")
			for i := 0; i < len(lines); i += 2 {
				c.say(lines[i], lines[i+1])
			}
		})
	}
	c := dial(t, newServer(t, pop3d.Options{}, newMemory(first)))
	c.expect("+OK")
	if got := c.ask("AUTH"); got != "SCRAM-TEST\r\nPLAIN\r\n" {
		t.Error(got)
	}
	c.say("UTF8", "+OK")
	c.say("STLS", "-ERR")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newServer(t, pop3d.Options{Limits: pop3d.Limits{CommandLine: 255, BadCommands: 2, FailedLogins: 2}}, newMemory(first))
	c := dial(t, s)
	c.expect("+OK")
	c.say("USER "+strings.Repeat("x", 248), "+OK")
	c.say("USER "+strings.Repeat("x", 249), "-ERR Line too long")
	c.say("USER x", "+OK")
	c.say("XYZZY", "-ERR")
	c.say("", "-ERR")
	c.say("VERYLONGVERB", "-ERR", "-ERR Too many bad commands")
	c.expectEnd()
	c = dial(t, s)
	c.expect("+OK")
	c.say("USER x", "+OK")
	c.say("PASS x", "-ERR [AUTH]")
	c.say("USER x", "+OK")
	c.say("PASS x", "-ERR [AUTH]")
	c.expectEnd()
	for name, l := range map[string]pop3d.Limits{
		"line": {CommandLine: 254}, "idle": {IdleTimeout: 599 * time.Second}, "bad": {BadCommands: -1}, "lock": {LockWait: time.Hour}, "login": {LoginTimeout: -1},
	} {
		if _, err := pop3d.New(pop3d.Options{Hostname: "x", Limits: l}, pop3d.Deps{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestWhoNeverLogsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, pop3d.Options{}, newMemory())
		c := dial(t, s)
		c.expect("+OK")
		began := time.Now()
		for range 5 {
			time.Sleep(10 * time.Second)
			c.say("CAPA")
			c.multi()
		}
		c.expectEnd()
		if d := time.Since(began); d > 70*time.Second {
			t.Errorf("after %v", d)
		}
	})
}
