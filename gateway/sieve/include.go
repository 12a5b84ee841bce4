package sieve

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// includeSpecs is RFC 6609.
func includeSpecs() []spec {
	return []spec{
		{
			name: "include", ext: "include",
			tags: []tagSpec{{name: "personal", group: "location"}, {name: "global", group: "location"}, {name: "once"}, {name: "optional"}},
			pos:  []param{{aString, "script name", true}}, command: compileInclude,
		},
		{name: "return", ext: "include", command: func(*compiler, *node, *args) command { return returnCommand{} }},
		{name: "global", ext: "include", pos: []param{{aStrings, "variable names", true}}, command: compileGlobal},
	}
}

type returnCommand struct{}

func (returnCommand) exec(*run) error { return errReturn }

type globalCommand struct {
	Pos
	names []string
}

func compileGlobal(c *compiler, n *node, a *args) command {
	g := &globalCommand{Pos: n.Pos}
	for _, s := range a.pos[0].strs {
		name, ok := c.variableName(s)
		if !ok {
			return nil
		}
		g.names = append(g.names, strings.TrimPrefix(name, "global."))
	}
	return g
}

// exec makes the names mean global variables in this script (RFC 6609 section
// 3.4.1).
func (g *globalCommand) exec(r *run) error {
	if r.frame.global == nil {
		r.frame.global = map[string]bool{}
	}
	for _, n := range g.names {
		if len(r.frame.global) >= maxVariables {
			return r.limit(g.Pos, "more than %d global variables", maxVariables)
		}
		r.frame.global[n] = true
	}
	return nil
}

type includeCommand struct {
	Pos
	where    Location
	name     string
	once     bool
	optional bool
}

// validScript tells whether a script may have the name (RFC 5804 section
// 1.6).
func validScript(s string) bool {
	return s != "" && len(s) <= 512 && utf8.ValidString(s) && !strings.Contains(s, "/") &&
		strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x2028 || c == 0x2029 }) < 0
}

func compileInclude(c *compiler, n *node, a *args) command {
	i := &includeCommand{n.Pos, Personal, a.pos[0].strs[0].text, a.has("once"), a.has("optional")}
	if a.has("global") {
		i.where = Global
	}
	if !validScript(i.name) {
		c.errorf(n.Pos, "invalid script name '%s'", cut(i.name, 100))
		return nil
	}
	return i
}

func (i *includeCommand) exec(r *run) error {
	id := string(i.where) + ":" + i.name
	if i.once && r.once[id] {
		return nil
	}
	r.includes++
	switch {
	case r.depth >= r.opt.IncludeDepth:
		return r.limit(i.Pos, "scripts include each other deeper than %d levels", r.opt.IncludeDepth)
	case r.includes > r.opt.Includes:
		return r.limit(i.Pos, "more than %d scripts are included", r.opt.Includes)
	}
	s, err := i.load(r)
	if errors.Is(err, ErrNoScript) && i.optional {
		r.note(i.Pos, "include %s: there is none", i.name)
		return nil
	}
	if err != nil {
		return r.fail(i.Pos, err, "script '%s' cannot be included: %s", i.name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if r.once == nil {
		r.once = map[string]bool{}
	}
	r.once[id] = true
	r.note(i.Pos, "include %s", i.name)
	return r.enter(s, i.name)
}

func (i *includeCommand) load(r *run) (*Script, error) {
	if r.env.Scripts == nil {
		return nil, fmt.Errorf("%q: %w", i.name, ErrNoScript)
	}
	if err := r.spend(lookup); err != nil {
		return nil, err
	}
	return r.env.Scripts.Script(r.ctx, i.where, i.name)
}

// enter runs an included script, which has variables of its own.
func (r *run) enter(s *Script, name string) error {
	frame, capture := r.frame, r.capture
	r.frame = newFrame(name)
	r.capture = s.capture
	r.depth++
	err := r.block(s.commands)
	r.depth--
	for _, v := range r.frame.vars {
		r.used -= len(v)
	}
	r.frame, r.capture = frame, capture
	if err == errReturn {
		return nil
	}
	return err
}

func newFrame(name string) *frame {
	return &frame{script: name, vars: map[string]string{}}
}
