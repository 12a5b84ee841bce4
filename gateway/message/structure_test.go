package message

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

type structureLog struct {
	depth int
	out   strings.Builder
	msg   string
}

func (l *structureLog) Begin(*Entity) io.Writer { l.depth++; return nil }

func (l *structureLog) End(e *Entity) {
	l.depth--
	fmt.Fprintf(&l.out, "%d %s %q %q %d %d\n", l.depth, e.Content.Type, l.msg[e.HeaderAt:e.BodyAt], l.msg[e.BodyAt:e.End], e.Lines, e.Decoded)
}

func structureOf(t *testing.T, msg string, limits WalkLimits) string {
	t.Helper()
	l := structureLog{msg: msg}
	n, err := WalkStructure(strings.NewReader(msg), limits, &l)
	if err != nil || n != int64(len(msg)) {
		t.Fatalf("size %d of %d: %v", n, len(msg), err)
	}
	return l.out.String()
}

func TestStructureSaysWhereThingsAre(t *testing.T) {
	msg := strings.ReplaceAll(`Subject: a
Content-Type: multipart/mixed; boundary=b

pre
--b

one
two
--b
Content-Type: message/rfc822

Subject: in
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/html
Content-Transfer-Encoding: base64

YWJj
--c
--c--
--b
Content-Type: application/x

--b--
post
`, "\n", "\r\n")
	got := structureOf(t, msg, WalkLimits{})
	for _, line := range []string{
		`1 text/plain "\r\n" "one\r\ntwo" 1 8`,
		`3 text/html "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" "YWJj" 0 3`,
		`3 text/plain "" "" 0 0`,
		`2 multipart/alternative "Subject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n" "--c\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--c\r\n--c--" 6 0`,
		`1 message/rfc822 "Content-Type: message/rfc822\r\n\r\n" "Subject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--c\r\n--c--" 9 0`,
		`1 application/x "Content-Type: application/x\r\n\r\n" "" 0 0`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no %s in\n%s", line, got)
		}
	}
}

// TestInnerMultipartKeepsItsLineBreak: a signature over a multipart counts the
// line break behind its closing delimiter, unless that is all that stands
// before the outer delimiter (RFC 2046 section 5.1.1).
func TestInnerMultipartKeepsItsLineBreak(t *testing.T) {
	for between, want := range map[string]string{
		"\r\n":                 "--c\r\n\r\nx\r\n--c--",
		"\r\n\r\n":             "--c\r\n\r\nx\r\n--c--\r\n",
		"\n\n":                 "--c\r\n\r\nx\r\n--c--\n",
		"\r\nepilogue\r\n":     "--c\r\n\r\nx\r\n--c--\r\nepilogue",
		" \t\r\n\r\n\r\n":      "--c\r\n\r\nx\r\n--c-- \t\r\n\r\n",
		"\r\nepilogue\r\n\r\n": "--c\r\n\r\nx\r\n--c--\r\nepilogue\r\n",
	} {
		msg := "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--" +
			between + "--b\r\nContent-Type: application/pkcs7-signature\r\n\r\ny\r\n--b--\r\n"
		if got := structureOf(t, msg, WalkLimits{}); !strings.Contains(got, fmt.Sprintf("boundary=c\\r\\n\\r\\n\" %q ", want)) {
			t.Errorf("%q: no %q in\n%s", between, want, got)
		}
	}
}

func TestStructureKeepsToItsLimits(t *testing.T) {
	deep := strings.Repeat("Content-Type: message/rfc822\n\n", 30) + "\nx\n"
	if got := structureOf(t, deep, WalkLimits{Depth: 3}); strings.Count(got, "\n") != 4 || !strings.HasPrefix(got, "3 application/octet-stream") {
		t.Errorf("depth:\n%s", got)
	}
	for _, part := range []string{"--b\n", "--b\n\n", "--b\n\nx\n", "--b\nA: b\n\nx\n", "--b\nContent-Type: message/rfc822\n\n", "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--c--\n"} {
		many := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat(part, 100) + "--b--\n"
		got := structureOf(t, many, WalkLimits{Parts: 10})
		if n := strings.Count(got, "\n"); n < 10 || n > 12 {
			t.Errorf("%q: %d parts:\n%s", part, n, got)
		}
		if !strings.HasSuffix(got, fmt.Sprintf("%q %d 0\n", many[len("Content-Type: multipart/mixed; boundary=b\n\n"):], strings.Count(many, "\n")-2)) {
			t.Errorf("%q: the message does not end at its end:\n%s", part, got)
		}
	}
}

func TestEachAddress(t *testing.T) {
	var b strings.Builder
	EachAddress(`=?utf-8?q?=C3=A4?= <a@b>, g: "x, y" <c@d>, e@f (n); lonely, Nobody <>, <half@>`, func(i AddressItem) {
		fmt.Fprintf(&b, "%d[%s|%s|%s]", i.Kind, i.Name, i.Address.Local, i.Address.Domain)
	})
	want := `0[=?utf-8?q?=C3=A4?=|a|b]1[g||]0[x, y|c|d]0[n|e|f]2[||]0[|lonely|]0[Nobody||]0[|half|]`
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
}
