package sieve

import "fmt"

// Bounds of a script's form.
const (
	maxArguments = 32 // of one command or test, strings of a list not counted
	maxBlocks    = 32 // within each other
	maxTests     = 32 // within each other
)

// node is a command or a test.
type node struct {
	Pos
	name   string
	args   []argument
	tests  []*node
	list   bool // the tests were in parentheses
	block  []*node
	braces bool // there is a block
}

// argument is one argument as written.
type argument struct {
	Pos
	kind tokenKind // tokString, tokNumber, tokTag or '[' for a list
	text string
	num  uint64
	list []argument
}

// parser builds the tree of a script (RFC 5228 section 8.2), several errors at
// a time.
type parser struct {
	lex  lexer
	tok  token
	fail func(Pos, string, string)
}

func (p *parser) skip() { p.tok = p.lex.next() }

// script parses all of it.
func (p *parser) script() []*node {
	p.skip()
	var all []*node
	for {
		all = append(all, p.commands(0)...)
		if p.tok.kind == tokEOF {
			return all
		}
		p.fail(p.tok.pos, "unexpected "+p.tok.kind.String(), "a command begins with its name")
		if p.tok.kind == '}' {
			p.skip()
		} else {
			p.recover()
		}
	}
}

// commands parses commands until something that begins none.
func (p *parser) commands(depth int) []*node {
	var all []*node
	for p.tok.kind == tokIdent {
		if n := p.command(depth); n != nil {
			all = append(all, n)
		}
	}
	return all
}

// command parses one command; nil when it cannot be made out.
func (p *parser) command(depth int) *node {
	n := &node{Pos: p.tok.pos, name: p.tok.text}
	p.skip()
	if !p.arguments(n, 0) {
		p.recover()
		return nil
	}
	switch p.tok.kind {
	case ';':
		p.skip()
	case '{':
		return p.braces(n, depth)
	default:
		p.fail(p.tok.pos, fmt.Sprintf("expected ';' or '{' after the %s command, but found %s", n.name, p.tok.kind), "is the ';' missing?")
		p.recover()
		return nil
	}
	return n
}

// braces parses the block of n.
func (p *parser) braces(n *node, depth int) *node {
	if depth+1 > maxBlocks {
		p.fail(p.tok.pos, fmt.Sprintf("blocks are nested deeper than %d levels", maxBlocks), "")
		p.recover()
		return nil
	}
	p.skip()
	n.braces = true
	n.block = p.commands(depth + 1)
	for p.tok.kind != '}' {
		if p.tok.kind == tokEOF {
			p.fail(p.tok.pos, fmt.Sprintf("the block of the %s command at line %d has no end", n.name, n.Line), "add '}'")
			return n
		}
		p.fail(p.tok.pos, fmt.Sprintf("expected '}' or a command, but found %s", p.tok.kind), "")
		p.recover()
		n.block = append(n.block, p.commands(depth+1)...)
	}
	p.skip()
	return n
}

// recover passes over the rest of a command that cannot be made out.
func (p *parser) recover() {
	for nesting := 0; p.tok.kind != tokEOF; p.skip() {
		switch p.tok.kind {
		case '{':
			nesting++
		case '}':
			if nesting == 0 {
				return
			}
			if nesting--; nesting == 0 {
				p.skip()
				return
			}
		case ';':
			if nesting == 0 {
				p.skip()
				return
			}
		}
	}
}

// arguments parses the arguments and tests of n.
func (p *parser) arguments(n *node, depth int) bool {
	for {
		a := argument{Pos: p.tok.pos, kind: p.tok.kind, text: p.tok.text, num: p.tok.num}
		switch p.tok.kind {
		case tokString, tokNumber, tokTag:
			p.skip()
		case '[':
			if !p.list(&a) {
				return false
			}
		default:
			return p.tests(n, depth)
		}
		if n.args = append(n.args, a); len(n.args) > maxArguments {
			p.fail(a.Pos, fmt.Sprintf("%s has more than %d arguments", n.name, maxArguments), "")
			return false
		}
	}
}

// list parses a list of strings.
func (p *parser) list(a *argument) bool {
	for {
		p.skip()
		if p.tok.kind != tokString {
			p.fail(p.tok.pos, fmt.Sprintf("expected a string in the list, but found %s", p.tok.kind), "")
			return false
		}
		a.list = append(a.list, argument{Pos: p.tok.pos, kind: tokString, text: p.tok.text})
		p.skip()
		switch p.tok.kind {
		case ',':
		case ']':
			p.skip()
			return true
		default:
			p.fail(p.tok.pos, fmt.Sprintf("expected ',' or ']' in the list, but found %s", p.tok.kind), "")
			return false
		}
	}
}

// tests parses the test or the list of tests of n, if there is one.
func (p *parser) tests(n *node, depth int) bool {
	if p.tok.kind != tokIdent && p.tok.kind != '(' {
		return true
	}
	if depth+1 > maxTests {
		p.fail(p.tok.pos, fmt.Sprintf("tests are nested deeper than %d levels", maxTests), "")
		return false
	}
	if p.tok.kind == tokIdent {
		return p.test(n, depth)
	}
	n.list = true
	for {
		p.skip()
		if p.tok.kind != tokIdent {
			p.fail(p.tok.pos, fmt.Sprintf("expected a test in the list, but found %s", p.tok.kind), "")
			return false
		}
		if !p.test(n, depth) {
			return false
		}
		switch p.tok.kind {
		case ',':
		case ')':
			p.skip()
			return true
		default:
			p.fail(p.tok.pos, fmt.Sprintf("expected ',' or ')' after a test, but found %s", p.tok.kind), "")
			return false
		}
	}
}

func (p *parser) test(n *node, depth int) bool {
	t := &node{Pos: p.tok.pos, name: p.tok.text}
	n.tests = append(n.tests, t)
	p.skip()
	return p.arguments(t, depth+1)
}
