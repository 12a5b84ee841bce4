package imapd_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// arg is an argument of a reply: a word or string, or a list.
type arg struct {
	text string
	list []arg
	is   bool // a list
}

// parseArgs reads the arguments of a reply; literals stand in it with their
// octets.
func parseArgs(s string) (out []arg, err error) {
	p := argParser{s: s}
	out = p.args(0)
	if p.i < len(p.s) {
		return nil, fmt.Errorf("%q at %d", s, p.i)
	}
	return out, nil
}

type argParser struct {
	s string
	i int
}

func (p *argParser) args(end byte) (out []arg) {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == end && end != 0:
			p.i++
			return out
		case c == ' ':
			p.i++
		case c == '(':
			p.i++
			out = append(out, arg{list: p.args(')'), is: true})
		case c == '"':
			out = append(out, arg{text: p.quoted()})
		case c == '{' && literalHead.MatchString(p.s[p.i:]):
			m := literalHead.FindStringSubmatch(p.s[p.i:])
			n, _ := strconv.Atoi(m[1])
			p.i += len(m[0])
			out = append(out, arg{text: p.s[p.i : p.i+n]})
			p.i += n
		default:
			out = append(out, arg{text: p.word()})
		}
	}
	return out
}

var literalHead = regexp.MustCompile(`^\{(\d+)\}\r\n`)

func (p *argParser) quoted() string {
	var b strings.Builder
	for p.i++; p.i < len(p.s) && p.s[p.i] != '"'; p.i++ {
		if p.s[p.i] == '\\' {
			p.i++
		}
		b.WriteByte(p.s[p.i])
	}
	p.i++
	return b.String()
}

// word reads a word: ( and ) end it, but within brackets and ${ }.
func (p *argParser) word() string {
	start, depth := p.i, 0
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case depth <= 0 && (c == ' ' || c == '(' && p.i > start && p.s[p.i-1] != '$' || c == ')'):
			return p.s[start:p.i]
		}
		p.i++
	}
	return p.s[start:p.i]
}

// variables are those of a run.
type variables struct {
	values map[string]string
	seqs   []int // of the connection: what each sequence number is now; 0: gone
}

var variable = regexp.MustCompile(`\$(\$|\{[A-Za-z0-9_]+\}|[A-Za-z_][A-Za-z0-9_]*|[0-9]+)`)

// expand puts values for variables.
func (v *variables) expand(s string) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		name := strings.Trim(m[1:], "{}")
		if name == "$" {
			return "$"
		}
		if val, ok := v.value(name); ok {
			return val
		}
		return m
	})
}

func (v *variables) value(name string) (string, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		if n > 0 && n < len(v.seqs) {
			return strconv.Itoa(v.seqs[n]), true
		}
		return name, true
	}
	val, ok := v.values[name]
	return val, ok
}

// text compares a word; variables without a value get one in set.
func (v *variables) text(want, got string, set map[string]string) bool {
	if want == "$" {
		return true
	}
	var re strings.Builder
	re.WriteString("(?is)^")
	var names []string
	last := 0
	for _, m := range variable.FindAllStringIndex(want, -1) {
		re.WriteString(regexp.QuoteMeta(want[last:m[0]]))
		last = m[1]
		name := strings.Trim(want[m[0]+1:m[1]], "{}")
		val, ok := v.value(name)
		if !ok {
			val, ok = set[name]
		}
		switch {
		case name == "$":
			re.WriteString(`\$`)
		case ok:
			re.WriteString(regexp.QuoteMeta(val))
		default:
			names = append(names, name)
			re.WriteString(`(.*?)`)
		}
	}
	re.WriteString(regexp.QuoteMeta(want[last:]) + "$")
	m := regexp.MustCompile(re.String()).FindStringSubmatch(got)
	for i, n := range names {
		if m != nil {
			set[n] = m[i+1]
		}
	}
	return m != nil
}

// rules say how a list is compared.
type rules struct {
	unordered, noextra bool
	chain              int
	ignore, ban        []string
}

// rulesOf takes the directives of a list, or else the defaults of the place.
func rulesOf(list []arg, def rules) (rules, []arg) {
	r := rules{chain: 1}
	given := false
	var rest []arg
	for _, a := range list {
		d, ok := strings.CutPrefix(a.text, "$!")
		if !ok || a.is {
			rest = append(rest, a)
			continue
		}
		given = true
		name, val, has := strings.Cut(d, "=")
		switch name {
		case "unordered":
			if r.unordered = true; has {
				r.chain, _ = strconv.Atoi(val)
			}
		case "ordered":
			r.unordered = false
		case "noextra":
			r.noextra = true
		case "extra":
			r.noextra = false
		case "ignore":
			r.ignore = append(r.ignore, val)
		case "ban":
			r.ban = append(r.ban, val)
		}
	}
	if !given {
		return def, rest
	}
	return r, rest
}

var flagRules = rules{unordered: true, noextra: true, chain: 1, ignore: []string{`\recent`}}

// place tells the default rules of a list after what stands before it.
func place(before []arg) rules {
	text := func(i int) string {
		if i < len(before) {
			return strings.ToLower(before[i].text)
		}
		return ""
	}
	switch {
	case len(before) == 2 && text(1) == "fetch":
		return rules{unordered: true, chain: 2}
	case len(before) == 1 && (text(0) == "list" || text(0) == "lsub"):
		return rules{unordered: true, chain: 1}
	case len(before) == 2 && text(0) == "status":
		return rules{unordered: true, chain: 2}
	case len(before) > 0 && strings.EqualFold(before[len(before)-1].text, "flags"):
		return flagRules
	}
	return rules{chain: 1}
}

// args compares arguments; prefix: there may be more.
func (v *variables) args(want, got []arg, prefix bool, set map[string]string) bool {
	if len(got) < len(want) || len(got) > len(want) && !prefix {
		return false
	}
	for i, w := range want {
		if !v.arg(w, got[i], want[:i], set) {
			return false
		}
	}
	return true
}

func (v *variables) arg(w, g arg, before []arg, set map[string]string) bool {
	if !w.is {
		return w.text == "$" || !g.is && v.text(w.text, g.text, set)
	}
	if !g.is {
		return false
	}
	r, list := rulesOf(w.list, place(before))
	if !r.unordered {
		return v.args(list, g.list, false, set)
	}
	return v.unordered(list, g.list, r, set)
}

// unordered compares lists whose order does not matter.
func (v *variables) unordered(want, got []arg, r rules, set map[string]string) bool {
	used := make([]bool, len(got))
	for i := 0; i < len(want); i += r.chain {
		w := want[i:min(i+r.chain, len(want))]
		found := false
		for j := 0; j+len(w) <= len(got) && !found; j += r.chain {
			try := make(map[string]string)
			for k, val := range set {
				try[k] = val
			}
			if used[j] || !v.args(w, got[j:j+len(w)], false, try) {
				continue
			}
			found, used[j] = true, true
			for k, val := range try {
				set[k] = val
			}
		}
		if !found {
			return false
		}
	}
	in := func(list []string, s string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
	}
	for j := 0; j < len(got); j += r.chain {
		if in(r.ban, got[j].text) || !used[j] && r.noextra && !in(r.ignore, got[j].text) {
			return false
		}
	}
	return true
}

// reply compares an untagged reply.
func (v *variables) reply(want, got string) bool {
	set := make(map[string]string)
	g, err := parseArgs(got)
	if err != nil {
		return false
	}
	w, err := parseArgs(want)
	if err != nil {
		return false
	}
	word := ""
	if len(w) > 0 {
		word = strings.ToLower(w[0].text)
	}
	ok := false
	switch word {
	case "ok", "no", "bad", "bye", "preauth":
		ok = v.prefixed(want, got, set)
	default:
		ok = v.args(w, g, false, set)
	}
	if ok {
		for k, val := range set {
			v.values[k] = val
		}
	}
	return ok
}

// prefixed compares the words of a status reply.
func (v *variables) prefixed(want, got string, set map[string]string) bool {
	w, g := strings.Fields(want), strings.Fields(got)
	if len(g) < len(w) {
		return false
	}
	for i := range w {
		if !v.text(w[i], g[i], set) {
			return false
		}
	}
	return true
}
