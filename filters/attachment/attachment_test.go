package attachment

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
)

// zipOf makes a ZIP of names and contents in turn.
func zipOf(t testing.TB, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(pairs[i+1]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipOf(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func tarOf(name, content string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Format: tar.FormatUSTAR})
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return b.String()
}

// rarOf makes a RAR 5 file with one stored member.
func rarOf(name, content string, flags byte) string {
	block := func(b []byte, data string) string {
		size := []byte{byte(len(b))}
		crc := crc32.ChecksumIEEE(append(size, b...))
		return string(binary.LittleEndian.AppendUint32(nil, crc)) + string(size) + string(b) + data
	}
	file := []byte{2, 2 | flags, byte(len(content)), 4, byte(len(content)), 0o40}
	if flags != 0 { // an extra area: encryption, all zero
		extra := append([]byte{0x30, 1, 0, 0, 0}, make([]byte, 44)...)
		file = append([]byte{2, 2 | flags, byte(len(extra))}, file[2:]...)
		file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE([]byte(content)))
		file = append(append(file, 0, 1, byte(len(name))), name...)
		file = append(file, extra...)
	} else {
		file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE([]byte(content)))
		file = append(append(file, 0, 1, byte(len(name))), name...)
	}
	return "Rar!\x1a\x07\x01\x00" + block([]byte{1, 0, 0}, "") + block(file, content) + block([]byte{5, 0, 0}, "")
}

// oleOf makes what begins like an OLE file and has the names.
func oleOf(names ...string) string {
	s := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 504)
	for _, n := range names {
		s += string(utf16(n)) + strings.Repeat("\x00", 64)
	}
	return s
}

const program = "MZ\x90\x00\x03\x00\x00\x00"

// encrypt sets the flag of encryption in the first entry of a ZIP.
func encrypt(z string) string {
	b := []byte(z)
	b[6] |= 1
	b[bytes.Index(b, []byte("PK\x01\x02"))+8] |= 1
	return string(b)
}

// gap puts something before the directory of a ZIP, which does not tell of it.
func gap(z, hidden string) string {
	i := strings.Index(z, "PK\x01\x02")
	b := []byte(z[:i] + hidden + z[i:])
	end := b[len(b)-zipEndSize:]
	binary.LittleEndian.PutUint32(end[16:], binary.LittleEndian.Uint32(end[16:])+uint32(len(hidden)))
	return string(b)
}

// oldTar takes the mark of the newer format out of a tar's first header.
func oldTar(s string) string {
	b := []byte(s)
	copy(b[257:265], make([]byte, 8))
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return string(b)
}

func flags(e Entry) string {
	var s []string
	v := reflect.ValueOf(e)
	for _, name := range []string{"Executable", "Macro", "Encrypted", "Mismatch", "Deceptive", "Bomb", "Unopened", "Ambiguous"} {
		if v.FieldByName(name).Bool() {
			s = append(s, strings.ToLower(name))
		}
	}
	return strings.Join(s, " ")
}

func TestInspect(t *testing.T) {
	t.Parallel()
	sevenZip := func(name string) string {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	bomb := strings.Repeat("\x00", bombSize+1000)
	for name, c := range map[string]struct{ name, content, flags, entries string }{
		"text":              {"a.txt", "hello", "", ""},
		"program":           {"a.exe", program, "executable", ""},
		"program, no name":  {"", program, "executable", ""},
		"as a picture":      {"a.jpg", program, "executable mismatch", ""},
		"as a document":     {"a.docx", program, "executable mismatch", ""},
		"script by name":    {"a.VBS", "x", "executable", ""},
		"trailing dot":      {"a.js. .", "x", "executable", ""},
		"stream":            {"a.exe:x.txt", "x", "executable", ""},
		"two endings":       {"invoice.pdf.exe", program, "executable deceptive", ""},
		"reversed":          {"gpj.\u202eexe.scr", program, "executable deceptive", ""},
		"hidden":            {"a.ex\u200be", "x", "executable deceptive", ""},
		"spaces":            {"a.pdf                .exe", program, "executable deceptive", ""},
		"shortcut":          {"a.txt", "L\x00\x00\x00\x01\x14\x02\x00", "executable mismatch", ""},
		"pdf":               {"a.pdf", "%PDF-1.4", "", ""},
		"page as pdf":       {"a.pdf", "<html>", "mismatch", ""},
		"page as sheet":     {"a.xls", "<html>", "", ""},
		"names of people":   {"John v. Doe.pdf", "%PDF-1.4", "", ""},
		"versions":          {"report.v1.2.docx", zipOf(t, "[Content_Types].xml", "x"), "", "report.v1.2.docx/[Content_Types].xml"},
		"iso":               {"a.iso", strings.Repeat("\x00", 32769) + "CD001", "", ""},
		"zip":               {"a.zip", zipOf(t, "b/c.txt", "x", "d.exe", program), "", "a.zip/b/c.txt a.zip/d.exe:executable"},
		"zip in zip":        {"a.zip", zipOf(t, "b.zip", zipOf(t, "c.exe", program)), "", "a.zip/b.zip/c.exe:executable a.zip/b.zip"},
		"disguised zip":     {"a.txt", zipOf(t, "d.exe", program), "mismatch", "a.txt/d.exe:executable"},
		"behind a broken":   {"a.zip", "PK\x03\x04junk" + zipOf(t, "d.exe", program), "ambiguous", "a.zip/d.exe:executable"},
		"behind junk":       {"a.zip", "junk" + zipOf(t, "d.exe", program), "ambiguous", "a.zip/d.exe:executable"},
		"two zips, first":   {"a.zip", zipOf(t, "d.exe", program) + zipOf(t, "b", "x"), "ambiguous", "a.zip/b a.zip/d.exe:executable"},
		"two zips, last":    {"a.zip", zipOf(t, "b", "x") + zipOf(t, "d.exe", program), "ambiguous", "a.zip/d.exe:executable a.zip/b"},
		"in a zip's gap":    {"a.zip", gap(zipOf(t, "b", "x", "c", "y"), zipOf(t, "d.exe", program)), "ambiguous", "a.zip/b a.zip/c"},
		"very many zips":    {"a.zip", strings.Repeat(zipOf(t, "b", ""), 9), "ambiguous", "a.zip/b a.zip/b a.zip/b a.zip/b a.zip/b"},
		"rar behind junk":   {"a.rar", "junkRar!\x1a\x07", "unopened", ""},
		"old tar":           {"a.tar", oldTar(tarOf("b.exe", program)), "", "a.tar/b.exe:executable"},
		"encrypted zip":     {"a.zip", encrypt(zipOf(t, "d.exe", program)), "encrypted", "a.zip/d.exe:executable encrypted"},
		"broken zip":        {"a.zip", "PK\x03\x04", "unopened", ""},
		"tar.gz":            {"a.tar.gz", gzipOf(tarOf("b.exe", program)), "", "a.tar.gz/a.tar/b.exe:executable a.tar.gz/a.tar"},
		"gz":                {"a.exe.gz", gzipOf(program), "", "a.exe.gz/a.exe:executable"},
		"bomb":              {"a.zip", zipOf(t, "a", bomb), "bomb", "a.zip/a"},
		"gz bomb":           {"a.gz", gzipOf(bomb), "bomb", "a.gz/a:bomb"},
		"macros":            {"a.docx", zipOf(t, "word/vbaProject.bin", oleOf()), "macro", "a.docx/word/vbaProject.bin"},
		"macros by name":    {"a.docm", zipOf(t, "x", ""), "macro", "a.docm/x"},
		"macro sheet":       {"a.xlsx", zipOf(t, "xl/macrosheets/sheet1.xml", "x"), "macro", "a.xlsx/xl/macrosheets/sheet1.xml"},
		"ole macros":        {"a.doc", oleOf("Root Entry", "_VBA_PROJECT"), "macro", ""},
		"ole, no macros":    {"a.doc", oleOf("Root Entry", "WordDocument"), "", ""},
		"ole macro sheet":   {"a.xls", oleOf("Workbook") + "\x85\x00\x0e\x00\x00\x00\x00\x00\x01\x01\x06\x00Macro1", "macro", ""},
		"encrypted office":  {"a.docx", oleOf("EncryptedPackage"), "encrypted", ""},
		"installer":         {"a.doc", oleOf() + string(oleMSI), "executable", ""},
		"rar":               {"a.rar", rarOf("b.exe", program, 0), "", "a.rar/b.exe:executable"},
		"encrypted rar":     {"a.rar", rarOf("b.exe", program, 1), "encrypted", "a.rar/b.exe:executable encrypted"},
		"7z":                {"a.7z", sevenZip("plain.7z"), "", "a.7z/bar a.7z/foo"},
		"encrypted 7z":      {"a.7z", sevenZip("encrypted.7z"), "encrypted", "a.7z/bar:encrypted a.7z/foo:encrypted"},
		"7z, all encrypted": {"a.7z", sevenZip("encrypted-header.7z"), "encrypted", ""},
		"7z, packed header": {"a.7z", sevenZip("lzma-header.7z"), "", "a.7z/sparc:executable"},
		"broken 7z":         {"a.7z", "7z\xbc\xaf\x27\x1c" + strings.Repeat("\xff", 100), "unopened", ""},
		"xz":                {"a.xz", "\xfd7zXZ\x00", "unopened", ""},
	} {
		var entries []string
		x := Inspector{Visit: func(e Entry) {
			s := e.Name
			if f := flags(e); f != "" {
				s += ":" + f
			}
			entries = append(entries, s)
		}}
		e, err := x.Inspect(t.Context(), c.name, strings.NewReader(c.content), int64(len(c.content)))
		if err != nil || flags(e) != c.flags || strings.Join(entries, " ") != c.entries {
			t.Errorf("%s: %s; %s; %v; want %s; %s", name, flags(e), strings.Join(entries, " "), err, c.flags, c.entries)
		}
	}
}

func TestInspectBounds(t *testing.T) {
	t.Parallel()
	deep := program
	for range 8 {
		deep = zipOf(t, "a.zip", deep)
	}
	var many []string
	for i := range 50 {
		many = append(many, "f"+string(rune('a'+i%26))+string(rune('a'+i/26)), "x")
	}
	for name, c := range map[string]struct {
		content string
		lim     Limits
		entries int
	}{
		"depth":    {deep, Limits{Depth: 3}, 3},
		"entries":  {zipOf(t, many...), Limits{Entries: 10}, 10},
		"unpacked": {zipOf(t, "a.zip", zipOf(t, "b", strings.Repeat("x", 100000)), "c", "d"), Limits{Unpacked: 1000}, 3},
		"fits":     {zipOf(t, many...), Limits{}, 50},
	} {
		n := 0
		x := Inspector{Limits: c.lim, Visit: func(Entry) { n++ }}
		if _, err := x.Inspect(t.Context(), "a.zip", strings.NewReader(c.content), int64(len(c.content))); err != nil {
			t.Fatal(err)
		}
		if n != c.entries || x.Limited != (name != "fits") {
			t.Errorf("%s: %d entries, limited %v", name, n, x.Limited)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := Inspector{}
	if _, err := x.Inspect(ctx, "a.zip", strings.NewReader(deep), int64(len(deep))); err == nil {
		t.Error("goes on when its time is over")
	}
}

// TestBombsAreNotUnpacked: not more of one than shows what it is, and what
// unpacks slowly counts for more.
func TestBombsAreNotUnpacked(t *testing.T) {
	t.Parallel()
	gz := gzipOf(strings.Repeat("\x00", 64<<20))
	x := Inspector{}
	e, err := x.Inspect(t.Context(), "a.gz", strings.NewReader(gz), int64(len(gz)))
	if most := int64(len(gz)) * (defaultRatio + 1); err != nil || !e.Bomb || !x.Limited || x.unpacked > max(bombSize, most)+1 {
		t.Errorf("%+v, %v: unpacked %d of at most %d", e, err, x.unpacked, most)
	}
	x = Inspector{}
	x.prepare()
	b := &bounded{x: &x, r: strings.NewReader("hello"), cost: slowBzip2, ctx: t.Context()}
	if _, err := io.ReadAll(b); err != nil || x.unpacked != 5*slowBzip2 {
		t.Errorf("%d, %v", x.unpacked, err)
	}
	x.Limits.Unpacked = x.unpacked + 1
	b.r = strings.NewReader("hello")
	if got, err := io.ReadAll(b); err != errLimit || string(got) != "h" || !x.Limited {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	m := filtertest.New(t, "From: a@b\n\n")
	m.List = []*gateway.Part{
		{Path: "1", Type: "text/plain", Content: filtertest.Content("MZ is how this text begins")},
		{Path: "2", Type: "text/html", Content: filtertest.Content("<html>")},
		{Path: "3", Type: "application/zip", Filename: "a.zip", Content: filtertest.Content(zipOf(t, "b.js", "x", "c.py", "x"))},
		{Path: "4", Type: "text/plain", Disposition: "attachment", Filename: "l.url", Content: filtertest.Content("[InternetShortcut]")},
		{Path: "5@last", Reading: "last", Type: "text/plain", Filename: "x.pdf.exe", Content: filtertest.Content("x")},
	}
	f, err := New(Options{Executable: []string{"py"}, Harmless: []string{"js"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := filtertest.Judge(t.Context(), f, filtertest.Transaction("192.0.2.1", "x"), m)
	if err != nil {
		t.Fatal(err)
	}
	got := filtertest.Values(t, f, v)
	want := map[string]any{
		"attachment.count":      int64(2),
		"attachment.names":      []string{"a.zip/b.js", "a.zip/c.py", "a.zip", "l.url", "x.pdf.exe"},
		"attachment.extensions": []string{"js", "py", "zip", "url", "exe"},
		"attachment.dangerous":  []string{"a.zip/c.py", "l.url", "x.pdf.exe"},
		"attachment.executable": true, "attachment.deceptive": true, "attachment.macro": false, "attachment.limit": false,
	}
	for k, w := range want {
		if !reflect.DeepEqual(got[k], w) {
			t.Errorf("%s = %v, want %v", k, got[k], w)
		}
	}
	if kinds := got["attachment.kinds"].([]string); slices.Contains(kinds, "script") || !slices.Contains(kinds, "archive") {
		t.Errorf("kinds %v", kinds)
	}
	if len(got) != len(f.Fields()) {
		t.Errorf("%d facts of %d", len(got), len(f.Fields()))
	}
	for _, bad := range []Options{{Executable: []string{".exe"}}, {Harmless: []string{""}}, {Limits: Limits{Depth: -1}}} {
		if _, err := New(bad, nil); err == nil {
			t.Errorf("%+v taken", bad)
		}
	}
}

// TestListsOfFactsAreBounded: a message has parts without number, a fact has
// not.
func TestListsOfFactsAreBounded(t *testing.T) {
	t.Parallel()
	m := filtertest.New(t, "From: a@b\n\n")
	for i := range maxListed + 50 {
		m.List = append(m.List, &gateway.Part{
			Path: strconv.Itoa(i), Type: "text/plain", Filename: fmt.Sprintf("%d.x%d", i, i), Content: filtertest.Content("x"),
		})
	}
	f, err := New(Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := filtertest.Judge(t.Context(), f, filtertest.Transaction("192.0.2.1", "x"), m)
	if err != nil {
		t.Fatal(err)
	}
	got := filtertest.Values(t, f, v)
	for _, name := range []string{"attachment.names", "attachment.extensions"} {
		if n := len(got[name].([]string)); n != maxListed {
			t.Errorf("%s: %d", name, n)
		}
	}
	if n := got["attachment.count"]; n != int64(maxListed+50) {
		t.Errorf("%v counted", n)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add("a.zip", []byte(zipOf(f, "b.zip", zipOf(f, "c.exe", program))))
	f.Add("a.rar", []byte(rarOf("b.exe", program, 0)))
	f.Add("a.tgz", []byte(gzipOf(tarOf("b", "c"))))
	for _, name := range []string{"plain.7z", "lzma-header.7z"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, b)
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		x := Inspector{Limits: Limits{Entries: 50, Unpacked: 1 << 20}}
		if _, err := x.Inspect(t.Context(), name, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
		if x.unpacked > 1<<20 {
			t.Fatalf("%d octets unpacked", x.unpacked)
		}
	})
}
