package model

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
)

// taught is a layer that has learned a little.
func taught(l *Layer) *Layer {
	m, v := Empty(), &Vector{}
	for i := range v.ids {
		v.ids[i] = []uint32{1, 2, 70, 9000}
	}
	l.Learn(m, nil, v, true, 1)
	v.ids[Words] = []uint32{3}
	l.Learn(m, nil, v, false, 1)
	return l
}

// written is what is written but for its checksum.
func written(tb testing.TB, w io.WriterTo) []byte {
	tb.Helper()
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()[:b.Len()-sumSize]
}

// summed gives a file the checksum that it takes.
func summed(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(b[:len(b):len(b)], sum[:]...)
}

// TestADamagedFileIsRefused: whichever octet is spoilt, and wherever it ends,
// none is taken for a model that scores otherwise.
func TestADamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	model, layer := summed(written(t, trained(t))), summed(written(t, taught(NewSparse())))
	both := append(bytes.Clone(model), layer...) // one behind the other
	r := bufio.NewReaderSize(bytes.NewReader(both), maxHeader)
	if _, err := Read(r); err != nil {
		t.Fatal(err)
	}
	if err := End(r); !errors.Is(err, ErrFormat) {
		t.Errorf("a layer behind it: %v", err)
	}
	_ = r.UnreadByte()
	if _, err := ReadLayer(r); err != nil {
		t.Fatal(err)
	}
	if err := End(r); err != nil {
		t.Error(err)
	}
	read := func(b []byte) error {
		_, err := Read(bytes.NewReader(b))
		if bytes.HasPrefix(b, []byte(layerMagic)) {
			_, err = ReadLayer(bytes.NewReader(b))
		}
		return err
	}
	for _, file := range [][]byte{model, layer} {
		step := max(1, len(file)/400)
		for i := 0; i < len(file); i += step {
			spoilt := bytes.Clone(file)
			spoilt[i] ^= 0x10
			if err := read(spoilt); !errors.Is(err, ErrFormat) {
				t.Errorf("octet %d of %d spoilt: %v", i, len(file), err)
			}
			if err := read(file[:i]); !errors.Is(err, ErrFormat) {
				t.Errorf("cut at %d of %d: %v", i, len(file), err)
			}
		}
	}
}

// TestOldFiles: a model of before is refused with a hint, a layer is read.
func TestOldFiles(t *testing.T) {
	t.Parallel()
	old := func(w io.WriterTo) io.Reader {
		return bytes.NewReader(bytes.Replace(written(t, w), []byte(`"Version":3`), []byte(`"Version":2`), 1))
	}
	if _, err := Read(old(trained(t))); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "made for version 2, this program reads 3: make it again with gapura spam train") {
		t.Error(err)
	}
	if _, err := ReadLayer(old(taught(NewSparse()))); err != nil {
		t.Error(err)
	}
}

// FuzzFile reads spoilt models and layers: none makes a score that is no
// number, and what was read is written and read again alike.
func FuzzFile(f *testing.F) {
	f.Add(written(f, taught(NewSparse())))
	f.Add(written(f, Empty()))
	spoilt := bomb(f, 4, fileHeader{Sparse: true, Steps: true})
	f.Add(spoilt[:len(spoilt)-sumSize])
	m, v := Empty(), NewVector()
	for i := range v.ids {
		v.ids[i] = []uint32{1, 2, 70, 9000}
	}
	check := func(t *testing.T, s Score) {
		if math.IsNaN(s.Score) || math.IsNaN(s.Probability) || s.Probability < 0 || s.Probability > 1 {
			t.Errorf("%+v", s)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = summed(b)
		if m, err := Read(bytes.NewReader(b)); err == nil {
			check(t, m.Score(v))
		}
		l, err := ReadLayer(bytes.NewReader(b))
		if err != nil {
			return
		}
		check(t, m.Score(v, l))
		var one, two bytes.Buffer
		if _, err := l.WriteTo(&one); err != nil {
			t.Fatal(err)
		}
		again, err := ReadLayer(bytes.NewReader(one.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.WriteTo(&two); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("written in two ways: %v", err)
		}
		l.Learn(m, nil, v, true, 1)
		check(t, m.Score(v, l))
	})
}

// bomb is a file whose n features follow each other.
func bomb(tb testing.TB, n int, h fileHeader) []byte {
	h.Version, h.LinearBits, h.TokenBits, h.Views = Version, linearBits, tokenBits, viewNames[:]
	line, err := json.Marshal(h)
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(layerMagic + string(line) + "\n")
	z, _ := flate.NewWriter(&b, flate.BestCompression)
	for range linear {
		z.Write(bytes.Repeat([]byte{1, 0, 1, 0, 1}, min(n, 1<<linearBits)))
		z.Write([]byte{0})
	}
	z.Write(bytes.Repeat([]byte{1, 1, 1}, min(n, 1<<tokenBits)))
	z.Write([]byte{0})
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return summed(b.Bytes())
}

// TestASmallFileMakesNoLargeLayer counts what a compressed file of nothing but
// features may take.
func TestASmallFileMakesNoLargeLayer(t *testing.T) {
	src := bomb(t, 1<<20, fileHeader{Sparse: true, Steps: true})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadLayer(bytes.NewReader(src))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrFormat) {
		t.Errorf("%d octets are read: %v", len(src), err)
	}
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 64 {
		t.Errorf("it took %d MiB", n)
	}
	if _, err := ReadLayer(bytes.NewReader(bomb(t, 1000, fileHeader{Sparse: true, Steps: true}))); err != nil {
		t.Error(err)
	}
}

func TestHeadersOfFilesAreChecked(t *testing.T) {
	t.Parallel()
	for _, h := range []fileHeader{{Ham: -1}, {Spam: -1}, {Lessons: -1}, {BiasG: [linear]float32{-1}}} {
		h.Sparse, h.Steps = true, true
		if _, err := ReadLayer(bytes.NewReader(bomb(t, 1, h))); !errors.Is(err, ErrFormat) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

// TestAModelWhoseViewsDoNotCountIsRefused: its scores would be no numbers, and
// no message with such a one is spam.
func TestAModelWhoseViewsDoNotCountIsRefused(t *testing.T) {
	t.Parallel()
	good := written(t, trained(t))
	begin, rest, _ := bytes.Cut(good, []byte("\n"))
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	change := func(f func(h *fileHeader)) []byte {
		var h fileHeader
		if err := json.Unmarshal(line, &h); err != nil {
			t.Fatal(err)
		}
		f(&h)
		l, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		return summed(bytes.Join([][]byte{begin, l, rest}, []byte("\n")))
	}
	if _, err := Read(bytes.NewReader(change(func(*fileHeader) {}))); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(h *fileHeader){
		"no view":                           func(h *fileHeader) { clear(h.Stack) },
		"views of headers only":             func(h *fileHeader) { clear(h.Stack); h.Stack[Fields], h.Stack[Tokens] = 2, 2 },
		"one that counts less than nothing": func(h *fileHeader) { h.Stack[Words] = -1 },
		"a view of endless weight":          func(h *fileHeader) { h.Stack[Words] = 1e308 },
		"a steep curve":                     func(h *fileHeader) { h.Slope = 1e308 },
		"a far shift":                       func(h *fileHeader) { h.Shift = -1e308 },
		"a threshold of next to nothing":    func(h *fileHeader) { h.Threshold = 1e-300 },
	} {
		m, err := Read(bytes.NewReader(change(f)))
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
			if m != nil {
				t.Logf("%+v", m.Score(vectorOf(t, letter("x", "y"))))
			}
		}
	}
}
