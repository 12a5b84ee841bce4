package sieve

import (
	"fmt"
	"slices"
)

// compiler turns the tree into commands, and finds everything that is wrong.
type compiler struct {
	lang     specIndex
	opt      *Options
	required map[string]bool
	errs     Errors
	warnings Errors
	told     map[string]bool // unknown names
	variable map[string]bool // names of variables that are set
	body     bool            // a command but require was seen
	loops    []string        // names of the foreverypart around, "" : no name
	later    bool            // ihave asked for what there is not: errors come when the script runs
	quiet    int             // in a block that never runs
	suite    bool            // in the test dialect
}

func (c *compiler) add(p Pos, message, hint string) {
	if c.quiet == 0 && len(c.errs) < MaxErrors {
		c.errs = append(c.errs, &Error{Pos: p, Message: message, Hint: hint})
	}
}

func (c *compiler) errorf(p Pos, format string, v ...any) {
	c.add(p, fmt.Sprintf(format, v...), "")
}

func (c *compiler) warnf(p Pos, format string, v ...any) {
	if c.quiet == 0 && len(c.warnings) < MaxErrors {
		c.warnings = append(c.warnings, &Error{Pos: p, Message: fmt.Sprintf(format, v...)})
	}
}

// has tells whether the script may use the extension.
func (c *compiler) has(ext string) bool {
	if c.required[ext] {
		return true
	}
	switch ext {
	case "vacation":
		return c.required["vacation-seconds"] // RFC 6131 section 2
	case "environment":
		return c.required["vnd.dovecot.environment"]
	case "spamtest":
		return c.required["spamtestplus"]
	}
	return false
}

// block compiles the commands of a block, if, elsif and else being one.
func (c *compiler) block(nodes []*node) []command {
	out := make([]command, 0, len(nodes))
	for i := 0; i < len(nodes); i++ {
		n := nodes[i]
		switch n.name {
		case "if":
			var rest int
			out, rest = c.chain(out, nodes[i:])
			i += rest - 1
		case "elsif", "else":
			c.errorf(n.Pos, "the %s command must follow an if or elsif command", n.name)
			c.orphan(n)
			for i+1 < len(nodes) && (nodes[i+1].name == "elsif" || nodes[i+1].name == "else") {
				i++
				c.orphan(nodes[i])
			}
		default:
			if cmd := c.command(n); cmd != nil {
				out = append(out, cmd)
			}
		}
		if n.name != "require" {
			c.body = true
		}
	}
	return out
}

// orphan looks for errors in the block of a stray elsif or else.
func (c *compiler) orphan(n *node) { c.block(n.block) }

// chain compiles if, its elsifs and its else, and returns how many commands
// that were.
func (c *compiler) chain(out []command, nodes []*node) ([]command, int) {
	n := 1
	for n < len(nodes) && (nodes[n].name == "elsif" || nodes[n].name == "else") {
		n++
		if nodes[n-1].name == "else" {
			break
		}
	}
	cmd := &ifCommand{}
	never := false // a branch before is always taken
	for _, b := range nodes[:n] {
		c.body = c.body || b.name != "if"
		br := branch{pos: b.Pos}
		cond := unknown
		switch {
		case b.name == "else":
			if len(b.args) > 0 {
				c.errorf(b.Pos, "the else command accepts no arguments")
			} else if len(b.tests) > 0 {
				c.spurious(b, &spec{name: "else"})
			}
			cond = yes
		case len(b.args) > 0:
			c.errorf(b.Pos, "the %s command accepts no arguments before its test", b.name)
		case len(b.tests) == 0:
			c.errorf(b.Pos, "the %s command requires a test", b.name)
		case b.list:
			c.add(b.Pos, fmt.Sprintf("the %s command requires one test, not a list", b.name), "use anyof or allof")
		default:
			cond = c.constant(b.tests[0])
			br.test = c.test(b.tests[0])
		}
		if !b.braces {
			c.errorf(b.Pos, "the %s command requires a block", b.name)
		}
		asks := len(b.tests) == 1 && asksHave(b.tests[0])
		skip := never || asks && cond == no
		if skip { // what is in there may be of an extension that we do not have
			c.quiet++
		}
		c.body = true
		br.block = c.block(b.block)
		if skip {
			c.quiet--
			br.block = nil
		}
		never = never || asks && cond == yes
		cmd.branches = append(cmd.branches, br)
	}
	return append(out, cmd), n
}

// command compiles one command; nil after an error.
func (c *compiler) command(n *node) command {
	before := len(c.errs)
	cmd := c.check(n)
	if c.later && len(c.errs) > before {
		// RFC 5463 section 4: what is not supported fails when it runs.
		err := c.errs[before]
		c.errs = c.errs[:before]
		return &failCommand{err: err}
	}
	return cmd
}

func (c *compiler) check(n *node) command {
	s := c.find(n, "command")
	if s == nil {
		c.block(n.block)
		return nil
	}
	a := c.arguments(n, s)
	if a != nil && !c.subtests(n, s) {
		a = nil
	}
	if n.braces && !s.block {
		c.errorf(n.Pos, "the %s command accepts no block", n.name)
		c.block(n.block)
		return nil
	}
	if !n.braces && s.block {
		c.errorf(n.Pos, "the %s command requires a block", n.name)
		return nil
	}
	if a == nil {
		c.block(n.block)
		return nil
	}
	return s.command(c, n, a)
}

// test compiles one test; nil after an error.
func (c *compiler) test(n *node) test {
	s := c.find(n, "test")
	if s == nil {
		return nil
	}
	a := c.arguments(n, s)
	if a == nil || !c.subtests(n, s) {
		return nil
	}
	t := s.check(c, n, a)
	if t == nil {
		return nil
	}
	return &traced{Pos: n.Pos, name: n.name, test: t}
}

// find returns what the name means.
func (c *compiler) find(n *node, want string) *spec {
	s := c.lang[n.name]
	switch {
	case n.name == "?": // the lexer has told
		return nil
	case s != nil && s.ext == suiteExt && !c.suite:
		s = nil
	case s != nil && s.test && want == "command" && s.command == nil, s != nil && !s.test && want == "test" && s.check == nil:
		c.errorf(n.Pos, "attempted to use %s '%s' as %s here", s.kind(), n.name, want)
		return nil
	case s != nil && s.ext != "" && !c.has(s.ext):
		if !c.told[n.name] {
			c.told[n.name] = true
			c.add(n.Pos, fmt.Sprintf("unknown %s '%s'", want, n.name), fmt.Sprintf("add require %q at the top", s.ext))
		}
		return nil
	}
	if s == nil && !c.told[n.name] {
		c.told[n.name] = true
		c.add(n.Pos, fmt.Sprintf("unknown %s '%s'", want, n.name), didYouMean(n.name, c.candidates(want)))
	}
	return s
}

// candidates lists what could be meant.
func (c *compiler) candidates(want string) []string {
	var all []string
	for name, s := range c.lang {
		if (s.kind() == want) && (s.ext != suiteExt || c.suite) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// subtests checks whether there are as many tests as must be.
func (c *compiler) subtests(n *node, s *spec) bool {
	switch {
	case s.tests == 0 && len(n.tests) > 0:
		c.spurious(n, s)
		return false
	case s.tests == 1 && (len(n.tests) != 1 || n.list):
		c.errorf(n.Pos, "the %s %s requires one test", n.name, s.kind())
		return false
	case s.tests == manyTests && (len(n.tests) == 0 || !n.list):
		c.errorf(n.Pos, "the %s %s requires a list of tests in parentheses", n.name, s.kind())
		return false
	}
	return true
}

// spurious tells of tests where none may be: mostly a semicolon is missing.
func (c *compiler) spurious(n *node, s *spec) {
	t := n.tests[0]
	known := c.lang[t.name]
	switch {
	case !s.test && !n.list && (known == nil || !known.test):
		c.add(n.Pos, fmt.Sprintf("missing semicolon ';' after the %s command", n.name), "")
		if e := c.last(); e != nil {
			e.Hint = fmt.Sprintf("before %s at line %d", t.name, t.Line)
		}
	default:
		c.errorf(n.Pos, "the %s %s accepts no sub-tests, but tests are specified", n.name, s.kind())
	}
}

func (c *compiler) last() *Error {
	if c.quiet > 0 || len(c.errs) == 0 {
		return nil
	}
	return c.errs[len(c.errs)-1]
}

// arguments checks the arguments of n; nil after an error.
func (c *compiler) arguments(n *node, s *spec) *args {
	a := &args{spec: s}
	i := 0
	groups := map[string]string{}
	for i < len(n.args) && n.args[i].kind == tokTag {
		arg := n.args[i]
		t := c.tag(s, arg)
		if t == nil {
			return nil
		}
		group := t.group
		if group == "" {
			group = ":" + t.name
		}
		if other, ok := groups[group]; ok {
			c.errorf(arg.Pos, "tag :%s after :%s: the %s %s takes one %s", t.name, other, n.name, s.kind(), group)
			return nil
		}
		groups[group] = t.name
		v := value{Pos: arg.Pos, given: true}
		i++
		if len(t.param) > 0 {
			if i >= len(n.args) {
				c.errorf(arg.Pos, "the tag :%s of the %s %s requires %s", t.name, n.name, s.kind(), t.param[0].kind)
				return nil
			}
			if why := c.value(&v, n.args[i], t.param[0]); why != "" {
				c.mismatch(n.args[i], why, "the tag :%s of the %s %s expects %s", t.name, n.name, s.kind(), t.param[0].kind)
				return nil
			}
			i++
		}
		if a.tags == nil {
			a.tags = map[string]value{}
		}
		a.tags[t.name] = v
	}
	return c.positional(n, s, a, n.args[i:])
}

// tag finds the tag; nil after an error.
func (c *compiler) tag(s *spec, arg argument) *tagSpec {
	for i := range s.tags {
		t := &s.tags[i]
		if t.name != arg.text {
			continue
		}
		if t.ext != "" && !c.has(t.ext) {
			c.add(arg.Pos, fmt.Sprintf("unknown tagged argument ':%s' for the %s %s", arg.text, s.name, s.kind()), fmt.Sprintf("add require %q at the top", t.ext))
			return nil
		}
		return t
	}
	c.add(arg.Pos, fmt.Sprintf("unknown tagged argument ':%s' for the %s %s", arg.text, s.name, s.kind()), s.tagNames(c.has))
	return nil
}

// positional checks what follows the tags.
func (c *compiler) positional(n *node, s *spec, a *args, rest []argument) *args {
	count := len(rest)
	for _, arg := range rest {
		if arg.kind != tokTag {
			continue
		}
		for _, t := range s.tags {
			if t.name == arg.text {
				c.add(arg.Pos, fmt.Sprintf("unexpected tagged argument ':%s' among the positional arguments of the %s %s", arg.text, n.name, s.kind()), "tags come first")
				return nil
			}
		}
		c.tag(s, arg)
		return nil
	}
	missing := max(0, len(s.pos)-count)
	if missing > s.optional {
		if m := c.forgotColon(n, s); m != nil {
			c.errorf(n.Pos, "the %s %s requires %d positional arguments, but %d is specified", n.name, s.kind(), len(s.pos)-s.optional, count)
			c.errorf(m.Pos, "missing colon ':' before '%s' tag in %s %s", m.name, n.name, s.kind())
			return nil
		}
		c.errorf(n.Pos, "the %s %s requires %d positional arguments, but %d is specified", n.name, s.kind(), len(s.pos)-s.optional, count)
		return nil
	}
	a.pos = make([]value, len(s.pos))
	if s.last && missing <= s.optional {
		missing = 0
	}
	for i, arg := range rest {
		if i+missing >= len(s.pos) {
			c.errorf(arg.Pos, "the %s %s accepts only %d positional arguments, but %d are specified", n.name, s.kind(), len(s.pos), count)
			return nil
		}
		p := s.pos[i+missing]
		v := &a.pos[i+missing]
		v.given = true
		if why := c.value(v, arg, p); why != "" {
			c.mismatch(arg, why, "the %s %s expects %s as argument %d (%s)", n.name, s.kind(), p.kind, i+1, p.name)
			return nil
		}
	}
	return a
}

// forgotColon finds a tag that was written without its colon.
func (c *compiler) forgotColon(n *node, s *spec) *node {
	if len(n.tests) != 1 || n.list {
		return nil
	}
	for _, t := range s.tags {
		if t.name == n.tests[0].name {
			return n.tests[0]
		}
	}
	return nil
}

// told is why value failed when the error was told already.
const told = "told"

// mismatch tells that an argument is of another kind.
func (c *compiler) mismatch(arg argument, why, format string, v ...any) {
	if why != told {
		c.errorf(arg.Pos, "%s, but %s was found", fmt.Sprintf(format, v...), why)
	}
}

// value takes one argument. It returns "", what was found in place of it, or
// told.
func (c *compiler) value(v *value, arg argument, p param) string {
	v.Pos = arg.Pos
	list := arg.list
	switch {
	case p.kind == aNumber && arg.kind == tokNumber:
		v.num = arg.num
		return ""
	case p.kind != aNumber && arg.kind == tokString:
		list = []argument{arg}
	case p.kind == aStrings && arg.kind == '[':
	default:
		return found(arg)
	}
	v.strs = make([]*str, len(list))
	for i, s := range list {
		if v.strs[i] = c.str(s.Pos, s.text); v.strs[i] == nil {
			return told
		}
		if p.fixed && v.strs[i].parts != nil {
			c.errorf(s.Pos, "the %s must be a constant string: no variables", p.name)
			return told
		}
	}
	return ""
}

// found names an argument.
func found(a argument) string {
	switch a.kind {
	case tokNumber:
		return "a number"
	case tokTag:
		return "the tag :" + a.text
	case '[':
		return "a string list"
	}
	return "a string"
}
