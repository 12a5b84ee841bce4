package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gapura-mail/gapura/test/peers"
)

// recorder writes down what a walk tells.
type recorder struct {
	parts   []*PartInfo
	bodies  map[*PartInfo]*bytes.Buffer
	defects []Defect
	open    int
}

func (r *recorder) Part(p *PartInfo) io.Writer {
	if r.bodies == nil {
		r.bodies = map[*PartInfo]*bytes.Buffer{}
	}
	r.parts = append(r.parts, p)
	r.bodies[p] = &bytes.Buffer{}
	r.open++
	return r.bodies[p]
}

func (r *recorder) PartEnd(*PartInfo) { r.open-- }
func (r *recorder) Defect(d Defect)   { r.defects = append(r.defects, d) }

// tree shows the parts, one a line.
func (r *recorder) tree() string {
	var s strings.Builder
	for _, p := range r.parts {
		fmt.Fprintf(&s, "%s %s", p.Path, p.Type)
		if p.Filename != "" {
			fmt.Fprintf(&s, " [%s]", p.Filename)
		}
		if !p.Container {
			fmt.Fprintf(&s, " %.40q", r.bodies[p].String())
		}
		if p.Known {
			s.WriteString(" known")
		}
		s.WriteString("\n")
	}
	return s.String()
}

func (r *recorder) defectNames() string {
	var names []string
	for _, d := range r.defects {
		names = append(names, string(d.Name))
	}
	return strings.Join(names, " ")
}

// walkAll walks a whole message in all readings that are needed.
func walkAll(t testing.TB, raw []byte, lim WalkLimits) (w *Walker, all map[ReadingName]*recorder) {
	t.Helper()
	head, body := Split(raw)
	h, err := ParseHeader(head, HeaderLimits{})
	var le *LimitError
	if err != nil && !errors.As(err, &le) {
		t.Fatal(err)
	}
	w = NewWalker(h, lim)
	all = map[ReadingName]*recorder{Plain: {}}
	if err := w.Walk(bytes.NewReader(body), all[Plain]); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.Readings() {
		all[r] = &recorder{}
		if err := w.WalkReading(r, bytes.NewReader(body), all[r]); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range all {
		if r.open != 0 {
			t.Fatalf("reading %q: %d parts not ended", name, r.open)
		}
	}
	return w, all
}

// mimeCorpora is the folder of messages that nobody here wrote.
const mimeCorpora = "conformance/mime-corpora"

func sharedFiles(t testing.TB) []string {
	t.Helper()
	var files []string
	_ = filepath.WalkDir(peers.Suite(t, mimeCorpora), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return nil
	})
	if len(files) == 0 {
		t.Fatal("no messages")
	}
	return files
}

// Every message of the corpora is walked, the same whatever the sizes of
// reads.
func TestWalkCorpora(t *testing.T) {
	t.Parallel()
	n, ambiguous := 0, 0
	for _, path := range sharedFiles(t) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n++
		w, all := walkAll(t, raw, WalkLimits{})
		if w.Ambiguous() {
			ambiguous++
			h := w.hidden[0]
			t.Logf("%s: %v %s %s %s %q", path, w.Readings(), h.Path, h.Reading, h.Type, h.Filename)
		}
		head, body := Split(raw)
		h, err := ParseHeader(head, HeaderLimits{})
		if err != nil {
			continue
		}
		var one recorder
		if err := NewWalker(h, WalkLimits{}).Walk(iotest.OneByteReader(bytes.NewReader(body)), &one); err != nil {
			t.Fatal(err)
		}
		if one.tree() != all[Plain].tree() || one.defectNames() != all[Plain].defectNames() {
			t.Errorf("%s: byte by byte\n%s\ninstead of\n%s", path, one.tree(), all[Plain].tree())
		}
	}
	t.Logf("%d messages, %d ambiguous", n, ambiguous)
}

func BenchmarkWalk(b *testing.B) {
	for name, body := range map[string]string{
		"base64": "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 13000),
		"8bit": "Content-Type: text/plain\r\n\r\n" + strings.Repeat("some text - and more -- of it, of the usual length of a line\r\n", 16000),
		"qp": "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
			strings.Repeat("<p class=3D\"x\">some text - and more -- of it, of the usual length=20=\r\n", 14000),
		"dashes": "Content-Type: text/plain\r\n\r\n" + strings.Repeat("-a", 500000),
		"small":  "Content-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>hello</p>\r\n",
	} {
		h := parseHeader(b, "From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n")
		raw := []byte("--x\r\n" + body + "\r\n--x--\r\n")
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if err := NewWalker(h, WalkLimits{}).Walk(bytes.NewReader(raw), discard{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discard struct{}

func (discard) Part(*PartInfo) io.Writer { return io.Discard }
func (discard) PartEnd(*PartInfo)        {}
func (discard) Defect(Defect)            {}

func plainTree(t *testing.T, raw string, lim WalkLimits) (tree, defects string) {
	t.Helper()
	_, all := walkAll(t, []byte(raw), lim)
	return all[Plain].tree(), all[Plain].defectNames()
}

func TestWalkTree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, tree, defects string }{
		"nothing": {"From: a@b\r\n", "1 text/plain \"\"\n", ""},
		"single":  {top + "Content-Type: TEXT/HTML\r\n\r\n<p>\r\n", "1 text/html \"<p>\\r\\n\"\n", ""},
		"nested": {
			top + "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b \r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\nContent-Type: text/html\r\n\r\ntwo\r\n\r\n--x--\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nthree\r\n--y--\r\n--a b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg0KDQpmb3VyDQo=\r\n--a b--\r\nepilogue\r\n",
			"0 multipart/mixed\n1 multipart/alternative\n1.1 text/plain \"one\"\n1.2 text/html \"two\\r\\n\"\n2 message/rfc822\n2.0 multipart/mixed\n2.1 text/plain \"three\"\n3 message/rfc822\n3.1 text/plain \"four\\r\\n\"\n", "",
		},
		"digest":        {top + "Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nA: b\r\n\r\none\r\n--x--\r\n", "0 multipart/digest\n1 message/rfc822\n1.1 text/plain \"one\"\n", ""},
		"unclosed":      {top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\none\r\n--x\r\n\r\ntwo", "0 multipart/mixed\n1 multipart/mixed\n1.1 text/plain \"one\"\n2 text/plain \"two\"\n", "no-closing-boundary no-closing-boundary"},
		"empty":         {top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n\r\n--x\r\nA: b\r\n--x--", "0 multipart/mixed\n2 text/plain \"\"\n3 text/plain \"\"\n", ""},
		"no empty line": {top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\none\r\n\r\ntwo\r\n--x--", "0 multipart/mixed\n1 text/plain \"one\\r\\n\\r\\ntwo\"\n", "no-header-end"},
		"uuencode": {
			top + "\r\nhi\r\nbegin here\r\nbegin 644 a.exe\r\n$979I;```\r\n`\r\nend\r\nbye\r\nbegin 644 b\r\nno\r\n",
			"1 text/plain \"hi\\r\\nbegin here\\r\\n\"\n1.uu1 application/octet-stream [a.exe] \"evil\"\n1.t1 text/plain \"bye\\r\\nbegin 644 b\\r\\nno\\r\\n\"\n", "uuencode-in-text",
		},
		"uuencoded part": {top + "Content-Type: application/x\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a.exe\r\n$979I;```\r\n`\r\nend\r\n", "1 application/x \"evil\"\n", ""},
		"names":          {top + "Content-Disposition: attachment; filename*0*=iso-8859-1'de'a%E4; filename*1=b; filename*2*=%2Ec; filename=z\r\n\r\n", "1 text/plain [aäb.c] \"\"\n", "conflicting-fields conflicting-fields"},
		"name, 2047":     {top + "Content-Type: text/plain; name=\"=?utf-8?b?w6Q=?=.x\"\r\n\r\n", "1 text/plain [ä.x] \"\"\n", ""},
		"partial":        {top + "Content-Type: message/partial; id=a; number=1\r\n\r\nx", "1 message/partial \"x\"\n", "message-partial"},
		"bad type":       {top + "Content-Type: nonsense\r\nContent-Transfer-Encoding: what\r\n\r\nx", "1 text/plain \"x\"\n", "bad-content-type bad-encoding"},
	} {
		tree, defects := plainTree(t, c.raw, WalkLimits{})
		if tree != c.tree || defects != c.defects {
			t.Errorf("%s:\n%s%s\nwant\n%s%s", name, tree, defects, c.tree, c.defects)
		}
	}
}

func TestWalkBounds(t *testing.T) {
	t.Parallel()
	deep := top
	for range 30 {
		deep += "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
	}
	var nested strings.Builder
	nested.WriteString(top)
	for range 30 {
		nested.WriteString("Content-Type: message/rfc822\r\n\r\n")
	}
	many := top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\n\r\nhi\r\n", 50) + "--x--\r\n"
	long := top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nA: " + strings.Repeat("b", 100<<10) + "\r\n\r\nhi\r\n--x--\r\n"
	for _, c := range []struct {
		raw, defect string
		parts       int
	}{
		{nested.String(), "depth-limit", DefaultDepth + 1},
		{many, "part-limit", 10},
		{long, "header-limit", 2},
		{deep, "depth-limit", 30},
	} {
		lim := WalkLimits{}
		if c.defect == "part-limit" {
			lim.Parts = 10
		}
		w, all := walkAll(t, []byte(c.raw), lim)
		if n := len(all[Plain].parts); n > c.parts {
			t.Errorf("%d parts, want at most %d", n, c.parts)
		}
		if !strings.Contains(all[Plain].defectNames(), c.defect) || w.Limited() != (c.defect != "") {
			t.Errorf("limited %v, defects %s; want %s", w.Limited(), all[Plain].defectNames(), c.defect)
		}
	}
}

type failing struct{ discard }

var errFull = errors.New("full")

func (failing) Part(*PartInfo) io.Writer    { return failing{} }
func (failing) Write(b []byte) (int, error) { return 0, errFull }

func TestWalkErrors(t *testing.T) {
	t.Parallel()
	h := parseHeader(t, top+"Content-Type: multipart/mixed; boundary=x\r\n")
	body := "--x\r\n\r\nhi\r\n--x\r\n\r\nho\r\n--x--\r\n"
	if err := NewWalker(h, WalkLimits{}).Walk(strings.NewReader(body), failing{}); !errors.Is(err, errFull) {
		t.Errorf("a failing write gives %v", err)
	}
	broken := io.MultiReader(strings.NewReader(body[:12]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := NewWalker(h, WalkLimits{}).Walk(broken, discard{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a failing read gives %v", err)
	}
}

// counter counts how often and how much is written.
type counter struct {
	discard
	octets int64
}

func (c *counter) Part(*PartInfo) io.Writer    { return c }
func (c *counter) Write(b []byte) (int, error) { c.octets += int64(len(b)); return len(b), nil }

// No input gives more than its own size back in all readings, and the parts
// are the same whatever the sizes of reads.
func FuzzWalk(f *testing.F) {
	f.Add([]byte(top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD=QQ\r\n--xy\r\n\r\n--x--\r\n--x"))
	f.Add([]byte("Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nA: b\n \nContent-Type: multipart/x; boundary*0=a; boundary=b\n\n--a\n=3D=\n--b"))
	f.Add([]byte(top + "\r\nbegin 644 a\r\n$979I;```\r\n`\r\nend\r\nbegin "))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lim := WalkLimits{Depth: 5, Parts: 50, HeaderBytes: 1000}
		w, all := walkAll(t, raw, lim)
		head, body := Split(raw)
		h, err := ParseHeader(head, HeaderLimits{})
		if err != nil {
			return
		}
		for _, r := range append(w.Readings(), Plain) {
			var c counter
			again := NewWalker(h, lim)
			again.encoded = w.encoded
			if err := again.WalkReading(r, iotest.OneByteReader(bytes.NewReader(body)), &c); err != nil {
				t.Fatal(err)
			}
			var sum int64
			for _, b := range all[r].bodies {
				sum += int64(b.Len())
			}
			if sum != c.octets {
				t.Fatalf("reading %q: %d octets, byte by byte %d", r, sum, c.octets)
			}
			if c.octets > 4*int64(len(raw)) {
				t.Fatalf("reading %q: %d octets of %d", r, c.octets, len(raw))
			}
		}
	})
}

// TestNoBoundIsMetUnseen: what a walk did not see is told, whatever else is
// wrong with the message.
func TestNoBoundIsMetUnseen(t *testing.T) {
	t.Parallel()
	noise := top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n" +
		strings.Repeat("--x\r\nContent-Transfer-Encoding: odd\r\n\r\na\r\n", 2*MaxDefects)
	uu := "begin 644 a\r\n$979I;```\r\nend\r\n"
	for name, c := range map[string]struct {
		raw    string
		defect DefectName
	}{
		"partial behind noise":  {noise + "--x\r\nContent-Type: message/partial\r\n\r\na\r\n--x--\r\n", DefectPartial},
		"nested behind noise":   {noise + "--x\r\n" + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 30) + "\r\na", DefectDepthLimit},
		"parts behind noise":    {noise + strings.Repeat("--x\r\n\r\na\r\n", DefaultParts), DefectPartLimit},
		"uuencoded files":       {top + "\r\n" + strings.Repeat(uu, DefaultParts+1), DefectPartLimit},
		"parameters":            {top + "Content-Type: a/b" + strings.Repeat("; a=b", maxParams) + "; name=a.js\r\n\r\nx", DefectHeaderLimit},
		"long file name":        {top + "Content-Type: a/b; name=" + strings.Repeat("x", maxParamSize) + ".js\r\n\r\nx", DefectHeaderLimit},
		"long name in sections": {top + "Content-Type: a/b; name*0=" + strings.Repeat("x", maxParamSize) + "; name*1=.js\r\n\r\nx", DefectHeaderLimit},
		"many sections":         {top + "Content-Type: a/b; name*0=a; name*64=.js\r\n\r\nx", DefectHeaderLimit},
		"long Content-Type":     {top + "Content-Type: a/b" + strings.Repeat(" ", maxContentLine) + "; name=a.js\r\n\r\nx", DefectHeaderLimit},
	} {
		w, all := walkAll(t, []byte(c.raw), WalkLimits{})
		if !slices.ContainsFunc(all[Plain].defects, func(d Defect) bool { return d.Name == c.defect }) {
			t.Errorf("%s: %s is not told: %s", name, c.defect, all[Plain].defectNames())
		}
		if limit := strings.HasSuffix(string(c.defect), "-limit"); w.Limited() != limit {
			t.Errorf("%s: limited is %v", name, w.Limited())
		}
		for _, r := range all {
			if len(r.defects) > MaxDefects {
				t.Errorf("%s: %d defects", name, len(r.defects))
			}
		}
	}
	if w, all := walkAll(t, []byte(top+"Content-Type: a/b"+strings.Repeat("; a=b", maxParams)+"\r\n\r\nx"), WalkLimits{}); w.Limited() {
		t.Errorf("at the bound: %s", all[Plain].defectNames())
	}
}
