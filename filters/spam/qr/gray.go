package qr

import (
	"image"
	"image/color"
)

// gray is a picture of brightness, an octet a pixel.
type gray struct {
	w, h int
	pix  []byte
}

// luma returns the brightness of img on white.
func luma(img image.Image) *gray {
	b := img.Bounds()
	g := &gray{b.Dx(), b.Dy(), make([]byte, b.Dx()*b.Dy())}
	switch img := img.(type) {
	case *image.YCbCr:
		for y := range g.h {
			o := img.YOffset(b.Min.X, b.Min.Y+y)
			copy(g.row(y), img.Y[o:o+g.w])
		}
	case *image.Gray:
		for y := range g.h {
			o := img.PixOffset(b.Min.X, b.Min.Y+y)
			copy(g.row(y), img.Pix[o:o+g.w])
		}
	case *image.Paletted:
		var table [256]byte
		for i, c := range img.Palette[:min(len(img.Palette), 256)] {
			table[i] = bright(c)
		}
		for y := range g.h {
			o := img.PixOffset(b.Min.X, b.Min.Y+y)
			for x, p := range img.Pix[o : o+g.w] {
				g.pix[y*g.w+x] = table[p]
			}
		}
	case *image.NRGBA:
		g.fours(img.Pix, img.Stride, false)
	case *image.RGBA:
		g.fours(img.Pix, img.Stride, true)
	case *image.CMYK:
		for y := range g.h {
			inked(g.row(y), img.Pix[y*img.Stride:])
		}
	case image.RGBA64Image: // a colour.Color a pixel would be an allocation a pixel
		for y := range g.h {
			for x := range g.w {
				c := img.RGBA64At(b.Min.X+x, b.Min.Y+y)
				g.pix[y*g.w+x] = byte(min(weigh(uint32(c.R), uint32(c.G), uint32(c.B))+0xffff-uint32(c.A), 0xffff) >> 8)
			}
		}
	default:
		for y := range g.h {
			for x := range g.w {
				g.pix[y*g.w+x] = bright(img.At(b.Min.X+x, b.Min.Y+y))
			}
		}
	}
	return g
}

func (g *gray) row(y int) []byte { return g.pix[y*g.w : (y+1)*g.w] }

// fours reads a picture of four octets a pixel that begins at its first octet;
// its colours are multiplied by the opacity, or not yet.
func (g *gray) fours(pix []byte, stride int, multiplied bool) {
	for y := range g.h {
		line, out := pix[y*stride:y*stride+4*g.w], g.row(y)
		if !multiplied {
			overWhite(out, line)
			continue
		}
		for x := range out {
			p := line[4*x : 4*x+4 : 4*x+4]
			out[x] = byte(min(weigh(uint32(p[0]), uint32(p[1]), uint32(p[2]))+255-uint32(p[3]), 255))
		}
	}
}

// overWhite gives the brightness of pixels of four octets: colours and opacity.
func overWhite(out, line []byte) {
	for x := range out {
		p := line[4*x : 4*x+4 : 4*x+4]
		v, a := weigh(uint32(p[0]), uint32(p[1]), uint32(p[2])), uint32(p[3])
		w := v*a + 255*(255-a)
		out[x] = byte((w + 1 + w>>8) >> 8) // w / 255
	}
}

// grayOverWhite gives the brightness of pixels of two octets: that and opacity.
func grayOverWhite(out, line []byte) {
	for x := range out {
		v, a := uint32(line[2*x]), uint32(line[2*x+1])
		out[x] = byte((v*a + 255*(255-a)) / 255)
	}
}

// inked gives the brightness of pixels of four octets: what is left of red, green
// and blue under three inks and black.
func inked(out, line []byte) {
	for x := range out {
		p := line[4*x : 4*x+4 : 4*x+4]
		out[x] = byte(weigh(uint32(255-p[0]), uint32(255-p[1]), uint32(255-p[2])) * uint32(255-p[3]) / 255)
	}
}

// asItIs gives octets that are brightness already, or what is looked up for it.
func asItIs(out, line []byte) { copy(out, line) }

// opaque gives the brightness of pixels of three octets.
func opaque(out, line []byte) {
	for x := range out {
		p := line[3*x : 3*x+3 : 3*x+3]
		out[x] = byte(weigh(uint32(p[0]), uint32(p[1]), uint32(p[2])))
	}
}

// weigh is the brightness by ITU-R BT.601.
func weigh(r, g, b uint32) uint32 { return (299*r + 587*g + 114*b) / 1000 }

func bright(c color.Color) byte {
	r, g, b, a := c.RGBA()
	return byte(min(weigh(r, g, b)+0xffff-a, 0xffff) >> 8)
}

const (
	block    = 8  // pixels on a side of a block of which the brightness is taken
	contrast = 24 // least difference in a block of light and dark
)

// binary tells dark pixels from light ones: each is compared with the mean of the
// blocks around it, so that shadows and gradients do no harm.
func (g *gray) binary() *bitmap {
	out := newBitmap(g.w, g.h)
	bw, bh := (g.w+block-1)/block, (g.h+block-1)/block
	black := make([]int, bw*bh, bw*bh+bw)
	for by := range bh {
		for bx := range bw {
			black[by*bw+bx] = g.threshold(bx, by, black, bw)
		}
	}
	sums := black[bw*bh : bw*bh+bw] // of up to five blocks, one above the other
	for by := range bh {
		top, bottom := max(by-2, 0), min(by+2, bh-1)
		clear(sums)
		for y := top; y <= bottom; y++ {
			for x, v := range black[y*bw : (y+1)*bw] {
				sums[x] += v
			}
		}
		for bx := range bw {
			left, right := max(bx-2, 0), min(bx+2, bw-1)
			sum := 0
			for _, v := range sums[left : right+1] {
				sum += v
			}
			g.part(out, bx, by, byte(sum/((bottom-top+1)*(right-left+1))))
		}
	}
	return out
}

// part marks the pixels of a block that are at most as bright as t.
func (g *gray) part(out *bitmap, bx, by int, t byte) {
	wide := uint64(t) * ones
	n := min(block, g.w-bx*block)
	for y := by * block; y < min((by+1)*block, g.h); y++ {
		line := g.pix[y*g.w+bx*block:]
		dark := byte(0)
		if n == block {
			dark = octet(atMost(load(line), wide))
		} else {
			for i, p := range line[:n] {
				if p <= t {
					dark |= 1 << i
				}
			}
		}
		out.bits[y*out.stride+bx] = dark
	}
}

// threshold is the brightness that parts dark from light in a block: the mean,
// or where there is no contrast half of the darkest, so that all is light, but
// if the blocks before it were darker, theirs.
func (g *gray) threshold(bx, by int, black []int, bw int) int {
	sum, n, low, high := g.extent(bx, by)
	if high-low > contrast {
		return sum / n
	}
	t := low / 2
	if bx > 0 && by > 0 {
		if near := (black[(by-1)*bw+bx] + 2*black[by*bw+bx-1] + black[(by-1)*bw+bx-1]) / 4; low < near {
			t = near
		}
	}
	return t
}

// extent returns the sum of the pixels of a block, how many there are, the
// darkest and the brightest.
func (g *gray) extent(bx, by int) (sum, n, low, high int) {
	low, high = 255, 0
	from, to := by*block, min((by+1)*block, g.h)
	if bx*block+block > g.w {
		for y := from; y < to; y++ {
			for _, p := range g.pix[y*g.w+bx*block : (y+1)*g.w] {
				v := int(p)
				sum, n, low, high = sum+v, n+1, min(low, v), max(high, v)
			}
		}
		return sum, n, low, high
	}
	sums, lows, highest := uint64(0), ^uint64(0), uint64(0)
	for y := from; y < to; y++ {
		x := load(g.pix[y*g.w+bx*block:])
		sums += x&evens + x>>8&evens
		lows = select8(atMost(x, lows), x, lows)
		highest = select8(atMost(highest, x), x, highest)
	}
	for range block {
		low, high = min(low, int(lows&0xff)), max(high, int(highest&0xff))
		lows, highest = lows>>8, highest>>8
	}
	for ; sums != 0; sums >>= 16 {
		sum += int(sums & 0xffff)
	}
	return sum, block * (to - from), low, high
}
