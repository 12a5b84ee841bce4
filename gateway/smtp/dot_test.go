package smtp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// scanAll scans in as it arrives in pieces and returns the text, what is left
// after the end, and whether the end was reached.
func scanAll(s *TextScanner, in []byte, sizes func() int) (text, rest []byte, done bool) {
	in = bytes.Clone(in)
	for len(in) > 0 && !s.Done() {
		k := min(max(sizes(), 1), len(in))
		piece := in[:k]
		for len(piece) > 0 && !s.Done() {
			t, n := s.Scan(piece)
			text = append(text, t...)
			if len(t) > 0 && s.Defect() != NoDefect {
				panic("text of a void message")
			}
			if n == 0 && len(t) == 0 {
				panic("no progress")
			}
			piece = piece[n:]
			in = in[n:]
		}
	}
	return text, in, s.Done()
}

// slowText is TextScanner octet by octet, written for clarity alone.
func slowText(s TextScanner, in []byte) (text []byte, rest []byte, done, defect bool) {
	bol, col := true, 0 // bol: after CRLF
	line := func() {
		if s.MaxLine > 0 && col+2 > s.MaxLine {
			defect = true
		}
	}
	for i := 0; i < len(in); i++ {
		if bol && !s.Chunked && in[i] == '.' {
			bol = false
			if bytes.HasPrefix(in[i:], []byte(".\r\n")) {
				return text, in[i+3:], true, defect
			}
			continue
		}
		bol = false
		switch c := in[i]; {
		case c == '\r' && i+1 == len(in):
			// not decided
		case c == '\r' && in[i+1] == '\n':
			line()
			text = append(text, "\r\n"...)
			i++
			bol, col = true, 0
		case c == '\r' || c == '\n':
			defect = defect || s.Bare != Repair
			line()
			text = append(text, "\r\n"...)
			col = 0
		case c == 0 && s.Null != Allow:
			defect = defect || s.Null != Repair
			text = append(text, ' ')
			col++
		default:
			text = append(text, c)
			col++
		}
	}
	line()
	return text, nil, false, defect
}

func compareWithSlow(t *testing.T, s TextScanner, in []byte, sizes func() int) {
	t.Helper()
	want, wantRest, wantDone, wantDefect := slowText(s, in)
	fast := s
	text, rest, done := scanAll(&fast, in, sizes)
	if done != wantDone || !bytes.Equal(rest, wantRest) {
		t.Fatalf("%+v %q: end %v, rest %q; want %v, %q", s, in, done, rest, wantDone, wantRest)
	}
	if (fast.Defect() != NoDefect) != wantDefect {
		t.Fatalf("%+v %q: defect %v, want %v", s, in, fast.Defect(), wantDefect)
	}
	if !wantDefect && !bytes.Equal(text, want) {
		t.Fatalf("%+v %q: %q, want %q", s, in, text, want)
	}
}

func TestScannerAgreesWithTheSlowOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	atoms := []string{"\r", "\n", "\r\n", ".", "..", "a", "\x00", "\r\n.\r\n", "\r\n.", "abcdefghij", "\r\r\n", "\n.\n", "\n.\r\n", "\r.\r"}
	for range 60000 {
		var b []byte
		for range rng.IntN(12) {
			b = append(b, atoms[rng.IntN(len(atoms))]...)
		}
		s := TextScanner{Bare: Treatment(rng.IntN(2)), Null: Treatment(rng.IntN(3)), Chunked: rng.IntN(4) == 0}
		if rng.IntN(3) == 0 {
			s.MaxLine = 8
		}
		big := rng.IntN(2) == 0
		compareWithSlow(t, s, b, func() int {
			if big {
				return 1000
			}
			return 1 + rng.IntN(4)
		})
	}
}

func FuzzDotReader(f *testing.F) {
	f.Add([]byte("a\r\n..b\r\n.\r\nQUIT\r\n"), byte(0), byte(3))
	f.Add([]byte("a\n.\nb\r\n.\r\n"), byte(1), byte(1))
	f.Add([]byte("a\r.\rb\r\r\n.\r\n"), byte(5), byte(2))
	f.Add(bytes.Repeat([]byte("lines of text go by blocks\r\n"), 99), byte(96), byte(150))
	f.Add([]byte(strings.Repeat("a", 998)+"\r\n"+strings.Repeat("b", 999)+"\r\n.\r\n"), byte(33), byte(200))
	f.Fuzz(func(t *testing.T, in []byte, how, size byte) {
		s := TextScanner{Bare: Treatment(how & 1), Null: Treatment(how >> 1 & 3 % 3), Chunked: how&8 != 0}
		if how&16 != 0 {
			s.MaxLine = 20
		}
		if how&32 != 0 {
			s.MaxLine = MaxTextLine
		}
		piece := int(size)
		if how&64 != 0 {
			piece *= 16
		}
		compareWithSlow(t, s, in, func() int { return piece })
	})
}

// TestOnlyCRLFdotCRLFEnds names every sequence that some server has taken for
// the end of a message.
func TestOnlyCRLFdotCRLFEnds(t *testing.T) {
	t.Parallel()
	for _, seq := range []string{
		"\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\n.\r", "\r.\n", "\r\n.\r\r\n", "\r\r\n.\n",
		"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\x00\n", "\r\x00\n.\r\n", "\r\n .\r\n", "\r\n. \r\n", "\r\n..\r\n", "\n.\x00\n",
	} {
		for _, bare := range []Treatment{Refuse, Repair} {
			s := TextScanner{Bare: bare}
			_, rest, done := scanAll(&s, []byte("a"+seq+"b"), func() int { return 100 })
			if done || len(rest) > 0 {
				t.Errorf("%q ended a message", seq)
			}
			_, rest, done = scanAll(&s, []byte("\r\n.\r\nX"), func() int { return 100 })
			if !done || string(rest) != "X" {
				t.Errorf("after %q the end was not seen", seq)
			}
		}
	}
	s := TextScanner{}
	// This one does contain CRLF.CRLF.
	if _, _, done := scanAll(&s, []byte("a\r\r\n.\r\n"), func() int { return 1 }); !done || s.Defect() != BareCR {
		t.Error(done, s.Defect())
	}
}

func TestChunkedTextEndsWithALineEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		bare Treatment
		tail string
		want Defect
	}{
		{"", Refuse, "", NoDefect},
		{"a\r\n", Refuse, "", NoDefect},
		{"a", Refuse, "\r\n", NoDefect},
		{"a\r", Refuse, "", BareCR},
		{"a\r", Repair, "\r\n", NoDefect},
		{"a\n", Repair, "", NoDefect},
	} {
		s := TextScanner{Bare: c.bare, Chunked: true}
		scanAll(&s, []byte(c.in), func() int { return 1 })
		if got := string(s.Finish()); got != c.tail || s.Defect() != c.want || !s.Done() {
			t.Errorf("%q: %q, %v", c.in, got, s.Defect())
		}
	}
}

func TestDotWriterIsUndoneByTheScanner(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	atoms := []string{"\r\n", ".", "..", "a", ".\r\n", "abc"}
	for range 5000 {
		var text, wire bytes.Buffer
		w := DotWriter{W: &wire}
		for range rng.IntN(10) {
			var b []byte
			for range rng.IntN(4) {
				b = append(b, atoms[rng.IntN(len(atoms))]...)
			}
			text.Write(b)
			if n, err := w.Write(b); n != len(b) || err != nil {
				t.Fatal(n, err)
			}
		}
		w.Close()
		want := text.Bytes()
		if len(want) > 0 && !bytes.HasSuffix(want, crlf) {
			want = append(want, crlf...)
		}
		s := TextScanner{MaxLine: 1000}
		got, rest, done := scanAll(&s, wire.Bytes(), func() int { return 1 + rng.IntN(9) })
		if !bytes.Equal(got, want) || !done || len(rest) > 0 || s.Defect() != NoDefect {
			t.Fatalf("%q on the wire %q came back as %q", want, wire.Bytes(), got)
		}
	}
}

// TestRepairIsLinear: octets that need repair cost about the same each,
// however many there are; were it not so, this would take a minute.
func TestRepairIsLinear(t *testing.T) {
	t.Parallel()
	const octets = 1 << 20
	for _, atom := range []string{"\r", "\n", "\r.", "\n.", "\r\n.", "\r\n..", ".\r", "\x00"} {
		s := TextScanner{Bare: Repair, Null: Repair}
		in := []byte(strings.Repeat(atom, octets/len(atom)))
		calls := 0
		for len(in) > 0 && !s.Done() {
			_, n := s.Scan(in)
			in = in[n:]
			calls++
		}
		if calls > 4*octets {
			t.Errorf("%q: %d calls", atom, calls)
		}
	}
}

func benchText() []byte {
	line := strings.Repeat("The quick brown fox jumps. ", 3)[:76] + "\r\n"
	return []byte(strings.Repeat(line, 420))
}

func BenchmarkScan(b *testing.B) {
	in := benchText()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	s := TextScanner{MaxLine: MaxTextLine}
	for b.Loop() {
		for p := in; len(p) > 0; {
			_, n := s.Scan(p)
			p = p[n:]
		}
	}
}

func BenchmarkScanWorst(b *testing.B) {
	for name, atom := range map[string]string{"cr": "\r", "lf": "\n", "dots": "\r\n..", "crdot": "\r."} {
		in := []byte(strings.Repeat(atom, 8192))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			s := TextScanner{Bare: Repair}
			for b.Loop() {
				for p := in; len(p) > 0; {
					_, n := s.Scan(p)
					p = p[n:]
				}
			}
		})
	}
}

func BenchmarkDotWriter(b *testing.B) {
	in := benchText()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	w := DotWriter{W: io.Discard}
	for b.Loop() {
		w.Write(in)
	}
}
