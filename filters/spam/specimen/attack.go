package specimen

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// attacks are what Attack does, by name. The good words are placed in every
// way that spammers were seen to use, shown to the reader or not.
var attacks = []struct {
	name string
	do   func(*attacker, *node)
}{
	{"base64", func(a *attacker, n *node) { a.recode(n, "base64") }},
	{"qp", func(a *attacker, n *node) { a.recode(n, "quoted-printable") }},
	{"header-padding", (*attacker).padHeader},
	{"words-display-none", func(a *attacker, n *node) { a.hide(n, `<div style="display:none">%s</div>`) }},
	{"words-white", func(a *attacker, n *node) {
		a.hide(n, `<p style="color:#ffffff;background-color:#ffffff">%s</p>`)
	}},
	{"words-tiny", func(a *attacker, n *node) { a.hide(n, `<span style="font-size:1px;line-height:0">%s</span>`) }},
	{"words-offscreen", func(a *attacker, n *node) {
		a.hide(n, `<div style="position:absolute;left:-9999px;width:1px;height:1px;overflow:hidden">%s</div>`)
	}},
	{"words-class", func(a *attacker, n *node) {
		a.hide(n, `<style>.q{display:none;visibility:hidden}</style><div class="q">%s</div>`)
	}},
	{"words-comment", func(a *attacker, n *node) { a.hide(n, `<!-- %s -->`) }},
	{"words-after-html", (*attacker).afterHTML},
	{"words-part", (*attacker).extraPart},
	{"words-visible", (*attacker).visible},
	{"zero-width", func(a *attacker, n *node) { a.letters(n, a.zeroWidth) }},
	{"homoglyphs", func(a *attacker, n *node) { a.letters(n, a.homoglyph) }},
}

// Attacks lists the names that Attack knows.
func Attacks() []string {
	var out []string
	for _, a := range attacks {
		out = append(out, a.name)
	}
	return out
}

// Attack returns raw as a spammer who knows the filter would send it. words
// are those that ham uses most; the same arguments give the same bytes.
func Attack(name string, raw []byte, words []string, seed uint64) ([]byte, error) {
	if len(words) == 0 {
		words = []string{"meeting", "attached", "thanks", "regards"}
	}
	h := fnv.New64a()
	_, _ = h.Write(raw)
	a := &attacker{words: words, r: rand.New(rand.NewPCG(seed, h.Sum64()))}
	for _, k := range attacks {
		if k.name == name {
			n := parse(raw, 0)
			k.do(a, n)
			return n.bytes(), nil
		}
	}
	return nil, fmt.Errorf("specimen: unknown attack %q (one of %s)", name, strings.Join(Attacks(), ", "))
}

type attacker struct {
	words []string
	r     *rand.Rand
}

// goodWords are 120 to 200 words in sentences of a kind.
func (a *attacker) goodWords() string {
	var b strings.Builder
	for i := range 120 + a.r.IntN(80) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.words[a.r.IntN(len(a.words))])
		if a.r.IntN(14) == 0 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func (a *attacker) recode(n *node, cte string) {
	for t := range n.texts() {
		text, ok := t.content()
		if ok {
			t.setContent(text, cte)
		}
	}
}

func (a *attacker) padHeader(n *node) {
	var b bytes.Buffer
	for i := range 40 {
		fmt.Fprintf(&b, "X-%s-%d: %s%s", strings.ToUpper(a.words[0][:1])+"Info", i, strings.Join(a.pickWords(12), " "), n.eol)
	}
	fmt.Fprintf(&b, "Keywords: %s%s", strings.Join(a.pickWords(30), ", "), n.eol)
	fmt.Fprintf(&b, "Comments: %s%s", strings.Join(a.pickWords(40), " "), n.eol)
	fmt.Fprintf(&b, "Organization: %s%s", strings.Join(a.pickWords(4), " "), n.eol)
	n.head = append(n.head, b.Bytes()...)
}

func (a *attacker) pickWords(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = a.words[a.r.IntN(len(a.words))]
	}
	return out
}

var closing = regexp.MustCompile(`(?i)</body\s*>|</html\s*>`)

// hide puts good words where an HTML reader does not show them, before the
// end of the body. Plain text becomes HTML first.
func (a *attacker) hide(n *node, form string) {
	a.edit(n, func(page []byte) []byte {
		words := fmt.Appendf(nil, form, a.goodWords())
		if at := closing.FindIndex(page); at != nil {
			return slices.Concat(page[:at[0]], words, page[at[0]:])
		}
		return append(page, words...)
	})
}

func (a *attacker) afterHTML(n *node) {
	a.edit(n, func(page []byte) []byte {
		if !bytes.Contains(bytes.ToLower(page), []byte("</html")) {
			page = append(page, "</body></html>"...)
		}
		return append(page, "\n<font color=white>"+a.goodWords()+"</font>"...)
	})
}

// edit changes the first HTML part, or makes one from the first text.
func (a *attacker) edit(n *node, change func([]byte) []byte) {
	var first *node
	for t := range n.texts() {
		if first == nil || t.isHTML() && !first.isHTML() {
			first = t
		}
	}
	if first == nil {
		return
	}
	page, ok := first.content()
	if !ok {
		return
	}
	if !first.isHTML() {
		page = slices.Concat([]byte("<html><body><pre>"), []byte(escapeText(string(page))), []byte("</pre></body></html>"))
		first.setType("text/html")
	}
	first.setContent(change(slices.Clone(page)), "")
}

func escapeText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// extraPart makes the message a multipart/alternative whose first, unshown
// part is plain good words.
func (a *attacker) extraPart(n *node) {
	inner := &node{eol: n.eol, kids: n.kids, boundary: n.boundary, body: n.body, pre: n.pre, post: n.post}
	inner.head = n.takeContentFields()
	words := &node{eol: n.eol, head: []byte("Content-Type: text/plain; charset=us-ascii" + n.eol), body: []byte(a.goodWords() + n.eol)}
	n.boundary = fmt.Sprintf("=_%016x", a.r.Uint64())
	n.head = append(n.head, "Content-Type: multipart/alternative; boundary=\""+n.boundary+"\""+n.eol...)
	n.kids, n.body, n.pre, n.post = []*node{words, inner}, nil, nil, nil
}

// visible adds the words at the end of what is read, as a long "signature".
func (a *attacker) visible(n *node) {
	for t := range n.texts() {
		text, ok := t.content()
		if !ok {
			continue
		}
		words := "\n\n-- \n" + a.goodWords() + "\n"
		if !t.isHTML() {
			t.setContent(append(slices.Clone(text), words...), "")
			continue
		}
		at := closing.FindIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		t.setContent(slices.Concat(text[:at[0]], []byte("<p>"+words+"</p>"), text[at[0]:]), "")
	}
}

// letters rewrites the letters of what is read, outside of tags, entities and
// URLs.
func (a *attacker) letters(n *node, change func(*strings.Builder, string)) {
	n.setSubject(func(s string) string { return a.rewrite(s, false, change) })
	for t := range n.texts() {
		text, ok := t.contentUTF8()
		if ok {
			t.setContent([]byte(a.rewrite(text, t.isHTML(), change)), "")
		}
	}
}

var (
	htmlPieces  = regexp.MustCompile(`(?is)<(?:style|script|title)\b.*?</(?:style|script|title)\s*>|<!--.*?-->|<[^>]*>|&[#\w]+;|[a-z][a-z0-9+.-]*://[^\s<>"]+|[^\s<>"]+@[^\s<>"]+`)
	plainPieces = regexp.MustCompile(`(?is)[a-z][a-z0-9+.-]*://[^\s<>"]+|[^\s<>"]+@[^\s<>"]+`)
)

func (a *attacker) rewrite(s string, isHTML bool, change func(*strings.Builder, string)) string {
	keep := plainPieces
	if isHTML {
		keep = htmlPieces
	}
	var b strings.Builder
	last := 0
	for _, at := range keep.FindAllStringIndex(s, -1) {
		change(&b, s[last:at[0]])
		b.WriteString(s[at[0]:at[1]])
		last = at[1]
	}
	change(&b, s[last:])
	return b.String()
}

var invisible = []string{"\u200b", "\u200c", "\u200d", "\u00ad", "\ufeff", "\u2060"}

// zeroWidth puts a character without width into most words.
func (a *attacker) zeroWidth(b *strings.Builder, s string) {
	for i := range len(s) {
		b.WriteByte(s[i])
		if i+1 < len(s) && letter(s[i]) && letter(s[i+1]) && a.r.IntN(3) == 0 {
			b.WriteString(invisible[a.r.IntN(len(invisible))])
		}
	}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

var lookalikes = map[rune][]string{
	'a': {"а", "ɑ", "á"}, 'c': {"с", "ϲ"}, 'd': {"ԁ"}, 'e': {"е", "ė"}, 'h': {"һ"}, 'i': {"і", "ı", "í"}, 'j': {"ј"}, 'k': {"κ"}, 'l': {"ӏ", "l"},
	'n': {"ո"}, 'o': {"о", "ο", "0"}, 'p': {"р", "ρ"}, 'q': {"ԛ"}, 's': {"ѕ"}, 'u': {"υ", "ս"}, 'v': {"ν", "ѵ"}, 'w': {"ԝ"}, 'x': {"х"}, 'y': {"у", "ү"},
	'A': {"А", "Α"}, 'B': {"В", "Β"}, 'C': {"С"}, 'E': {"Е", "Ε"}, 'H': {"Н", "Η"}, 'I': {"І", "Ι"}, 'K': {"К", "Κ"}, 'M': {"М", "Μ"}, 'N': {"Ν"},
	'O': {"О", "Ο"}, 'P': {"Р", "Ρ"}, 'S': {"Ѕ"}, 'T': {"Т", "Τ"}, 'X': {"Х", "Χ"}, 'Y': {"Υ", "Ү"}, 'Z': {"Ζ"},
}

// homoglyph swaps a third of the letters for ones that look the same.
func (a *attacker) homoglyph(b *strings.Builder, s string) {
	for _, c := range s {
		if l := lookalikes[c]; l != nil && a.r.IntN(3) == 0 {
			b.WriteString(l[a.r.IntN(len(l))])
			continue
		}
		b.WriteRune(c)
	}
}
