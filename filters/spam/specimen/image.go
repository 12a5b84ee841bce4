package specimen

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"

	qrcode "github.com/skip2/go-qrcode"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// photo is a small picture of soft colours, as JPEG.
func (m *mail) photo() []byte {
	w, h := m.between(200, 320), m.between(150, 240)
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	fx, fy, hue := m.r.Float64()*0.05, m.r.Float64()*0.05, m.r.Float64()*6
	for y := range h {
		for x := range w {
			v := math.Sin(float64(x)*fx+hue) + math.Cos(float64(y)*fy)
			img.SetRGBA(x, y, color.RGBA{uint8(128 + 50*v), uint8(110 + 40*math.Sin(v+hue)), uint8(90 + x*90/w), 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, &jpeg.Options{Quality: 55})
	return b.Bytes()
}

func (m *mail) logo() []byte {
	img := image.NewPaletted(image.Rect(0, 0, 120, 32), color.Palette{color.White, color.RGBA{uint8(m.r.UintN(256)), uint8(m.r.UintN(256)), uint8(m.r.UintN(256)), 255}})
	for range 8 {
		x0, y0 := m.r.IntN(110), m.r.IntN(28)
		for y := y0; y < min(32, y0+m.between(2, 12)); y++ {
			for x := x0; x < min(120, x0+14); x++ {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	return encodePNG(img)
}

// picture is text as an image, the way lures without text have it.
func (m *mail) picture(text string) []byte {
	img := image.NewPaletted(image.Rect(0, 0, 480, 220), color.Palette{color.White, color.Black})
	d := font.Drawer{Dst: img, Src: image.NewUniform(color.Black), Face: basicfont.Face7x13}
	for i, y := 0, 30; i < len(text) && y < 210; i, y = i+60, y+20 {
		d.Dot = fixed.P(20, y)
		d.DrawString(text[i:min(len(text), i+60)])
	}
	return encodePNG(img)
}

// qr is a QR code of text.
func (m *mail) qr(text string) []byte {
	code, err := qrcode.New(text, []qrcode.RecoveryLevel{qrcode.Low, qrcode.Medium, qrcode.High}[m.r.IntN(3)])
	if err != nil {
		m.fail("qr code of %q: %v", text, err)
		return nil
	}
	return encodePNG(code.Image(m.between(150, 320)))
}

func encodePNG(img image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}
