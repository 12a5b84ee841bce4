package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func checkPage(t *testing.T, p *Page) {
	t.Helper()
	for _, b := range [][]byte{p.Text, p.Hidden, p.Quoted, p.Title} {
		if !utf8.Valid(b) {
			t.Fatalf("not UTF-8: %q", b)
		}
		if strings.Contains(string(b), "  ") || strings.Contains(string(b), "\n\n") {
			t.Fatalf("white space is not collapsed: %q", b)
		}
	}
	if len(p.Text) > MaxText || len(p.Hidden) > MaxHidden || len(p.Quoted) > MaxQuoted || len(p.Title) > MaxTitle || len(p.Links) > MaxLinks {
		t.Fatal("a bound is broken")
	}
	for _, l := range p.Links {
		if len(l.Target) > MaxTarget || len(l.Text) > MaxTarget || !utf8.ValidString(l.Target) || !utf8.ValidString(l.Text) {
			t.Fatalf("link %+v", l)
		}
	}
}

func FuzzHTML(f *testing.F) {
	f.Add(`<p style="display:none">a<b>b</p>c<table><tr><td>d`)
	f.Add(`<style>.a{color:#fff}@media x{</style><!--><svg><script>atob("x")</script></svg><font class=a>x`)
	f.Add(`<a href="&#x68;ttp://x&amp;y"><img alt='a' width=1 height=1></a>&copy;&notin;`)
	f.Fuzz(func(t *testing.T, src string) {
		in := []byte(strings.ToValidUTF8(src, "?"))
		p := new(Page)
		p.HTML(in)
		checkPage(t, p)
		text, links, shape := string(p.Text), len(p.Links), p.Shape
		p.Reset()
		p.HTML(in)
		if string(p.Text) != text || len(p.Links) != links || p.Shape != shape {
			t.Fatal("the second time is different")
		}
		p.Plain(in)
		checkPage(t, p)
	})
}

func FuzzFold(f *testing.F) {
	f.Add("раypal ﬁ и\u0306 \u202eabc e\u0301")
	f.Fuzz(func(t *testing.T, src string) {
		in := []byte(strings.ToValidUTF8(src, "?"))
		once := Fold(nil, in, nil)
		if !utf8.Valid(once) {
			t.Fatalf("not UTF-8: %q", once)
		}
		if len(once) > 18*len(in)+16 {
			t.Fatalf("%d octets became %d", len(in), len(once))
		}
		Language(once)
	})
}

func FuzzWords(f *testing.F) {
	f.Add("v i a g r a $5.00 日本語 a@b.c x1y2z3 don't 1,5x")
	f.Fuzz(func(t *testing.T, src string) {
		in := Fold(nil, []byte(strings.ToValidUTF8(src, "?")), nil)
		n := 0
		for w := range Words(in) {
			if len(w) == 0 || len(w) > MaxWord || !utf8.Valid(w) {
				t.Fatalf("word %q", w)
			}
			n++
		}
		if n > 2*len(in) {
			t.Fatalf("%d words of %d octets", n, len(in))
		}
		for range Words(in) {
			break
		}
	})
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"), "utf-16")
	f.Add([]byte("+AGE- \x1b$B"), "utf-7")
	f.Add([]byte("\x1b$B$3\xff"), "iso-2022-jp")
	f.Add([]byte("caf\xe9"), "gb18030")
	f.Fuzz(func(t *testing.T, src []byte, charset string) {
		out := UTF8(src, charset)
		if !utf8.Valid(out) {
			t.Fatalf("not UTF-8: %q", out)
		}
		if len(out) > 4*len(src)+16 {
			t.Fatalf("%d octets became %d", len(src), len(out))
		}
	})
}
