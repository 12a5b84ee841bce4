package qr

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color/palette"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestColoursAreReadAsTheyAre: as image/png reads them, whatever the filters of
// their rows.
func TestColoursAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	left := MaxPixels
	for w := 21; w < 80; w++ {
		solid, sheer := image.NewRGBA(image.Rect(0, 0, w, 30)), image.NewNRGBA(image.Rect(0, 0, w, 30))
		spread := 1 + r.IntN(256)
		for i := range solid.Pix {
			solid.Pix[i], sheer.Pix[i] = byte(i+r.IntN(spread)), byte(i/w+r.IntN(spread))
			if i%4 == 3 {
				solid.Pix[i] = 255
			}
		}
		grey, few := image.NewGray(solid.Rect), image.NewPaletted(solid.Rect, palette.Plan9[:200])
		copy(grey.Pix, solid.Pix)
		for i := range few.Pix {
			few.Pix[i] = byte(r.IntN(200))
		}
		for i, data := range [][]byte{encode(t, solid), encode(t, sheer), grays(solid.Pix[:2*w*30], w, r.IntN(5)), encode(t, grey), encode(t, few)} {
			got, err := rgb(data, &left)
			if err != nil || got == nil {
				t.Fatal(got, err)
			}
			img, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if want := luma(img); !bytes.Equal(got.pix, want.pix) {
				t.Fatalf("%d, %d wide", i, w)
			}
			for n := range data { // what is cut is no picture, and no fault
				if g, err := rgb(data[:n], &left); g != nil && err != nil {
					t.Fatal(n)
				}
			}
		}
	}
}

// grays is a PNG of brightness and opacity, filtered in one way.
func grays(pix []byte, w, filter int) []byte {
	var raw, out bytes.Buffer
	z := zlib.NewWriter(&raw)
	for row := range slices.Chunk(pix, 2*w) {
		_, _ = z.Write([]byte{byte(filter)})
		_, _ = z.Write(row)
	}
	_ = z.Close()
	out.WriteString("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name string
		data []byte
	}{{"IHDR", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(len(pix)/2/w))}, {"IDAT", raw.Bytes()}, {"IEND", nil}} {
		if c.name == "IHDR" {
			c.data = append(c.data, 8, 4, 0, 0, 0)
		}
		body := append([]byte(c.name), c.data...)
		_ = binary.Write(&out, binary.BigEndian, uint32(len(c.data)))
		out.Write(body)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	return out.Bytes()
}

// TestPaeth: without branches, as PNG has it.
func TestPaeth(t *testing.T) {
	t.Parallel()
	plain := func(a, b, c int) int {
		p := a + b - c
		switch toA, toB, toC := abs(p-a), abs(p-b), abs(p-c); {
		case toA <= toB && toA <= toC:
			return a
		case toB <= toC:
			return b
		}
		return c
	}
	for a := range 256 {
		for b := range 256 {
			for c := range 256 {
				if got, want := paeth(a, b, c), plain(a, b, c); got != want {
					t.Fatalf("%d %d %d: %d, want %d", a, b, c, got, want)
				}
			}
		}
	}
}
