package policy

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
	maxValue  = 200 // octets of one fact
	maxItems  = 10  // of a list
	maxOutput = 900 // octets of a header field's value
)

// template is a text with facts in it: "carries {antivirus.virus}".
type template struct {
	parts []part
	facts []*variable
}

// part is literal text, or a fact.
type part struct {
	text string
	fact *variable
}

// static returns the text when there are no facts in it.
func (t template) static() (string, bool) {
	if len(t.facts) > 0 {
		return "", false
	}
	if len(t.parts) == 0 {
		return "", true
	}
	return t.parts[0].text, true
}

// literal returns the text without the facts.
func (t template) literal() string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
	}
	return b.String()
}

// template reads {fact} in a text, from character number from on; {{ is a
// brace. Facts must be known at the stage.
func (c *compiler) template(t text, from int, stage gateway.Stage) (template, bool) {
	runes := []rune(t.value)
	var out template
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
				t.f.problem(t.at(i), `"{" is not closed`, "a brace itself is written {{")
				return out, false
			}
			v, ok := c.placeholder(t, i+1, string(runes[i+1:i+n]), stage)
			if good = good && ok; ok {
				flush()
				out.parts = append(out.parts, part{fact: v})
				out.facts = append(out.facts, v)
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
func (c *compiler) placeholder(t text, at int, name string, stage gateway.Stage) (*variable, bool) {
	v, ok := c.vars[name]
	if !ok {
		_, msg, hint := c.unknown([]rune(name), 0, name)
		if strings.ContainsAny(name, " ()\"'") || name == "" {
			msg, hint = fmt.Sprintf("{%s} is no fact", name), "a text takes facts only; a brace itself is written {{"
		} else if !strings.Contains(name, ".") {
			hint = meant(name, c.names)
		}
		t.f.problem(t.at(at), msg, hint)
		return nil, false
	}
	if hint, ok := known(v, stage); !ok {
		t.f.problem(t.at(at), fmt.Sprintf("%s is not known at stage %s", name, stage), hint)
		return nil, false
	}
	return v, true
}

// render puts the facts in, each cleaned and shortened, and cuts the whole at
// max octets.
func (t template) render(a *activation, clean func(rune) rune, max int) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.fact == nil {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(cut(strings.Map(clean, printed(a.value(p.fact))), maxValue))
	}
	return cut(b.String(), max)
}

// cut shortens s to max octets, between characters.
func cut(s string, max int) string {
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

// asReply lets nothing but printable ASCII into a reply.
func asReply(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// asField lets no control character into a header field.
func asField(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
		return ' '
	}
	return r
}
