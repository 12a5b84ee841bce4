package qr

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	skip2 "github.com/skip2/go-qrcode"
	"golang.org/x/image/bmp"
)

const lure = "https://login.example.test/verify?u=victim@example.org"

// code is a symbol of one cell a module with a margin of four.
func code(t testing.TB, text string) *gozxing.BitMatrix {
	t.Helper()
	m, err := qrcode.NewQRCodeWriter().EncodeWithoutHint(text, gozxing.BarcodeFormat_QR_CODE, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// draw draws m on a canvas, turned about the middle, in colours.
func draw(m *gozxing.BitMatrix, canvas int, scale, turn float64, dark, light color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, canvas, canvas))
	sin, cos := math.Sincos(turn * math.Pi / 180)
	for y := range canvas {
		for x := range canvas {
			fx, fy := float64(x)+0.5-float64(canvas)/2, float64(y)+0.5-float64(canvas)/2
			mx := int(math.Floor((fx*cos+fy*sin)/scale + float64(m.GetWidth())/2))
			my := int(math.Floor((-fx*sin+fy*cos)/scale + float64(m.GetHeight())/2))
			c := light
			if mx >= 0 && my >= 0 && mx < m.GetWidth() && my < m.GetHeight() && m.Get(mx, my) {
				c = dark
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func encode(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func only(t testing.TB, data []byte, want ...string) {
	t.Helper()
	got, err := Decode(t.Context(), data)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestCodesInPicturesAreRead(t *testing.T) {
	t.Parallel()
	m := code(t, lure)
	for name, img := range map[string]image.Image{
		"one pixel a module": draw(m, m.GetWidth(), 1, 0, color.Black, color.White),
		"two pixels":         draw(m, 90, 2, 0, color.Black, color.White),
		"large":              draw(m, 1000, 20, 0, color.Black, color.White),
		"small on large":     draw(m, 1000, 3, 0, color.Black, color.White),
		"upside down":        draw(m, 300, 5, 180, color.Black, color.White),
		"on its side":        draw(m, 300, 5, 90, color.Black, color.White),
		"askew":              draw(m, 400, 6, 17, color.Black, color.White),
		"light on dark":      draw(m, 300, 5, 0, color.White, color.Black),
		"red on yellow":      draw(m, 300, 5, 0, color.NRGBA{200, 0, 0, 255}, color.NRGBA{255, 240, 0, 255}),
		"blue on light blue": draw(m, 300, 5, 0, color.NRGBA{20, 40, 160, 255}, color.NRGBA{150, 180, 240, 255}),
		"on transparency":    draw(m, 300, 5, 0, color.Black, color.Transparent),
		"shaded":             shaded(draw(m, 400, 7, 3, color.NRGBA{30, 30, 30, 255}, color.NRGBA{230, 230, 230, 255})),
		"speckled":           speckled(draw(m, 400, 7, 0, color.Black, color.White)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			only(t, encode(t, img), lure)
		})
	}
}

func shaded(img *image.NRGBA) image.Image {
	for i := 0; i < len(img.Pix); i += 4 {
		x := i / 4 % img.Rect.Dx()
		for j := range 3 {
			img.Pix[i+j] = byte(int(img.Pix[i+j]) * (img.Rect.Dx() + x) / (2 * img.Rect.Dx()))
		}
	}
	return img
}

func speckled(img *image.NRGBA) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	for range len(img.Pix) / 4 / 60 {
		img.Set(r.IntN(img.Rect.Dx()), r.IntN(img.Rect.Dy()), color.Gray{byte(r.IntN(256))})
	}
	return img
}

func TestFormats(t *testing.T) {
	t.Parallel()
	img := draw(code(t, lure), 300, 5, 0, color.Black, color.White)
	var j, g, b bytes.Buffer
	if err := errors.Join(jpeg.Encode(&j, img, &jpeg.Options{Quality: 40}), gif.Encode(&g, img, nil), bmp.Encode(&b, img)); err != nil {
		t.Fatal(err)
	}
	deep := image.NewNRGBA64(img.Bounds())
	for y := range 300 {
		for x := range 300 {
			deep.Set(x, y, img.At(x, y))
		}
	}
	only(t, j.Bytes(), lure)
	only(t, g.Bytes(), lure)
	only(t, b.Bytes(), lure)
	only(t, encode(t, deep), lure)
	only(t, webpOf(img), lure)
}

// webpOf is a lossless WebP of black and white: five prefix codes, of which
// three have two symbols, and a bit for each of green, red and blue.
func webpOf(img image.Image) []byte {
	var data []byte
	n := 0
	put := func(v uint32, bits int) {
		for i := range bits {
			if n%8 == 0 {
				data = append(data, 0)
			}
			data[n/8] |= byte(v>>i&1) << (n % 8)
			n++
		}
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	put(0x2f, 8)
	put(uint32(w-1), 14)
	put(uint32(h-1), 14)
	put(0, 1+3+3) // alpha, version; no transform, no colour cache, no meta codes
	for range 3 { // green, red, blue: simple, two symbols, 0 and 255
		put(1|1<<1|0<<2|0<<3|255<<4, 12)
	}
	put(1|0<<1|1<<2|255<<3, 11) // alpha: 255
	put(1|0<<1|0<<2|0<<3, 4)    // distance: 0
	for y := range h {
		for x := range w {
			r, _, _, _ := img.At(x, y).RGBA()
			put(r>>15*7, 3)
		}
	}
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(data)))
	out = append(out, "WEBPVP8L"...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(data))), data...)
}

func TestTextsOfAllSizesAndSeveralInAPicture(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100, 500, 1200} {
		text := strings.Repeat("Ab1", n/3+1)[:n]
		m := code(t, text)
		only(t, encode(t, draw(m, m.GetWidth()*4, 4, 0, color.Black, color.White)), text)
	}
	sheet := image.NewNRGBA(image.Rect(0, 0, 600, 600))
	var want []string
	for i := range 4 {
		text := lure + string(rune('a'+i))
		want = append(want, text)
		part := draw(code(t, text), 300, 5, 0, color.Black, color.White)
		for y := range 300 {
			for x := range 300 {
				sheet.Set(x+i%2*300, y+i/2*300, part.At(x, y))
			}
		}
	}
	only(t, encode(t, sheet), want...)
}

func TestCodesOfAnotherWriterAreRead(t *testing.T) {
	t.Parallel()
	for level := skip2.Low; level <= skip2.Highest; level++ {
		for _, text := range []string{lure, "12345", "HTTPS://A.TEST/", "https://b\u00fccher.test/ü", strings.Repeat("x", 300)} {
			q, err := skip2.New(text, level)
			if err != nil {
				t.Fatal(err)
			}
			q.DisableBorder = level%2 == 0
			only(t, encode(t, q.Image(-3)), text)
		}
	}
}

func TestPicturesWithoutCodes(t *testing.T) {
	t.Parallel()
	plain := image.NewGray(image.Rect(0, 0, 500, 300))
	only(t, encode(t, plain))
	only(t, encode(t, image.NewGray(image.Rect(0, 0, 20, 20))))
	noise := image.NewGray(image.Rect(0, 0, 1024, 1024))
	r := rand.New(rand.NewPCG(3, 4))
	for i := range noise.Pix {
		noise.Pix[i] = byte(r.IntN(256))
	}
	only(t, encode(t, noise))
}

// corners is a picture of nothing but what looks like a corner.
func corners(side, module int) image.Image {
	img := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			dx, dy := abs(x/module%9-4), abs(y/module%9-4)
			if d := max(dx, dy); d == 2 || d == 4 {
				img.Pix[y*side+x] = 255
			}
		}
	}
	return img
}

func TestHostilePictures(t *testing.T) {
	t.Parallel()
	for _, module := range []int{1, 2, 3, 8} {
		only(t, encode(t, corners(1024, module)))
	}
	if _, err := Decode(t.Context(), encode(t, image.NewGray(image.Rect(0, 0, 1025, 1024)))); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	small := encode(t, image.NewGray(image.Rect(0, 0, 64, 64)))
	for _, size := range [][2]uint32{{30000, 30000}, {1 << 20, 21}, {1025, 1024}, {1 << 31, 1 << 31}} {
		b := bytes.Clone(small)
		binary.BigEndian.PutUint32(b[16:], size[0])
		binary.BigEndian.PutUint32(b[20:], size[1])
		binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
		if _, err := Decode(t.Context(), b); !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrFormat) {
			t.Errorf("%v: %v", size, err)
		}
	}
	for _, s := range []string{"", "x", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "GIF89a", "BM", "RIFF....WEBP", "<svg/>"} {
		if _, err := Decode(t.Context(), []byte(s)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := Decode(t.Context(), small[:len(small)-20]); !errors.Is(err, ErrFormat) {
		t.Errorf("cut: %v", err)
	}
	if _, err := Decode(t.Context(), make([]byte, MaxBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Decode(ctx, small); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMatrices(t *testing.T) {
	t.Parallel()
	b := code(t, lure)
	for _, scale := range []int{1, 2, 3} {
		for _, invert := range []bool{false, true} {
			n := b.GetWidth()
			m := Matrix{Width: n * scale, Height: n * 2 * scale}
			for y := range m.Height {
				for x := range m.Width {
					m.Dark = append(m.Dark, b.Get(x/scale, y/scale/2) != invert)
				}
			}
			if got, ok := m.Decode(); !ok || got != lure {
				t.Errorf("scale %d, inverted %v: %q", scale, invert, got)
			}
		}
	}
	for _, m := range []Matrix{{}, {Width: 30, Height: 30}, {Width: 30, Height: 30, Dark: make([]bool, 900)}, {Width: math.MaxInt, Height: math.MaxInt}, {Width: -1, Height: -900, Dark: make([]bool, 900)}} {
		if got, ok := m.Decode(); ok {
			t.Errorf("%dx%d: %q", m.Width, m.Height, got)
		}
	}
}

func TestBlocksInText(t *testing.T) {
	t.Parallel()
	b := code(t, lure)
	n := b.GetWidth()
	for name, draw := range map[string]func(*strings.Builder){
		"half blocks": func(s *strings.Builder) {
			for y := 0; y < n; y += 2 {
				for x := range n {
					lower := y+1 < n && b.Get(x, y+1)
					s.WriteRune([]rune{' ', '▀', '▄', '█'}[two(b.Get(x, y))+2*two(lower)])
				}
				s.WriteByte('\n')
			}
		},
		"light half blocks": func(s *strings.Builder) {
			for y := 0; y < n; y += 2 {
				for x := range n {
					lower := y+1 < n && b.Get(x, y+1)
					s.WriteRune([]rune{'█', '▄', '▀', ' '}[two(b.Get(x, y))+2*two(lower)])
				}
				s.WriteString("\r\n")
			}
		},
		"two full blocks a module": func(s *strings.Builder) {
			for y := range n {
				for x := range n {
					s.WriteString([]string{"  ", "██"}[two(b.Get(x, y))])
				}
				s.WriteByte('\n')
			}
		},
		"squares": func(s *strings.Builder) {
			for y := range n {
				for x := range n {
					s.WriteString([]string{"⬜", "⬛"}[two(b.Get(x, y))])
				}
				s.WriteByte('\n')
			}
		},
	} {
		var s strings.Builder
		s.WriteString("Scan this:\n\n")
		draw(&s)
		s.WriteString("\nThank you.\n")
		cells := MaxDrawn
		if got := Blocks([]byte(s.String()), &cells); len(got) != 1 || got[0] != lure {
			t.Errorf("%s: %q", name, got)
		}
	}
	cells := MaxDrawn
	if got := Blocks([]byte(strings.Repeat(strings.Repeat("█ ", 300)+"\n", 1000)), &cells); got != nil {
		t.Error(got)
	}
}

func two(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzDecode(f *testing.F) {
	m := code(f, "http://x.test")
	img := draw(m, 60, 2, 0, color.Black, color.White)
	var j, g, b bytes.Buffer
	_ = errors.Join(jpeg.Encode(&j, img, nil), gif.Encode(&g, img, nil), bmp.Encode(&b, img))
	for _, data := range [][]byte{encode(f, img), j.Bytes(), g.Bytes(), b.Bytes(), encode(f, corners(64, 1))} {
		f.Add(data)
	}
	f.Add(webpOf(img))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := Decode(t.Context(), data)
		if len(texts) > MaxCodes || err != nil && texts != nil {
			t.Fatal(texts, err)
		}
		if n := Pixels(data); n > 0 {
			img, err := png.Decode(bytes.NewReader(data))
			left := MaxPixels
			if g, own := rgb(data, &left); err == nil && (own != nil || g != nil && !bytes.Equal(g.pix, luma(img).pix)) {
				t.Fatal("image/png sees another picture", own)
			}
		}
		cells := MaxDrawn
		Blocks(data, &cells)
		if n := int(math.Sqrt(float64(len(data)))); n > 0 {
			m := Matrix{Width: n, Height: n, Dark: make([]bool, n*n)}
			for i := range m.Dark {
				m.Dark[i] = data[i]&1 != 0
			}
			m.Decode()
		}
	})
}

func benchmark(b *testing.B, img image.Image) {
	data := encode(b, img)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Decode(b.Context(), data)
	}
}

func BenchmarkCode300(b *testing.B) {
	benchmark(b, draw(code(b, lure), 300, 5, 0, color.Black, color.White))
}
func BenchmarkMegapixelOfCorners(b *testing.B) { benchmark(b, corners(1024, 2)) }
func BenchmarkMegapixelPlain(b *testing.B) {
	benchmark(b, image.NewGray(image.Rect(0, 0, 1024, 1024)))
}

// TestPixelsOfManyBitsCountMore, and cost no allocation each.
func TestPixelsOfManyBitsCountMore(t *testing.T) {
	for _, test := range []struct {
		img  image.Image
		want int
	}{
		{image.NewGray(image.Rect(0, 0, 1000, 1000)), 1_000_000},
		{image.NewGray16(image.Rect(0, 0, 500, 500)), 1_000_000},
		{image.NewNRGBA64(image.Rect(0, 0, 500, 500)), 1_000_000},
		{image.NewNRGBA64(image.Rect(0, 0, 600, 600)), 0},
		{image.NewGray(image.Rect(0, 0, 20, 100)), 0},
		{image.NewGray(image.Rect(0, 0, 2000, 1000)), 0},
	} {
		data := encode(t, test.img)
		if got := Pixels(data); got != test.want {
			t.Errorf("%T: %d pixels, want %d", test.img, got, test.want)
		}
		if n := testing.AllocsPerRun(1, func() { _, _ = Decode(t.Context(), data) }); n > 5000 {
			t.Errorf("%T: %v allocations", test.img, n)
		}
	}
	for side, want := range map[int]int{100: 100_000, 400: 0} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, side, side)), nil); err != nil {
			t.Fatal(err)
		}
		if got := Pixels(b.Bytes()); got != side*side {
			t.Errorf("%d pixels of %d", got, side*side)
		}
		if got := Pixels(append(b.Bytes(), bytes.Repeat([]byte{0xff, 0xda}, 10*usualScans)...)); got != want {
			t.Errorf("of many scans %d pixels, want %d", got, want)
		}
	}
	for name, x := range map[string]struct {
		data []byte
		want int
	}{
		"colours":             {jpegHead(0xc0, 500, 3, 0x22), 250_000},
		"full colours":        {jpegHead(0xc0, 500, 3, 0x11), 375_000},
		"progressive":         {jpegHead(0xc2, 500, 3, 0x22), 375_000},
		"progressive, full":   {jpegHead(0xc2, 500, 3, 0x11), 625_000},
		"four":                {jpegHead(0xc0, 500, 4, 0x11), 625_000},
		"four, progressive":   {jpegHead(0xc2, 500, 4, 0x11), 1_000_000},
		"behind a filler":     {append([]byte("\xff\xd8\xff"), jpegHead(0xc0, 500, 3, 0x22)[2:]...), 625_000},
		"interlaced":          {interlaced(500), 750_000},
		"interlaced, too big": {interlaced(600), 0},
	} {
		if got := Pixels(x.data); got != x.want {
			t.Errorf("%s: %d pixels, want %d", name, got, x.want)
		}
	}
	if Pixels([]byte("none")) != 0 {
		t.Error("pixels of no picture")
	}
}

// jpegHead is the beginning of a JPEG, up to its first scan.
func jpegHead(frame byte, side, components int, sampling byte) []byte {
	b := append([]byte{0xff, 0xd8, 0xff, frame, 0, byte(8 + 3*components), 8}, byte(side>>8), byte(side), byte(side>>8), byte(side), byte(components))
	for i := range components {
		b = append(b, byte(i+1), sampling, 0)
		if sampling = 0x11; i == 2 {
			sampling = b[13] // black as the first
		}
	}
	return append(b, 0xff, 0xda, 0, 2)
}

// interlaced says of a picture that it comes in seven passes.
func interlaced(side int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side)))
	data := b.Bytes()
	data[28] = 1
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

// TestCodesAreReadWithinBounds: of sixteen that nobody can read, no more is looked at
// than of two of the largest, in a picture and drawn.
func TestCodesAreReadWithinBounds(t *testing.T) {
	t.Parallel()
	m := code(t, strings.Repeat(lure, 50))
	side := m.GetWidth()
	for y := 16; y < side-16; y++ { // what is between the corners says nothing
		for x := 16; x < side-16; x += 3 {
			m.Flip(x, y)
		}
	}
	g := &gray{4 * side, 4 * side, make([]byte, 16*side*side)}
	var drawn strings.Builder
	for y := range g.h {
		for x := range g.w {
			if !m.Get(x%side, y%side) {
				g.pix[y*g.w+x] = 255
			}
		}
	}
	p := &picture{bitmap: g.binary(), left: work{maxChecks, maxTries, maxModules}}
	if texts := p.codes(t.Context()); len(texts) > 0 || p.left.modules > 0 || p.left.modules < -177*177 || p.left.tries == 0 {
		t.Errorf("%d texts, %+v left", len(texts), p.left)
	}
	for range 16 {
		for y := 0; y < side; y++ {
			for x := range side {
				if m.Get(x, y) {
					drawn.WriteString("█")
				} else {
					drawn.WriteString(" ")
				}
			}
			drawn.WriteString("\n")
		}
		drawn.WriteString("x\n")
	}
	cells := MaxDrawn
	if texts := Blocks([]byte(drawn.String()), &cells); len(texts) > 0 || cells > 0 || cells < -maxCells {
		t.Errorf("%d texts, %d cells left", len(texts), cells)
	}
}
