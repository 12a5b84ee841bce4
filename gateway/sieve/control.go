package sieve

import "fmt"

func controlSpecs() []spec {
	return []spec{
		{name: "require", pos: []param{{aStrings, "extensions", true}}, command: compileRequire},
		{name: "if", tests: 1, block: true, command: nothing},
		{name: "elsif", tests: 1, block: true, command: nothing},
		{name: "else", block: true, command: nothing},
		{name: "stop", command: func(_ *compiler, n *node, _ *args) command { return &stopCommand{n.Pos} }},
		{name: "ihave", ext: "ihave", test: true, pos: []param{{aStrings, "capabilities", true}}, check: compileHave},
		{name: "error", ext: "ihave", pos: []param{{aString, "message", false}}, command: func(_ *compiler, n *node, a *args) command {
			return &errorCommand{n.Pos, a.pos[0].strs[0]}
		}},
	}
}

// nothing compiles what block has compiled already.
func nothing(*compiler, *node, *args) command { return nil }

// compileRequire takes the extensions; they are errors of their own.
func compileRequire(c *compiler, n *node, a *args) command {
	if c.body {
		c.add(n.Pos, "the require command must come before all others", "move it to the top")
		return nil
	}
	for _, s := range a.pos[0].strs {
		switch ext := s.text; {
		case c.opt.known(ext), c.suite && suiteKnown(ext):
			c.required[ext] = true
		default:
			c.add(s.Pos, fmt.Sprintf("unknown extension '%s'", ext), didYouMean(ext, extensions))
		}
	}
	return nil
}

// branch is if, elsif or else.
type branch struct {
	pos   Pos
	test  test // nil: else
	block []command
}

type ifCommand struct{ branches []branch }

func (i *ifCommand) exec(r *run) error {
	for _, b := range i.branches {
		if b.test != nil {
			ok, err := b.test.eval(r)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		return r.block(b.block)
	}
	return nil
}

type stopCommand struct{ Pos }

func (s *stopCommand) exec(r *run) error {
	r.note(s.Pos, "stop")
	return errStop
}

// compileHave finds whether there are the extensions and, where there are,
// acts as require does (RFC 5463 section 4).
func compileHave(c *compiler, _ *node, a *args) test {
	have := true
	for _, s := range a.pos[0].strs {
		have = have && c.opt.known(s.text)
	}
	for _, s := range a.pos[0].strs {
		if c.opt.known(s.text) {
			c.required[s.text] = true
		} else {
			c.later = true
		}
	}
	return constTest(have)
}

type constTest bool

func (t constTest) eval(*run) (bool, error) { return bool(t), nil }

type errorCommand struct {
	Pos
	message *str
}

func (e *errorCommand) exec(r *run) error {
	text, err := e.message.eval(r)
	if err != nil {
		return r.at(e.Pos, err)
	}
	return r.fail(e.Pos, nil, "%s", cut(text, 500))
}

// constancy is what is known of a test before it runs.
type constancy uint8

const (
	unknown constancy = iota
	yes
	no
)

func constant(v bool) constancy {
	if v {
		return yes
	}
	return no
}

// constant finds out what a test is in any case, as far as ihave is concerned.
func (c *compiler) constant(n *node) constancy {
	switch n.name {
	case "true", "false":
		return constant(n.name == "true")
	case "not":
		if len(n.tests) == 1 {
			return [...]constancy{unknown, no, yes}[c.constant(n.tests[0])]
		}
	case "allof", "anyof":
		decides, other := no, yes
		if n.name == "anyof" {
			decides, other = yes, no
		}
		for _, t := range n.tests {
			switch c.constant(t) {
			case decides:
				return decides
			case unknown:
				other = unknown
			}
		}
		return other
	case "ihave":
		if len(n.args) != 1 || !c.has("ihave") {
			return unknown
		}
		list := n.args[0].list
		if n.args[0].kind == tokString {
			list = n.args
		}
		have := true
		for _, a := range list {
			have = have && c.opt.known(a.text)
		}
		return constant(have)
	}
	return unknown
}

// asksHave tells whether ihave is in the test.
func asksHave(n *node) bool {
	if n.name == "ihave" {
		return true
	}
	for _, t := range n.tests {
		if asksHave(t) {
			return true
		}
	}
	return false
}
