package peers

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSuitesAreFound looks from a package's folder for what lies beside the
// checkout and above it, nearest first.
func TestSuitesAreFound(t *testing.T) {
	top := t.TempDir()
	pkg := filepath.Join(top, "trees", "gapura", "gateway", "message")
	for _, dir := range []string{pkg, filepath.Join(top, "shared", "far"), filepath.Join(top, "trees", "shared", "near")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "trees", "gapura", "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(pkg)
	for name, want := range map[string]string{
		"near":    filepath.Join(top, "trees", "shared", "near"),
		"far":     filepath.Join(top, "shared", "far"),
		"nowhere": "",
	} {
		if got := FindSuite(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	s := &seen{}
	if Suite(s, "nowhere"); !s.skipped {
		t.Error("a suite that is not there is not told")
	}
}
