package expr

import (
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// TestEveryCharacterHasItsPlace finds each character of a scalar in the file,
// whatever way the scalar is written.
func TestEveryCharacterHasItsPlace(t *testing.T) {
	for _, src := range []string{
		"k: plain == \"text\"\n",
		"k: plain over\n  two lines\n\n  and a third\nother: x\n",
		"k: 'single ''quoted'' text'\n",
		"k: 'single\n  folded\n\n  twice'\n",
		`k: "double \"quoted\" \\ é\u00fc\x41 text"` + "\n",
		"k: \"double\n  folded  \n  and \\\n  continued\"\n",
		"k: |\n  literal\n    indented\n\n  end\n",
		"k: |-\n    literal é\n    end\n",
		"k: |2\n     indicated\n   end\n",
		"k: >\n  folded\n  text\n\n  paragraph\n",
		"k: >-\n  folded\n    kept\n  text\n",
		"k:\n  next line\n",
		"k: {a: [x, 'in flow', \"two\"]}\n",
		"- é: üü == ö\n  k: third\n",
		"\ufeffk: after a mark\r\n",
		"k: |\r\n  literal\r\n  with CRLF\r\n",
		"k: # comment\n  text\n",
		"k: text # comment\n",
	} {
		var errs Errors
		f, ok := NewFile(Source{"f", []byte(src)}, "policy file", &errs)
		if !ok {
			t.Fatal(errs)
		}
		root := f.Parse()
		if root == nil {
			t.Fatalf("%q: %v", src, errs)
		}
		inner := map[ast.Node]bool{} // the texts of blocks; the blocks' own nodes have them
		for _, n := range ast.Filter(ast.LiteralType, root) {
			inner[n.(*ast.LiteralNode).Value] = true
			checkPlaces(t, f, n)
		}
		for _, n := range ast.Filter(ast.StringType, root) {
			if !inner[n] {
				checkPlaces(t, f, n)
			}
		}
	}
}

func checkPlaces(t *testing.T, f *File, n ast.Node) {
	s, ok := f.Scalar(n, "x")
	if !ok {
		t.Fatal(f.errs)
	}
	for i, r := range []rune(s.Value) {
		if isSpace(r) {
			continue
		}
		at := f.data[f.offset(s.At(i)):]
		got, _ := utf8.DecodeRune(at)
		if got != r && got != '\\' {
			t.Errorf("%q: character %d, %q, is placed at %v, where %.10q is", s.Value, i, r, s.At(i), at)
			return
		}
	}
}
