package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// TestConformanceSuites, which waits for time-outs of the DNS and so had
// better begin early, drives the binary through suites that nobody here
// wrote, where they lie beside the checkout.
func TestConformanceSuites(t *testing.T) {
	t.Parallel()
	dir := peers.Suite(t, "conformance")
	for _, s := range []struct {
		kind, folder, cmd string
		passed, of        int
	}{
		{"spf", "spf-rfc7208", "check spf --resolver {resolver} --ip {ip} --helo {helo} --mail-from {mailfrom} --json", 203, 203},
		{"arc", "arc-validation", "check arc --resolver {resolver} --message {file} --json", 171, 171},
		{"dmarc", "dmarc-rfc9989", "check dmarc --resolver {resolver} --input {file} --json", 25, 25},
		{"addr", "address-isemail", "check address --json", 164, 164},
		// The rest is read otherwise: misread in the tests of gateway/report
		// and exceptions in those of gateway/sieve say why.
		{"dsn", "dsn-sisimai", "parse dsn --message {file} --json", 344, 358},
		{"sieve", "sieve-pigeonhole", "sieve test {file} --json", 63, 71},
	} {
		t.Run(s.kind, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), python(t), filepath.Join(dir, "conformance.py"), s.kind, filepath.Join(dir, s.folder), "-v", "--cmd", program+" "+s.cmd)
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			out, err := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			last := lines[len(lines)-1]
			if !regexp.MustCompile(fmt.Sprintf(`\b%d\b.*\b%d\b`, s.passed, s.of)).MatchString(last) {
				t.Errorf("want %d of %d: %v\n%s", s.passed, s.of, err, tail(string(out), 4000))
			}
			t.Log(last)
		})
	}
}
