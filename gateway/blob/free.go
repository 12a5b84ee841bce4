package blob

import (
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
// free is that user, and cuts it down bit by bit, unless the file has another
// name or somebody reads it, in this process or another: who reads has a shared
// lock.
func (osFS) Remove(name string) (free func(hurry func() bool), err error) {
	f, _ := os.OpenFile(name, os.O_WRONLY, 0)
	err = os.Remove(name)
	switch {
	case f == nil:
		return nil, err
	case err != nil:
		f.Close()
		return nil, err
	}
	return func(hurry func() bool) {
		defer f.Close()
		if flock(f, syscall.LOCK_EX|syscall.LOCK_NB) == nil && nameless(f) {
			cutDown(f, hurry)
		}
	}, nil
}

// cutDown frees a file from its end, but for the first bit. What it does not
// free, in a hurry or after an error, Close does.
func cutDown(f *os.File, hurry func() bool) {
	end, err := f.Seek(0, io.SeekEnd)
	for end -= freeStep; end > 0 && err == nil && !hurry(); end -= freeStep {
		err = f.Truncate(end)
		time.Sleep(freePause)
	}
}

// openToRead opens a file that keeps its octets as long as it is open.
func openToRead(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	_ = flock(f, syscall.LOCK_SH|syscall.LOCK_NB) // without locks there is no cutting down either
	if nameless(f) {                              // removed since it was found, perhaps cut down
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

// nameless tells whether nobody can open a file any more: backups by hard links
// can.
func nameless(f *os.File) bool {
	var st syscall.Stat_t
	return syscall.Fstat(int(f.Fd()), &st) == nil && st.Nlink == 0
}

// flock is flock(2); on a network a signal interrupts it.
func flock(f *os.File, how int) (err error) {
	for {
		if err = syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}
