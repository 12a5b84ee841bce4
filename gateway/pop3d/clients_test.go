package pop3d_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/pop3d"
	"github.com/gapura-mail/gapura/test/peers"
)

// world is a server with the letters, and a folder for a client.
type world struct {
	t    *testing.T
	k    *mailboxtest.Kit
	u    *mailbox.User
	port string
	dir  string
	as   int // who runs the client; 0: who runs the test
}

func newWorld(t *testing.T, program string) *world {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		peers.Missing(t, "no %s: Debian package of that name", program)
	}
	k := mailboxtest.New(t)
	dir, err := os.MkdirTemp("", "gapura-pop3") // which other users may enter, if they own it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{t: t, k: k, u: fill(k), dir: dir}
	w.port = listen(t, newServer(t, pop3d.Options{TLS: acceptortest.TLS()}, pop3d.Mailboxes(k.Store)))
	return w
}

// write writes a file for the client alone; PORT and DIR stand for those.
func (w *world) write(name, text string) string {
	w.t.Helper()
	name = filepath.Join(w.dir, name)
	text = strings.NewReplacer("PORT", w.port, "DIR", w.dir).Replace(text)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// run runs the client.
func (w *world) run(name string, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "LC_ALL=C.UTF-8")
	if w.as != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(w.as), Gid: uint32(w.as)}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// left is how many messages are in the mailbox.
func (w *world) left() int { return int(w.k.Folder(w.u, mailbox.Inbox).Messages) }

// has tells whether the lines of all letters are in a file, however a client
// writes line ends and dots.
func (w *world) has(name string) {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\r", "")
	for i, s := range letters {
		_, body, ok := strings.Cut(strings.ReplaceAll(s, "\r", ""), "\n\n")
		if ok && !strings.Contains(text, body) {
			w.t.Errorf("letter %d is not in %s", i+1, name)
		}
	}
}

// TestPoplib is Python's.
func TestPoplib(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "python3")
	script := w.write("x.py", `
import poplib, ssl, sys
p = poplib.POP3("127.0.0.1", PORT)
c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
assert "STLS" in p.capa() and p.capa()["EXPIRE"] == ["NEVER"], p.capa()
p.stls(c)
p.utf8()
p.user("bob"); p.pass_("pass word")
n, octets = p.stat()
resp, sizes, _ = p.list()
assert n == len(sizes) == 9 and sum(int(s.split()[1]) for s in sizes) == octets, (n, sizes)
ids = [s.split()[1] for s in p.uidl()[1]]
assert len(set(ids)) == 9, ids
for i in range(n):
    lines = p.retr(i + 1)[1]
    top = p.top(i + 1, 1)[1]
    assert lines[:len(top)] == top, (lines, top)
    with open("mail", "ab") as f: f.write(b"\n".join(lines) + b"\n\n")
p.dele(1)
try: p.retr(1); sys.exit("retrieved")
except poplib.error_proto: pass
p.rset(); p.dele(9); p.noop(); p.quit()
`)
	w.run("python3", script)
	w.has("mail")
	if w.left() != len(letters)-1 {
		t.Error(w.left())
	}
}

func TestFetchmail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fetchmail")
	rc := w.write("rc", `poll 127.0.0.1 port PORT protocol POP3 timeout 20 user "bob" password "pass word" sslproto "" fetchall mda "/bin/sh -c 'cat >> DIR/mail'"`+"\n")
	w.run("fetchmail", "-f", rc, "--pidfile", filepath.Join(w.dir, "pid"), "--nosyslog", "--nobounce")
	if w.has("mail"); w.left() != 0 {
		t.Errorf("%d left", w.left())
	}
}

func TestMpop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mpop")
	rc := w.write("rc", "account default\nhost 127.0.0.1\nport PORT\ntls on\ntls_starttls on\ntls_certcheck off\nuser bob\npassword \"pass word\"\nauth plain\ndelivery mbox DIR/mail\nuidls_file DIR/uidls\nkeep on\n")
	w.run("mpop", "-C", rc)
	w.has("mail")
	before, err := os.ReadFile(filepath.Join(w.dir, "mail"))
	if err != nil || w.left() != len(letters) {
		t.Error(err, w.left())
	}
	w.run("mpop", "-C", rc) // it knows them all
	if after, _ := os.ReadFile(filepath.Join(w.dir, "mail")); len(after) != len(before) {
		t.Errorf("%d octets, then %d", len(before), len(after))
	}
	w.run("mpop", "-C", rc, "--keep=off")
	if w.left() != 0 {
		t.Errorf("%d left", w.left())
	}
}

// TestGetmail: it runs as nobody, since it delivers to no root, and to a
// maildir, for which it forks nothing.
func TestGetmail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "getmail")
	w.write("rc", "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = PORT\nusername = bob\npassword = pass word\ntimeout = 20\n[destination]\ntype = Maildir\npath = DIR/mail/\n[options]\ndelete = true\nverbose = 0\n")
	for _, name := range []string{"mail", "mail/cur", "mail/new", "mail/tmp"} {
		if err := os.Mkdir(filepath.Join(w.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		w.as = 65534
		err := filepath.Walk(w.dir, func(name string, _ os.FileInfo, _ error) error { return os.Chown(name, w.as, w.as) })
		if err != nil {
			t.Fatal(err)
		}
	}
	w.run("getmail", "--getmaildir="+w.dir, "--rcfile=rc")
	list, err := os.ReadDir(filepath.Join(w.dir, "mail", "new"))
	if err != nil || len(list) != len(letters) || w.left() != 0 {
		t.Errorf("%d files, %v; %d left", len(list), err, w.left())
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "curl")
	url := "pop3://127.0.0.1:" + w.port + "/"
	for i, want := range letters {
		if !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		if i > 4 {
			break
		}
		if got := w.run("curl", "-sS", "-k", "--ssl-reqd", "-u", "bob:pass word", url+string(rune('1'+i))); got != want {
			t.Errorf("%d: %.100q, want %.100q", i+1, got, want)
		}
	}
	if got := w.run("curl", "-sS", "-u", "bob:pass word", url); strings.Count(got, "\r\n") != len(letters) {
		t.Error(got)
	}
	w.run("curl", "-sS", "-u", "bob:pass word", "-I", "-X", "DELE 1", url)
	if w.left() != len(letters)-1 {
		t.Error(w.left())
	}
}
