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
	"time"
)

// MaxNote is the longest note, in octets.
const MaxNote = 2048

// Noter is a Store whose blobs may have notes: what the owner wants to know of
// a blob becomes durable with it, at no cost, and is read again when the owner
// has had no time to write it into its rows.
type Noter interface {
	Store
	// AppendNote is Append, with a note of up to MaxNote octets. The size must
	// be known. Compact forgets the note. After an error the Ref tells where
	// part of it may be left; zero: nothing is.
	AppendNote(ctx context.Context, tag string, note []byte, size int64, src io.Reader) (Ref, error)
	// Note appends a note that has no blob. When it returns the note is
	// durable, by a sync that others have waited for, or after noteTime by one
	// of its own.
	Note(ctx context.Context, tag string, note []byte) (Ref, error)
	// Hold keeps segments with notes from that one on, even where nothing
	// lives in them any more; 0: none.
	Hold(from uint64)
}

// noteTime is what a note waits for others.
const noteTime = 5 * time.Millisecond

var _ Noter = (*Files)(nil)

var errNote = fmt.Errorf("blob: a note longer than %d octets, or of a blob of unknown size", MaxNote)

// AppendNote implements Noter.
func (f *Files) AppendNote(ctx context.Context, tag string, note []byte, size int64, src io.Reader) (Ref, error) {
	if len(note) > MaxNote || size < 0 {
		return Ref{}, errNote
	}
	return f.append(ctx, frame{tag: tag, note: note, size: size}, src, nil)
}

// Note implements Noter.
func (f *Files) Note(ctx context.Context, tag string, note []byte) (Ref, error) {
	if len(note) > MaxNote {
		return Ref{}, errNote
	}
	return f.append(ctx, frame{tag: tag, note: note}, bytes.NewReader(nil), func(s *syncer) error { return s.join(noteTime) })
}

// Hold implements Noter.
func (l *ledger) Hold(from uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = from
	for _, s := range l.segments {
		if s.noted && s.dead() {
			l.settle(s)
		}
	}
}

// Notes are those in a folder that no Files has open yet, or that one has open
// for reading.
type Notes struct{ opt Options }

// NotesOf gives those of the folder that the options name.
func NotesOf(opt Options) *Notes {
	if opt.FS == nil {
		opt.FS = osFS{}
	}
	return &Notes{opt}
}

// numbered is the file of a segment.
type numbered struct {
	id   uint64
	size int64
}

// segments lists what is there, the oldest first.
func (n *Notes) segments() (list []numbered, err error) {
	all, err := n.opt.FS.ReadDir(n.opt.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("blob: notes: %w", err)
	}
	for _, e := range all {
		if id, ok := segmentID(e.Name); ok {
			list = append(list, numbered{id, e.Size})
		}
	}
	slices.SortFunc(list, func(a, b numbered) int { return cmp.Compare(a.id, b.id) })
	return list, nil
}

// Last is the number of the newest segment; 0: there is none.
func (n *Notes) Last() (uint64, error) {
	list, err := n.segments()
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[len(list)-1].id, nil
}

// Note is a blob with a note. It is good until the next one.
type Note struct {
	Record
	Text []byte

	whole func() error
}

// Verify reads the blob; an error wraps ErrCorrupt where it is not what was
// written, or was not written to its end.
func (n *Note) Verify() error { return n.whole() }

// From lists the notes that begin with prefix in segments from one on, in the
// order in which they were written. Behind what was torn only they are taken
// for frames: where prefix is a secret, no blob's octets can hide what follows.
func (n *Notes) From(ctx context.Context, first uint64, prefix []byte) iter.Seq2[*Note, error] {
	return func(yield func(*Note, error) bool) {
		list, err := n.segments()
		if err != nil {
			yield(nil, err)
			return
		}
		for _, s := range list {
			if s.id >= first && !n.ofSegment(ctx, s, prefix, yield) {
				return
			}
		}
	}
}

func (n *Notes) ofSegment(ctx context.Context, s numbered, prefix []byte, yield func(*Note, error) bool) bool {
	f := &Files{opt: n.opt}
	file, err := n.opt.FS.Open(f.path(s.id))
	if err != nil {
		return yield(nil, fmt.Errorf("blob: notes: %w", err))
	}
	defer file.Close()
	ours := func(h *frame) bool { return bytes.HasPrefix(h.note, prefix) }
	return frames(ctx, file, s.id, s.size, ours, func(at int64, h *frame, err error) bool {
		if err != nil {
			return yield(nil, err)
		}
		if len(h.note) == 0 || !ours(h) {
			return true
		}
		return yield(&Note{
			Record: Record{Ref: Ref{Segment: s.id, Offset: at, Size: h.size}, Tag: h.tag}, Text: h.note,
			whole: func() error {
				err := verifyFrame(file, h, at)
				if errors.Is(err, ErrCorrupt) && n.opt.Log != nil {
					n.opt.Log.Warn("octets that were just being written, or are damaged", "segment", f.path(s.id), "offset", at, "tag", h.tag)
				}
				return err
			},
		}, nil)
	})
}
