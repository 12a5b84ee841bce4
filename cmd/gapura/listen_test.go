package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gapura-mail/gapura/config"
)

// TestSocketsAreForThoseNamed, whatever the umask: the unit has 0077, and a
// Postfix that hands over to our LMTP is another user.
func TestSocketsAreForThoseNamed(t *testing.T) {
	for _, c := range []struct {
		l    config.Listener
		want os.FileMode
	}{
		{config.Listener{Protocol: "lmtp"}, 0o666},
		{config.Listener{Protocol: "http"}, 0o600},
		{config.Listener{Protocol: "lmtp", Mode: "0660"}, 0o660},
		{config.Listener{Protocol: "http", Mode: "640"}, 0o640},
		{config.Listener{Protocol: "smtp", Mode: "0"}, 0},
	} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := listen("unix:"+path, c.l.FileMode())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%+v: %v, %v", c.l, info.Mode(), err)
		}
	}
}
