// Package blobtest is a simulated disk for tests of what is left when the power
// goes.
//
//	disk := blobtest.New()
//	disk.CutAfter(n)
//	store, err := blob.OpenFiles(ctx, blob.Options{Dir: "d", FS: disk}, nil)
//	... // until it fails with ErrPowerCut
//	disk = disk.Restart(seed)
//
// Everything that was not synced may be there after Restart, or not, or in
// part: any sectors of any write, any name of a folder.
package blobtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/gapura-mail/gapura/gateway/blob"
)

// ErrPowerCut is what every operation returns after the cut.
var ErrPowerCut = errors.New("blobtest: the power is cut")

// sector is what a disk writes whole.
const sector = 512

// Disk is a blob.FS in memory. Operations that change something are counted:
// MkdirAll, Create, WriteAt, Sync, Remove, Truncate, SyncDir, and Step.
type Disk struct {
	mu     sync.Mutex
	ops    int
	cut    int // after so many operations; -1: never
	fail   map[int]error
	room   int64  // octets that are free; -1: no bound
	during func() // what happens while one of the slow ones runs
	dirs   map[string]bool
	names  map[string]*node // as seen now
	stable map[string]*node // as on the disk
	stuck  map[string]bool  // what a failed SyncDir was to write of these, no later one does
	locks  map[string]bool
}

// node is a file.
type node struct {
	data    []byte // as seen now
	stable  []byte // as on the disk
	pending []*write
}

// write is one that is not synced.
type write struct {
	at   int64
	data []byte
}

var _ blob.FS = (*Disk)(nil)

// New makes an empty disk.
func New() *Disk {
	return &Disk{cut: -1, room: -1, fail: map[int]error{}, dirs: map[string]bool{}, names: map[string]*node{}, stable: map[string]*node{}, stuck: map[string]bool{}, locks: map[string]bool{}}
}

// CutAfter cuts the power after n operations.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = n
}

// FailAt has the n-th operation fail, counted from 1. After a sync that failed
// any part of what it was to write is lost at the next cut, even if another one
// succeeds before, as on Linux.
func (d *Disk) FailAt(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail[n] = err
}

// SetRoom sets how many octets files may still grow by; past it writes fail
// with ENOSPC. -1: no bound.
func (d *Disk) SetRoom(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = n
}

// During has f called while WriteAt, Sync and SyncDir run. What is written while
// a sync runs it does not make durable; and the power may go meanwhile.
func (d *Disk) During(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.during = f
}

// pass lets an operation take its time; false: the power has gone. The mutex is held,
// but not meanwhile.
func (d *Disk) pass() bool {
	if d.during == nil {
		return true
	}
	d.mu.Unlock()
	d.during()
	d.mu.Lock()
	return !d.off()
}

// Ops counts the operations so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Step counts an operation of another kind, such as the commit of a database:
// after the cut, or where it is to fail, the error says that it did not happen.
func (d *Disk) Step() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step()
}

// step counts an operation; the mutex is held.
func (d *Disk) step() error {
	if d.off() {
		return ErrPowerCut
	}
	d.ops++
	return d.fail[d.ops]
}

func (d *Disk) off() bool { return d.cut >= 0 && d.ops >= d.cut }

// Restart returns the disk as it may be after the power came back; seed chooses
// what of the unsynced is left. The old one stays without power.
func (d *Disk) Restart(seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = 0
	rng := rand.New(rand.NewPCG(seed, uint64(d.ops)))
	n := New()
	maps.Copy(n.dirs, d.dirs)
	left := map[*node]*node{}
	for _, name := range slices.Sorted(maps.Keys(union(d.names, d.stable))) {
		now, then := d.names[name], d.stable[name]
		f := now
		if now != then && rng.IntN(2) == 0 {
			f = then
		}
		if f == nil {
			continue
		}
		if left[f] == nil {
			left[f] = f.restart(rng)
		}
		n.names[name], n.stable[name] = left[f], left[f]
	}
	return n
}

func union(a, b map[string]*node) map[string]*node {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}

// restart is what is left of a file.
func (f *node) restart(rng *rand.Rand) *node {
	b := bytes.Clone(f.stable)
	for _, w := range f.pending {
		b = w.partly(b, rng)
	}
	return &node{data: b, stable: bytes.Clone(b)}
}

// partly does what may be left of the write.
func (w *write) partly(b []byte, rng *rand.Rand) []byte {
	switch rng.IntN(3) {
	case 0: // lost
	case 1:
		b = put(b, w.at, w.data)
	case 2: // torn
		for at, p := w.at, w.data; len(p) > 0; {
			n := min(sector-int(at%sector), len(p))
			if rng.IntN(2) == 0 {
				b = put(b, at, p[:n])
			}
			at, p = at+int64(n), p[n:]
		}
	}
	return b
}

// put writes p into b at an offset.
func put(b []byte, at int64, p []byte) []byte {
	if end := int(at) + len(p); end > len(b) {
		b = append(b, make([]byte, end-len(b))...)
	}
	copy(b[at:], p)
	return b
}

// MkdirAll implements blob.FS.
func (d *Disk) MkdirAll(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dirs[filepath.Clean(dir)] && !d.off() {
		return nil
	}
	if err := d.step(); err != nil {
		return err
	}
	d.dirs[filepath.Clean(dir)] = true
	return nil
}

// Create implements blob.FS.
func (d *Disk) Create(name string) (blob.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = filepath.Clean(name)
	if err := d.step(); err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	if d.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if !d.dirs[filepath.Dir(name)] {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	}
	f := &node{}
	d.names[name] = f
	return &file{d: d, f: f}, nil
}

// Open implements blob.FS.
func (d *Disk) Open(name string) (blob.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off() {
		return nil, ErrPowerCut
	}
	f := d.names[filepath.Clean(name)]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{d: d, f: f, readOnly: true}, nil
}

// Spoil changes the octet of a file at off.
func (d *Disk) Spoil(name string, off int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[filepath.Clean(name)].data[off] ^= 0xff
}

// Remove implements blob.FS.
func (d *Disk) Remove(name string) (func(func() bool), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = filepath.Clean(name)
	if err := d.step(); err != nil {
		return nil, &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	f := d.names[name]
	if f == nil {
		return nil, &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if d.room >= 0 {
		d.room += int64(len(f.data))
	}
	delete(d.names, name)
	return nil, nil
}

// Truncate implements blob.FS; it is never undone.
func (d *Disk) Truncate(name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = filepath.Clean(name)
	if err := d.step(); err != nil {
		return &fs.PathError{Op: "truncate", Path: name, Err: err}
	}
	f := d.names[name]
	if f == nil {
		return &fs.PathError{Op: "truncate", Path: name, Err: fs.ErrNotExist}
	}
	if d.room >= 0 {
		d.room += int64(len(f.data)) - size
	}
	f.data = f.data[:size:size]
	f.stable = f.stable[:min(len(f.stable), int(size))]
	f.pending = slices.DeleteFunc(f.pending, func(w *write) bool { return w.at >= size })
	for _, w := range f.pending {
		w.data = w.data[:min(int64(len(w.data)), size-w.at)]
	}
	return nil
}

// ReadDir implements blob.FS.
func (d *Disk) ReadDir(dir string) ([]blob.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off() {
		return nil, ErrPowerCut
	}
	var out []blob.DirEntry
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if filepath.Dir(name) == filepath.Clean(dir) {
			out = append(out, blob.DirEntry{Name: filepath.Base(name), Size: int64(len(d.names[name].data))})
		}
	}
	return out, nil
}

// SyncDir implements blob.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := maps.Clone(d.names)
	err := d.step()
	if !errors.Is(err, ErrPowerCut) && !d.pass() {
		err = ErrPowerCut
	}
	for name := range union(names, d.stable) {
		switch {
		case filepath.Dir(name) != filepath.Clean(dir) || names[name] == d.stable[name] || d.stuck[name]:
		case errors.Is(err, ErrPowerCut):
		case err != nil:
			d.stuck[name] = true
		case names[name] == nil:
			delete(d.stable, name)
		default:
			d.stable[name] = names[name]
		}
	}
	if err != nil {
		return &fs.PathError{Op: "sync", Path: dir, Err: err}
	}
	return nil
}

// Journals implements blob.FS.
func (d *Disk) Journals(string) bool { return true }

// Lock implements blob.FS.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off() {
		return nil, ErrPowerCut
	}
	if d.locks[name] {
		return nil, blob.ErrInUse
	}
	d.locks[name] = true
	return unlock(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locks, name)
	}), nil
}

type unlock func()

func (u unlock) Close() error {
	u()
	return nil
}

// file is an open file.
type file struct {
	d        *Disk
	f        *node
	readOnly bool
}

// ReadAt implements blob.File.
func (o *file) ReadAt(p []byte, off int64) (int, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if o.d.off() {
		return 0, ErrPowerCut
	}
	return bytes.NewReader(o.f.data).ReadAt(p, off)
}

// WriteAt implements blob.File. A write that there is no room for is done in
// part.
func (o *file) WriteAt(p []byte, off int64) (int, error) {
	d := o.d
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.step()
	if err == nil && !d.pass() {
		err = ErrPowerCut
	}
	switch {
	case errors.Is(err, ErrPowerCut), o.readOnly && err == nil:
		return 0, cmpErr(err, fs.ErrPermission)
	case err != nil:
		p = p[:len(p)/2]
	}
	if grow := off + int64(len(p)) - int64(len(o.f.data)); d.room >= 0 && grow > 0 {
		if grow > d.room {
			p = p[:max(0, int64(len(p))-(grow-d.room))]
			err = cmpErr(err, syscall.ENOSPC)
		}
		d.room -= min(grow, d.room)
	}
	o.f.data = put(o.f.data, off, p)
	o.f.pending = append(o.f.pending, &write{off, bytes.Clone(p)})
	return len(p), err
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Sync implements blob.File.
func (o *file) Sync() error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	list, rng := slices.Clone(o.f.pending), rand.New(rand.NewPCG(0, uint64(o.d.ops)))
	err := o.d.step()
	if errors.Is(err, ErrPowerCut) || !o.d.pass() {
		return ErrPowerCut
	}
	for _, w := range list {
		if err == nil {
			o.f.stable = put(o.f.stable, w.at, w.data)
		} else {
			o.f.stable = w.partly(o.f.stable, rng)
		}
	}
	o.f.pending = slices.DeleteFunc(o.f.pending, func(w *write) bool { return slices.Contains(list, w) })
	return err
}

// Size implements blob.File.
func (o *file) Size() (int64, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	return int64(len(o.f.data)), nil
}

// Close implements blob.File.
func (o *file) Close() error { return nil }
