package index

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// describe is all that a record says.
func describe(r Record) string {
	var b strings.Builder
	p := func(name string, v []byte) { fmt.Fprintf(&b, "%s %s\n", name, v) }
	p("ENVELOPE", r.AppendEnvelope(nil, 0))
	p("BODYSTRUCTURE", r.AppendBodyStructure(nil, Rev2))
	p("PREVIEW", r.Preview())
	p("subject", r.Subject())
	p("base", r.BaseSubject())
	p("from", r.SortFrom())
	p("to", r.SortTo())
	p("display", r.DisplayFrom())
	p("id", r.MessageID())
	r.References(func(id []byte) bool { p("reference", id); return true })
	fmt.Fprintf(&b, "size %d header %d lines %d flags %b sent %s\n", r.Size(), r.HeaderSize(), r.BodyLines(), r.Flags(), r.Sent(time.Unix(0, 0).UTC()).Format(time.RFC3339))
	for _, n := range paths(r) {
		part, _ := r.Part(n)
		fmt.Fprintf(&b, "part %s %v %v %d %d\n", dotted(n), part.MIME, part.Range, part.Encoding, part.Decoded)
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func TestGolden(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/golden/*.eml")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	for _, n := range names {
		msg, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		got := describe(open(t, string(msg)))
		file := strings.TrimSuffix(n, ".eml") + ".golden"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", n, got, want)
		}
	}
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	t.Parallel()
	rec, err := Make(strings.NewReader(nested))
	if err != nil {
		t.Fatal(err)
	}
	for n := range rec {
		if _, err := Open(rec[:n]); err != ErrRecord {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if _, err := Open(append(bytes.Clone(rec), 0)); err != ErrRecord {
		t.Error("an octet too many is taken")
	}
	newer := bytes.Clone(rec)
	newer[0]++
	if _, err := Open(newer); err != ErrRecord {
		t.Error("a newer version is taken")
	}
}

// balanced tells whether b is one list of IMAP.
func balanced(b []byte) bool { return len(b) > 0 && b[0] == '(' && valueLength(b) == len(b) }

// exercise asks a record everything; with size, ranges must lie within it.
func exercise(t *testing.T, r Record, size int64) {
	within := func(g Range, in Range) {
		if size >= 0 && (g.Offset < in.Offset || g.Length < 0 || g.Offset+g.Length > in.Offset+in.Length) {
			t.Fatalf("%v is not in %v", g, in)
		}
	}
	all := Range{0, size}
	for _, s := range []Section{All, Header, Text} {
		g, _ := r.Section(nil, s)
		within(g, all)
	}
	for _, n := range paths(r) {
		for _, s := range []Section{All, Header, Text, MIME} {
			if g, ok := r.Section(n, s); ok {
				within(g, all)
			}
		}
		in, _ := r.Section(n[:len(n)-1], All)
		g, _ := r.Section(n, All)
		within(g, in)
		r.Part(n)
	}
	for f := Form(0); f < 4; f++ {
		e, s, b := r.AppendEnvelope(nil, f), r.AppendBodyStructure(nil, f), r.AppendBody(nil, f)
		if size >= 0 && (!balanced(e) || !balanced(s) || !balanced(b)) {
			t.Fatalf("form %d:\n%q\n%q\n%q", f, e, s, b)
		}
		if f&Quoted8Bit == 0 && size >= 0 && !literals(e, s) {
			t.Fatalf("8-bit outside of literals:\n%q\n%q", e, s)
		}
	}
	describe(r)
}

// literals tells whether octets that quoted strings must not have are in
// literals alone.
func literals(values ...[]byte) bool {
	for _, b := range values {
		for i := 0; i < len(b); {
			switch c := b[i]; {
			case c == '{':
				n := stringLength(b[i:])
				if bytes.IndexByte(b[i:i+n], 0) >= 0 {
					return false
				}
				i += n
			case c == '"':
				n := stringLength(b[i:])
				if !ascii(b[i:i+n]) || bytes.ContainsAny(b[i:i+n], "\r\n\x00") {
					return false
				}
				i += n
			default:
				i++
			}
		}
	}
	return true
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(nested))
	names, _ := filepath.Glob("testdata/golden/*.eml")
	for _, n := range names {
		if b, err := os.ReadFile(n); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		rec, err := Make(bytes.NewReader(msg))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Make(&slow{b: msg})
		if err != nil || !bytes.Equal(rec, again) {
			t.Fatalf("depends on how it is read: %v\n%q\n%q", err, rec, again)
		}
		r, err := Open(rec)
		if err != nil || r.Size() != int64(len(msg)) {
			t.Fatal(r.Size(), err)
		}
		exercise(t, r, int64(len(msg)))
	})
}

// slow gives three octets at a time.
type slow struct{ b []byte }

func (s *slow) Read(p []byte) (int, error) {
	n := copy(p[:min(3, len(p))], s.b)
	s.b = s.b[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func FuzzOpen(f *testing.F) {
	rec, err := Make(strings.NewReader(nested))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rec)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Open(b); err == nil {
			exercise(t, r, -1)
		}
	})
}
