package sqldb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	reserveFile   = "reserve"
	reserveOctets = 8 << 20 // the pages of 10,000 removals, about
	reserveLeast  = 1 << 20 // a file that is shorter is no help
)

var errNoReserve = fmt.Errorf("sqldb: the disk is full, and what is left is for removals: %w", syscall.ENOSPC)

// Reserve holds a little space of the disk that the database is on, in a file:
// to remove rows takes some, too, of the database's log. So that people can make
// room on a full disk, and what has been delivered can go, it is given up when a
// removal finds no space; from then on nothing new is to be taken until there is
// space for the file again. A nil Reserve holds none.
type Reserve struct {
	name  string
	log   *slog.Logger
	given atomic.Bool // it is not there, and no mail is taken
	mu    sync.Mutex
	had   int64 // octets, when it was given up
}

// NewReserve says in which folder the file is; Keep makes it. given is what
// FreeReserve returned.
func NewReserve(dir string, log *slog.Logger, given int64) *Reserve {
	r := &Reserve{name: filepath.Join(dir, reserveFile), log: log, had: given}
	r.given.Store(given > 0)
	return r
}

// startRoom is what opening the databases and stores of a gateway may take: the
// files of their logs, and what a crash left undone.
const startRoom = 2 << 20

// FreeReserve gives up the reserve in a folder before anything is opened there:
// where the disk is so full that nothing can be. It returns how many octets that
// frees, for NewReserve; 0: it was not necessary, or there is none.
func FreeReserve(dir string) (int64, error) {
	name := filepath.Join(dir, reserveFile)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	free, err := freeOctets(dir)
	if err != nil || free >= startRoom {
		return 0, err
	}
	return info.Size(), os.Remove(name)
}

// Give gives the file up, and tells whether the space may be there now.
func (r *Reserve) Give() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.given.Load() {
		return true // somebody was first
	}
	info, err := os.Lstat(r.name)
	if err != nil || os.Remove(r.name) != nil {
		return false
	}
	r.had = info.Size()
	r.given.Store(true)
	r.log.Warn("the disk is full: space that was kept back is used to remove mail and to send it on, and none is taken until there is more", "file", r.name)
	return true
}

// Given tells whether it was given up, and there is no space for it yet.
func (r *Reserve) Given() bool { return r != nil && r.given.Load() }

// Room is an error, ENOSPC, where no mail is to be taken. It finds out when there is
// space again.
func (r *Reserve) Room() error {
	if r == nil || !r.given.Load() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.given.Load() {
		return nil
	}
	// More than it gave: that alone is not to be filled with mail.
	if err := r.make(r.had + r.had/2); err != nil {
		return errNoReserve
	}
	r.given.Store(false)
	r.log.Info("there is space on the disk again")
	return nil
}

// spareFrom octets are left to mail by who can wait.
const spareFrom = reserveOctets

// Spare is how many octets of the disk who can wait may take: none while no mail
// is taken, nor of what mail needs next.
func (r *Reserve) Spare() int64 {
	if r == nil {
		return math.MaxInt64
	}
	if r.Room() != nil {
		return 0
	}
	free, err := freeOctets(filepath.Dir(r.name))
	if err != nil {
		return 0
	}
	return max(free-spareFrom, 0)
}

// Keep has the file there, unless it was given up.
func (r *Reserve) Keep() {
	if r == nil || r.given.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if info, err := os.Lstat(r.name); err == nil && info.Size() >= reserveLeast {
		return
	}
	if err := r.make(0); err != nil {
		r.log.Warn("no space can be kept back for removing mail", "error", err.Error())
		r.given.Store(errors.Is(err, syscall.ENOSPC))
	}
}

// make makes the file, of half of the space that there is at most; ENOSPC where
// there is less than least, or that is no help. What is in it is random: a file
// system may make zeros short.
func (r *Reserve) make(least int64) error {
	free, err := freeOctets(filepath.Dir(r.name))
	if err != nil {
		return err
	}
	if free < max(least, 2*reserveLeast) {
		return syscall.ENOSPC
	}
	f, err := os.OpenFile(r.name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), min(reserveOctets, free/2))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(r.name))
	}
	return err
}
