package model

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	hashes "hash"
	"io"
	"io/fs"
	"math"
	"slices"
)

// Version is that of the files of models and layers. Models of another version
// are refused: they are made again, from the mail that they learned from. Layers
// of version 2, which have no checksum, are read: nobody teaches them again.
const (
	Version    = 3
	unsummed   = 2
	sumSize    = sha256.Size // at the end of a file: of all that is before
	sumPending = 512         // octets that are summed at once
)

const (
	modelMagic = "gapura spam model\n"
	layerMagic = "gapura spam layer\n"
	maxHeader  = 64 << 10
	maxSparse  = 1 << 18 // features of a sparse layer that are read, some 12 MiB
)

// ErrFormat says that a file is no model or layer of this Version.
var ErrFormat = errors.New("not a model of this version")

// fileHeader is the first line of a file after its magic, in JSON.
type fileHeader struct {
	Version     int
	LinearBits  int
	TokenBits   int
	Views       []string
	About       About           `json:",omitzero"`
	Stack       []float64       `json:",omitempty"`
	Slope       float64         `json:",omitempty"`
	Shift       float64         `json:",omitempty"`
	Threshold   float64         `json:",omitempty"`
	Lessons     int             `json:",omitempty"`
	Ham, Spam   float32         // messages counted
	Bias, BiasG [linear]float32 // of the views
	Steps       bool            // sizes of steps follow each weight
	Whole       bool            `json:",omitempty"` // both with all bits of a float, not the upper half
	Sparse      bool
}

func (h *fileHeader) check(magic string) error {
	if h.Version != Version && (h.Version != unsummed || magic != layerMagic) {
		return fmt.Errorf("model: made for version %d, this program reads %d: make it again with gapura spam train: %w", h.Version, Version, ErrFormat)
	}
	if h.LinearBits != linearBits || h.TokenBits != tokenBits || !slices.Equal(h.Views, viewNames[:]) {
		return fmt.Errorf("model: %w", ErrFormat)
	}
	if !(h.Ham >= 0) || !(h.Spam >= 0) || h.Lessons < 0 {
		return fmt.Errorf("model: %w", ErrFormat)
	}
	for i := range h.BiasG {
		if !(h.BiasG[i] >= 0) { // its root is taken
			return fmt.Errorf("model: %w", ErrFormat)
		}
	}
	return nil
}

// WriteTo writes the model. Weights are kept to 8 bits of their fraction.
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	h := fileHeader{About: m.about, Stack: m.stack.weight[:], Slope: m.curve.slope, Shift: m.curve.shift, Threshold: m.curve.threshold}
	base := m.base
	if base == nil {
		base = NewSparse()
	}
	return base.write(w, modelMagic, h)
}

// Read reads a model that WriteTo wrote, and nothing behind it of what is a
// bufio.Reader of 64 KiB or more.
func Read(r io.Reader) (*Model, error) {
	h, l, err := read(r, modelMagic)
	if err != nil {
		return nil, err
	}
	m := Empty()
	m.base, m.about = l, h.About
	copy(m.stack.weight[:], h.Stack)
	m.curve = curve{slope: h.Slope, shift: h.Shift, threshold: h.Threshold}
	if !m.curve.usable() || len(h.Stack) != int(Views) || !m.stack.usable() {
		return nil, fmt.Errorf("model: %w", ErrFormat)
	}
	return m, nil
}

// End tells, behind the last that is to be read of a file, that it ends there: what
// is appended to a file is no part of what its checksum holds for.
func End(r io.Reader) error {
	switch _, err := io.ReadFull(r, make([]byte, 1)); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("model: %w", err)
	}
	return fmt.Errorf("model: something follows its end: %w", ErrFormat)
}

// most bounds the numbers of the second level: beyond it scores are none.
const most = 1e6

// usable tells whether every score is a number.
func (c *curve) usable() bool {
	return c.threshold > 1/most && c.threshold < most && c.slope > 0 && c.slope < most && math.Abs(c.shift) < most
}

// usable tells whether some views count, however familiar a header is.
func (s *stack) usable() bool {
	for _, w := range s.weight {
		if !(w >= 0 && w < most) {
			return false
		}
	}
	_, none := s.shares(0)
	_, all := s.shares(1)
	return none > 1/most && all > 1/most
}

// WriteTo writes the layer, with what it needs to learn on, and to take lessons
// back exactly.
func (l *Layer) WriteTo(w io.Writer) (int64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.write(w, layerMagic, fileHeader{Steps: true, Whole: true, Lessons: l.n})
}

// ReadLayer reads a layer that WriteTo wrote.
func ReadLayer(r io.Reader) (*Layer, error) {
	h, l, err := read(r, layerMagic)
	if err != nil {
		return nil, err
	}
	l.n = h.Lessons
	return l, nil
}

// countWriter counts octets.
type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (l *Layer) write(w io.Writer, magic string, h fileHeader) (int64, error) {
	out, sum := &countWriter{w: w}, sha256.New()
	both := io.MultiWriter(out, sum)
	h.Version, h.LinearBits, h.TokenBits, h.Views = Version, linearBits, tokenBits, viewNames[:]
	h.Ham, h.Spam, h.Sparse = l.tokens.ham, l.tokens.spam, l.tokens.sparse != nil
	for i := range l.linear {
		h.Bias[i], h.BiasG[i] = l.linear[i].bias, l.linear[i].biasG
	}
	line, err := json.Marshal(h)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintf(both, "%s%s\n", magic, line); err != nil {
		return out.n, err
	}
	z, err := flate.NewWriter(both, flate.DefaultCompression)
	if err != nil {
		return out.n, err
	}
	b := bufio.NewWriterSize(z, 64<<10)
	for i := range l.linear {
		writeWeights(b, &l.linear[i], &h)
	}
	writeCounts(b, &l.tokens)
	if err := b.Flush(); err != nil {
		return out.n, err
	}
	if err := z.Close(); err != nil {
		return out.n, err
	}
	_, err = out.Write(sum.Sum(nil))
	return out.n, err
}

// short keeps the upper half of a float, rounded.
func short(f float32) uint16 { return uint16((math.Float32bits(f) + 0x8000) >> 16) }

func long(s uint16) float32 { return math.Float32frombits(uint32(s) << 16) }

func (h *fileHeader) appendFloat(b []byte, f float32) []byte {
	if h.Whole {
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return binary.LittleEndian.AppendUint16(b, short(f))
}

// float reads what appendFloat wrote.
func (h *fileHeader) float(b *octets) float32 {
	if h.Whole {
		low := b.half()
		return math.Float32frombits(uint32(b.half())<<16 | uint32(low))
	}
	return long(b.half())
}

// writeWeights writes the weights that are not zero: the distance to the one
// before, the weight and, where wanted, its steps; 0 ends them.
func writeWeights(b *bufio.Writer, t *weights, h *fileHeader) {
	next := uint32(0)
	put := func(id uint32, w, g float32) {
		if short(w) == 0 && (!h.Steps || g == 0) {
			return
		}
		var buf [16]byte
		p := binary.AppendUvarint(buf[:0], uint64(id-next)+1)
		p = h.appendFloat(p, w)
		if h.Steps {
			p = h.appendFloat(p, g)
		}
		b.Write(p)
		next = id + 1
	}
	if t.sparse != nil {
		for id, c := range t.sparse.all() {
			put(id, c.w, c.g)
		}
	} else {
		for id := range uint32(1 << linearBits) {
			g := float32(0)
			if h.Steps {
				g = t.g[id]
			}
			put(id, t.at(id), g)
		}
	}
	b.WriteByte(0)
}

func writeCounts(b *bufio.Writer, c *counts) {
	next := uint32(0)
	put := func(id uint32, ham, spam uint16) {
		if ham == 0 && spam == 0 {
			return
		}
		var buf [16]byte
		p := binary.AppendUvarint(buf[:0], uint64(id-next)+1)
		p = binary.AppendUvarint(p, uint64(ham))
		p = binary.AppendUvarint(p, uint64(spam))
		b.Write(p)
		next = id + 1
	}
	if c.sparse != nil {
		for id, n := range c.sparse.all() {
			put(id, n[0], n[1])
		}
	} else {
		for id := range uint32(len(c.n) / 2) {
			put(id, c.n[2*id], c.n[2*id+1])
		}
	}
	b.WriteByte(0)
}

func read(r io.Reader, magic string) (*fileHeader, *Layer, error) {
	in := &sumReader{in: bufio.NewReaderSize(r, maxHeader), sum: sha256.New()}
	if got, err := in.line(); string(got) != magic {
		if perr := (*fs.PathError)(nil); errors.As(err, &perr) { // a folder
			return nil, nil, fmt.Errorf("model: %w", perr.Err)
		}
		return nil, nil, fmt.Errorf("model: it does not begin as one: %w", ErrFormat)
	}
	line, err := in.line()
	if err != nil {
		return nil, nil, damaged("header", err)
	}
	h := &fileHeader{}
	if err := json.Unmarshal(line, h); err != nil {
		return nil, nil, damaged("header", err)
	}
	if err := h.check(magic); err != nil {
		return nil, nil, err
	}
	var layer *Layer
	switch {
	case h.Sparse:
		layer = NewSparse()
	case h.Steps:
		layer = NewLayer()
	default:
		layer = newBase()
	}
	layer.tokens.ham, layer.tokens.spam = h.Ham, h.Spam
	left := maxSparse
	z := flate.NewReader(in)
	defer z.Close()
	b := &octets{r: z}
	for i := range layer.linear {
		t := &layer.linear[i]
		t.bias, t.biasG = h.Bias[i], h.BiasG[i]
		if err := readWeights(b, t, h, &left); err != nil {
			return nil, nil, damaged(View(i).String(), err)
		}
	}
	if err := readCounts(b, &layer.tokens, &left); err != nil {
		return nil, nil, damaged("tokens", err)
	}
	if err := b.done(); err != nil {
		return nil, nil, damaged("end", err)
	}
	if h.Version != unsummed {
		if err := in.check(); err != nil {
			return nil, nil, damaged("checksum", err)
		}
	}
	return h, layer, nil
}

// sumReader sums up what is read. It reads no octet more than it is asked for, as
// flate wants it.
type sumReader struct {
	in  *bufio.Reader
	sum hashes.Hash
	buf [sumPending]byte // read, and not summed yet
	n   int
}

func (r *sumReader) flush() {
	r.sum.Write(r.buf[:r.n])
	r.n = 0
}

// line reads up to the end of a line.
func (r *sumReader) line() ([]byte, error) {
	b, err := r.in.ReadSlice('\n')
	r.flush()
	r.sum.Write(b)
	return b, err
}

// Read implements io.Reader.
func (r *sumReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.flush()
	r.sum.Write(p[:n])
	return n, err
}

// ReadByte implements io.ByteReader.
func (r *sumReader) ReadByte() (byte, error) {
	c, err := r.in.ReadByte()
	if err != nil {
		return c, err
	}
	if r.n == len(r.buf) {
		r.flush()
	}
	r.buf[r.n] = c
	r.n++
	return c, nil
}

// check reads the checksum, and compares.
func (r *sumReader) check() error {
	r.flush()
	var want [sumSize]byte
	if _, err := io.ReadFull(r.in, want[:]); err != nil {
		return err
	}
	if !bytes.Equal(want[:], r.sum.Sum(nil)) {
		return ErrFormat
	}
	return nil
}

// damaged is the error of a file that is a model, and not whole.
func damaged(where string, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("model: the file is cut short (%s): %w", where, ErrFormat)
	case err == nil, errors.Is(err, ErrFormat):
		return fmt.Errorf("model: the file is damaged (%s): %w", where, ErrFormat)
	}
	return fmt.Errorf("model: the file is damaged (%s): %w: %w", where, ErrFormat, err)
}

// readWeights reads what writeWeights wrote; left is how many more features a
// sparse layer may have.
func readWeights(b *octets, t *weights, h *fileHeader, left *int) error {
	var next uint64
	for {
		id, done, err := b.nextID(&next, 1<<linearBits)
		if done {
			return err
		}
		w, g := h.float(b), float32(0)
		if h.Steps {
			g = h.float(b)
		}
		if b.err != nil {
			return b.err
		}
		if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) || !(g >= 0) || math.IsInf(float64(g), 0) {
			return ErrFormat
		}
		switch {
		case t.sparse != nil:
			if *left--; *left < 0 {
				return ErrFormat
			}
			*t.sparse.put(id) = cell{w, g}
		case t.g != nil:
			t.w[id], t.g[id] = w, g
		default:
			t.half[id] = short(w)
		}
	}
}

func readCounts(b *octets, c *counts, left *int) error {
	var next uint64
	for {
		id, done, err := b.nextID(&next, 1<<tokenBits)
		if done {
			return err
		}
		ham, spam := b.uvarint(), b.uvarint()
		if b.err != nil {
			return b.err
		}
		n := [2]uint16{uint16(min(ham, math.MaxUint16)), uint16(min(spam, math.MaxUint16))}
		if c.sparse != nil {
			if *left--; *left < 0 {
				return ErrFormat
			}
			*c.sparse.put(id) = n
		} else {
			c.n[2*id], c.n[2*id+1] = n[0], n[1]
		}
	}
}
