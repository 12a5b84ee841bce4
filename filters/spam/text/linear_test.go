package text

import (
	"bytes"
	"strings"
	"testing"
)

// hostile are inputs that make careless readers slow; each is repeated to
// whatever length.
var hostile = map[string]string{
	"words":              "some words in a row, and more. ",
	"words beyond all":   "word",
	"open tags":          "<div>",
	"open formatting":    "<b><i>",
	"misnested":          "<b><div></b>",
	"adoption":           "<b><i><u><a href=x></b>",
	"stray ends":         "</div></b></x>",
	"unknown":            "<x1><y1></z1>",
	"unclosed comment":   "<!--",
	"comments":           "<!----!><!-- - -->",
	"unclosed quote":     `<a href="`,
	"attributes":         "<a b c d e f g h i j k l m n o p q r s t u v w x y z>",
	"one long tag":       "a=b ",
	"classes":            `<i class="a b c d e f g h i j k l m n o p q r s t u v w x y z">`,
	"rules":              "<style>.a{color:red}.b{color:red}#c{display:none}</style><i class='a b' id=c>x</i>",
	"at rules":           "<style>@media x{@media y{",
	"css parens":         `<p style="a:(b;c:(d;e:(f">`,
	"css comments":       `<p style="/*/*/*/*\41\42/**/a:b">`,
	"raw text":           "<script></scripx",
	"styles":             "<style></style x><style>",
	"entities":           "&notin;&zzzzzz;&amp&#x41;",
	"urls":               "www.a http://http://https:// ",
	"script urls":        "<script>http://http://http://</script>",
	"script words":       "<script>a.b.c.d</script>",
	"tables":             "<table><tr><td>",
	"lists":              "<ul><li><p>",
	"hidden":             `<p style="display:none">x<p style="color:#fff">y`,
	"overrides":          "\u202eab\u202c\u202e",
	"combining":          "a\u0301\u0301и\u0306\u1161",
	"single":             "a a.a-a ",
	"leet":               "a1b2$c@d!e",
	"mail":               "a@a@a@a.",
	"twins":              "аеорсух ",
	"digits":             "1,2.3,4 1x ",
	"spaces":             "\u00a0\u200b ",
	"cjk":                "日本",
	"quotes":             "> > > >\n",
	"late sheet":         "x<style>.a{display:none}</style>",
	"svg":                "<svg><a xlink:href=x>",
	"angle brackets":     "< <<",
	"end tag attributes": "</a b=c></p d>",
}

// TestNothingGrowsFasterThanItsInput: allocations are flat, and what is kept is
// bounded.
func TestNothingGrowsFasterThanItsInput(t *testing.T) {
	for name, unit := range hostile {
		var last [2]float64
		for i, size := range []int{32 << 10, 256 << 10} {
			src := []byte(strings.Repeat(unit, size/len(unit)))
			p := new(Page)
			p.HTML(src) // buffers grow
			var folded []byte
			last[i] = testing.AllocsPerRun(2, func() {
				p.Reset()
				p.HTML(src)
				folded = Fold(folded[:0], src, &p.Marks)
				for range Words(folded) {
					continue
				}
				Language(folded)
			})
			if len(p.Text) > MaxText || len(p.Hidden) > MaxHidden || len(p.Links) > MaxLinks || len(p.r.stack) > maxDepth || cap(p.r.stack) > 2*maxDepth || len(p.r.sheet.rules) > maxRules {
				t.Errorf("%s: a bound is broken", name)
			}
		}
		if last[1] > 10*last[0]+100 {
			t.Errorf("%s: %v allocations for 32 KiB, %v for 256 KiB", name, last[0], last[1])
		}
	}
}

// TestTagsCostNoAllocation: a newsletter of a thousand tags and two hundred
// links takes a handful, for the strings of the links.
func TestTagsCostNoAllocation(t *testing.T) {
	src, p := newsletter(), new(Page)
	p.HTML(src)
	if n := testing.AllocsPerRun(5, func() { p.Reset(); p.HTML(src) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}

// TestEachTagLooksAtFewElements counts what the end tags walk over.
func TestEachTagLooksAtFewElements(t *testing.T) {
	for name, unit := range hostile {
		src := []byte(strings.Repeat(unit, (256<<10)/len(unit)))
		p := new(Page)
		p.HTML(src)
		tags := p.Shape.Tags + p.Shape.EndTags + 1
		if p.r.steps > maxSearch*2*tags {
			t.Errorf("%s: %d steps for %d tags", name, p.r.steps, tags)
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, unit := range hostile {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			src := bytes.Repeat([]byte(unit), (256<<10)/len(unit))
			p := new(Page)
			var folded []byte
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				p.Reset()
				p.HTML(src)
				folded = Fold(folded[:0], p.Text, &p.Marks)
				for range Words(folded) {
					continue
				}
			}
		})
	}
}

// TestTagsAreCounted: of several parts together no more than MaxTags are read,
// in each way in which a part can be read twice or not.
func TestTagsAreCounted(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"<p>", "</p>", "<!---->", "<b><!-- x --></b>", "<style>"} {
		p := new(Page)
		late := "x" + strings.Repeat(unit, MaxTags/2) + "</style><style>.a{display:none}</style>"
		for range 3 {
			p.HTML([]byte(late))
		}
		if n := p.Shape.Tags + p.Shape.EndTags + p.Shape.Comments; n > MaxTags+3 || p.tags > MaxTags+3 || unit == "<p>" && (n < MaxTags-3 || p.Shape.Cut == 0) {
			t.Errorf("%s: %d tags, cut %d times", unit, n, p.Shape.Cut)
		}
		p.Reset()
		if p.HTML([]byte("<p>x</p>")); p.Shape.Cut != 0 || string(p.Text) != "x" {
			t.Errorf("after Reset %q", p.Text)
		}
	}
}

func TestRulesOfSheetsAreCounted(t *testing.T) {
	t.Parallel()
	p := new(Page)
	p.HTML([]byte(strings.Repeat("<style>.a{color:red}</style>", 2*maxBlocks) + "<style>.b{display:none}</style><i class=b>x</i>"))
	if p.r.sheet.blocks > 3*maxBlocks || string(p.Text) != "x" {
		t.Errorf("%d rules; %q", p.r.sheet.blocks, p.Text)
	}
}

// TestFoldedTextIsLittleLonger than what was written, whatever it is of; what
// writes a line backwards allocates nothing.
func TestFoldedTextIsLittleLonger(t *testing.T) {
	for _, unit := range []string{"\ufdfa", "\u3316", "a\ufdfab ", "\u202e\ufdfa\u202c"} {
		src := []byte(strings.Repeat(unit, (64<<10)/len(unit)))
		if n := len(Fold(nil, src, nil)); n > (maxGrowth*len(src))+2<<10 {
			t.Errorf("%q: %d octets of %d", unit, n, len(src))
		}
	}
	src, dst := []byte(strings.Repeat("\u202eab\u202c ", 5000)), make([]byte, 0, 1<<18)
	if n := testing.AllocsPerRun(3, func() { Fold(dst, src, new(Marks)) }); n > 3 {
		t.Errorf("%v allocations", n)
	}
}
