package qr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// Bounds.
const (
	MaxPixels = 1 << 20 // of a picture, see Pixels; larger ones are not decoded
	MaxBytes  = 4 << 20 // of a picture as it was sent
	MaxCodes  = 4       // read from one picture
	// Budget is the longest that one picture may take. Those that keep to the
	// other bounds take a twentieth of it, so that codes are read on a busy
	// machine too.
	Budget = time.Second

	minSide = 21   // modules of the smallest symbol
	maxSide = 8192 // of a picture: a strip of one row is no code
)

var (
	// ErrFormat is returned for what is no picture of a known format or a broken one.
	ErrFormat = errors.New("qr: no picture that can be read")
	// ErrTooLarge is returned for a picture beyond MaxPixels or MaxBytes.
	ErrTooLarge = errors.New("qr: the picture is too large")
)

// codec decodes one format.
type codec struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// Decode returns the texts of the QR codes in a picture, up to four, none if it
// has none. It fails with ErrFormat, ErrTooLarge or the error of ctx; a picture
// that takes longer than Budget counts as without codes. Memory is at most 20
// octets a pixel.
func Decode(ctx context.Context, data []byte) ([]string, error) {
	texts, _, err := Look(ctx, data, MaxPixels)
	return texts, err
}

// Look is Decode that tells what it took beyond what Pixels does, as pixels, and
// gives up with ErrTooLarge where that would be more than most.
func Look(ctx context.Context, data []byte, most int) (texts []string, beyond int, err error) {
	if len(data) > MaxBytes {
		return nil, 0, ErrTooLarge
	}
	c, ok := sniff(data)
	if !ok {
		return nil, 0, ErrFormat
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, Budget)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // a decoder's fault: the input is a stranger's
			texts, err = nil, fmt.Errorf("%w: the decoder gave up: %v", ErrFormat, p)
		}
	}()
	conf, err := c.config(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", ErrFormat, err)
	case conf.Width < minSide || conf.Height < minSide:
		return nil, 0, nil
	case pixels(conf, data) == 0:
		return nil, 0, ErrTooLarge
	}
	left := most
	g, err := brightness(ctx, c, data, &left)
	beyond = most - left
	if err == nil {
		var took int
		texts, took = read(ctx, g)
		beyond += took
	}
	switch {
	case outer.Err() != nil:
		return nil, beyond, outer.Err()
	case errors.Is(err, ErrTooLarge):
		return nil, beyond, err
	case err != nil && ctx.Err() == nil:
		return nil, beyond, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return texts, beyond, nil
}

// brightness decodes a picture. What takes more than usual is taken off left.
func brightness(ctx context.Context, c codec, data []byte, left *int) (*gray, error) {
	if data[0] == 0x89 {
		if g, err := rgb(data, left); g != nil || err != nil {
			return g, err
		}
	}
	img, err := c.decode(&timedReader{ctx, bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	g := luma(img)
	if _, colours := img.(*image.YCbCr); colours { // were decoded too
		*left -= len(g.pix) / perColour
	}
	return g, nil
}

// perColour is how many pixels of a JPEG cost one more for their colours.
const perColour = 5

// Pixels returns how many pixels of a picture Decode looks at: 0 for what it
// does not read, because of its format, size or bounds. Those of forms that cost
// more count more than once.
func Pixels(data []byte) (n int) {
	defer func() {
		if recover() != nil {
			n = 0
		}
	}()
	c, ok := sniff(data)
	if !ok || len(data) > MaxBytes {
		return 0
	}
	conf, err := c.config(bytes.NewReader(data))
	if err != nil {
		return 0
	}
	return pixels(conf, data)
}

// sniff tells the format by its first octets; the name and the declared type
// are the sender's.
func sniff(data []byte) (codec, bool) {
	has := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case has("\x89PNG\r\n\x1a\n"):
		return codec{png.DecodeConfig, png.Decode}, true
	case has("\xff\xd8\xff"):
		return codec{jpeg.DecodeConfig, jpeg.Decode}, true
	case has("GIF87a"), has("GIF89a"):
		return codec{gif.DecodeConfig, gif.Decode}, true
	case has("RIFF") && len(data) > 12 && string(data[8:12]) == "WEBP":
		return codec{webp.DecodeConfig, webp.Decode}, true
	case has("BM"):
		return codec{bmp.DecodeConfig, bmp.Decode}, true
	}
	return codec{}, false
}

// timedReader ends the input when the time is over: a progressive JPEG may have
// any number of scans over all of its pixels.
type timedReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *timedReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p[:min(len(p), 4<<10)])
}
