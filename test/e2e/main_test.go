// Package e2e_test proves the built binary against servers and clients that
// nobody here wrote: Postfix, Dovecot, clamd, unbound, swaks, curl, Python.
// Every server runs from a private folder on loopback ports of its own.
//
// The kit is in kit_*_test.go: a world of servers that all tests share
// (resolver with a signed zone, virus scanner, mailbox servers), and a gapura
// that each test starts for itself. With GAPURA_PEERS=required a missing
// peer fails a test, otherwise it is skipped.
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Where things are, set once by TestMain.
var (
	program string // the built gapura
	scratch string // folder of all shared servers; others may enter it
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests wait for servers more than they compute.
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "gapura-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	if err := os.Chmod(scratch, 0o755); err != nil { // servers run as users of their own
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(scratch, "gapura")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "github.com/gapura-mail/gapura/cmd/gapura")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	defer stopShared()
	return m.Run()
}

// required tells whether a missing peer is a failure.
func required() bool { return os.Getenv("GAPURA_PEERS") == "required" }

// missing skips the test, or fails it where peers are required.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if required() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// tool returns the path of a program that the test needs.
func tool(t testing.TB, name string) string {
	t.Helper()
	if p, err := findTool(name); err == nil {
		return p
	}
	missing(t, "%s is not installed", name)
	return ""
}

// findTool looks where daemons are, too.
func findTool(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/lib/postfix/sbin"} {
		p := filepath.Join(dir, name)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// folder makes a folder that other users may enter, gone after the test.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "t")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// write writes a file that everybody may read.
func write(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(text), 0o644)
}
