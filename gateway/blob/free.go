package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// What of a file is freed at once, and for how long others then have the disk:
// 1.3 GB/s.
const (
	freeStep  = 4 << 20
	freePause = 2 * time.Millisecond
)

// Remove implements FS. The system frees a file that was removed in one go, when
// its last user closes it; with ext4's `discard` syncs wait 50 ms for 256 MiB. So
// free is that user, and cuts it down bit by bit, unless somebody reads it, in
// this process or another: who reads has a shared lock.
func (osFS) Remove(name string) (free func() error, err error) {
	f, _ := os.OpenFile(name, os.O_WRONLY, 0)
	err = os.Remove(name)
	switch {
	case f == nil:
		return nil, err
	case err != nil:
		f.Close()
		return nil, err
	}
	return func() error {
		defer f.Close()
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			return nil
		}
		return cutDown(f)
	}, nil
}

// cutDown frees a file from its end, but for the first bit.
func cutDown(f *os.File) error {
	end, err := f.Seek(0, io.SeekEnd)
	for end -= freeStep; end > 0 && err == nil; end -= freeStep {
		err = f.Truncate(end)
		time.Sleep(freePause)
	}
	return err
}

// openToRead opens a file that keeps its octets as long as it is open.
func openToRead(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) { // removed since it was found
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil // without locks there is no cutting down either
}
