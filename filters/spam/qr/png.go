package qr

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"image/color"
	"io"
)

// pixelsOf has the octets of a pixel by PNG's colour types of which rgb reads
// pictures, and what makes brightness of them.
var pixelsOf = [7]struct {
	each  int
	light func(out, line []byte)
}{0: {1, asItIs}, 2: {3, opaque}, 3: {1, asItIs}, 4: {2, grayOverWhite}, 6: {4, overWhite}}

// rgb reads a PNG of 8 bits a channel, as it is most often sent: row by row, with
// an octet a pixel instead of four and in a third of the time that image/png takes.
// It is nil for those of other kinds. Checksums are not looked at. left is for rows that take longer than others.
func rgb(data []byte, left *int) (*gray, error) {
	const head = 33 // octets of the signature and of IHDR
	if len(data) < head || data[24] != 8 || data[25] > 6 || pixelsOf[data[25]].each == 0 || data[28] != 0 {
		return nil, nil
	}
	packed, palette, clear := idat(data[head:])
	if clear || len(packed) < 2 { // one colour is none
		return nil, nil
	}
	kind := pixelsOf[data[25]]
	in := flate.NewReader(bytes.NewReader(packed[2:])) // behind the header of zlib, which says nothing else
	w, h := int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:]))
	g := &gray{w, h, make([]byte, w*h)}
	row, above := make([]byte, 1+kind.each*w), make([]byte, 1+kind.each*w)
	for y := range h {
		if _, err := io.ReadFull(in, row); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if row[0] >= averaged {
			if *left -= w * (kind.each - 1) / perFiltered; *left < 0 {
				return nil, ErrTooLarge
			}
		}
		if !unfilter(row, above, kind.each) {
			return nil, ErrFormat
		}
		kind.light(g.row(y), row[1:])
		row, above = above, row
	}
	if data[25] == paletted {
		g.look(palette)
	}
	return g, nil
}

// Rows of the filters from averaged on take longer, by a pixel for so many octets
// beyond one of each pixel.
const (
	averaged    = 3
	perFiltered = 7
)

// paletted is PNG's colour type for indexes of a palette.
const paletted = 3

// look exchanges indexes of a palette for the brightness of its colours; those
// that it has not are black.
func (g *gray) look(palette []byte) {
	var table [256]byte
	for i := range min(len(palette)/3, len(table)) {
		table[i] = bright(color.RGBA{palette[3*i], palette[3*i+1], palette[3*i+2], 255})
	}
	for i, p := range g.pix {
		g.pix[i] = table[p]
	}
}

// idat returns what the chunks of a picture's data and its palette have, and
// whether there is one that says which colour is transparent.
func idat(chunks []byte) (packed, palette []byte, clear bool) {
	for len(chunks) >= 12 {
		n := binary.BigEndian.Uint32(chunks)
		if uint64(n)+12 > uint64(len(chunks)) {
			break
		}
		switch string(chunks[4:8]) {
		case "IDAT":
			packed = append(packed, chunks[8:8+n]...)
		case "PLTE":
			palette = chunks[8 : 8+n]
		case "tRNS":
			return nil, nil, true
		case "IEND":
			return packed, palette, false
		}
		chunks = chunks[n+12:]
	}
	return packed, palette, false
}

// unfilter undoes the filter of a row (PNG section 9), whose first octet names it.
func unfilter(row, above []byte, each int) bool {
	kind := row[0]
	row, above = row[1:], above[1:len(row)]
	switch kind {
	case 0:
	case 1:
		for i := each; i < len(row); i++ {
			row[i] += row[i-each]
		}
	case 2:
		for i, b := range above {
			row[i] += b
		}
	case 3:
		for i := range row[:each] {
			row[i] += above[i] / 2
		}
		for i := each; i < len(row); i++ {
			row[i] += byte((int(row[i-each]) + int(above[i])) / 2)
		}
	case 4:
		for i := range row[:each] {
			row[i] += above[i]
		}
		left, upper := row, above // each octets before
		row, above = row[each:], above[each:]
		left, above, upper = left[:len(row)], above[:len(row)], upper[:len(row)]
		for i := range row {
			row[i] += byte(paeth(int(left[i]), int(above[i]), int(upper[i])))
		}
	default:
		return false
	}
	return true
}

// paeth is the one of a, b and c that is next to a+b-c: if that is beyond a and b
// it is the nearer of them. It takes no branch, for in noise no processor foretells
// them.
func paeth(a, b, c int) int {
	low, high, turn := min(a, b), max(a, b), 3*c-a-b
	v := c
	if high <= turn {
		v = low
	}
	if turn <= low {
		v = high
	}
	return v
}
