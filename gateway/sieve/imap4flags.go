package sieve

import (
	"slices"
	"strings"
)

// maxFlags is how many flags a list may have.
const maxFlags = 100

// flagSpecs is RFC 5232.
func flagSpecs() []spec {
	pos := []param{{aString, "variable name", true}, {aStrings, "list of flags", false}}
	s := spec{ext: "imap4flags", optional: 1, pos: pos, command: compileFlags}
	set, add, remove := s, s, s
	set.name, add.name, remove.name = "setflag", "addflag", "removeflag"
	return []spec{set, add, remove, {
		name: "hasflag", ext: "imap4flags", test: true, tags: matchTags(), optional: 1,
		pos: []param{{aStrings, "variable list", false}, {aStrings, "list of flags", false}}, check: compileHasFlag,
	}}
}

type flagCommand struct {
	Pos
	name     string
	variable string // "" : the internal one
	flags    []*str
}

func compileFlags(c *compiler, n *node, a *args) command {
	f := &flagCommand{Pos: n.Pos, name: n.name, flags: a.pos[1].strs}
	if a.pos[0].given {
		var ok bool
		if f.variable, ok = c.variableName(a.pos[0].strs[0]); !ok {
			return nil
		}
	}
	return f
}

// maxVariableName is the length of a variable's name.
const maxVariableName = 64

// declare counts the variables of a script; the first one too many is told.
func (c *compiler) declare(p Pos, name string) bool {
	if c.variable[name] {
		return true
	}
	if c.variable == nil {
		c.variable = map[string]bool{}
	}
	c.variable[name] = true
	if len(c.variable) == maxVariables+1 {
		c.errorf(p, "the script has more than %d variables", maxVariables)
		return false
	}
	return true
}

// variableName checks the name of a variable that is to be set.
func (c *compiler) variableName(s *str) (string, bool) {
	name := strings.ToLower(s.text)
	rest, global := strings.CutPrefix(name, "global.")
	switch {
	case !c.has("variables"):
		c.add(s.Pos, "variables are not available", `add require "variables" at the top`)
		return "", false
	case len(name) > maxVariableName:
		c.errorf(s.Pos, "variable name is longer than %d characters", maxVariableName)
		return "", false
	case global && c.has("include") && validName(rest), validName(name):
		return name, c.declare(s.Pos, name)
	case s.text != "" && strings.Trim(s.text, "0123456789") == "":
		c.errorf(s.Pos, "the match variable ${%s} cannot be set", s.text)
	default:
		c.add(s.Pos, "invalid variable name '"+s.text+"'", "letters, digits and _")
	}
	return "", false
}

func (f *flagCommand) exec(r *run) error {
	flags, err := r.flagList(f.flags)
	if err != nil {
		return r.at(f.Pos, err)
	}
	old := r.flags
	if f.variable != "" {
		old = splitFlags(r.variable(f.variable))
	}
	switch f.name {
	case "addflag":
		flags = union(old, flags)
	case "removeflag":
		flags = slices.DeleteFunc(slices.Clone(old), func(o string) bool { return containsFold(flags, o) })
	}
	r.note(f.Pos, "%s: now %s", f.name, strings.Join(flags, " "))
	if f.variable != "" {
		return r.set(f.Pos, f.variable, strings.Join(flags, " "))
	}
	r.flags = flags
	return nil
}

// variable returns a variable by a name that may have a namespace.
func (r *run) variable(name string) string {
	if rest, ok := strings.CutPrefix(name, "global."); ok {
		return r.globals[rest]
	}
	return r.get(name)
}

// flagList evaluates a list of flags; a string may hold several (RFC 5232
// section 2).
func (r *run) flagList(list []*str) ([]string, error) {
	texts, err := evalAll(r, list)
	if err != nil {
		return nil, err
	}
	flags := []string{}
	for _, t := range texts {
		flags = union(flags, splitFlags(t))
	}
	return flags, nil
}

// splitFlags returns the flags in s that are valid: system flags and keywords
// (RFC 9051 section 9).
func splitFlags(s string) []string {
	var out []string
	for f := range strings.FieldsSeq(s) {
		if validFlag(f) && !containsFold(out, f) && len(out) < maxFlags {
			out = append(out, f)
		}
	}
	return out
}

func validFlag(f string) bool {
	if rest, ok := strings.CutPrefix(f, `\`); ok {
		return containsFold([]string{"answered", "flagged", "deleted", "seen", "draft"}, rest)
	}
	for i := range len(f) {
		if f[i] <= ' ' || f[i] >= 0x7f || strings.IndexByte(`(){%*"\]`, f[i]) >= 0 {
			return false
		}
	}
	return len(f) <= 255
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(o string) bool { return strings.EqualFold(o, s) })
}

// union appends what of b is not in a, up to maxFlags.
func union(a, b []string) []string {
	out := slices.Clip(a)
	for _, f := range b {
		if !containsFold(out, f) && len(out) < maxFlags {
			out = append(out, f)
		}
	}
	return out
}

// actionFlags are those of keep and fileinto: of :flags, else the internal
// variable's.
func (r *run) actionFlags(list []*str, given bool) ([]string, error) {
	flags := r.flags
	if given {
		var err error
		if flags, err = r.flagList(list); err != nil {
			return nil, err
		}
	}
	if len(flags) == 0 {
		return nil, nil
	}
	return slices.Clone(flags), nil
}

type hasFlagTest struct {
	variables []*str // nil: the internal one
	m         *matcher
}

// compileHasFlag splits the keys as flags where they are compared whole.
func compileHasFlag(c *compiler, n *node, a *args) test {
	if a.pos[0].given && !c.has("variables") {
		c.add(n.Pos, "variables are not available", `add require "variables" at the top`)
		return nil
	}
	keys := a.pos[1].strs
	if texts, ok := constants(keys); ok && !a.has("count") && !a.has("matches") && !a.has("regex") {
		var split []*str
		for i, t := range texts {
			words := strings.Fields(t)
			if len(words) == 0 {
				words = []string{""}
			}
			for _, w := range words {
				split = append(split, &str{Pos: keys[i].Pos, text: w})
			}
		}
		keys = split
	}
	m := c.matcher(n.Pos, a, keys)
	if m == nil {
		return nil
	}
	return &hasFlagTest{a.pos[0].strs, m}
}

func (t *hasFlagTest) eval(r *run) (bool, error) {
	if t.variables == nil {
		return t.m.any(r, r.flags)
	}
	names, err := evalAll(r, t.variables)
	if err != nil {
		return false, err
	}
	var flags []string
	for _, n := range names {
		flags = append(flags, splitFlags(r.variable(strings.ToLower(n)))...)
	}
	return t.m.any(r, flags)
}
