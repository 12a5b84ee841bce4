package blob

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	headerSize  = 32
	trailerSize = 8
	frameAlign  = 8
	maxOverhead = headerSize + MaxTag + trailerSize + frameAlign

	magicFrame = "GBR1"
	magicEnd   = "GBRe"
	magicVoid  = "GBRv"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is the header of a stored blob.
type frame struct {
	tag     string
	size    int64
	segment uint64
}

// dataStart is where the blob begins in its frame.
func (f *frame) dataStart() int64 { return headerSize + int64(len(f.tag)) }

// length is that of the whole frame.
func (f *frame) length() int64 { return aligned(f.dataStart() + f.size + trailerSize) }

func aligned(n int64) int64 { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// appendHeader appends header and tag.
func (f *frame) appendHeader(b []byte) []byte {
	start := len(b)
	b = append(b, magicFrame...)
	b = append(b, byte(len(f.tag)), 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.size))
	b = binary.LittleEndian.AppendUint64(b, f.segment)
	sum := crc32.Update(crc32.Checksum(b[start:], castagnoli), castagnoli, []byte(f.tag))
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = append(b, 0, 0, 0, 0)
	return append(b, f.tag...)
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

// parseHeader reads the header at the start of b, which holds the tag too
// unless the segment ends.
func parseHeader(b []byte, segment uint64) (*frame, error) {
	if len(b) < headerSize || string(b[:4]) != magicFrame || b[4] > MaxTag || len(b) < headerSize+int(b[4]) {
		return nil, fmt.Errorf("%w: no frame", ErrCorrupt)
	}
	tag := b[headerSize : headerSize+int(b[4])]
	sum := crc32.Update(crc32.Checksum(b[:24], castagnoli), castagnoli, tag)
	f := &frame{tag: string(tag), size: int64(binary.LittleEndian.Uint64(b[8:])), segment: binary.LittleEndian.Uint64(b[16:])}
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
