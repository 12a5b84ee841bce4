package text

import (
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// soupOf makes HTML of pieces that browsers and their imitators disagree on.
func soupOf(rnd *rand.Rand, n int) string {
	pieces := []string{
		"<", ">", "a", " ", "\n", "/", "=", "\"", "'", "b", "<!--", "-->", "--!>", "-", "<b>", "</b>", "<p>", "</p>", "<a href=", "<br/>", "&",
		"<!x>", "<?x>", "</", "</ x>", "</>", "<title>", "</title>", "<textarea>", "</textarea>", "<style>", "</style>", "<x-y z>", "!", "<!doctype html>", "<i a='b' c=d e>", "<![if x]>",
	}
	var b strings.Builder
	for range n {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return b.String()
}

// ourTokens writes down what a tokenizer finds: text together, names in lower
// case, attributes.
func ourTokens(src string) string {
	var s scanner
	var b strings.Builder
	s.reset([]byte(src))
	for {
		switch s.next() {
		case tokEnd:
			return b.String()
		case tokText:
			b.Write(s.data)
		case tokStart:
			b.WriteString("\x01" + strings.ToLower(string(s.name)))
			for _, a := range s.attrs[:s.n] {
				b.WriteString("\x03" + strings.ToLower(string(a.name)) + "\x04" + string(a.value))
			}
			b.WriteString("\x02")
		case tokClose:
			b.WriteString("\x01/" + strings.ToLower(string(s.name)) + "\x02")
		}
	}
}

func theirTokens(src string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		k := z.Next()
		raw := z.Raw()
		switch k {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.Write(raw)
		case html.StartTagToken, html.SelfClosingTagToken:
			n, more := z.TagName()
			b.WriteString("\x01" + string(n))
			for more {
				var k, v []byte
				k, v, more = z.TagAttr()
				b.WriteString("\x03" + string(k) + "\x04" + string(v))
			}
			b.WriteString("\x02")
		case html.EndTagToken:
			n, _ := z.TagName()
			b.WriteString("\x01/" + string(n) + "\x02")
		}
	}
}

// TestScannerAgreesWithXNetHTML: the same tokens, from soup.
func TestScannerAgreesWithXNetHTML(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	differ := 0
	for range 20000 {
		src := soupOf(rnd, 1+rnd.IntN(25))
		if strings.ContainsRune(src, '\r') {
			continue
		}
		if got, want := ourTokens(src), theirTokens(src); got != want {
			if differ++; differ <= 8 {
				t.Errorf("%q\n got %q\nwant %q", src, got, want)
			}
		}
	}
	if differ > 0 {
		t.Errorf("%d differ", differ)
	}
}

// visible walks over a tree that x/net/html made, in the way of this package:
// visible letters and hidden ones, without white space.
func visible(n *html.Node, hidden bool, text, not *strings.Builder) {
	switch n.Type {
	case html.TextNode:
		out := text
		if hidden {
			out = not
		}
		out.WriteString(strings.Join(strings.Fields(n.Data), ""))
		return
	case html.ElementNode:
		for _, a := range n.Attr {
			if a.Key == "hidden" {
				hidden = true
			}
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		visible(c, hidden, text, not)
	}
}

// TestHiddenTextAgreesWithTheTreeOfXNetHTML: of soup of tags, without tables
// (where browsers move content out), the same letters are hidden.
func TestHiddenTextAgreesWithTheTreeOfXNetHTML(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	names := []string{"div", "p", "span", "b", "font", "i", "li", "ul", "center", "h1", "blockquote", "pre", "a", "u"}
	differ, total := 0, 2000
	for range total {
		var b strings.Builder
		letter := 'a'
		for range 2 + rnd.IntN(12) {
			n := names[rnd.IntN(len(names))]
			switch rnd.IntN(5) {
			case 0, 1:
				b.WriteString("<" + n + ">")
			case 2:
				b.WriteString("<" + n + " hidden>")
			default:
				b.WriteString("</" + n + ">")
			}
			b.WriteRune(letter)
			letter++
		}
		src := b.String()
		tree, err := html.Parse(strings.NewReader("<!doctype html><body>" + src))
		if err != nil {
			t.Fatal(err)
		}
		var text, not strings.Builder
		visible(tree, false, &text, &not)
		p := page(src)
		if got := strings.Join(strings.Fields(string(p.Text)), ""); got != text.String() {
			if differ++; testing.Verbose() && differ <= 6 {
				t.Logf("%s\n  visible %q hidden %q\n  want    %q        %q", src, got, p.Hidden, text.String(), not.String())
			}
		}
	}
	if differ*200 > total {
		t.Errorf("%d of %d differ", differ, total)
	}
}
