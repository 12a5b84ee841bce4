package blob

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/aio_abi.h; both since Linux 4.18.
const (
	aioFsync     = 2
	aioFdatasync = 3
	aioEventFD   = 1 // flag: the end is told by an eventfd
)

// aioMax bounds the syncs at a time that no thread waits for.
const aioMax = 32

// aio has files synced by the kernel while no thread waits. One that waits in
// fdatasync(2) keeps its processor from all other goroutines until the
// scheduler has noticed, which takes about as long as the sync.
//
// A nil aio syncs as ever, and so does one that the system does not let.
type aio struct {
	mu     sync.Mutex
	idle   []*aioSlot
	made   int
	closed bool
}

// aioSlot is what one sync at a time needs.
type aioSlot struct {
	ctx   uintptr  // aio_context_t
	event *os.File // an eventfd
	fd    uint32   // of event
	cb    iocb
	done  ioEvent
	count [8]byte // of the eventfd
}

// iocb is what io_submit(2) takes; what has no name is zero for a sync.
type iocb struct {
	_, _   uint64 // data; key and flags
	opcode uint16
	_      int16 // priority
	file   uint32
	buf, n uint64
	_, _   uint64 // offset, reserved
	flags  uint32
	event  uint32
}

type ioEvent struct {
	data, obj uint64
	res, res2 int64
}

// sync is fdatasync(2), or fsync(2) for a folder. tried is false where it is
// left to the caller.
func (a *aio) sync(f *os.File, opcode uint16) (tried bool, err error) {
	s := a.take()
	if s == nil {
		return false, nil
	}
	s.cb = iocb{opcode: opcode, file: uint32(f.Fd()), flags: aioEventFD, event: s.fd}
	err = s.submit()
	runtime.KeepAlive(f)
	if err != nil {
		a.refused(s, err)
		return false, nil
	}
	err = s.wait()
	if errors.Is(err, errAIO) {
		a.drop(s)
	} else {
		a.put(s)
	}
	return true, err
}

// take gives a slot, nil: there is none.
func (a *aio) take() *aioSlot {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.idle); n > 0 {
		s := a.idle[n-1]
		a.idle = a.idle[:n-1]
		return s
	}
	if a.closed || a.made >= aioMax {
		return nil
	}
	s, err := newAIOSlot()
	if err != nil { // perhaps a bound of the system's, which others reach too
		if never(err) {
			a.made = aioMax
		}
		return nil
	}
	a.made++
	return s
}

func (a *aio) put(s *aioSlot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		s.close()
		return
	}
	a.idle = append(a.idle, s)
}

// drop ends a slot of which nobody knows what is in it.
func (a *aio) drop(s *aioSlot) {
	s.close()
	a.mu.Lock()
	a.made--
	a.mu.Unlock()
}

// refused takes back a slot whose sync the kernel did not take. For some
// reasons it will take none.
func (a *aio) refused(s *aioSlot, err error) {
	if !never(err) {
		a.put(s)
		return
	}
	a.drop(s)
	a.mu.Lock()
	a.made = aioMax
	a.mu.Unlock()
}

// never tells whether the system will not do it at another time either: it
// does not know how, or does not allow it.
func never(err error) bool {
	switch err {
	case syscall.ENOSYS, syscall.EPERM, syscall.EACCES, syscall.EINVAL:
		return true
	}
	return false
}

// close is for when no sync runs; later ones are the callers'.
func (a *aio) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, s := range a.idle {
		s.close()
	}
	a.idle = nil
}

func newAIOSlot() (*aioSlot, error) {
	s := &aioSlot{}
	if _, _, e := syscall.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&s.ctx)), 0); e != 0 {
		return nil, e
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		syscall.Syscall(unix.SYS_IO_DESTROY, s.ctx, 0, 0)
		return nil, err
	}
	s.fd, s.event = uint32(fd), os.NewFile(uintptr(fd), "eventfd")
	if err := s.event.SetReadDeadline(time.Time{}); err != nil { // the poller did not take it
		s.close()
		return nil, err
	}
	return s, nil
}

// submit begins the sync in cb, of which the kernel takes a copy.
func (s *aioSlot) submit() error {
	list := &s.cb
	for {
		_, _, e := syscall.Syscall(unix.SYS_IO_SUBMIT, s.ctx, 1, uintptr(unsafe.Pointer(&list)))
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return e
		}
		return nil
	}
}

// errAIO: it is not known how a sync ended.
var errAIO = errors.New("blob: asynchronous sync")

// wait returns what came of the sync.
func (s *aioSlot) wait() error {
	if _, err := s.event.Read(s.count[:]); err != nil {
		return errors.Join(errAIO, err)
	}
	for {
		n, _, e := syscall.Syscall6(unix.SYS_IO_GETEVENTS, s.ctx, 1, 1, uintptr(unsafe.Pointer(&s.done)), 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e != 0 || n != 1 {
			return errors.Join(errAIO, os.NewSyscallError("io_getevents", e))
		}
		break
	}
	if s.done.res < 0 {
		return os.NewSyscallError("fdatasync", syscall.Errno(-s.done.res))
	}
	return nil
}

// close waits for a sync that still runs.
func (s *aioSlot) close() {
	syscall.Syscall(unix.SYS_IO_DESTROY, s.ctx, 0, 0)
	s.event.Close()
}
