package expr

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
)

// Forms of CEL's messages that are told in other words.
var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(?:[^'.]*\.)?\((.*)\)'`)
	noOverMeth = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^'(]*)\.\((.*)\)'`)
	noFields   = regexp.MustCompile(`^type '([^']*)' does not support field selection`)
	badToken   = regexp.MustCompile(`^Syntax error: token recognition error at: '(.*)'$`)
	badInput   = regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: expecting .*)?$`)
	missing    = regexp.MustCompile(`^Syntax error: missing '(.*)' at`)
	badArg     = regexp.MustCompile(`^invalid (\w+) argument`)
	otherType  = regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'`)
)

// tell turns CEL's errors into problems in the file. What follows a syntax
// error is mostly its consequence and left out.
func (c *Compiler) tell(t Text, errs []*cel.Error) {
	runes := []rune(t.Value)
	for _, e := range errs {
		at := runeOffset(runes, e.Location.Line(), e.Location.Column())
		at, msg, hint := c.translate(runes, at, e.Message)
		place := t.At(at)
		if !strings.HasPrefix(e.Message, "Syntax error") {
			t.File.Problem(place, msg, hint)
			continue
		}
		if line := string(t.File.line(place.Line)); t.style == plain && strings.Contains(line, " #") {
			hint = `in a text without quotes " #" begins a comment: put the condition in quotes`
		}
		t.File.Problem(place, msg, hint)
		return
	}
}

// runeOffset returns the number of the character at line (from 1) and column
// (from 0).
func runeOffset(runes []rune, line, col int) int {
	i := 0
	for ; line > 1 && i < len(runes); i++ {
		if runes[i] == '\n' {
			line--
		}
	}
	return max(min(i+max(col, 0), len(runes)), 0)
}

// wordStart returns where the word begins that CEL's position is in: it points
// at the dot of a.b and at the bracket of f(x).
func wordStart(runes []rune, i int) int {
	if i >= len(runes) || runes[i] != '.' && runes[i] != '(' {
		return min(i, len(runes))
	}
	dots := runes[i] == '.'
	for i > 0 && (isWord(runes[i-1]) || dots && runes[i-1] == '.') {
		i--
	}
	return i
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// wordBefore returns the word before i, and where it begins.
func wordBefore(runes []rune, i int) (start int, word string) {
	end := min(i, len(runes))
	for end > 0 && isSpace(runes[end-1]) {
		end--
	}
	start = end
	for start > 0 && isWord(runes[start-1]) {
		start--
	}
	return start, string(runes[start:end])
}

// translate puts an error of CEL in an administrator's words.
func (c *Compiler) translate(runes []rune, at int, msg string) (int, string, string) {
	if m := undeclared.FindStringSubmatch(msg); m != nil {
		return c.unknown(runes, at, m[1])
	}
	if m := noOverMeth.FindStringSubmatch(msg); m != nil {
		return wordStart(runes, at), fmt.Sprintf("%s() cannot be asked of %s with (%s)", m[1], m[2], m[3]), c.usage(m[1])
	}
	if m := noOverload.FindStringSubmatch(msg); m != nil {
		return c.mismatch(runes, at, m[1], m[2])
	}
	if m := noFields.FindStringSubmatch(msg); m != nil {
		return wordStart(runes, at), "a " + m[1] + " has nothing after a dot", "there are " + c.list(string(runes[wordStart(runes, at):at]))
	}
	if m := badArg.FindStringSubmatch(msg); m != nil {
		return at, fmt.Sprintf("%s() cannot read %s", m[1], literalAt(runes, at)), c.usage(m[1])
	}
	if m := otherType.FindStringSubmatch(msg); m != nil && m[1] == "bool" {
		return wordStart(runes, at), "a condition belongs here, and this is a " + m[2], "compare texts and numbers first"
	} else if m != nil {
		return at, fmt.Sprintf("the items of a list are of one type, and here are %s and %s", m[1], m[2]), ""
	}
	switch {
	case strings.HasPrefix(msg, "Syntax error"):
		return syntaxError(runes, at, msg)
	case msg == "comprehension exceeds nesting limit":
		return wordStart(runes, at), "loops are nested more than two deep", ""
	}
	return at, msg, ""
}

// literalAt returns what is written at i, up to the next bracket or comma.
func literalAt(runes []rune, i int) string {
	s := string(runes[i:min(i+40, len(runes))])
	if n := strings.IndexAny(s, ",)"); n > 0 {
		return s[:n]
	}
	return s
}

// unknown tells about a name that nothing has.
func (c *Compiler) unknown(runes []rune, at int, name string) (int, string, string) {
	start := wordStart(runes, at)
	if at < len(runes) && runes[at] == '(' {
		return start, fmt.Sprintf("unknown function %q", name), c.functionHint(name)
	}
	msg := fmt.Sprintf("unknown fact %q", name)
	list := c.list(name)
	switch {
	case list != "" && strings.Contains(string(runes[:start]), "has("):
		return start, "has() is not needed", "a fact that nobody found has its default value, \"\" or false or 0"
	case list != "":
		return start, msg, "there are " + list
	case !strings.Contains(name, ".") && (asText(runes, start) || suggest(name, c.filters()) == ""):
		return start, msg, fmt.Sprintf("a text is written in quotes: %q", name)
	}
	if hint := Meant(name, c.names); hint != "" {
		return start, msg, hint
	}
	filter, _, _ := strings.Cut(name, ".")
	if list := c.list(filter); list != "" {
		return start, msg, "there are " + list
	}
	return start, msg, Meant(filter, c.filters())
}

// asText tells whether a text is likely to be meant at i: something is compared
// with it.
func asText(runes []rune, i int) bool {
	before := strings.TrimSpace(string(runes[:i]))
	return before != "" && strings.ContainsAny(before[len(before)-1:], "=<>[,(")
}

// functionHint knows what other languages call our functions.
func (c *Compiler) functionHint(name string) string {
	switch strings.ToLower(name) {
	case "lower", "tolower", "lowercase":
		return `did you mean "lowerAscii"?`
	case "upper", "toupper", "uppercase":
		return `did you mean "upperAscii"?`
	case "len", "length", "count":
		return `did you mean "size"?`
	case "regex", "regexp", "match":
		return `did you mean "matches"?`
	case "any", "some":
		return `did you mean "exists"?`
	}
	return Meant(name, c.functions)
}

// list returns the facts of a filter in one text.
func (c *Compiler) list(filter string) string {
	var found []string
	for _, n := range c.names {
		if strings.HasPrefix(n, filter+".") {
			found = append(found, n)
		}
	}
	const few = 12
	if len(found) > few {
		found = append(found[:few], "more")
	}
	return strings.Join(found, ", ")
}

// filters returns the first words of the facts.
func (c *Compiler) filters() []string {
	var words []string
	for _, n := range c.names {
		w, _, _ := strings.Cut(n, ".")
		if len(words) == 0 || words[len(words)-1] != w {
			words = append(words, w)
		}
	}
	return words
}

func (c *Compiler) usage(function string) string {
	for _, f := range Functions() {
		if f.Name == function {
			return "as in " + f.Usage
		}
	}
	return ""
}

// mismatch tells about an operator or function with operands that it cannot take.
func (c *Compiler) mismatch(runes []rune, at int, function, operands string) (int, string, string) {
	op := strings.Trim(strings.TrimPrefix(function, "@"), "_")
	if !isOperator(function) {
		return wordStart(runes, at), fmt.Sprintf("%s() cannot take (%s)", function, operands), c.usage(function)
	}
	operands = strings.ReplaceAll(operands, ", ", " and ")
	hint := ""
	switch op {
	case "&&", "||", "!":
		hint = "both sides are conditions: compare texts and numbers first"
	case "==", "!=":
		switch {
		case strings.HasPrefix(operands, "list(string) and string"):
			hint = `ask for an item: "..." in the list`
		case strings.Contains(operands, "bool"):
			hint = "a bool is a condition by itself; ! is not"
		case strings.Contains(operands, "string"):
			hint = "texts are in quotes, numbers are not"
		}
	case "<", "<=", ">", ">=":
		if strings.Contains(operands, "string") {
			hint = "texts are in quotes, numbers are not"
		}
	}
	return at, fmt.Sprintf("%s cannot take %s", op, operands), hint
}

// syntaxError tells what is commonly written wrong.
func syntaxError(runes []rune, at int, msg string) (int, string, string) {
	if m := badToken.FindStringSubmatch(msg); m != nil {
		return at, fmt.Sprintf("%q does not belong here", strings.TrimSpace(m[1])), tokenHint(m[1])
	}
	if m := missing.FindStringSubmatch(msg); m != nil {
		return at, fmt.Sprintf("%q is missing", m[1]), ""
	}
	m := badInput.FindStringSubmatch(msg)
	if m == nil {
		return at, strings.TrimPrefix(msg, "Syntax error: "), ""
	}
	if start, word := wordBefore(runes, at); wordHint(word) != "" {
		return start, fmt.Sprintf("%q does not belong here", word), wordHint(word)
	}
	if m[1] == "<EOF>" {
		return at, "the condition ends too early", ""
	}
	return at, fmt.Sprintf("%q does not belong here", m[1]), wordHint(m[1])
}

// tokenHint and wordHint know other languages.
func tokenHint(token string) string {
	switch {
	case strings.HasPrefix(token, "=~"):
		return `regular expressions are asked with .matches("...")`
	case strings.HasPrefix(token, "="):
		return "== compares"
	case strings.HasPrefix(token, "&"):
		return "&& is and"
	case strings.HasPrefix(token, "|"):
		return "|| is or"
	case strings.HasPrefix(token, `"`), strings.HasPrefix(token, "'"):
		return "the quote is not closed"
	}
	return ""
}

func wordHint(word string) string {
	switch strings.ToLower(word) {
	case "and":
		return "&& is and"
	case "or":
		return "|| is or"
	case "not":
		return "! is not"
	case "is", "eq":
		return "== compares"
	case "=~", "like", "matches", "contains":
		return `a function follows a dot: x.contains("y")`
	}
	return ""
}
