package transfer

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMaildirLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	secret := filepath.Join(root, "secret")
	dir := filepath.Join(root, "Maildir")
	for _, d := range []string{secret, filepath.Join(dir, "cur"), filepath.Join(dir, ".Sub", "new"), filepath.Join(dir, ".Far", "cur")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(secret, "1.x"), filepath.Join(dir, "cur", "1.a:2,"), filepath.Join(dir, ".Far", "cur", "1.b:2,")} {
		if err := os.WriteFile(name, []byte("Subject: s\n\ntext\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, ".Sub", "cur")); err != nil {
		t.Fatal(err)
	}
	m, err := OpenMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, total, err := m.Scan(t.Context()); err != nil || total.Messages != 2 {
		t.Errorf("%+v, %v", total, err)
	}
	// What was a file at the scan may be a link when it is opened.
	for x, err := range m.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "cur", "1.a:2,")
		if x.Folder != Inbox {
			name = filepath.Join(dir, ".Far", "cur", "1.b:2,")
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(secret, "1.x"), name); err != nil {
			t.Fatal(err)
		}
		if r, err := x.Open(t.Context()); err == nil {
			r.Close()
			t.Errorf("%s is followed", name)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Scan(t.Context()); err == nil {
		t.Error("new is followed")
	}
}

func TestMboxOfFoldersWhoseNamesMeet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := CreateMbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"A", ".A", "..A", "A.sbd", "A/B", ".A/B", "../../x", "A_"} {
		if err := s.Folder(Folder{Name: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil || n != 8 {
		t.Errorf("%d files, %v", n, err)
	}
}
