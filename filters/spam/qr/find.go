package qr

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/detector"
)

const (
	maxCenters = 256 // of what looks like a corner in one picture
	maxCorners = 20  // the best of them, which are tried in threes

	// Of all four looks at a picture together: dark on light and light on dark,
	// each at two sizes. Half of what is left is for one look, so that some is for
	// the next.
	maxChecks  = 6000    // candidates for corners that are looked at across
	maxTries   = 16      // threes that are read
	maxModules = 3 << 14 // of the codes that are read: two of the largest, a dozen of usual ones
)

// work is what may still be done about a picture.
type work struct{ checks, tries, modules int }

// half is what one look may take.
func (w work) half() work { return work{(w.checks + 1) / 2, (w.tries + 1) / 2, (w.modules + 1) / 2} }

// What such work counts for, as pixels: a picture that leads to much of it is noise
// most often, whose decoding took longer, too.
const (
	perCheck  = 30
	perModule = 4
)

// read finds codes: dark on light, light on dark, then the same at half the
// size, where speckles are gone. It tells what that took, as pixels.
func read(ctx context.Context, g *gray) (texts []string, took int) {
	if g.w < 120 && g.h < 120 { // modules of one pixel: room to find the corners
		g = g.scaled(3)
	}
	left := work{maxChecks, maxTries, maxModules}
	defer func() { took = (maxChecks-left.checks)*perCheck + (maxModules-left.modules)*perModule }()
	for range 2 {
		p := &picture{bitmap: g.binary()}
		for range 2 {
			look := left.half()
			p.left = look
			texts := p.codes(ctx)
			left.checks -= look.checks - max(0, p.left.checks)
			left.tries -= look.tries - p.left.tries
			left.modules -= look.modules - p.left.modules
			if len(texts) > 0 || ctx.Err() != nil {
				return texts, 0
			}
			if p.left.checks < 0 { // noise: what is left is for its half size
				break
			}
			p.invert()
		}
		g = g.halved()
	}
	return nil, 0
}

// halved is the picture at half its size, each pixel the mean of four.
func (g *gray) halved() *gray {
	out := &gray{g.w / 2, g.h / 2, make([]byte, (g.w/2)*(g.h/2))}
	for y := range out.h {
		a, b := g.row(2*y), g.row(2*y+1)
		line, x := out.row(y), 0
		for ; x+4 <= len(line); x += 4 {
			c, d := load(a[2*x:]), load(b[2*x:])
			sum := (c&evens + c>>8&evens + d&evens + d>>8&evens + 2*(ones&evens)) >> 2 & evens
			sum = (sum | sum>>8) & 0x0000ffff0000ffff
			binary.LittleEndian.PutUint32(line[x:], uint32(sum|sum>>16))
		}
		for ; x < len(line); x++ {
			line[x] = byte((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) / 4)
		}
	}
	return out
}

// scaled enlarges a small picture.
func (g *gray) scaled(by int) *gray {
	out := &gray{g.w * by, g.h * by, make([]byte, g.w*g.h*by*by)}
	for y := range out.h {
		line := g.row(y / by)
		for x := range out.w {
			out.pix[y*out.w+x] = line[x/by]
		}
	}
	return out
}

// picture is one in which codes are looked for.
type picture struct {
	*bitmap
	centers []center
	left    work
}

// center is what looks like the middle of a corner.
type center struct {
	x, y, module float64
	count        int // rows that found it
}

// codes reads the codes that dark pixels draw.
func (p *picture) codes(ctx context.Context) []string {
	p.centers = p.centers[:0]
	for y := 1; y < p.h && len(p.centers) < maxCenters && p.left.checks > 0; y += 2 {
		if y&63 == 1 && ctx.Err() != nil {
			return nil
		}
		p.runs(y, func(runs [5]int, end int) { p.check(runs, end, y) })
	}
	best, threes := p.threes()
	if len(threes) == 0 {
		return nil
	}
	bits := p.matrix()
	var texts []string
	var used []center
	for _, three := range threes {
		if p.left.tries == 0 || p.left.modules <= 0 || len(texts) == MaxCodes || ctx.Err() != nil {
			break
		}
		corners := [3]center{best[three.corners[0]], best[three.corners[1]], best[three.corners[2]]}
		if slices.ContainsFunc(corners[:], func(c center) bool { return slices.Contains(used, c) }) {
			continue
		}
		p.left.tries--
		text, modules, ok := symbol(bits, corners)
		if p.left.modules -= modules; ok {
			used = append(used, corners[:]...)
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// corner reports whether runs are as of a corner, each within so many tenths
// of what it should be.
func corner(runs *[5]int, tenths int) bool {
	total := runs[0] + runs[1] + runs[2] + runs[3] + runs[4]
	near := func(n, want int) bool { // n is about want sevenths of the total
		want *= total
		return 10*abs(7*n-want) < tenths*want
	}
	return total >= 7 && near(runs[2], 3) && near(runs[0], 1) && near(runs[1], 1) && near(runs[3], 1) && near(runs[4], 1)
}

// check looks across at a candidate that ends before x in row y.
func (p *picture) check(runs [5]int, x, y int) {
	if p.left.checks--; p.left.checks < 0 {
		return
	}
	total := runs[0] + runs[1] + runs[2] + runs[3] + runs[4]
	cx := x - runs[4] - runs[3] - (runs[2]+1)/2
	top, down, ok := p.cross(cx, y, 0, 1, total)
	if !ok {
		return
	}
	cy := (top + down) / 2
	left, right, ok := p.cross(cx, cy, 1, 0, total)
	if !ok {
		return
	}
	fx := float64(left+right)/2 + 0.5
	fy := float64(top+down)/2 + 0.5
	m := float64(total) / 7
	for i := range p.centers {
		c := &p.centers[i]
		if math.Abs(c.x-fx) <= c.module && math.Abs(c.y-fy) <= c.module && math.Abs(c.module-m) <= max(1, c.module) {
			n := float64(c.count)
			c.x, c.y, c.module = (c.x*n+fx)/(n+1), (c.y*n+fy)/(n+1), (c.module*n+m)/(n+1)
			c.count++
			return
		}
	}
	if len(p.centers) < maxCenters {
		p.centers = append(p.centers, center{fx, fy, m, 1})
	}
}

// cross measures the runs through x, y in a direction and returns where the
// middle one begins and ends.
func (p *picture) cross(x, y, dx, dy, total int) (from, to int, ok bool) {
	if x < 0 || y < 0 || x >= p.w || y >= p.h || p.dark(x, y) == 0 {
		return 0, 0, false
	}
	var runs [5]int
	limit := total // of one run: wider ones are none of this corner
	walk := func(sign int) (middle int) {
		px, py, n, run := x, y, 0, 2
		for {
			px, py = px+sign*dx, py+sign*dy
			if px < 0 || py < 0 || px >= p.w || py >= p.h {
				break
			}
			if want := byte(1 - run&1); p.dark(px, py) != want {
				if run == 2 {
					middle = n
				}
				if run += sign; run < 0 || run > 4 {
					return middle
				}
				n = 0
			}
			n++
			runs[run]++
			if n > limit {
				runs[run] = 0
				return middle
			}
		}
		if run == 2 {
			middle = n
		}
		return middle
	}
	runs[2] = 1
	back, forth := walk(-1), walk(1)
	sum := runs[0] + runs[1] + runs[2] + runs[3] + runs[4]
	if !corner(&runs, 6) || 5*abs(sum-total) >= 3*total {
		return 0, 0, false
	}
	at := x
	if dy != 0 {
		at = y
	}
	return at - back, at + forth, true
}

func abs(n int) int { return max(n, -n) }

// three are corners that may be of one code.
type three struct {
	corners [3]uint8 // of those at hand
	order   uint16
	skew    float64 // 0 for half a square
}

// threes returns the best corners and what may be codes, the likeliest first.
func (p *picture) threes() (c []center, list []three) {
	if len(p.centers) < 3 {
		return nil, nil
	}
	c = slices.Clone(p.centers)
	slices.SortStableFunc(c, func(a, b center) int { return cmp.Compare(b.count, a.count) })
	c = c[:min(len(c), maxCorners)]
	for i := range c {
		for j := range i {
			for k := range j {
				if skew, ok := half(c[i], c[j], c[k]); ok {
					list = append(list, three{[3]uint8{uint8(i), uint8(j), uint8(k)}, uint16(len(list)), skew})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b three) int { return cmp.Or(cmp.Compare(a.skew, b.skew), cmp.Compare(a.order, b.order)) })
	return c, list
}

// half reports how far three corners of like size are from half a square.
func half(a, b, c center) (skew float64, ok bool) {
	small, large := min(a.module, b.module, c.module), max(a.module, b.module, c.module)
	if large > 1.6*small {
		return 0, false
	}
	sq := func(p, q center) float64 { return (p.x-q.x)*(p.x-q.x) + (p.y-q.y)*(p.y-q.y) }
	d := []float64{sq(a, b), sq(a, c), sq(b, c)}
	slices.Sort(d)
	if side := math.Sqrt(d[0]) / small; side < 10 || side > 190 { // modules between corners: 14 to 170
		return 0, false
	}
	skew = (math.Abs(d[2]-2*d[1]) + math.Abs(d[2]-2*d[0])) / d[2]
	return skew, skew < 0.8
}

// symbol samples and decodes the code with these corners, and tells how many
// modules it has.
func symbol(bits *gozxing.BitMatrix, c [3]center) (text string, modules int, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	var f [3]gozxing.ResultPoint
	for i := range c {
		f[i] = detector.NewFinderPattern1(c[i].x, c[i].y, c[i].module)
	}
	bl, tl, tr := gozxing.ResultPoint_OrderBestPatterns(f[0], f[1], f[2])
	info := detector.NewFinderPatternInfo(bl.(*detector.FinderPattern), tl.(*detector.FinderPattern), tr.(*detector.FinderPattern))
	found, err := detector.NewDetector(bits).ProcessFinderPatternInfo(info)
	if err != nil {
		return "", 0, false
	}
	code := found.GetBits()
	modules = code.GetWidth() * code.GetHeight()
	text, ok = decode(code)
	return text, modules, ok
}

// decode reads a symbol of one cell a module.
func decode(bits *gozxing.BitMatrix) (string, bool) {
	r, err := decoder.NewDecoder().Decode(bits, nil)
	if err != nil {
		return "", false
	}
	text := r.GetText()
	return text, text != ""
}
