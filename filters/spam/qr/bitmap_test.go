package qr

import (
	"math/rand/v2"
	"testing"
)

// TestRunsLikeCorners: without branches as with them.
func TestRunsLikeCorners(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	n := 0
	for range 300_000 {
		unit := 1 + r.IntN(12)
		near := func(want int) int { return max(0, want*unit+r.IntN(unit+2)-unit/2) }
		runs := [5]int{near(1), near(1), near(3), near(1), near(1)}
		want := corner(&runs, 5)
		if want {
			n++
		}
		if got := like(runs[0], runs[1], runs[2], runs[3], runs[4]); got != want {
			t.Fatalf("%v: %v", runs, got)
		}
	}
	if n < 1000 {
		t.Errorf("only %d", n)
	}
}

// plain is gray.binary, a pixel at a time.
func plain(g *gray) []byte {
	bw, bh := (g.w+block-1)/block, (g.h+block-1)/block
	black := make([]int, bw*bh)
	for i := range black {
		bx, by := i%bw, i/bw
		sum, n, low, high := 0, 0, 255, 0
		for y := by * block; y < min((by+1)*block, g.h); y++ {
			for x := bx * block; x < min((bx+1)*block, g.w); x++ {
				v := int(g.pix[y*g.w+x])
				sum, n, low, high = sum+v, n+1, min(low, v), max(high, v)
			}
		}
		black[i] = sum / n
		if high-low <= contrast {
			black[i] = low / 2
			if bx > 0 && by > 0 {
				if near := (black[i-bw] + 2*black[i-1] + black[i-bw-1]) / 4; low < near {
					black[i] = near
				}
			}
		}
	}
	out := make([]byte, len(g.pix))
	for i, p := range g.pix {
		x, y := i%g.w, i/g.w
		sum, n := 0, 0
		for by := max(y/block-2, 0); by <= min(y/block+2, bh-1); by++ {
			for bx := max(x/block-2, 0); bx <= min(x/block+2, bw-1); bx++ {
				sum, n = sum+black[by*bw+bx], n+1
			}
		}
		if int(p) <= sum/n {
			out[i] = 1
		}
	}
	return out
}

// TestEightPixelsAtATime: pictures of all widths are as they are pixel by pixel.
func TestEightPixelsAtATime(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for w := 21; w < 160; w += 1 + r.IntN(3) {
		h := 21 + r.IntN(60)
		g := &gray{w, h, make([]byte, w*h)}
		spread := 1 + r.IntN(256)
		for i := range g.pix {
			g.pix[i] = byte(r.IntN(spread) + i*r.IntN(2)%40)
		}
		b, want := g.binary(), plain(g)
		for range 2 {
			for i := range want {
				if b.dark(i%w, i/w) != want[i] {
					t.Fatalf("%dx%d: pixel %d, %d", w, h, i%w, i/w)
				}
				want[i] ^= 1
			}
			b.invert()
		}
		half := g.halved()
		for y := range half.h {
			for x := range half.w {
				p := func(x, y int) int { return int(g.pix[y*w+x]) }
				if v := (p(2*x, 2*y) + p(2*x+1, 2*y) + p(2*x, 2*y+1) + p(2*x+1, 2*y+1) + 2) / 4; int(half.pix[y*half.w+x]) != v {
					t.Fatalf("%dx%d halved: %d, %d", w, h, x, y)
				}
			}
		}
	}
}
