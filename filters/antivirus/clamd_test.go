package antivirus

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/test/peers"
)

// eicar is the test file of eicar.org, in two pieces so that no scanner
// minds this one.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-` + `ANTIVIRUS-TEST-FILE!$H+H*`

// startClamd runs a real clamd from a private folder, which knows EICAR alone.
func startClamd(t *testing.T) (addr, socket string) {
	t.Helper()
	bin, err := exec.LookPath("clamd")
	if err != nil {
		if bin = "/usr/sbin/clamd"; !exists(bin) {
			peers.Missing(t, "clamd is not installed")
		}
	}
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket = filepath.Join(dir, "s")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("test.ndb", fmt.Sprintf("Eicar-Test-Signature:0:*:%x\n", eicar))
	write("clamd.conf", fmt.Sprintf("DatabaseDirectory %s\nTemporaryDirectory %s\nTCPAddr 127.0.0.1\nTCPSocket %d\nLocalSocket %s\nForeground yes\nStreamMaxLength 2M\nMaxThreads 2\n", dir, dir, port, socket))
	cmd := exec.Command(bin, "--config-file="+filepath.Join(dir, "clamd.conf"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if _, err := version(context.Background(), "tcp", addr); err == nil {
			return addr, socket
		}
		select {
		case <-ended:
			peers.Missing(t, "clamd does not run here: %s", out.String())
		default:
		}
	}
}

func exists(name string) bool { _, err := os.Stat(name); return err == nil }

func attachment(name string, data []byte) string {
	b := base64.StdEncoding.EncodeToString(data)
	var lines strings.Builder
	for len(b) > 76 {
		lines.WriteString(b[:76] + "\n")
		b = b[76:]
	}
	return "From: a@b.test\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nhello\n--x\n" +
		"Content-Type: application/octet-stream; name=" + name + "\nContent-Transfer-Encoding: base64\n\n" + lines.String() + b + "\n--x--\n"
}

func zipped(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRealClamd asks a real clamd.
func TestRealClamd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: a clamd takes seconds to start")
	}
	addr, socket := startClamd(t)
	f, local := newFilter(t, Options{Clamd: Addresses{addr}}), newFilter(t, Options{Clamd: Addresses{socket}})
	virus := []byte(eicar)
	forwarded := "From: c@d.test\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + attachment("e.com", virus)
	for name, c := range map[string]struct{ raw, want string }{
		"harmless":             {attachment("a.txt", []byte("nothing")), "clean"},
		"EICAR in base64":      {attachment("e.com", virus), "infected Eicar-Test-Signature"},
		"EICAR in zip in zip":  {attachment("e.zip", zipped(t, "i.zip", zipped(t, "e.com", virus))), "infected Eicar-Test-Signature"},
		"EICAR in a forwarded": {forwarded, "infected Eicar-Test-Signature"},
		"longer than it takes": {attachment("l.bin", bytes.Repeat([]byte("0123456789abcdef"), 200<<10)), "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range []*Filter{f, local} {
				got, err := judge(t, f, filtertest.New(t, c.raw))
				if err != nil || !strings.HasPrefix(got, c.want) || !local.pool.takesFiles() {
					t.Errorf("%q, %v; want %q", got, err, c.want)
				}
			}
		})
	}
}
