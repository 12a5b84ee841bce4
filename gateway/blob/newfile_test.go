package blob

import (
	"path/filepath"
	"testing"
)

func TestTwoSyncsOfAFile(t *testing.T) {
	f, err := osFS{}.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	n := f.(*newFile)
	n.mine.Lock() // as if one ran
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if err := n.again.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err == nil {
		t.Error("not by the second descriptor")
	}
	n.mine.Unlock()
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
}
