package body

import (
	"cmp"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nameless opens a new file in a folder ("" : of temporary files) that never has
// a name.
func nameless(dir string) (*os.File, error) {
	f, err := os.OpenFile(cmp.Or(dir, os.TempDir()), os.O_RDWR|unix.O_TMPFILE|unix.O_EXCL, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		return unnamed(dir)
	}
	return f, err
}
