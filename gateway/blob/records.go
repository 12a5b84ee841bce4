package blob

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
)

// Records implements Store.
func (f *Files) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		list, err := f.fs.ReadDir(f.opt.Dir)
		if err != nil {
			yield(Record{}, fmt.Errorf("blob: %w", err))
			return
		}
		for _, e := range list {
			if id, ok := segmentID(e.Name); ok && !f.segmentRecords(ctx, id, e.Size, true, yield) {
				return
			}
		}
	}
}

// segmentRecords lists those of one segment, up to size; false: yield wants no
// more.
func (f *Files) segmentRecords(ctx context.Context, id uint64, size int64, verify bool, yield func(Record, error) bool) bool {
	file, err := f.fs.Open(f.name(id))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return yield(Record{}, fmt.Errorf("blob: %w", err))
	}
	defer file.Close()
	return scan(ctx, file, id, size, verify, yield)
}

// scan walks over the frames of a segment.
func scan(ctx context.Context, file source, id uint64, size int64, verify bool, yield func(Record, error) bool) bool {
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return yield(Record{}, err)
		}
		h, err := headerAt(file, id, at)
		if errors.Is(err, ErrCorrupt) { // given up or torn: the next frame is somewhere behind
			at, err = nextFrame(ctx, file, id, at+frameAlign, size)
			if err == nil {
				continue
			}
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			return yield(Record{}, fmt.Errorf("blob: %w", err))
		}
		rec := Record{Ref: Ref{Segment: id, Offset: at, Size: h.size}, Tag: h.tag}
		err = nil
		if verify {
			err = verifyFrame(file, h, at)
		}
		if !yield(rec, err) {
			return false
		}
		at += h.length()
	}
	return true
}

func headerAt(file source, id uint64, at int64) (*frame, error) {
	var b [headerSize + MaxTag]byte
	n, err := file.ReadAt(b[:], at)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return parseHeader(b[:n], id)
}

func verifyFrame(file source, h *frame, at int64) error {
	r := &reader{file: file, frame: h, start: at + h.dataStart()}
	_, err := r.WriteTo(io.Discard)
	return err
}

// nextFrame finds the next header from at on; io.EOF: there is none.
func nextFrame(ctx context.Context, file source, id uint64, at, size int64) (int64, error) {
	buf := readBuffers.Get().(*[readBuffer]byte)
	defer readBuffers.Put(buf)
	for at < size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := file.ReadAt(buf[:], at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		b := buf[:n]
		for i := 0; i+headerSize <= len(b); i += frameAlign {
			if !bytes.HasPrefix(b[i:], []byte(magicFrame)) {
				continue
			}
			if _, err := headerAt(file, id, at+int64(i)); err == nil {
				return at + int64(i), nil
			}
		}
		if n < len(buf) {
			return 0, io.EOF
		}
		at += int64(len(b)) - headerSize
	}
	return 0, io.EOF
}

// batch is how many records Compact asks the owner about at once.
const batch = 256

// Compact implements Store.
func (f *Files) Compact(ctx context.Context, owner Owner) (int64, error) {
	s, freed := f.mostlyDead()
	if s == nil {
		return 0, nil
	}
	var list []Record
	var err, corrupt error
	step := func() error {
		err := move(ctx, f, owner, list)
		list = list[:0]
		if errors.Is(err, ErrCorrupt) {
			corrupt, err = err, nil
		}
		return err
	}
	for rec, e := range f.recordsOf(ctx, s) {
		if err = e; err != nil {
			break
		}
		if list = append(list, rec); len(list) == batch {
			if err = step(); err != nil {
				break
			}
		}
	}
	if err == nil && len(list) > 0 {
		err = step()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.compacting = false; err == nil && s.live > 0 {
		s.kept = true // what is left nobody knows: until the next start
	}
	if err = cmp.Or(err, corrupt); err != nil {
		return 0, fmt.Errorf("blob: compact: %w", err)
	}
	return freed, nil
}

// recordsOf lists those of one segment, unverified.
func (f *Files) recordsOf(ctx context.Context, s *segment) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { f.segmentRecords(ctx, s.id, s.size, false, yield) }
}

// mostlyDead picks the sealed segment with the least share of what lives, and
// tells what goes with the rest.
func (f *Files) mostlyDead() (best *segment, freed int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	share := 0.5
	for _, s := range f.segments {
		if !s.sealed || s.pending > 0 || s.reaping || s.compacting || s.kept || s.live <= 0 || s.size == 0 {
			continue
		}
		if x := float64(s.live) / float64(s.size); x < share {
			best, share = s, x
		}
	}
	if best == nil {
		return nil, 0
	}
	best.compacting = true
	return best, best.size - best.live
}

// move copies those of the records that live and has the owner change its
// rows.
func move(ctx context.Context, store Store, owner Owner, list []Record) error {
	alive, err := owner.Alive(ctx, list)
	if err != nil || len(alive) == 0 {
		return err
	}
	moved := make([]Moved, 0, len(alive))
	var corrupt error
	for _, rec := range alive {
		ref, err := copyBlob(ctx, store, rec)
		if errors.Is(err, ErrCorrupt) { // it stays where it is
			corrupt = fmt.Errorf("%s: %w", rec.Ref, err)
			continue
		}
		if err != nil {
			release(store, moved, nil)
			return err
		}
		moved = append(moved, Moved{Tag: rec.Tag, Old: rec.Ref, New: ref})
	}
	done, err := owner.Move(ctx, slices.Clone(moved))
	if err != nil {
		done = nil
	}
	release(store, moved, done)
	return cmp.Or(err, corrupt)
}

// release gives up the old blobs of those done, the new ones of the others.
func release(store Store, moved, done []Moved) {
	is := make(map[Moved]bool, len(done))
	for _, m := range done {
		is[m] = true
	}
	for _, m := range moved {
		if is[m] {
			store.Release(m.Old)
		} else {
			store.Release(m.New)
		}
	}
}

func copyBlob(ctx context.Context, store Store, rec Record) (Ref, error) {
	r, err := store.Open(ctx, rec.Ref)
	if err != nil {
		return Ref{}, err
	}
	defer r.Close()
	return store.Append(ctx, rec.Tag, rec.Ref.Size, r)
}
