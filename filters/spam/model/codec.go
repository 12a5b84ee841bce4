package model

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// FeaturesVersion changes when the same message gets other features than
// before: what was learned of them is then of no use.
const FeaturesVersion = 4

// maxFeatures bounds a view's features in what UnmarshalBinary reads.
const maxFeatures = 1 << tokenBits

// errVector is what UnmarshalBinary says of other octets.
var errVector = errors.New("model: not a vector of these features")

// Of returns the hashed features of a view, each once, in no order. They must
// not be changed.
func (v *Vector) Of(view View) []uint32 { return v.ids[view] }

// parts are the lists of features that a vector is written as: those of each view, of
// Tokens first the words of Received fields, then those of the text, then the rest.
func (v *Vector) parts() [Views + 2][]uint32 {
	var list [Views + 2][]uint32
	copy(list[:], v.ids[:])
	all := v.ids[Tokens]
	plain := min(v.plain, len(all))
	n := min(v.trace, plain)
	list[Tokens], list[Views], list[Views+1] = all[:n], all[n:plain], all[plain:]
	return list
}

// AppendBinary appends the vector to dst: some 2 octets a feature.
func (v *Vector) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, FeaturesVersion)
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.prior))
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.body))
	for _, ids := range v.parts() {
		ids = slices.Clone(ids)
		slices.Sort(ids)
		dst = binary.AppendUvarint(dst, uint64(len(ids)))
		last := uint32(0)
		for _, id := range ids {
			dst = binary.AppendUvarint(dst, uint64(id-last))
			last = id
		}
	}
	return dst, nil
}

// UnmarshalBinary reads what AppendBinary wrote.
func (v *Vector) UnmarshalBinary(src []byte) error {
	if len(src) < 9 || src[0] != FeaturesVersion {
		return errVector
	}
	v.prior = math.Float32frombits(binary.LittleEndian.Uint32(src[1:]))
	v.body = math.Float32frombits(binary.LittleEndian.Uint32(src[5:]))
	if !(v.prior >= -maxPrior && v.prior <= maxPrior && v.body >= 0 && v.body <= 1) {
		return errVector
	}
	r := idReader{src[9:]}
	for view := range v.ids {
		ids, ok := r.list(nil, View(view).mask())
		if !ok {
			return errVector
		}
		v.ids[view] = ids
	}
	v.trace = len(v.ids[Tokens])
	ids, ok := r.list(v.ids[Tokens], Tokens.mask())
	if !ok {
		return errVector
	}
	v.plain = len(ids)
	if ids, ok = r.list(ids, Tokens.mask()); !ok || len(r.src) > 0 {
		return errVector
	}
	v.ids[Tokens] = ids
	return nil
}

// Ordered appends the vector to dst with its features in their order, on which
// sums depend in their last digits: 3 octets a feature, quickly read. It is for
// the process that writes it; others read what AppendBinary wrote.
func (v *Vector) Ordered(dst []byte) []byte {
	for _, x := range [...]uint32{math.Float32bits(v.prior), math.Float32bits(v.body), uint32(v.trace), uint32(v.plain)} {
		dst = binary.LittleEndian.AppendUint32(dst, x)
	}
	for _, ids := range v.ids {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(ids)))
		for _, id := range ids {
			dst = append(dst, byte(id), byte(id>>8), byte(id>>16))
		}
	}
	return dst
}

// SetOrdered reads what Ordered wrote.
func (v *Vector) SetOrdered(src []byte) error {
	var head [4]uint32
	for i := range head {
		if len(src) < 4 {
			return errVector
		}
		head[i], src = binary.LittleEndian.Uint32(src), src[4:]
	}
	v.prior, v.body = math.Float32frombits(head[0]), math.Float32frombits(head[1])
	v.trace, v.plain = int(head[2]), int(head[3])
	for view := range v.ids {
		if len(src) < 4 || uint64(len(src)-4) < 3*uint64(binary.LittleEndian.Uint32(src)) {
			return errVector
		}
		n := int(binary.LittleEndian.Uint32(src))
		src = src[4:]
		ids := slices.Grow(v.ids[view][:0], n)[:n]
		mask := View(view).mask()
		for i := range ids {
			ids[i] = (uint32(src[3*i]) | uint32(src[3*i+1])<<8 | uint32(src[3*i+2])<<16) & mask
		}
		v.ids[view], src = ids, src[3*n:]
	}
	if all := len(v.ids[Tokens]); len(src) > 0 || v.trace > v.plain || v.plain > all {
		return errVector
	}
	return nil
}

// idReader reads lists of ids.
type idReader struct{ src []byte }

func (r *idReader) next() (uint64, bool) {
	x, n := binary.Uvarint(r.src)
	if n <= 0 {
		return 0, false
	}
	r.src = r.src[n:]
	return x, true
}

// list appends a list, in ascending order, of ids up to most.
func (r *idReader) list(ids []uint32, most uint32) ([]uint32, bool) {
	n, ok := r.next()
	if !ok || n > maxFeatures || n > uint64(len(r.src)) {
		return nil, false
	}
	ids = slices.Grow(ids, int(n))
	last := uint64(0)
	for i := range n {
		d, ok := r.next()
		if last += d; !ok || i > 0 && d == 0 || d > uint64(most) || last > uint64(most) {
			return nil, false
		}
		ids = append(ids, uint32(last))
	}
	return ids, true
}

// AppendBinary appends the step to dst.
func (s Step) AppendBinary(dst []byte) ([]byte, error) {
	flags := byte(0)
	if s.Spam {
		flags |= 1
	}
	if s.Counts {
		flags |= 2
	}
	dst = append(dst, 1, flags)
	for _, e := range s.Error {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(e))
	}
	return dst, nil
}

// UnmarshalBinary reads what AppendBinary wrote.
func (s *Step) UnmarshalBinary(src []byte) error {
	if len(src) != 2+4*len(s.Error) || src[0] != 1 {
		return errors.New("model: not a step of these views")
	}
	s.Spam, s.Counts = src[1]&1 != 0, src[1]&2 != 0
	for i := range s.Error {
		s.Error[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[2+4*i:]))
	}
	return nil
}
