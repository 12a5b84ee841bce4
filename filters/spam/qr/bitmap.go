package qr

import (
	"encoding/binary"
	"math/bits"

	"github.com/makiuchi-d/gozxing"
)

// bitmap is a picture of dark pixels (1) and light ones (0), a bit each: the
// lowest of a row's first octet is its first pixel.
type bitmap struct {
	w, h, stride int // stride in octets, a multiple of eight
	bits         []byte
}

func newBitmap(w, h int) *bitmap {
	stride := (w + 63) / 64 * 8
	return &bitmap{w, h, stride, make([]byte, stride*h)}
}

// row returns a row, and some octets of zeros.
func (b *bitmap) row(y int) []byte { return b.bits[y*b.stride : (y+1)*b.stride] }

// dark returns 1 for a dark pixel.
func (b *bitmap) dark(x, y int) byte { return b.bits[y*b.stride+x>>3] >> (x & 7) & 1 }

// invert makes dark light.
func (b *bitmap) invert() {
	for y := range b.h {
		row := b.row(y)
		n := b.w / 8
		for i := range row[:n] {
			row[i] ^= 0xff
		}
		if rest := b.w % 8; rest > 0 {
			row[n] ^= 1<<rest - 1
		}
	}
}

// matrix is the bitmap as gozxing has it.
func (b *bitmap) matrix() *gozxing.BitMatrix {
	m, err := gozxing.NewBitMatrix(b.w, b.h)
	if err != nil {
		return nil
	}
	line := gozxing.NewBitArray(b.w)
	for y := range b.h {
		row := b.row(y)
		for x := 0; x < b.w; x += 32 {
			line.SetBulk(x, binary.LittleEndian.Uint32(row[x/8:]))
		}
		m.SetRow(y, line)
	}
	return m
}

// runs calls each for every run of dark pixels in a row that looks, with the
// four runs before it, like the corner of a code: 1:1:3:1:1. end is where it
// ends.
func (b *bitmap) runs(y int, each func(runs [5]int, end int)) {
	row := b.row(y)
	var r0, r1, r2, r3 int // the runs before the one that ends
	start, color, last := 0, 0, uint64(0)
	for x := 0; x < b.w; x += 64 {
		w := binary.LittleEndian.Uint64(row[x/8:])
		turns := w ^ (w<<1 | last)
		last = w >> 63
		if left := b.w - x; left < 64 {
			turns &= 1<<left - 1
		}
		for ; turns != 0; turns &= turns - 1 {
			at := x + bits.TrailingZeros64(turns)
			r4 := at - start
			// The middle one is the longest: few go on.
			if color == 1 && (r0-r2)&(r1-r2)&(r3-r2)&(r4-r2) < 0 && like(r0, r1, r2, r3, r4) {
				each([5]int{r0, r1, r2, r3, r4}, at)
			}
			r0, r1, r2, r3, start, color = r1, r2, r3, r4, at, color^1
		}
	}
	if r4 := b.w - start; color == 1 && like(r0, r1, r2, r3, r4) {
		each([5]int{r0, r1, r2, r3, r4}, b.w)
	}
}

// like is corner within five tenths, without branches: in a picture of noise no
// processor foretells them. Below zero is what is not so.
func like(r0, r1, r2, r3, r4 int) bool {
	total := r0 + r1 + r2 + r3 + r4
	off := total - 7
	low, high := 5*total+1, 15*total-1 // of a seventh, times 70
	off |= (70*r0 - low) | (high - 70*r0)
	off |= (70*r1 - low) | (high - 70*r1)
	off |= (70*r3 - low) | (high - 70*r3)
	off |= (70*r4 - low) | (high - 70*r4)
	off |= (70*r2 - low - 10*total) | (high + 30*total - 70*r2)
	return off >= 0
}

// Eight octets at a time, as one number.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
	evens = 0x00ff00ff00ff00ff
)

// atMost tells which octets of x are at most those of y: by their high bits.
func atMost(x, y uint64) uint64 {
	low := (y | highs) - x&^highs
	return (y&^x | ^(x^y)&low) & highs
}

// octet makes one of the high bits of eight.
func octet(high uint64) byte { return byte(high >> 7 * 0x0102040810204080 >> 56) }

// select8 returns the octets of x where high has a bit, of y elsewhere.
func select8(high, x, y uint64) uint64 {
	all := high | (high - high>>7)
	return x&all | y&^all
}

// load returns eight pixels.
func load(pix []byte) uint64 { return binary.LittleEndian.Uint64(pix) }
