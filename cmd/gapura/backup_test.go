package main

import (
	"os"
	"path/filepath"
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
