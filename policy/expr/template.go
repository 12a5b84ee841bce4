package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/gapura-mail/gapura/gateway"
)

// Bounds of texts that facts are put into.
const (
	maxValue = 200 // octets of one fact
	maxItems = 10  // of a list
)

// Template is a text with facts in it: "carries {antivirus.virus}".
type Template struct {
	parts []part
	Facts []*Variable
}

// part is literal text, or a fact.
type part struct {
	text string
	fact *Variable
}

// Static returns the text when there are no facts in it.
func (t Template) Static() (string, bool) {
	if len(t.Facts) > 0 {
		return "", false
	}
	if len(t.parts) == 0 {
		return "", true
	}
	return t.parts[0].text, true
}

// Empty tells whether there is nothing in it.
func (t Template) Empty() bool { return len(t.parts) == 0 }

// Literal returns the text without the facts.
func (t Template) Literal() string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
	}
	return b.String()
}

// Template reads {fact} in a text, from character number from on; {{ is a
// brace. Facts must be known at the stage.
func (c *Compiler) Template(t Text, from int, stage gateway.Stage) (Template, bool) {
	runes := []rune(t.Value)
	var out Template
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			out.parts = append(out.parts, part{text: lit.String()})
			lit.Reset()
		}
	}
	good := true
	for i := from; i < len(runes); i++ {
		r := runes[i]
		twice := i+1 < len(runes) && runes[i+1] == r
		switch {
		case (r == '{' || r == '}') && twice:
			lit.WriteRune(r)
			i++
		case r == '{':
			n := slices.Index(runes[i:], '}')
			if n < 0 {
				t.File.Problem(t.At(i), `"{" is not closed`, "a brace itself is written {{")
				return out, false
			}
			v, ok := c.placeholder(t, i+1, string(runes[i+1:i+n]), stage)
			if good = good && ok; ok {
				flush()
				out.parts = append(out.parts, part{fact: v})
				out.Facts = append(out.Facts, v)
			}
			i += n
		default:
			lit.WriteRune(r)
		}
	}
	flush()
	return out, good
}

// placeholder finds the fact that a text names.
func (c *Compiler) placeholder(t Text, at int, name string, stage gateway.Stage) (*Variable, bool) {
	v, ok := c.vars[name]
	if !ok {
		_, msg, hint := c.unknown([]rune(name), 0, name)
		if strings.ContainsAny(name, " ()\"'") || name == "" {
			msg, hint = fmt.Sprintf("{%s} is no fact", name), "a text takes facts only; a brace itself is written {{"
		} else if !strings.Contains(name, ".") {
			hint = Meant(name, c.names)
		}
		t.File.Problem(t.At(at), msg, hint)
		return nil, false
	}
	if hint, ok := known(v, stage); !ok {
		t.File.Problem(t.At(at), fmt.Sprintf("%s is not known at stage %s", name, stage), hint)
		return nil, false
	}
	return v, true
}

// Render puts the facts in, each cleaned and shortened, and cuts the whole at
// max octets.
func (t Template) Render(value func(*Variable) ref.Val, clean func(rune) rune, max int) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.fact == nil {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(Cut(strings.Map(clean, printed(value(p.fact))), maxValue))
	}
	return Cut(b.String(), max)
}

// Cut shortens s to max octets, between characters.
func Cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	max -= len("...")
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "..."
}

// printed returns a value as a text shows it.
func printed(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return strings.ToValidUTF8(string(v[:min(len(v), 4*maxValue)]), "?")
	case types.Bool:
		return strconv.FormatBool(bool(v))
	case types.Int:
		return strconv.FormatInt(int64(v), 10)
	case types.Double:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case types.Timestamp:
		return v.Format(time.RFC3339)
	case traits.Lister:
		var items []string
		for it := v.Iterator(); it.HasNext() == types.True && len(items) < maxItems; {
			items = append(items, printed(it.Next()))
		}
		return strings.Join(items, ", ")
	}
	return "?"
}

// AsField lets no control character into a header field.
func AsField(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
		return ' '
	}
	return r
}
