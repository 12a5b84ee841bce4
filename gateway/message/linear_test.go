package message

import (
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/cputime"
)

// A quadratic step over one of these, 1 MiB each, would take minutes.
func TestHostileInputIsLinear(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	multi := top + "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
	for name, raw := range map[string]string{
		"folds":          "A: b\r\n" + fill(" x\r\n"),
		"long field":     "A: " + fill("x"),
		"fields":         fill("a:\r\n"),
		"no fields":      fill("a\r\n"),
		"delimiters":     multi + fill("--x\r\n"),
		"almost":         multi + fill("--xy\r\n"),
		"after CR":       multi + fill("\r--xy"),
		"hyphens":        multi + fill("-a"),
		"hyphen lines":   multi + fill("-\n"),
		"double hyphens": multi + fill("--\n"),
		"long line":      multi + "--x" + fill(" "),
		"messages":       fill("Content-Type: message/rfc822\r\n\r\n"),
		"multiparts":     top + fill("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"),
		"begin":          top + "\r\n" + fill("begin 644 a\r\n"),
		"begin, line":    top + "\r\n" + fill("begin 644 a\r\n$979I;```\r\n"),
		"begin, end":     top + "\r\n" + fill("begin 644 a\r\n$979I;```\r\nend\r\n"),
		"ends":           top + "\r\nbegin 644 a\r\n$979I;```\r\n" + fill("enda\r\n"),
		"base64 padding": top + "Content-Transfer-Encoding: base64\r\n\r\n" + fill("QQ=="),
		"base64 garbage": top + "Content-Transfer-Encoding: base64\r\n\r\n" + fill("Q*"),
		"qp":             top + "Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + fill("= "),
		"params":         top + "Content-Type: a/b" + fill("; a=b") + "\r\n\r\n",
		"params, 2231":   top + "Content-Type: a/b" + fill("; name*1=b") + "\r\n\r\n",
		"comments":       top + "Content-Type: " + fill("(") + "\r\n\r\n",
	} {
		if d := cputime.Of(func() { walkAll(t, []byte(raw), WalkLimits{}) }); d > 10*time.Second {
			t.Errorf("%s takes %v", name, d)
		} else if testing.Verbose() {
			t.Log(name, d)
		}
	}
	for name, v := range map[string]string{
		"commas": fill(","), "addresses": fill("a@b,"), "words": fill("a "), "angles": fill("<"), "groups": fill("a:"),
		"quotes": fill("\""), "comments": fill("("), "escapes": fill("\\"), "dots": fill("."), "literals": fill("a@["),
		"encoded": fill("=?a?q?"), "encoded, open": fill("=?utf-8?b?QQ"), "ats": fill("@"), "routes": fill("<@a,"),
	} {
		d := cputime.Of(func() {
			_, _ = ParseAddressList(v)
			_, _ = AuthorDomains(&Header{fields: []Field{{Name: "From", Raw: []byte(v)}}})
			DecodeText(v)
			_, _ = ParseAuthResults(v)
			AppendFolded(nil, v)
		})
		if d > 10*time.Second {
			t.Errorf("%s takes %v", name, d)
		} else if testing.Verbose() {
			t.Log(name, d)
		}
	}
}
