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
		g.fours(img.Pix, img.Stride, func(p []byte) byte {
			a := uint32(p[3])
			return byte((weigh(uint32(p[0]), uint32(p[1]), uint32(p[2]))*a + 255*(255-a)) / 255)
		})
	case *image.RGBA:
		g.fours(img.Pix, img.Stride, func(p []byte) byte {
			return byte(min(weigh(uint32(p[0]), uint32(p[1]), uint32(p[2]))+255-uint32(p[3]), 255))
		})
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

// fours reads a picture of four octets a pixel that begins at its first octet.
func (g *gray) fours(pix []byte, stride int, f func([]byte) byte) {
	for y := range g.h {
		line := pix[y*stride : y*stride+4*g.w]
		for x := range g.w {
			g.pix[y*g.w+x] = f(line[4*x : 4*x+4 : 4*x+4])
		}
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

// binary returns 1 for dark pixels, 0 for light: each is compared with the mean
// of the blocks around it, so that shadows and gradients do no harm.
func (g *gray) binary() []byte {
	out := make([]byte, len(g.pix))
	bw, bh := (g.w+block-1)/block, (g.h+block-1)/block
	black := make([]int, bw*bh)
	for by := range bh {
		for bx := range bw {
			black[by*bw+bx] = g.threshold(bx, by, black, bw)
		}
	}
	for by := range bh {
		for bx := range bw {
			sum, n := 0, 0
			for y := max(by-2, 0); y <= min(by+2, bh-1); y++ {
				for x := max(bx-2, 0); x <= min(bx+2, bw-1); x++ {
					sum += black[y*bw+x]
					n++
				}
			}
			t := uint32(sum / n)
			for y := by * block; y < min((by+1)*block, g.h); y++ {
				from, to := y*g.w+bx*block, y*g.w+min((bx+1)*block, g.w)
				line := out[from:to]
				for i, p := range g.pix[from:to] {
					line[i] = byte((uint32(p) - t - 1) >> 31) // p <= t, without a branch that noise makes costly
				}
			}
		}
	}
	return out
}

// threshold is the brightness that parts dark from light in a block: the mean,
// or where there is no contrast half of the darkest, so that all is light, but
// if the blocks before it were darker, theirs.
func (g *gray) threshold(bx, by int, black []int, bw int) int {
	sum, n, low, high := 0, 0, 255, 0
	for y := by * block; y < min((by+1)*block, g.h); y++ {
		for _, p := range g.pix[y*g.w+bx*block : y*g.w+min((bx+1)*block, g.w)] {
			v := int(p)
			sum, n, low, high = sum+v, n+1, min(low, v), max(high, v)
		}
	}
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
