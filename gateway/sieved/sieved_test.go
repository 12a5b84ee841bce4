package sieved_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/sieved"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var plain = b64("\x00bob\x00secret")

func literal(s string) string { return fmt.Sprintf("{%d+}\r\n%s", len(s), s) }

func TestSession(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, sieved.Options{}, &memory{}))
	c.expect(`"IMPLEMENTATION" "Gapura"`, `"SASL" "PLAIN STEPS"`, `"SIEVE" "`, "fileinto", `"NOTIFY" "mailto"`, `"MAXREDIRECTS" "4"`, `"VERSION" "1.0"`, "OK")
	c.say("LISTSCRIPTS", "NO", "Log in first")
	c.say(`AUTHENTICATE "PLAIN" "`+b64("\x00bob\x00x")+`"`, "NO", "Authentication failed")
	c.say(`authenticate "plain" "`+plain+`"`, "OK")
	c.say("CAPABILITY", `"OWNER" "bob"`, "OK")
	c.say(`AUTHENTICATE "PLAIN"`, "NO", "You are logged in already")
	c.say("LISTSCRIPTS", "OK")
	c.say(`HAVESPACE "main" 1000`, "OK")
	c.say(`HAVESPACE "main" 102401`, "NO (QUOTA/MAXSIZE)")
	c.say(`HAVESPACE "main" 9999999999`, "NO (QUOTA/MAXSIZE)")
	c.say(`PUTSCRIPT "main" `+literal("keep;\r\n"), "OK")
	c.say(`PUTSCRIPT "a \"quoted\" \\ name" "keep;"`, "OK")
	c.say(`PUTSCRIPT `+literal("ключ")+` `+literal("odd"), "OK (WARNINGS)", "1:1: this is odd")
	c.say(`PUTSCRIPT "four" ""`, "NO (QUOTA/MAXSCRIPTS)")
	c.say(`PUTSCRIPT "main" `+literal("bad"), "NO {")
	c.expectLines(`1:2: unknown "bad"`)
	c.expectLines("3:4: another")
	c.say(`GETSCRIPT "main"`, "{7}\r\nkeep;\r\n\r\nOK")
	c.say(`SETACTIVE "main"`, "OK")
	c.say(`LISTSCRIPTS`, "\"main\" ACTIVE\r\n", `"a \"quoted\" \\ name"`+"\r\n", "\"ключ\"\r\nOK")
	c.say(`DELETESCRIPT "main"`, "NO (ACTIVE)")
	c.say(`SETACTIVE ""`, "OK")
	c.say(`SETACTIVE "none"`, "NO (NONEXISTENT)")
	c.say(`RENAMESCRIPT "main" "ключ"`, "NO (ALREADYEXISTS)")
	c.say(`RENAMESCRIPT "none" "x"`, "NO (NONEXISTENT)")
	c.say(`RENAMESCRIPT "main" "other"`, "OK")
	c.say(`DELETESCRIPT "other"`, "OK")
	c.say(`GETSCRIPT "other"`, "NO (NONEXISTENT)")
	c.say(`CHECKSCRIPT `+literal("odd"), "OK (WARNINGS)")
	c.say(`CHECKSCRIPT "bad"`, "NO {")
	c.expectLines("3:4: another")
	c.say(`NOOP`, "OK")
	c.say(`NOOP "a\"b"`, `OK (TAG "a\"b")`)
	c.say(`NOOP `+literal("a\r\nb"), "OK (TAG {4}")
	c.expectLines("b) \"NOOP completed\"")
	c.say(`UNAUTHENTICATE`, "OK")
	c.say(`LISTSCRIPTS`, "NO")
	c.say(`LOGOUT`, "OK")
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Error(err)
	}
}

// expectLines reads the rest of a reply with a literal.
func (c *client) expectLines(last string) {
	c.t.Helper()
	for {
		l, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if strings.Contains(l, last) {
			return
		}
	}
}

func TestSASL(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"asked":     {`AUTHENTICATE "PLAIN"`, b64("challenge"), `"` + plain + `"`, "OK"},
		"literal":   {`AUTHENTICATE "STEPS" "="`, b64("challenge"), literal(plain), "OK"},
		"cancelled": {`AUTHENTICATE "PLAIN"`, b64("challenge"), `"*"`, "NO"},
		"no string": {`AUTHENTICATE "PLAIN"`, b64("challenge"), `x`, "NO"},
		"no base64": {`AUTHENTICATE "PLAIN"`, b64("challenge"), `"###"`, "NO"},
		"away":      {`AUTHENTICATE "PLAIN" "` + b64("\x00away\x00x") + `"`, "NO (TRYLATER)"},
		"unknown":   {`AUTHENTICATE "CRAM-MD5"`, "NO"},
		"panics":    {`AUTHENTICATE "PLAIN" "` + b64("\x00panics\x00x") + `"`, "BYE (TRYLATER)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, newServer(t, sieved.Options{}, &memory{}))
			c.expect("OK")
			for i := 0; i < len(lines); i += 2 {
				io.WriteString(c, lines[i]+"\r\n")
				l, err := c.r.ReadString('\n')
				if want := lines[i+1]; err != nil || !strings.HasPrefix(strings.TrimPrefix(l, `"`), want) {
					t.Fatalf("%q, %v; want %q", l, err, want)
				}
			}
		})
	}
}

// TestNothingSecretWithoutTLS, and plaintext behind STARTTLS never becomes a
// command (CVE-2011-0411).
func TestNothingSecretWithoutTLS(t *testing.T) {
	t.Parallel()
	opt := sieved.Options{TLS: acceptortest.TLS(), PlaintextFrom: []netip.Prefix{netip.MustParsePrefix("127.9.9.9/32")}}
	c := dial(t, newServer(t, opt, &memory{}))
	c.expect(`"SASL" ""`, `"STARTTLS"`, "OK")
	c.say(`AUTHENTICATE "PLAIN" "`+plain+`"`, "NO (ENCRYPT-NEEDED)")
	io.WriteString(c, "STARTTLS\r\nNOOP \"mallory\"\r\n")
	c.expect("OK")
	inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c.Conn, c.r = inside, bufio.NewReader(inside)
	if err := inside.Handshake(); err != nil {
		t.Fatal(err)
	}
	if got := c.expect(`"SASL" "PLAIN STEPS"`, "OK"); strings.Contains(got, "STARTTLS") || strings.Contains(got, "mallory") {
		t.Error(got)
	}
	c.say(`NOOP "bob"`, `OK (TAG "bob")`)
	c.say(`STARTTLS`, "NO")
	c.say(`AUTHENTICATE "PLAIN" "`+plain+`"`, "OK")
}

func TestMalformedCommands(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                        "NO",
		"XYZZY":                   "NO",
		`"NOOP"`:                  "NO",
		`NOOP x`:                  "NO",
		`NOOP "x" "y"`:            "NO",
		`NOOP  "x"`:               "NO",
		`NOOP "x" `:               "NO",
		`NOOP "x`:                 "NO",
		`NOOP "x\`:                "NO",
		"NOOP \"\xff\"":           "NO",
		"NOOP \"a\x00\"":          "NO",
		`NOOP {3}`:                "BYE",
		`NOOP {x+}`:               "BYE",
		`NOOP {+}`:                "BYE",
		`NOOP {99999999999+}`:     "BYE",
		`NOOP {9999999999+}`:      "BYE",
		`NOOP {3+} x`:             "BYE",
		`NOOP "x"y {3+}`:          "BYE",
		"NOOP {3+}\r\nabcx":       "NO",
		`1 2 3 4 5`:               "NO",
		`HAVESPACE "x" y`:         "NO",
		strings.Repeat("x", 9000): "NO",
		strings.Repeat("x", 1e5):  "NO",
		strings.Repeat("x", 4e5):  "BYE",
	} {
		c := dial(t, newServer(t, sieved.Options{}, &memory{}))
		c.login()
		if got := c.say(line, want); strings.HasPrefix(got, "NO") {
			c.say(`NOOP "in step"`, "in step")
		} else if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("%.30q: goes on", line)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newServer(t, sieved.Options{Limits: sieved.Limits{Script: 2000, BadCommands: 2, FailedLogins: 2}}, &memory{})
	c := dial(t, s)
	c.login()
	c.say(`PUTSCRIPT "a" `+literal(strings.Repeat("x", 2000)), "OK")
	c.say(`PUTSCRIPT "b" `+literal(strings.Repeat("x", 2001)), "NO (QUOTA/MAXSIZE)")
	c.say(`NOOP "in step"`, "in step")
	c.say(`HAVESPACE "b" 2001`, "NO (QUOTA/MAXSIZE)")
	c.say(`X`, "NO")
	c.say(`X`, "NO")
	c.say(`X`, "NO")
	c.expect("BYE")
	c = dial(t, s)
	c.expect("OK")
	c.say(`NOOP `+literal(strings.Repeat("x", 12289)), "NO (QUOTA/MAXSIZE)")
	c.say(`AUTHENTICATE "PLAIN" "`+b64("\x00bob\x00x")+`"`, "NO")
	c.say(`AUTHENTICATE "PLAIN" "`+b64("\x00bob\x00x")+`"`, "BYE")
	for name, l := range map[string]sieved.Limits{
		"script": {Script: 1 << 20}, "idle": {IdleTimeout: time.Minute}, "bad": {BadCommands: -1}, "timeout": {CommandTimeout: -1},
	} {
		if _, err := sieved.New(sieved.Options{Hostname: "x", Limits: l}, sieved.Deps{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestErrorsOfTheServerStayInTheLog(t *testing.T) {
	t.Parallel()
	m := &memory{fail: errors.New("a secret of the server")}
	c := dial(t, newServer(t, sieved.Options{}, m))
	c.login()
	if got := c.say("LISTSCRIPTS", "NO (TRYLATER)"); strings.Contains(got, "secret") {
		t.Error(got)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sieved.Options{}, &memory{})
		began := time.Now()
		c := dial(t, s)
		c.expect("OK")
		c.expect("BYE")
		if d := time.Since(began); d < time.Minute || d > 2*time.Minute {
			t.Errorf("after %v", d)
		}
		c = dial(t, s)
		c.login()
		began = time.Now()
		c.expect("BYE")
		if d := time.Since(began); d < 30*time.Minute || d > 40*time.Minute {
			t.Errorf("after %v", d)
		}
		c = dial(t, s)
		c.login()
		go io.WriteString(c, `PUTSCRIPT "x" {10+}`+"\r\nslow")
		c.expect("BYE")
		c = dial(t, s)
		c.login()
		synctest.Wait()
		go s.Shutdown(context.Background())
		c.expect("BYE (TRYLATER)")
	})
}
