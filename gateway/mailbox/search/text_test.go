package search

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func extract(t testing.TB, msg string) *Text {
	t.Helper()
	x, err := Extract(strings.NewReader(strings.ReplaceAll(msg, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestExtractMakesWhatPeopleSee(t *testing.T) {
	t.Parallel()
	x := extract(t, `Received: from secret by host
DKIM-Signature: b=secret
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from
  Jena
From: Ann <ann@example.org>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<html><head><title>secret</title><style>p { secret: 1 }</style><script>if (a < b) secret("</p>")</script></head>
<!-- secret > -- still secret --><p title=3D"secret > secret">caf=E9 &amp; b<b>o</b>ld &euro;&#65;<br>next&nbsp;line</p
>a < b <img src=3Dsecret>end
--b
Content-Type: message/rfc822

Subject: inner subject

inner   text
--b
Content-Type: application/pdf; name="report =?utf-8?q?M=C3=A4rz?=.pdf"

secret
--b
Content-Type: text/plain; charset=shift_jis
Content-Transfer-Encoding: base64

k/qWe4zq
--b--
`)
	for _, c := range []struct {
		where Where
		text  string
		has   bool
	}{
		{Anywhere, "secret", false},
		{Header, "grüße FROM jena", true},
		{Header, "subject: gr", true},
		{Header, "ann@EXAMPLE.org", true},
		{Body, "ann", false},
		{Body, "CAFÉ & bold €A next line", true},
		{Body, "a < b end", true},
		{Body, "inner subject", true},
		{Header, "inner subject", false},
		{Body, "Inner\n text", true},
		{Body, "report märz.pdf", true},
		{Body, "日本語", true},
		{Anywhere, "jena ann", false},
	} {
		p := newPattern(c.where, c.text)
		if p.in(x) != c.has {
			t.Errorf("%q in %d: %v\n%s\n%s", c.text, c.where, !c.has, x.Header, x.Body)
		}
	}
}

// FuzzGrams holds what searches rest on: who has a text has the grams of it,
// and who has the word of a pattern has the pattern.
func FuzzGrams(f *testing.F) {
	f.Add("The meeting's minutes: 会議の議事録, Straße ﬁnance C++", 4, 12)
	f.Fuzz(func(t *testing.T, s string, from, n int) {
		s = strings.ToValidUTF8(s, "?")
		r := []rune(s)
		if from < 0 || n < 0 || from > len(r) || n > len(r)-from {
			return
		}
		x := &Text{Body: appendText(nil, s)}
		p := newPattern(Body, string(r[from:from+n]))
		set := &sets{words: map[string]struct{}{}}
		tokens := map[string]bool{}
		for w := range strings.FieldsSeq(string(set.tokens(x))) {
			tokens[w] = true
		}
		if p.in(x) {
			for _, g := range p.grams {
				if !tokens[g] {
					t.Errorf("%q has %q but not its gram %q", x.Body, p.text, g)
				}
			}
		}
		for _, w := range p.words() {
			if tokens[w] && !p.in(x) {
				t.Errorf("%q has the word %q but not %q", x.Body, w, p.text)
			}
		}
	})
}

func TestBombsAreBounded(t *testing.T) {
	t.Parallel()
	for name, msg := range map[string]string{
		"html tags":   "Content-Type: text/html\n\n" + strings.Repeat("<div><p a='", 400_000),
		"entities":    "Content-Type: text/html\n\n" + strings.Repeat("&amp", 1_000_000),
		"open script": "Content-Type: text/html\n\n<script>" + strings.Repeat("</scrip<", 500_000),
		"comments":    "Content-Type: text/html\n\n" + strings.Repeat("<!--", 1_000_000),
		"text":        "\n" + strings.Repeat("word ", 1_000_000),
		"combining":   "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("\u0301", 1_000_000),
		"expanding":   "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("\ufdfa", 300_000),
		"parts":       "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 100_000),
		"headers":     "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n"+strings.Repeat("A: b\n", 1000)+"\nx\n", 300),
	} {
		begin := time.Now()
		x := extract(t, msg)
		s := &sets{words: map[string]struct{}{}}
		n := len(s.tokens(x))
		if len(x.Body) > 20*MaxText || n > maxTokens+100 {
			t.Errorf("%s: %d octets of text, %d of tokens", name, len(x.Body), n)
		}
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

func benchMessage(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: Ann <ann%d@example.org>\r\nTo: bob@example.com\r\nSubject: minutes of meeting %d\r\nDate: Fri, 20 Nov 2026 10:00:00 +0200\r\nMessage-ID: <%d@example.org>\r\n\r\n", i%500, i, i)
	h := uint64(i)*0x9e3779b97f4a7c15 + 1
	for k := range 250 {
		h ^= h << 13
		h ^= h >> 7
		h ^= h << 17
		u := h % 1_000_000
		// Few words are frequent, many are rare.
		w := int(u * u / 1_000_000 * u / 1_000_000 * u / 1_000_000 / 25)
		b.WriteString(wordOf(w))
		if k%12 == 11 {
			b.WriteString("\r\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// wordOf makes a word of a number, its letters as frequent as in English.
func wordOf(n int) string {
	const letters = "eeeeeeeeeeeettttttttaaaaaaaoooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwffggyyppbbvkjxqz"
	h := uint64(n)*0x9e3779b97f4a7c15 + 0x1234567
	var b []byte
	for range 3 + n%7 {
		h ^= h << 13
		h ^= h >> 7
		h ^= h << 17
		b = append(b, letters[h%uint64(len(letters))])
	}
	return string(b)
}

func BenchmarkTokens(b *testing.B) {
	msg := benchMessage(1)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	s := &sets{words: map[string]struct{}{}}
	n := 0
	for b.Loop() {
		x, err := Extract(strings.NewReader(msg))
		if err != nil {
			b.Fatal(err)
		}
		n = len(s.tokens(x))
		s.clear()
		x.release()
	}
	b.ReportMetric(float64(n), "token-octets")
}
