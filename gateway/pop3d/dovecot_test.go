package pop3d_test

import (
	"bufio"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/pop3d"
	"github.com/gapura-mail/gapura/test/peers"
)

// startDovecot runs Dovecot's POP3 server, logged in to a maildir with the
// letters.
func startDovecot(t *testing.T) *client {
	t.Helper()
	mail := map[string]string{}
	for i, s := range letters {
		mail[fmt.Sprintf("%d.x:2,", 1000+i)] = s
	}
	nc := peers.Dovecot(t, "pop3", mail)
	return &client{Conn: nc, t: t, r: bufio.NewReader(nc)}
}

// answer sends a command and returns +OK or -ERR with the numbers behind it,
// and what follows where it is several lines.
func (c *client) answer(line string, several bool) string {
	c.t.Helper()
	c.send(line + "\r\n")
	l := c.line()
	if strings.HasPrefix(l, "-ERR") {
		return "-ERR"
	}
	if !several {
		return numbers.FindString(l)
	}
	var b strings.Builder
	b.WriteString("+OK\n")
	for {
		l, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%s: %v", line, err)
		}
		if l == ".\r\n" {
			return b.String()
		}
		b.WriteString(l)
	}
}

var numbers = regexp.MustCompile(`^\+OK( \d+)*`)

// TestAsDovecotDoes: the same commands have the same answers.
func TestAsDovecotDoes(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	fill(k)
	ours, theirs := dial(t, newServer(t, pop3d.Options{}, pop3d.Mailboxes(k.Store))), startDovecot(t)
	ours.login()
	commands := []string{"STAT", "LIST", "LIST 1", "LIST 0", "LIST 10", "LIST x", "LIST -1", "list 2", "NOOP", "XYZZY", "RETR", "RETR 10", "TOP", "TOP 1"}
	for n := range letters {
		commands = append(commands, fmt.Sprintf("RETR %d", n+1))
		for _, lines := range []int{0, 1, 3, 5000} {
			commands = append(commands, fmt.Sprintf("TOP %d %d", n+1, lines))
		}
	}
	commands = append(commands, "DELE 2", "DELE 2", "RETR 2", "TOP 2 1", "LIST 2", "UIDL 2", "STAT", "LIST", "DELE", "RSET", "STAT", "LIST 2", "UIDL 11", "PASS x", "AUTH PLAIN", "DELE 3", "QUIT")
	several := regexp.MustCompile(`^(?i:RETR|TOP|LIST$|UIDL$)`)
	for _, s := range commands {
		a, b := ours.answer(s, several.MatchString(s)), theirs.answer(s, several.MatchString(s))
		if strings.HasPrefix(s, "RSET") || strings.HasPrefix(s, "DELE") { // where numbers are ours to choose
			a, b = a[:3], b[:3]
		}
		if a != b {
			t.Errorf("%s: %.200q, Dovecot %.200q", s, a, b)
		}
	}
}

// TestUIDLIsDovecots in form: UID and UIDVALIDITY.
func TestUIDLIsDovecots(t *testing.T) {
	t.Parallel()
	theirs := startDovecot(t)
	if got := theirs.ask("UIDL"); !regexp.MustCompile(`^1 00000001[0-9a-f]{8}\r\n2 00000002[0-9a-f]{8}\r\n`).MatchString(got) {
		t.Error(got)
	}
}
