package mailauth

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gapura-mail/gapura/gateway/message"
)

var wspRun = regexp.MustCompile(`[ \t]+`)

// referenceBody canonicalises a body at once, as RFC 6376 section 3.4 tells
// it.
func referenceBody(c Canon, body string) string {
	lines := strings.Split(body, "\r\n")
	if c == Relaxed {
		for i, l := range lines {
			lines[i] = wspRun.ReplaceAllString(strings.TrimRight(l, " \t"), " ")
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 && c == Relaxed {
		return ""
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// checkCanon writes body in pieces that cut draws and compares with the
// reference.
func checkCanon(t *testing.T, body string, limit int64, cut func(n int) int) {
	t.Helper()
	forms := []BodyForm{{Relaxed, -1}, {Simple, -1}, {Relaxed, limit}, {Simple, limit}}
	h := NewBodyHasher(forms...)
	for rest := body; rest != ""; {
		n := cut(len(rest))
		if _, err := io.WriteString(h, rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	for _, f := range forms {
		want := referenceBody(f.Canon, body)
		octets := int64(len(want))
		if f.Limit >= 0 {
			want = want[:min(f.Limit, octets)]
		}
		got, ok := h.Sum(f)
		if !ok || got.Sum != sha256.Sum256([]byte(want)) || got.Octets != octets {
			t.Fatalf("%v of %.200q: another hash than that of %.200q, %d octets, want %d", f, body, want, got.Octets, octets)
		}
	}
}

// canonWords are what random bodies are made of.
var canonWords = []string{
	" ", "  ", "\t", "\r\n", "\r\n\r\n", "\r", "\n", "a", "bc", "word", "\x00", "\x1f", "\xff\xfe", " \r\n", "\t \r\n", "!!!!!!!!!!!!!!!!",
	strings.Repeat("x", 300), strings.Repeat("\r\n", 50), strings.Repeat("line of text\r\n", 30),
}

func TestBodyCanonicalisationEqualsReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 8000 {
		var b strings.Builder
		for range r.IntN(1 + i%40) {
			b.WriteString(canonWords[r.IntN(len(canonWords))])
		}
		checkCanon(t, b.String(), r.Int64N(100), func(n int) int { return 1 + r.IntN(min(n, 1+i%500)) })
	}
}

func TestBodyCanonicalisationExamples(t *testing.T) {
	t.Parallel()
	// RFC 6376 section 3.4.5 and the hashes of empty bodies in 3.4.3, 3.4.4.
	for _, c := range []struct{ in, relaxed, simple string }{
		{" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", " C \r\nD \t E\r\n"},
		{"", "", "\r\n"},
		{"\r\n\r\n", "", "\r\n"},
		{"no end", "no end\r\n", "no end\r\n"},
	} {
		for canon, want := range map[Canon]string{Relaxed: c.relaxed, Simple: c.simple} {
			h := NewBodyHasher(BodyForm{canon, -1})
			io.WriteString(h, c.in)
			if got, _ := h.Sum(BodyForm{canon, -1}); got.Sum != sha256.Sum256([]byte(want)) {
				t.Errorf("%v of %q is not %q", canon, c.in, want)
			}
		}
	}
}

func TestBodyHasherKeepsItsRules(t *testing.T) {
	t.Parallel()
	whole := BodyForm{Relaxed, -1}
	h := NewBodyHasher(whole, whole, BodyForm{Relaxed, -7})
	if h.forms() != 1 {
		t.Errorf("%d forms of one", h.forms())
	}
	if n, err := h.ReadFrom(iotest.HalfReader(strings.NewReader("text\r\n"))); n != 6 || err != nil {
		t.Errorf("ReadFrom: %d %v", n, err)
	}
	if _, err := h.ReadFrom(iotest.ErrReader(io.ErrUnexpectedEOF)); err != io.ErrUnexpectedEOF {
		t.Errorf("ReadFrom of a broken body: %v", err)
	}
	if _, ok := h.Sum(BodyForm{Simple, -1}); ok {
		t.Error("a hash that nobody asked for")
	}
	first, _ := h.Sum(whole)
	if again, ok := h.Sum(whole); !ok || again != first {
		t.Error("the second Sum differs")
	}
	if _, err := h.Write([]byte("x")); err == nil {
		t.Error("written after Sum")
	}
}

// TestEmptyLinesAreCounted writes far more empty lines than the hasher could
// keep, with one allocation-free pass.
func TestEmptyLinesAreCounted(t *testing.T) {
	h := NewBodyHasher(BodyForm{Relaxed, -1}, BodyForm{Simple, -1})
	block := bytes.Repeat([]byte("\r\n"), 1<<15)
	if n := testing.AllocsPerRun(50, func() { h.Write(block) }); n > 0 {
		t.Errorf("%v allocations a write", n)
	}
	if got, _ := h.Sum(BodyForm{Simple, -1}); got.Octets != 2 {
		t.Errorf("%d octets", got.Octets)
	}
}

func FuzzCanon(f *testing.F) {
	f.Add("text \r\n\r\n \t\r\n", uint64(3), int64(5))
	f.Add("\r\n\r\na\r", uint64(1), int64(0))
	f.Fuzz(func(t *testing.T, body string, seed uint64, limit int64) {
		r := rand.New(rand.NewPCG(seed, 0))
		checkCanon(t, body, max(0, limit), func(n int) int { return 1 + r.IntN(n) })
	})
}

func TestHeaderRelaxed(t *testing.T) {
	t.Parallel()
	// RFC 6376 section 3.4.5 and folds of all kinds.
	for _, c := range []struct{ in, want string }{
		{"A: X\r\n", "a:X\r\n"},
		{"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
		{"SubJect:\r\n", "subject:\r\n"},
		{"Subject: \r\n \r\n", "subject:\r\n"},
		{"X:a\r\n b\r\n\tc", "x:a b c\r\n"},
		{"X: a\rb\x01 \x02 \r\n", "x:a\rb\x01 \x02\r\n"},
	} {
		h, err := message.ParseHeader([]byte(c.in), message.HeaderLimits{})
		if err != nil || len(h.Fields()) != 1 {
			t.Fatalf("%q: %v", c.in, err)
		}
		f := h.Fields()[0]
		if got := string(appendRelaxed(nil, f.Name, f.Body())); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestFieldsAreSelectedFromTheBottom(t *testing.T) {
	t.Parallel()
	h, err := message.ParseHeader([]byte("A: 1\r\nB: 2\r\nnot a field\r\na: 3\r\nA : 4\r\nB: 5\r\n"), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	x := newHeaderIndex(h)
	for _, c := range []struct {
		names string
		self  int
		want  string
	}{
		{"A", -1, "a:4\r\n"},
		{"a:B:A:a:A:b:b:C", -1, "a:4\r\nb:5\r\na:3\r\na:1\r\nb:2\r\n"},
		{"A:A:A", 4, "a:3\r\na:1\r\n"},
		{"", -1, ""},
	} {
		w := sha256.New()
		x.hashFields(w, colonList(c.names), Relaxed, c.self)
		if want := sha256.Sum256([]byte(c.want)); !bytes.Equal(w.Sum(nil), want[:]) {
			t.Errorf("%s without field %d: not %q", c.names, c.self, c.want)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	text := strings.Repeat("It is a truth universally acknowledged, that a single man in possession\r\n", 1<<14)
	base64 := strings.Repeat("SXQgaXMgYSB0cnV0aCB1bml2ZXJzYWxseSBhY2tub3dsZWRnZWQsIHRoYXQgYSBzaW5nbGUgbWFu\r\n", 1<<14)
	html := strings.Repeat("      <td  style=3D\"x\">\t a <b>word</b>  </td>\r\n", 1<<14)
	for _, c := range []struct{ name, body string }{{"text", text}, {"base64", base64}, {"html", html}, {"crlf", strings.Repeat("\r\n", 1<<19)}} {
		for _, canon := range []Canon{Relaxed, Simple} {
			b.Run(fmt.Sprintf("%s/%v", c.name, canon), func(b *testing.B) {
				body := []byte(c.body)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					h := NewBodyHasher(BodyForm{canon, -1})
					for p := body; len(p) > 0; {
						n := min(len(p), 32<<10)
						h.Write(p[:n])
						p = p[n:]
					}
					h.Sum(BodyForm{canon, -1})
				}
			})
		}
	}
	b.Run("text/sha256 alone", func(b *testing.B) {
		body := []byte(text)
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			sha256.Sum256(body)
		}
	})
}
