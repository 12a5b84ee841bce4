package e2e_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// TestWhatIsPipedBehindStartTLSIsDropped: lines that came in plaintext with the
// command are neither obeyed nor answered, neither before TLS nor in it, where
// they would be the user's.
func TestWhatIsPipedBehindStartTLSIsDropped(t *testing.T) {
	t.Parallel()
	k := startKeeper(t, "", "ann")
	login := fmt.Sprintf("ann@%s %s", keepDomain, keepPass)
	for _, p := range []struct {
		name      string
		port      int
		greeting  string // beginning of its last line
		start     string
		inject    string
		begins    string // beginning of the reply
		greets    string // beginning of the last line said in TLS unasked
		ask, want string // in TLS
	}{
		{"IMAP", k.imap, "* OK", "a STARTTLS\r\n", "b LOGIN " + login + "\r\nc CREATE piped\r\n", "a OK", "", "d NOOP\r\n", "d OK"},
		{"POP3", k.pop3, "+OK", "STLS\r\n", "USER ann@keep.test\r\nPASS " + keepPass + "\r\nSTAT\r\n", "+OK", "", "NOOP\r\n", "-ERR"},
		{"ManageSieve", k.sieve, "OK", "STARTTLS\r\n", "NOOP \"piped\"\r\nPUTSCRIPT \"piped\" \"keep;\"\r\n", "OK", "OK", "NOOP \"mine\"\r\n", "OK (TAG \"mine\")"},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, fmt.Sprintf("127.0.0.1:%d", p.port))
			until := func(r *bufio.Reader, begin string) {
				t.Helper()
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						t.Fatalf("%v after %q, waiting for %q", err, line, begin)
					}
					if strings.HasPrefix(line, begin) {
						return
					}
					if p.name != "ManageSieve" || !strings.HasPrefix(line, `"`) {
						t.Fatalf("%q, want %q", line, begin)
					}
				}
			}
			until(c.r, p.greeting)
			c.send(p.start + p.inject) // in one segment
			until(c.r, p.begins)
			if n := c.r.Buffered(); n > 0 {
				more, _ := c.r.Peek(n)
				t.Fatalf("said in plaintext: %q", more)
			}
			in := tls.Client(c.conn, trusting("localhost"))
			if err := in.Handshake(); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(in)
			if p.greets != "" {
				until(r, p.greets)
			}
			fmt.Fprint(in, p.ask)
			until(r, p.want)
		})
	}
	t.Cleanup(func() {
		if lines := k.lines("authenticated"); len(lines) > 0 {
			t.Errorf("%d logins", len(lines))
		}
	})
}
