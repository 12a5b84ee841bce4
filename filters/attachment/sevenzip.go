package attachment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

var err7z = errors.New("attachment: malformed 7z")

const (
	max7zHeader = 4 << 20 // octets of a header, packed or not
	max7zCoders = 8       // of a folder
	max7zProps  = 32      // octets of a coder's properties
)

// Identifiers of the 7z format (7zFormat.txt).
const (
	id7zEnd        = 0x00
	id7zHeader     = 0x01
	id7zProperties = 0x02
	id7zStreams    = 0x04
	id7zFiles      = 0x05
	id7zPack       = 0x06
	id7zUnpack     = 0x07
	id7zSubstreams = 0x08
	id7zSize       = 0x09
	id7zCRC        = 0x0a
	id7zFolder     = 0x0b
	id7zUnpackSize = 0x0c
	id7zEncoded    = 0x17
)

// check7z reads the header of a 7z file and says whether it is encrypted. An
// error means that it must not be opened: the library makes room for whatever
// numbers a header claims.
func check7z(r io.ReaderAt, size int64, entries int) (encrypted bool, err error) {
	var start [32]byte
	if _, err := r.ReadAt(start[:], 0); err != nil {
		return false, err7z
	}
	off, n := binary.LittleEndian.Uint64(start[12:]), binary.LittleEndian.Uint64(start[20:])
	if n > max7zHeader || off > uint64(size) || int64(off)+32+int64(n) > size {
		return false, err7z
	}
	if n == 0 {
		return false, nil
	}
	raw := make([]byte, n)
	if _, err := r.ReadAt(raw, 32+int64(off)); err != nil && err != io.EOF {
		return false, err
	}
	c := &cursor7z{b: raw, entries: uint64(entries)}
	if c.byte() == id7zEncoded {
		c.streams()
		switch {
		case c.err != nil:
			return c.encrypted, c.err
		case c.encrypted: // the names too; the work to make a key of a password is not ours to do
			return true, err7z
		}
		if raw, err = c.unpackHeader(r); err != nil {
			return false, err
		}
		c = &cursor7z{b: raw, entries: uint64(entries)}
		c.byte()
	}
	c.header(raw)
	return c.encrypted, c.err
}

// cursor7z reads a header, with every number bounded.
type cursor7z struct {
	b         []byte
	entries   uint64
	err       error
	encrypted bool

	folders, pack, packSize, unpacked uint64
	known                             []bool // folders whose digest is told
	method                            string
	props                             []byte
}

func (c *cursor7z) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.b = nil
}

func (c *cursor7z) byte() byte {
	if len(c.b) == 0 {
		c.fail(err7z)
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor7z) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.fail(err7z)
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

// number reads the format's variable length; what is above most is an error.
func (c *cursor7z) number(most uint64) uint64 {
	first := c.byte()
	var v uint64
	mask := byte(0x80)
	for i := range 8 {
		if first&mask == 0 {
			v |= uint64(first&(mask-1)) << (8 * i)
			break
		}
		v |= uint64(c.byte()) << (8 * i)
		mask >>= 1
	}
	if v > most {
		c.fail(errLimit)
		return 0
	}
	return v
}

const any7z = 1 << 62

// header reads what follows the mark of a header.
func (c *cursor7z) header(raw []byte) {
	if len(raw) == 0 || raw[0] != id7zHeader {
		c.fail(err7z)
	}
	for c.err == nil {
		switch c.byte() {
		case id7zProperties:
			for c.err == nil && c.byte() != id7zEnd {
				c.take(c.number(max7zHeader))
			}
		case id7zStreams:
			c.streams()
		case id7zFiles:
			c.number(c.entries)
			return
		case id7zEnd:
			return
		default:
			c.fail(err7z)
		}
	}
}

// streams reads a StreamsInfo.
func (c *cursor7z) streams() {
	for c.err == nil {
		switch c.byte() {
		case id7zEnd:
			return
		case id7zPack:
			c.pack = c.number(any7z)
			c.sizes(c.number(c.entries), &c.packSize)
		case id7zUnpack:
			c.unpackInfo()
		case id7zSubstreams:
			c.substreams()
		default:
			c.fail(err7z)
		}
	}
}

// sizes reads sizes and digests of n packed streams.
func (c *cursor7z) sizes(n uint64, first *uint64) {
	for c.err == nil {
		switch c.byte() {
		case id7zEnd:
			return
		case id7zSize:
			for i := range n {
				if v := c.number(any7z); i == 0 {
					*first = v
				}
			}
		case id7zCRC:
			c.digests(n)
		default:
			c.fail(err7z)
		}
	}
}

// digests reads which of n streams have one, and passes over them.
func (c *cursor7z) digests(n uint64) []bool {
	defined := make([]bool, n)
	all := c.byte() != 0
	var bits []byte
	if !all {
		bits = c.take((n + 7) / 8)
	}
	count := uint64(0)
	for i := range defined {
		if all || len(bits) > i/8 && bits[i/8]&(0x80>>(i%8)) != 0 {
			defined[i] = true
			count++
		}
	}
	c.take(4 * count)
	return defined
}

func (c *cursor7z) unpackInfo() {
	if c.byte() != id7zFolder {
		c.fail(err7z)
	}
	c.folders = c.number(c.entries)
	if c.byte() != 0 {
		c.fail(err7z)
	}
	var outs uint64
	for range c.folders {
		outs += c.folder()
	}
	if c.byte() != id7zUnpackSize {
		c.fail(err7z)
	}
	for range outs {
		if c.unpacked = c.number(any7z); c.err != nil {
			return
		}
	}
	switch c.byte() {
	case id7zCRC:
		c.known = c.digests(c.folders)
		if c.byte() != id7zEnd {
			c.fail(err7z)
		}
	case id7zEnd:
	default:
		c.fail(err7z)
	}
}

// folder reads the coders of one folder and returns its streams.
func (c *cursor7z) folder() (outs uint64) {
	var ins uint64
	for range c.number(max7zCoders) {
		flags := c.byte()
		c.method = string(c.take(uint64(flags & 0xf)))
		in, out := uint64(1), uint64(1)
		if flags&0x10 != 0 {
			in, out = c.number(max7zCoders), c.number(max7zCoders)
		}
		if c.props = nil; flags&0x20 != 0 {
			c.props = c.take(c.number(max7zProps))
		}
		ins, outs = ins+in, outs+out
		c.coder()
	}
	if c.err != nil || outs == 0 || ins < outs {
		c.fail(err7z)
		return 0
	}
	for range 2 * (outs - 1) { // bind pairs
		c.number(any7z)
	}
	if packed := ins - (outs - 1); packed > 1 {
		for range packed {
			c.number(any7z)
		}
	}
	return outs
}

// coder refuses those that want too much memory.
func (c *cursor7z) coder() {
	var dictionary uint64
	switch c.method {
	case "\x03\x01\x01", "\x03\x04\x01": // LZMA, PPMD
		if len(c.props) < 5 {
			c.fail(err7z)
			return
		}
		dictionary = uint64(binary.LittleEndian.Uint32(c.props[1:]))
	case "\x21": // LZMA2
		if len(c.props) != 1 || c.props[0] > 40 {
			c.fail(err7z)
			return
		}
		dictionary = uint64(2|c.props[0]&1) << (c.props[0]/2 + 11)
	case "\x06\xf1\x07\x01": // AES
		c.encrypted = true
	}
	if dictionary > maxDictionary {
		c.fail(errLimit)
	}
}

func (c *cursor7z) substreams() {
	counts := make([]uint64, c.folders)
	for i := range counts {
		counts[i] = 1
	}
	id := c.byte()
	if id == 0x0d { // NumUnpackStream
		total := uint64(0)
		for i := range counts {
			counts[i] = c.number(c.entries)
			if total += counts[i]; total > c.entries {
				c.fail(errLimit)
			}
		}
		id = c.byte()
	}
	if id == id7zSize {
		for _, n := range counts {
			for j := uint64(1); j < n && c.err == nil; j++ {
				c.number(any7z)
			}
		}
		id = c.byte()
	}
	if id == id7zCRC {
		missing := uint64(0)
		for i, n := range counts {
			if n != 1 || i >= len(c.known) || !c.known[i] {
				missing += n
			}
		}
		c.digests(missing)
		id = c.byte()
	}
	if id != id7zEnd {
		c.fail(err7z)
	}
}

// unpackHeader unpacks a header that LZMA packed.
func (c *cursor7z) unpackHeader(r io.ReaderAt) ([]byte, error) {
	if c.folders != 1 || c.method != "\x03\x01\x01" || c.unpacked > max7zHeader || c.packSize > max7zHeader {
		return nil, err7z
	}
	head := append(bytes.Clone(c.props[:5]), make([]byte, 8)...)
	binary.LittleEndian.PutUint64(head[5:], c.unpacked)
	l, err := lzma.NewReader(io.MultiReader(bytes.NewReader(head), io.NewSectionReader(r, 32+int64(c.pack), int64(c.packSize))))
	if err != nil {
		return nil, err7z
	}
	raw := make([]byte, c.unpacked)
	if _, err := io.ReadFull(l, raw); err != nil {
		return nil, err7z
	}
	return raw, nil
}
