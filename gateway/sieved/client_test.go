package sieved_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sieved"
	"github.com/gapura-mail/gapura/test/peers"
)

// TestSieveConnect: Debian's client keeps the scripts of a mailbox, inside TLS.
func TestSieveConnect(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sieve-connect"); err != nil {
		peers.Missing(t, "no sieve-connect: Debian package of that name")
	}
	k := mailboxtest.New(t)
	s := newServer(t, sieved.Options{TLS: acceptortest.TLS()}, sieved.Mailboxes(k.Store))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Shutdown(context.Background()); <-done })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	run := func(args ...string) (string, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sieve-connect", append([]string{"--server", "127.0.0.1", "--port", port, "--user", "bob", "--passwordfd", "0", "--notlsverify"}, args...)...)
		cmd.Stdin = strings.NewReader("secret\n")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	text := "require \"fileinto\";\r\nkeep;\r\n"
	file("main.sieve", text)
	file("odd.sieve", "# odd\r\nkeep;\r\n")
	script := file("script", "upload main.sieve\nupload odd.sieve\nactivate main.sieve\ncheck main.sieve\ndownload main.sieve back\nrm odd.sieve\nquit\n")
	if out, err := run("--exec", script); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := run("--list"); err != nil || !strings.Contains(out, "main.sieve") || !strings.Contains(out, "ACTIVE") || strings.Contains(out, "odd") {
		t.Errorf("%v: %s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || strings.ReplaceAll(string(b), "\r", "") != strings.ReplaceAll(text, "\r", "") {
		t.Errorf("%q, %v", b, err)
	}
	if out, err := run("--upload", "--localsieve", file("x.sieve", "bad")); !strings.Contains(out, `unknown "bad"`) {
		t.Errorf("%v: %s", err, out)
	}
	active, err := k.User("bob").ActiveScript(t.Context())
	if err != nil || active.Name != "main.sieve" {
		t.Errorf("%+v, %v", active, err)
	}
}
