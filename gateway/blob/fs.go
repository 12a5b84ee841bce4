package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// FS is what Files needs of a file system. Names are paths.
type FS interface {
	// MkdirAll makes a folder, durably, with those above it.
	MkdirAll(dir string) error
	// Create makes a file that is not there.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Remove removes a file. free, unless it is nil, gives its space back, which
	// may take long until hurry says so; without that it is given back when the
	// last user closes it.
	Remove(name string) (free func(hurry func() bool), err error)
	// Truncate cuts a file off.
	Truncate(name string, size int64) error
	// ReadDir lists a folder: names and sizes.
	ReadDir(dir string) ([]DirEntry, error)
	// SyncDir makes durable which files a folder has.
	SyncDir(dir string) error
	// Journals tells whether the file system of a folder overwrites in place,
	// and notes new blocks of a file in a journal.
	Journals(dir string) bool
	// Lock keeps others off until the Closer is closed, or the process ends;
	// ErrInUse.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes durable what was written and the file's size. Two may run at a
	// time: each fails where a write has failed since one of its kind succeeded.
	Sync() error
	Size() (int64, error)
	Close() error
}

// DirEntry is a file in a folder.
type DirEntry struct {
	Name string
	Size int64
}

// osFS is the operating system's.
type osFS struct{ aio *aio }

type osFile struct {
	*os.File
	aio *aio
}

func (o osFS) MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

func (o osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	again, err := os.Open(name)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return &newFile{osFile: osFile{f, o.aio}, again: osFile{again, o.aio}}, nil
}

func (o osFS) Open(name string) (File, error) {
	f, err := openToRead(name)
	if err != nil {
		return nil, err
	}
	return osFile{f, o.aio}, nil
}

func (osFS) Truncate(name string, size int64) error { return os.Truncate(name, size) }

func (osFS) ReadDir(dir string) ([]DirEntry, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []DirEntry
	for _, e := range list {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			out = append(out, DirEntry{e.Name(), info.Size()})
		}
	}
	return out, nil
}

func (o osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	tried, err := o.aio.sync(d, aioFsync)
	if !tried {
		err = d.Sync()
	}
	return errors.Join(err, d.Close())
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, name)
		}
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return f, nil
}

// newFile is a file that is written. It has two descriptors, for two syncs at a
// time: the system tells each of them of an error once, so that of two syncs by
// one, only the first to end would fail.
type newFile struct {
	osFile
	again      osFile
	mine, also sync.Mutex // held by syncs
}

func (f *newFile) Sync() error {
	if f.mine.TryLock() {
		defer f.mine.Unlock()
		return f.osFile.Sync()
	}
	f.also.Lock()
	defer f.also.Unlock()
	return f.again.Sync()
}

func (f *newFile) Close() error { return errors.Join(f.again.Close(), f.osFile.Close()) }

func (f osFile) Sync() error {
	if tried, err := f.aio.sync(f.File, aioFdatasync); tried {
		return err
	}
	return fdatasync(f.File)
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
