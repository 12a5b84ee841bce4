package pop3d_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/pop3d"
	"github.com/gapura-mail/gapura/test/peers"
)

const dovecotPOP3 = "/usr/lib/dovecot/pop3"

// startDovecot runs Dovecot's POP3 server over a pipe, logged in to a maildir
// with the letters.
func startDovecot(t *testing.T) *client {
	t.Helper()
	if _, err := os.Stat(dovecotPOP3); err != nil {
		peers.Missing(t, "no %s: Debian package dovecot-pop3d", dovecotPOP3)
	}
	dir, err := os.MkdirTemp("", "gapura-dovecot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"run", "state", "mail", "mail/cur", "mail/new", "mail/tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("conf", strings.ReplaceAll("base_dir = D/run\nstate_dir = D/state\nlog_path = D/log\nmail_location = maildir:D/mail\nssl = no\nfirst_valid_uid = 1\nprotocols = pop3\nmail_fsync = never\n", "D", dir))
	for i, s := range letters {
		write(fmt.Sprintf("mail/cur/%d.x:2,", 1000+i), s)
	}
	cmd := exec.Command(dovecotPOP3, "-c", filepath.Join(dir, "conf"))
	cmd.Env = []string{"USER=nobody", "HOME=" + dir}
	if os.Getuid() == 0 { // Dovecot serves no root
		const nobody = 65534
		err := filepath.Walk(dir, func(name string, _ os.FileInfo, _ error) error { return os.Chown(name, nobody, nobody) })
		if err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &client{Conn: pipe{WriteCloser: in}, t: t, r: bufio.NewReader(out)}
}

// pipe is a net.Conn to write to.
type pipe struct {
	noConn
	io.WriteCloser
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
