package imapd

import (
	"errors"
	"sync"
)

// inflater reads DEFLATE (RFC 1951) of which more comes at any octet. That of
// the standard library cannot go on after a read that failed, as one that was
// woken does, and holds 40 KiB while it waits; this one holds its window, as
// far as there is one, and in a dynamic block the codes.
type inflater struct {
	window []byte // what was read, the last 32 KiB at least
	told   int    // octets of it that have been given on
	bits   uint64 // of the input, the next one lowest
	n      uint   // how many
	step   func(z *inflater, in *[]byte) error
	last   bool // block
	left   int  // octets of a stored block
	codes  *codes
	failed error // for good
}

const (
	flateWindow = 32 << 10 // how far back a copy may refer
	flateAhead  = 8 << 10  // what is decoded before it is asked for
	flateHeader = 512      // octets that the head of a dynamic block fits in
)

var (
	errMore    = errors.New("imapd: more octets are needed")
	errInflate = errors.New("imapd: malformed DEFLATE data")
	errFinal   = errors.New("imapd: the client's compressed data has ended")
)

// decode decodes some of in, and takes what it used from it. errMore: there is
// nothing to give on before more comes.
func (z *inflater) decode(in *[]byte) error {
	if len(z.window) > 2*flateWindow && z.told == len(z.window) {
		z.window = z.window[:copy(z.window, z.window[len(z.window)-flateWindow:])]
		z.told = len(z.window)
	}
	for len(z.window)-z.told < flateAhead {
		// A step that finds too little is done again with more.
		rest, bits, n := *in, z.bits, z.n
		if z.step == nil {
			z.step = (*inflater).block
		}
		err := z.failed
		if err == nil {
			err = z.step(z, in)
		}
		if err == nil {
			continue
		}
		*in, z.bits, z.n = rest, bits, n
		if errors.Is(err, errMore) && len(rest) > flateHeader {
			err = errInflate
		}
		if !errors.Is(err, errMore) {
			z.failed = err
		}
		if z.told < len(z.window) {
			return nil
		}
		return err
	}
	return nil
}

// rest gives back memory that is not needed to go on.
func (z *inflater) rest() {
	if cap(z.window) > flateWindow && z.told == len(z.window) {
		w := z.window[max(0, len(z.window)-flateWindow):]
		z.window = append(make([]byte, 0, len(w)), w...)
		z.told = len(z.window)
	}
}

// take takes k bits, 16 at most.
func (z *inflater) take(in *[]byte, k uint) (int, error) {
	for z.n < k {
		if len(*in) == 0 {
			return 0, errMore
		}
		z.bits |= uint64((*in)[0]) << z.n
		*in = (*in)[1:]
		z.n += 8
	}
	v := int(z.bits & (1<<k - 1))
	z.bits >>= k
	z.n -= k
	return v, nil
}

// block reads the head of a block (RFC 1951 section 3.2.3).
func (z *inflater) block(in *[]byte) error {
	if z.last {
		return errFinal
	}
	v, err := z.take(in, 3)
	if err != nil {
		return err
	}
	switch v >> 1 {
	case 0:
		z.bits >>= z.n % 8
		z.n -= z.n % 8
		size, err := z.take(in, 16)
		if err != nil {
			return err
		}
		check, err := z.take(in, 16)
		if err != nil {
			return err
		}
		if size != ^check&0xffff {
			return errInflate
		}
		z.left, z.step = size, (*inflater).storedOctets
	case 1:
		z.codes, z.step = fixedCodes(), (*inflater).symbol
	case 2:
		if z.codes, err = z.dynamic(in); err != nil {
			return err
		}
		z.step = (*inflater).symbol
	default:
		return errInflate
	}
	z.last = v&1 != 0
	return nil
}

// storedOctets reads octets of a stored block.
func (z *inflater) storedOctets(in *[]byte) error {
	switch {
	case z.left == 0:
		z.step = nil
		return nil
	case z.n > 0:
		v, _ := z.take(in, 8)
		z.window = append(z.window, byte(v))
		z.left--
		return nil
	}
	if len(*in) == 0 {
		return errMore
	}
	k := min(z.left, len(*in), flateAhead)
	z.window = append(z.window, (*in)[:k]...)
	*in = (*in)[k:]
	z.left -= k
	return nil
}

// Lengths and distances that symbols stand for (RFC 1951 section 3.2.5).
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	// lensOrder is the order of the code lengths' code lengths (section 3.2.7).
	lensOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// symbol reads an octet, a copy, or the end of a block.
func (z *inflater) symbol(in *[]byte) error {
	s, err := z.codes.lit.symbol(z, in)
	switch {
	case err != nil:
		return err
	case s < 256:
		z.window = append(z.window, byte(s))
		return nil
	case s == 256:
		z.step, z.codes = nil, nil
		return nil
	case s > 285:
		return errInflate
	}
	extra, err := z.take(in, uint(lengthBits[s-257]))
	if err != nil {
		return err
	}
	length := int(lengthBase[s-257]) + extra
	if s, err = z.codes.dist.symbol(z, in); err != nil {
		return err
	}
	if s > 29 {
		return errInflate
	}
	if extra, err = z.take(in, uint(distBits[s])); err != nil {
		return err
	}
	from := len(z.window) - int(distBase[s]) - extra
	if from < 0 {
		return errInflate
	}
	for i := range length {
		z.window = append(z.window, z.window[from+i])
	}
	return nil
}

// codes are the two codes of a block.
type codes struct {
	lit  code
	dist code
}

// code is a canonical Huffman code: how many words there are of each length,
// and the symbols in the order of their words.
type code struct {
	count   [16]uint16
	symbols [288]uint16
}

// symbol reads a word of the code.
func (c *code) symbol(z *inflater, in *[]byte) (int, error) {
	word, first, index := 0, 0, 0
	for size := 1; size < 16; size++ {
		if z.n == 0 {
			if len(*in) == 0 {
				return 0, errMore
			}
			z.bits, z.n = uint64((*in)[0]), 8
			*in = (*in)[1:]
		}
		word |= int(z.bits & 1)
		z.bits >>= 1
		z.n--
		count := int(c.count[size])
		if word-count < first {
			return int(c.symbols[index+word-first]), nil
		}
		index += count
		first = (first + count) << 1
		word <<= 1
	}
	return 0, errInflate
}

// set makes the code of the symbols' lengths; 0: it is not used. Only a code
// with one word of one bit may be incomplete.
func (c *code) set(lengths []uint8) error {
	*c = code{}
	for _, l := range lengths {
		c.count[l]++
	}
	used := len(lengths) - int(c.count[0])
	c.count[0] = 0
	left := 1
	for _, n := range c.count[1:] {
		if left = left<<1 - int(n); left < 0 {
			return errInflate
		}
	}
	if left > 0 && used > 0 && (used > 1 || c.count[1] == 0) {
		return errInflate
	}
	var at [17]uint16
	for size := 1; size < 16; size++ {
		at[size+1] = at[size] + c.count[size]
	}
	for s, l := range lengths {
		if l != 0 {
			c.symbols[at[l]] = uint16(s)
			at[l]++
		}
	}
	return nil
}

var fixedCodes = sync.OnceValue(func() *codes {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	c := new(codes)
	c.lit.set(lengths[:])
	for i := range 30 {
		lengths[i] = 5
	}
	// 30 of 32 words: those that are missing are errors.
	c.dist.count[5] = 30
	for i := range 30 {
		c.dist.symbols[i] = uint16(i)
	}
	return c
})

// dynamic reads the codes of a block (RFC 1951 section 3.2.7).
func (z *inflater) dynamic(in *[]byte) (*codes, error) {
	v, err := z.take(in, 14)
	if err != nil {
		return nil, err
	}
	literals, dists, order := v&31+257, v>>5&31+1, v>>10+4
	if literals > 286 || dists > 30 {
		return nil, errInflate
	}
	var lengths [286 + 30]uint8
	for i := range order {
		l, err := z.take(in, 3)
		if err != nil {
			return nil, err
		}
		lengths[lensOrder[i]] = uint8(l)
	}
	var c code
	if err := c.set(lengths[:19]); err != nil {
		return nil, err
	}
	clear(lengths[:19])
	if err := z.lengths(in, &c, lengths[:literals+dists]); err != nil {
		return nil, err
	}
	if lengths[256] == 0 {
		return nil, errInflate
	}
	out := new(codes)
	return out, errors.Join(out.lit.set(lengths[:literals]), out.dist.set(lengths[literals:literals+dists]))
}

// lengths reads code lengths, which are in a code themselves.
func (z *inflater) lengths(in *[]byte, c *code, out []uint8) error {
	for i := 0; i < len(out); {
		s, err := c.symbol(z, in)
		if err != nil {
			return err
		}
		if s < 16 {
			out[i] = uint8(s)
			i++
			continue
		}
		var value uint8
		bits, base := uint(7), 11
		switch s {
		case 16:
			if i == 0 {
				return errInflate
			}
			value, bits, base = out[i-1], 2, 3
		case 17:
			bits, base = 3, 3
		}
		extra, err := z.take(in, bits)
		if err != nil {
			return err
		}
		n := base + extra
		if i+n > len(out) {
			return errInflate
		}
		for ; n > 0; n-- {
			out[i] = value
			i++
		}
	}
	return nil
}
