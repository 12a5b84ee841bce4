// Package peers says what a test does without the other server or library
// that it compares with.
package peers

import (
	"os"
	"os/exec"
	"testing"
)

// Missing skips the test, or fails it where GAPURA_PEERS=required says that
// all peers are there, as `make test` does after it has installed them.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if Required() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Tool returns the path of a program that the test needs, or ends the test as
// Missing does.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed: see scripts/test-deps.sh", name)
	}
	return path
}

// Required tells whether a missing peer is a failure.
func Required() bool { return os.Getenv("GAPURA_PEERS") == "required" }
