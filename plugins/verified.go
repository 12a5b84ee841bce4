package plugins

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxProgram bounds the copy that is made of a program to verify it.
const maxProgram = 512 << 20

// verified copies the program at path into memory that nobody can change any
// more, and checks the copy: so no time lies between the check and the start
// in which the file could be replaced.
func verified(path string, sum []byte) (_ *os.File, err error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	dst, err := memfd(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			dst.Close()
		}
	}()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, hash), io.LimitReader(src, maxProgram+1))
	if err != nil {
		return nil, err
	}
	if n > maxProgram {
		return nil, fmt.Errorf("%s is larger than %d octets", path, maxProgram)
	}
	if got := hash.Sum(nil); !bytes.Equal(got, sum) {
		return nil, fmt.Errorf("%s has sha256 %s, not the configured one", path, hex.EncodeToString(got))
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(dst.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal the copy of %s: %w", path, err)
	}
	return dst, nil
}

func memfd(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("gapura-plugin", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 all are executable
		fd, err = unix.MemfdCreate("gapura-plugin", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("memory for a copy of %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
