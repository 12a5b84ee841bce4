package blob

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

const (
	headerSize  = 32
	trailerSize = 8
	frameAlign  = 8
	maxOverhead = headerSize + MaxTag + MaxNote + trailerSize + frameAlign

	magicFrame = "GBR1"
	magicEnd   = "GBRe"
	magicVoid  = "GBRv"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is the header of a stored blob.
type frame struct {
	tag     string
	note    []byte // see Notes
	size    int64
	segment uint64
}

// dataStart is where the blob begins in its frame.
func (f *frame) dataStart() int64 { return headerSize + int64(len(f.tag)) + int64(len(f.note)) }

// length is that of the whole frame.
func (f *frame) length() int64 { return aligned(f.dataStart() + f.size + trailerSize) }

func aligned(n int64) int64 { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// appendHeader appends header, tag and note.
func (f *frame) appendHeader(b []byte) []byte {
	start := len(b)
	b = append(b, magicFrame...)
	b = append(b, byte(len(f.tag)), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(f.note)))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.size))
	b = binary.LittleEndian.AppendUint64(b, f.segment)
	sum := crc32.Update(crc32.Checksum(b[start:], castagnoli), castagnoli, []byte(f.tag))
	sum = crc32.Update(sum, castagnoli, f.note)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = append(b, 0, 0, 0, 0)
	b = append(b, f.tag...)
	return append(b, f.note...)
}

// appendTrailer appends what follows the blob, with the octets that fill the
// frame.
func (f *frame) appendTrailer(b []byte, sum uint32, magic string) []byte {
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = append(b, magic...)
	for n := f.dataStart() + f.size + trailerSize; n < f.length(); n++ {
		b = append(b, 0)
	}
	return b
}

// headLength tells how long header, tag and note are that begin with b; 0: no
// frame begins there.
func headLength(b []byte) int {
	if len(b) < headerSize || string(b[:4]) != magicFrame || b[4] > MaxTag {
		return 0
	}
	note := int(binary.LittleEndian.Uint16(b[6:]))
	if note > MaxNote {
		return 0
	}
	return headerSize + int(b[4]) + note
}

// parseHeader reads the header at the start of b, which holds tag and note too
// unless the segment ends.
func parseHeader(b []byte, segment uint64) (*frame, error) {
	n := headLength(b)
	if n == 0 || len(b) < n {
		return nil, fmt.Errorf("%w: no frame", ErrCorrupt)
	}
	tag, note := b[headerSize:headerSize+int(b[4])], b[headerSize+int(b[4]):n]
	sum := crc32.Update(crc32.Checksum(b[:24], castagnoli), castagnoli, b[headerSize:n])
	f := &frame{tag: string(tag), note: slices.Clone(note), size: int64(binary.LittleEndian.Uint64(b[8:])), segment: binary.LittleEndian.Uint64(b[16:])}
	if sum != binary.LittleEndian.Uint32(b[24:]) || !(Ref{Size: f.size}).valid() {
		return nil, fmt.Errorf("%w: header", ErrCorrupt)
	}
	if f.segment != segment {
		return nil, fmt.Errorf("%w: frame of another segment", ErrCorrupt)
	}
	return f, nil
}

// parseTrailer reads a trailer and returns the checksum of the blob.
func parseTrailer(b []byte) (uint32, error) {
	if len(b) < trailerSize || string(b[4:8]) != magicEnd {
		return 0, fmt.Errorf("%w: the end is missing", ErrCorrupt)
	}
	return binary.LittleEndian.Uint32(b), nil
}
