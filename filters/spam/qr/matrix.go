package qr

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/makiuchi-d/gozxing"
)

// Matrix is a drawing of cells, as a table's cells or blocks in a text make one.
type Matrix struct {
	Width, Height int
	Dark          []bool // Width*Height of them, row by row
}

// maxCells bounds a Matrix: the largest symbol with its margin, three cells a module.
const maxCells = 600 * 600

// Decode returns the text of the code that m draws: straight, a module one cell
// or more wide and high, with or without a margin, dark on light or light on dark.
func (m Matrix) Decode() (string, bool) {
	if m.Width < minSide || m.Height < minSide || m.Width > maxCells || m.Height > maxCells ||
		m.Width*m.Height > maxCells || len(m.Dark) != m.Width*m.Height {
		return "", false
	}
	for _, dark := range [...]bool{true, false} {
		if text, ok := m.pure(dark); ok {
			return text, true
		}
	}
	return "", false
}

// pure reads the code whose dark modules are cells that equal dark.
func (m Matrix) pure(dark bool) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	x0, y0, x1, y1 := m.extent(dark)
	if !dark { // a light code on dark ends where its margin does: inside the outermost corner
		x0, y0, x1, y1 = m.inner()
	}
	w, h := x1-x0, y1-y0
	if w < minSide || h < minSide {
		return "", false
	}
	// The upper edge of the upper left corner is seven modules.
	across, down := 0, 0
	for x0+across < x1 && m.is(x0+across, y0, dark) {
		across++
	}
	for y0+down < y1 && m.is(x0, y0+down, dark) {
		down++
	}
	if across < 7 || down < 7 {
		return "", false
	}
	n := (w*7 + across/2) / across
	if n != (h*7+down/2)/down || n < 21 || n > 177 || (n-17)%4 != 0 {
		return "", false
	}
	bits, err := gozxing.NewSquareBitMatrix(n)
	if err != nil {
		return "", false
	}
	for y := range n {
		for x := range n {
			if m.is(x0+(2*x+1)*w/(2*n), y0+(2*y+1)*h/(2*n), dark) {
				bits.Set(x, y)
			}
		}
	}
	return decode(bits)
}

func (m Matrix) is(x, y int, dark bool) bool { return m.Dark[y*m.Width+x] == dark }

// extent returns the smallest rectangle with all cells that equal dark.
func (m Matrix) extent(dark bool) (x0, y0, x1, y1 int) {
	x0, y0 = m.Width, m.Height
	for y := range m.Height {
		row := m.Dark[y*m.Width : (y+1)*m.Width]
		x := slices.Index(row, dark)
		if x < 0 {
			continue
		}
		x0, y0, y1 = min(x0, x), min(y0, y), y+1
		for x = m.Width; x > x1 && row[x-1] != dark; x-- {
		}
		x1 = x
	}
	return x0, y0, x1, y1
}

// inner returns what lies inside the margin of light on dark: the extent of
// light cells less the rows and columns that are light throughout.
func (m Matrix) inner() (x0, y0, x1, y1 int) {
	x0, y0, x1, y1 = m.extent(true)
	row := func(y int) bool {
		for x := x0; x < x1; x++ {
			if m.is(x, y, false) {
				return false
			}
		}
		return true
	}
	for y0 < y1 && row(y0) {
		y0++
	}
	for y1 > y0 && row(y1-1) {
		y1--
	}
	column := func(x int) bool {
		for y := y0; y < y1; y++ {
			if m.is(x, y, false) {
				return false
			}
		}
		return true
	}
	for x0 < x1 && column(x0) {
		x0++
	}
	for x1 > x0 && column(x1-1) {
		x1--
	}
	return x0, y0, x1, y1
}

const (
	maxLines   = 200     // of a drawing in text
	maxColumns = 400     // of a line of one
	maxText    = 1 << 20 // octets of text that are looked at
)

// MaxDrawn is how many cells of drawings Blocks is to look at in the texts of one
// message: two of the largest codes.
const MaxDrawn = 1 << 16

// Blocks returns the texts of the codes that are drawn in text with block
// characters (full, half and quarter blocks), up to four. As long as cells are
// left it takes those of a drawing off them, and looks at it.
func Blocks(text []byte, cells *int) []string {
	text = text[:min(len(text), maxText)]
	if *cells <= 0 {
		return nil
	}
	var texts []string
	var lines [][]byte
	flush := func() {
		if len(lines) >= 10 && len(texts) < MaxCodes && *cells > 0 {
			d := drawing(lines)
			*cells -= len(d.Dark)
			if t, ok := d.Decode(); ok {
				texts = append(texts, t)
			}
		}
		lines = lines[:0]
	}
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if *cells > 0 && drawn(line) && len(lines) < maxLines {
			lines = append(lines, line)
			continue
		}
		flush()
	}
	flush()
	return texts
}

// quarters are the quarters of a cell that a character fills: upper left, upper
// right, lower left, lower right.
func quarters(r rune) (q byte, ok bool) {
	switch r {
	case ' ', 0xa0, 0x3000, 0x2003, 0x2800:
		return 0, true
	case '█', '■', '⬛', '●':
		return 15, true
	case '▀':
		return 3, true
	case '▄':
		return 12, true
	case '▌':
		return 5, true
	case '▐':
		return 10, true
	case '▘':
		return 1, true
	case '▝':
		return 2, true
	case '▖':
		return 4, true
	case '▗':
		return 8, true
	case '▚':
		return 9, true
	case '▞':
		return 6, true
	case '▙':
		return 13, true
	case '▛':
		return 7, true
	case '▜':
		return 11, true
	case '▟':
		return 14, true
	case '░', '□', '⬜', '○':
		return 0, true
	case '▓', '▒':
		return 15, true
	}
	return 0, false
}

// drawn reports whether a line is of blocks and blanks alone, five blocks or more.
func drawn(line []byte) bool {
	blocks, n := 0, 0
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		line = line[size:]
		if r == '\r' {
			continue
		}
		if _, ok := quarters(r); !ok {
			return false
		}
		if r > 0x2000 && r != 0x3000 {
			blocks++
		}
		if n++; n > maxColumns {
			return false
		}
	}
	return blocks >= 3
}

// drawing turns lines of blocks into cells. Characters are twice as high as
// wide: two rows a line, and two columns where quarters are used.
func drawing(lines [][]byte) Matrix {
	wide, columns := 1, 0
	for _, line := range lines {
		n := 0
		for _, r := range string(line) {
			if q, _ := quarters(r); q&5 != (q&10)>>1 {
				wide = 2
			}
			n++
		}
		columns = max(columns, n)
	}
	m := Matrix{Width: columns * wide, Height: 2 * len(lines)}
	m.Dark = make([]bool, m.Width*m.Height)
	for y, line := range lines {
		x := 0
		for _, r := range string(line) {
			q, _ := quarters(r)
			for i := range 2 {
				for j := range wide {
					m.Dark[(2*y+i)*m.Width+x*wide+j] = q>>(2*i+j)&1 != 0
				}
			}
			x++
		}
	}
	return m
}
