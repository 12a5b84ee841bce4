package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackupIsOutsideTheDataFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	data := filepath.Join(root, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(data, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{"data": false, "data/backup": false, "link/a/b": false, "backup": true, "data2": true, "link2/a": true} {
		if err := outside(filepath.Join(root, dir), data); (err == nil) != want {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestCopyFollowsLinks: what links lead to is in the copy wherever they are,
// and what is not copied is told.
func TestCopyFollowsLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"data/certificates/live", "elsewhere/deep"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"data/plain", "data/certificates/live/own.pem", "elsewhere/key.pem", "elsewhere/deep/more.pem"} {
		if err := os.WriteFile(at(name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"data/certificates/live/key.pem": at("elsewhere/key.pem"),
		"data/certificates/live/folder":  "../../../elsewhere",
		"data/certificates/circle":       "..",
		"data/certificates/lost":         at("nothing"),
	} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	var told strings.Builder
	if err := (&app{stderr: &told}).copyTree(at("data"), at("copy")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"plain": "data/plain", "certificates/live/own.pem": "data/certificates/live/own.pem", "certificates/live/key.pem": "elsewhere/key.pem",
		"certificates/live/folder/key.pem": "elsewhere/key.pem", "certificates/live/folder/deep/more.pem": "elsewhere/deep/more.pem",
	} {
		if b, err := os.ReadFile(filepath.Join(at("copy"), name)); string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, want := range []string{"circle is not copied: it leads to a folder that it is in", "lost is not copied: "} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("not told: %s\n%s", want, told.String())
		}
	}
	if strings.Count(told.String(), "\n") != 2 {
		t.Errorf("told:\n%s", told.String())
	}
}
