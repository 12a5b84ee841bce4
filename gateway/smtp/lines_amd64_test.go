//go:build !purego

package smtp

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// slowLastClean is lastClean octet by octet, and tells how many of them it has
// looked at: blocks of 64 as long as all of them are clean.
func slowLastClean(p []byte, stuffed byte, line, last int) (clean, looked int) {
	begins, cr, at := false, false, last
	for ; looked+64 <= len(p); looked += 64 {
		for j, c := range p[looked : looked+64] {
			i := looked + j
			switch {
			case c == 0, cr != (c == '\n'), begins && c == stuffed, c == '\n' && i-at > line:
				return last, looked + 64
			}
			if cr, begins = c == '\r', c == '\n'; begins {
				at = i
			}
		}
		last = at
	}
	return last, looked
}

// guarded gives memory that ends where reading on is a fault.
func guarded(t testing.TB, size int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size = (size + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(b) })
	if err := syscall.Mprotect(b[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return b[:size:size]
}

// lineText is n octets in lines of a length, the first of which began so many
// octets before.
func lineText(n, length, before int) []byte {
	one := strings.Repeat("abcdefghij", length/10+1)[:length-2] + "\r\n"
	return []byte(strings.Repeat(one, n/length+2)[before:][:n])
}

type lastCleaner struct {
	testing.TB
	memory []byte
}

func (l lastCleaner) compare(text []byte, stuffed byte, line, last int) {
	l.Helper()
	p := l.memory[len(l.memory)-len(text):]
	copy(p, text)
	got := lastClean(unsafe.SliceData(p), len(p), uint64(stuffed), line, last)
	if want, _ := slowLastClean(p, stuffed, line, last); got != want {
		l.Fatalf("%q, %q, %d, %d: %d, want %d", text, stuffed, line, last, got, want)
	}
}

// Every octet of three blocks, and of what is behind them, is made each of the
// octets that mean something, alone and with others before it.
func TestLastCleanSeesEachOctet(t *testing.T) {
	t.Parallel()
	if !wide {
		t.Skip("a processor without AVX2")
	}
	l := lastCleaner{t, guarded(t, 4096)}
	wrong := []string{"\r", "\n", ".", "\x00", "\r\n", "\r\n.", "\n.", "\r.", "\r\r\n", "\n\n", "\r\n\r\n", "\x0c", "\x0e", "\x8d", "\x8a", "\x80", "\xff"}
	for _, length := range []int{2, 3, 63, 64, 65, 76, 150, 1000} {
		for before := range min(length, 67) {
			for _, size := range []int{128, 192, 193, 255} {
				text := lineText(size, length, before)
				for _, stuffed := range []byte{'.', '\n'} {
					l.compare(text, stuffed, MaxTextLine, -1-before)
				}
				if before%8 > 1 && length > 3 {
					continue
				}
				for at := range size {
					for _, w := range wrong {
						was := bytes.Clone(text)
						copy(text[at:], w)
						l.compare(text, '.', MaxTextLine, -1-before)
						copy(text, was)
					}
				}
			}
		}
	}
}

// A line may be as long as it may be, wherever in a block it ends and however
// much of it came before.
func TestLastCleanMeasuresLines(t *testing.T) {
	t.Parallel()
	if !wide {
		t.Skip("a processor without AVX2")
	}
	l := lastCleaner{t, guarded(t, 8192)}
	for _, line := range []int{64, 65, 1000, 1001, 2000, math.MaxInt} {
		for _, length := range []int{min(line, 3000) - 1, min(line, 3000), min(line, 3000) + 1} {
			for before := range min(length, 1100) {
				l.compare(lineText(length+200, length, before), '.', line, -1-before)
			}
			for short := 2; short < 130; short++ { // lines before it move its place in the block
				text := append(lineText(short, short, 0), lineText(2*length, length, 0)...)
				l.compare(text, '.', line, -1)
			}
		}
	}
}

func TestLastCleanAgreesOnAnything(t *testing.T) {
	t.Parallel()
	if !wide {
		t.Skip("a processor without AVX2")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	l := lastCleaner{t, guarded(t, 8192)}
	for range 50000 {
		text := cleanish(rng, 64+rng.IntN(1500))
		l.compare(text, ".\n"[rng.IntN(2)], []int{64, 80, 1000, math.MaxInt}[rng.IntN(4)], -1-rng.IntN(1100)*rng.IntN(2))
	}
}

// cleanish is text that is clean for the most part, which random octets are not.
func cleanish(rng *rand.Rand, size int) []byte {
	var b []byte
	lengths := []int{1, 4, 60, 62, 63, 64, 76, 200, 996, 997, 998, 999, 1000, 1100}
	odd := 1 + rng.IntN(60)
	most := 1 + rng.IntN(len(lengths))
	for len(b) < size {
		b = append(b, strings.Repeat("a", lengths[rng.IntN(most)])...)
		if rng.IntN(odd) == 0 {
			b = append(b, []string{"\r", "\n", "\x00", "\r\r\n", "\r\n.", "\r\n..", "\r\n.\r\n", "."}[rng.IntN(8)]...)
		}
		b = append(b, '\r', '\n')
	}
	return b[:size]
}

// The whole scanner, with text that is long enough for blocks.
func TestScannerWithBlocksAgreesWithTheSlowOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20000 {
		s := TextScanner{Bare: Treatment(rng.IntN(2)), Null: Treatment(rng.IntN(3)), Chunked: rng.IntN(4) == 0, MaxLine: []int{0, MaxTextLine, 1001}[rng.IntN(3)]}
		piece := 1 + rng.IntN(3000)
		compareWithSlow(t, s, cleanish(rng, rng.IntN(3000)), func() int { return piece })
	}
}

// However hostile a text is, lastClean looks at it a bounded number of times.
func TestCleanLinesAreLookedForOnce(t *testing.T) {
	t.Parallel()
	const octets = 1 << 20
	long := strings.Repeat("a", 900)
	for _, atom := range []string{
		"\r", "\n", "\x00", "\r\n.", "\r\n..", "\r.", "\n.", long + "\n", long + "\r", long + "\r\n.", long + "\x00\r\n", long + "\x00\n",
		long + "\r\n" + long + "\n", strings.Repeat("a\r\n", 50) + "\r", strings.Repeat("a\r\n", 50) + "\n", strings.Repeat("a\r\n", 50) + ".",
		strings.Repeat("a\r\n", 50) + "\x00", "a",
	} {
		for _, maxLine := range []int{0, MaxTextLine} {
			s := TextScanner{Bare: Repair, Null: Repair, MaxLine: maxLine}
			in := []byte(strings.Repeat(atom, octets/len(atom)))
			looked := 0
			for len(in) > 0 && !s.Done() {
				piece := in[:min(len(in), 64<<10)]
				if s.slow == 0 && s.defect == NoDefect && len(piece) >= minClean { // more often than Scan does
					_, n := slowLastClean(piece, '.', cmp.Or(maxLine, math.MaxInt), -1-s.col)
					looked += n
				}
				_, n := s.Scan(piece)
				in = in[n:]
			}
			if looked > 64*octets {
				t.Errorf("%.20q: looked at %d octets for %d", atom, looked, octets)
			}
		}
	}
}

func FuzzLastClean(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 10))
	for i := range 20 {
		f.Add(cleanish(rng, 100+100*i), i%2 == 0, 1000, rng.IntN(1000))
	}
	memory := guarded(f, 64<<10)
	f.Fuzz(func(t *testing.T, text []byte, chunked bool, line, before int) {
		if !wide || len(text) < 64 || len(text) > len(memory) || line < 64 || before < 0 {
			return
		}
		stuffed := byte('.')
		if chunked {
			stuffed = '\n'
		}
		lastCleaner{t, memory}.compare(text, stuffed, line, -1-before)
	})
}
