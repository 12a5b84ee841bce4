package blob

import (
	"errors"
	"math"
	"strconv"
)

// Ref says where a blob is. Refs are never used again.
type Ref struct {
	Segment      uint64
	Offset, Size int64
}

// IsZero tells whether r refers to nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// String is the three numbers in base 36.
func (r Ref) String() string { return string(r.Append(make([]byte, 0, 40))) }

// Append appends the form of String to b.
func (r Ref) Append(b []byte) []byte {
	b = append(strconv.AppendUint(b, r.Segment, 36), '.')
	b = append(strconv.AppendInt(b, r.Offset, 36), '.')
	return strconv.AppendInt(b, r.Size, 36)
}

var errRef = errors.New("blob: not a reference")

// valid tells whether there can be such a blob.
func (r Ref) valid() bool {
	return r.Offset >= 0 && r.Size >= 0 && r.Offset%frameAlign == 0 && r.Size <= math.MaxInt64-r.Offset-maxOverhead
}

// weight is what a blob counts in its segment.
func (r Ref) weight() int64 { return r.Size + headerSize + trailerSize }

// hash tells blobs of one segment apart.
func (r Ref) hash() uint64 {
	x := uint64(r.Offset)*0x9e3779b97f4a7c15 ^ uint64(r.Size)
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
