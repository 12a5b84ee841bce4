package blob

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
)

// Zeros are written ahead of the blobs of a segment that fills. A sync of what
// overwrites them finds no new blocks and no new size, which the file system
// would have to note in its journal: it takes half the time. What is there of
// them after a crash is no frame, and goes at the next start.

const (
	// defaultAhead is how many are written at a time.
	defaultAhead = 1 << 20
	// aheadFrom is the part of that which must have come since it was looked
	// at last: a segment that is smaller may stay so.
	aheadFrom = 16
	// maxSmall is what a sync may have to write, on average: of more the
	// octets cost more than the journal, and these would be twice as many.
	maxSmall = 40 << 10
)

var zeros [64 << 10]byte

// filledSmall tells whether small syncs have filled the segment since it was
// last asked, by least octets at least. The mutex is held.
func (s *segment) filledSmall(least int64) bool {
	n := s.size - s.seen
	if n < least {
		return false
	}
	syncs := s.syncs.now()
	small := n <= maxSmall*int64(syncs-s.seenAt)
	s.seen, s.seenAt = s.size, syncs
	return small
}

// writeAhead writes zeros where those are nearly used up. It is called by the
// one who syncs.
func (f *Files) writeAhead(s *segment) {
	f.mu.Lock()
	from := max(s.size, s.ahead)
	n := min(s.size, f.opt.Ahead, f.opt.SegmentSize-from)
	if f.cur != s || s.filling != nil || from-s.size > n/4 || n <= 0 || !s.filledSmall(f.opt.Ahead/aheadFrom) {
		f.mu.Unlock()
		return
	}
	s.ahead, s.filling = from, make(chan struct{})
	f.mu.Unlock()
	end, err := from+n, error(nil)
	for at := from; at < end && err == nil; at += int64(len(zeros)) {
		_, err = s.file.WriteAt(zeros[:min(int64(len(zeros)), end-at)], at)
	}
	if err != nil { // the disk is full, it may be: blobs take what is left
		end = f.opt.SegmentSize
	}
	f.mu.Lock()
	s.ahead = end
	close(s.filling)
	s.filling = nil
	f.mu.Unlock()
}

// trim cuts off the zeros at the end of a segment that was there before, and
// returns its size: how much of it lives is measured by that. And Mirror sees
// that it was written to: after a power cut neither its time nor its size may
// tell, since a sync of what overwrites zeros changes neither.
func (f *Files) trim(e DirEntry) (int64, error) {
	name := filepath.Join(f.opt.Dir, e.Name)
	file, err := f.fs.Open(name)
	if err != nil {
		return 0, err
	}
	end, err := lastOctet(file, e.Size)
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	if end = aligned(end); end >= e.Size {
		return e.Size, nil
	}
	return end, f.fs.Truncate(name, end)
}

// lastOctet tells where the last octet ends that is not 0.
func lastOctet(file source, size int64) (int64, error) {
	buf := make([]byte, frameAlign) // a frame has one there
	for size > 0 {
		b := buf[:min(size, int64(len(buf)))]
		if _, err := file.ReadAt(b, size-int64(len(b))); err != nil && err != io.EOF {
			return 0, err
		}
		left := bytes.TrimRight(b, "\x00")
		if size -= int64(len(b) - len(left)); len(left) > 0 {
			break
		}
		buf = make([]byte, len(zeros))
	}
	return size, nil
}
