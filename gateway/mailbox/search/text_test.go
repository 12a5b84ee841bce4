package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"
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
		b := &batch{}
		b.begin(1)
		b.add(x)
		all := []byte("\n" + strings.Join(b.tokens, "\n") + "\n")
		is := true
		for _, t := range p.tokens {
			is = is && slices.Contains(b.tokens, string(t))
		}
		for i := range p.fragments {
			is = is && len(places(all, &p.fragments[i], kindBody, kindBody)) > 0
		}
		_, always := b.ids[string(everything)]
		switch in := p.in(x); {
		case in && !is && !always:
			t.Errorf("%q has %q but not all of its tokens", x.Body, p.text)
		case !in && is && p.exact:
			t.Errorf("%q has the word %q but not %q", x.Body, p.text, p.text)
		}
	})
}

func TestBombsAreBounded(t *testing.T) {
	t.Parallel()
	for name, msg := range map[string]string{
		"html tags":   "Content-Type: text/html\n\n" + strings.Repeat("<div><p a='", 40_000),
		"entities":    "Content-Type: text/html\n\n" + strings.Repeat("&amp", 200_000),
		"open script": "Content-Type: text/html\n\n<script>" + strings.Repeat("</scrip<", 100_000),
		"comments":    "Content-Type: text/html\n\n" + strings.Repeat("<!--", 200_000),
		"text":        "\n" + strings.Repeat("word ", 300_000),
		"combining":   "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("\u0301", 200_000),
		"expanding":   "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("\ufdfa", 30_000),
		"parts":       "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 20_000),
		"headers":     "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n"+strings.Repeat("A: b\n", 1000)+"\nx\n", 100),
	} {
		x := extract(t, msg)
		s := &batch{}
		s.begin(1)
		s.add(x)
		n := len(s.tokens)
		if len(x.Body) > 20*MaxText || n > maxTokens+1 {
			t.Errorf("%s: %d octets of text, %d of tokens", name, len(x.Body), n)
		}
	}
}

func benchMessage(i, words int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: Ann <ann%d@example.org>\r\nTo: bob@example.com\r\nSubject: minutes of meeting %d\r\nDate: Fri, 20 Nov 2026 10:00:00 +0200\r\nMessage-ID: <%d@example.org>\r\n\r\n", i%500, i, i)
	h := uint64(i)*0x9e3779b97f4a7c15 + 1
	for k := range words {
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
	msg := benchMessage(1, 250)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	n := 0
	s := &batch{}
	for b.Loop() {
		x, err := Extract(strings.NewReader(msg))
		if err != nil {
			b.Fatal(err)
		}
		s.begin(int64(n))
		s.add(x)
		x.release()
		if n++; n%batchObjects == 0 {
			s = &batch{}
		}
	}
	b.ReportMetric(float64(s.own), "tokens")
}
