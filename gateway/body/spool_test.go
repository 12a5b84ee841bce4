package body

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A spool file is in no folder, not even at first: nothing is left of it when
// the process is killed.
func TestSpoolHasNoName(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(string) (*os.File, error){"nameless": nameless, "unnamed": unnamed} {
		dir := filepath.Join(t.TempDir(), "spool")
		if _, err := open(dir); err == nil {
			t.Errorf("%s: opened in a folder that is not there", name)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := open(dir)
		if err != nil {
			t.Fatal(name, err)
		}
		defer f.Close()
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: %v %v", name, list, err)
		}
		if _, err := f.WriteAt([]byte("text"), 3); err != nil {
			t.Error(name, err)
		}
		if b, err := io.ReadAll(io.NewSectionReader(f, 0, 100)); err != nil || string(b) != "\x00\x00\x00text" {
			t.Errorf("%s: %q %v", name, b, err)
		}
		if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}
