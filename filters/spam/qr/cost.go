package qr

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// usualScans is how many scans of a JPEG count once.
const usualScans = 4

// pixels returns how many pixels a picture counts for, 0 if it is out of bounds.
// What takes more time or memory than the usual forms of pictures do counts so many
// times as often.
func pixels(conf image.Config, data []byte) int {
	if conf.Width < minSide || conf.Height < minSide || conf.Width > maxSide || conf.Height > maxSide {
		return 0
	}
	n := conf.Width * conf.Height
	switch conf.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		n *= 4
	}
	switch data[0] {
	case 0x89:
		if data[28] != 0 { // interlaced
			n *= 3
		}
	case 'R':
		if bytes.Contains(data, []byte("VP8L")) || bytes.Contains(data, []byte("ALPH")) { // lossless
			n *= 3
		}
	case 0xff:
		n = n * jpegCost(conf, data) / 2
	}
	if n > MaxPixels {
		return 0
	}
	return n
}

// jpegCost is what each pixel of a JPEG counts, in halves. All coefficients of a
// progressive one are kept until its end, four octets each, and it may have any
// number of scans over all pixels, each a few octets long.
func jpegCost(conf image.Config, data []byte) int {
	progressive, halved := frame(data)
	cost := 2
	switch conf.ColorModel {
	case color.YCbCrModel:
		if !halved {
			cost = 3
		}
		if progressive {
			cost = 2*cost - 1
		}
	case color.RGBAModel: // is made of three full channels
		cost = 4
		if progressive {
			cost = 6
		}
	case color.CMYKModel:
		cost = 5
		if progressive {
			cost = 8
		}
	}
	// FF within a scan is never followed by DA.
	return cost * max(1, bytes.Count(data, []byte{0xff, 0xda})/usualScans)
}

// frame tells whether a JPEG is progressive, and whether its colours have half as
// many pixels each way. Of one that does not begin as usual the dearest is told.
func frame(data []byte) (progressive, halved bool) {
	for data = data[2:]; len(data) > 11 && data[0] == 0xff; {
		switch marker := data[1]; {
		case marker >= 0xc0 && marker <= 0xc2:
			return marker == 0xc2, data[11] == 0x22
		case marker != 0xc4 && marker != 0xdb && marker != 0xdd && marker&0xf0 != 0xe0 && marker != 0xfe: // tables and comments
			return true, false
		}
		data = data[min(len(data), 2+int(binary.BigEndian.Uint16(data[2:]))):]
	}
	return true, false
}
