package peers

import (
	"os"
	"path/filepath"
	"testing"
)

// Suite returns the path of name, a file or folder of the cases that nobody
// here wrote, or skips the test where they are not beside the checkout.
func Suite(t testing.TB, name string) string {
	t.Helper()
	path := FindSuite(name)
	if path == "" {
		t.Skip("the conformance suites are not beside this checkout")
	}
	return path
}

// SuiteFiles returns what matches pattern below the folder of the conformance
// suites; a suite that is there and has no such file fails the test.
func SuiteFiles(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Suite(t, "conformance"), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s in the conformance suites: %v", pattern, err)
	}
	return files
}

// FindSuite returns what [Suite] does, "" where it is not there. The folder
// shared lies beside the checkout, or above it where that is a worktree.
func FindSuite(name string) string {
	dir, err := os.Getwd() // a test starts in its package's folder
	for err == nil && !isThere(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
	for _, up := range []string{"..", "../.."} {
		if path := filepath.Join(dir, up, "shared", name); isThere(path) {
			return path
		}
	}
	return ""
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
