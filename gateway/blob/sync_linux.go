package blob

import (
	"os"
	"syscall"
)

// fdatasync leaves out times, which nobody reads.
func fdatasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == syscall.EINTR {
			continue
		}
		return os.NewSyscallError("fdatasync", err)
	}
}
