package expr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/gapura-mail/gapura/gateway"
)

// walker looks at every node of a checked condition.
type walker struct {
	c      *Compiler
	t      Text
	stage  gateway.Stage
	runes  []rune
	tree   *celast.AST
	facts  []*Variable
	loops  bool
	failed bool
}

// fail notes a mistake at a place of the file; the zero position is that of the condition.
func (w *walker) fail(at Position, msg, hint string) {
	if at == (Position{}) {
		at = w.t.At(leading(w.runes))
	}
	w.t.File.Problem(at, msg, hint)
	w.failed = true
}

func leading(runes []rune) int {
	for i, r := range runes {
		if !isSpace(r) {
			return i
		}
	}
	return 0
}

// where returns the place of a node: the beginning of its word.
func (w *walker) where(id int64) Position {
	o, ok := w.tree.SourceInfo().GetOffsetRange(id)
	if !ok {
		return Position{}
	}
	return w.t.At(wordStart(w.runes, int(o.Start)))
}

// expr looks at a node and all below it. The parser bounds the depth.
func (w *walker) expr(e celast.Expr) {
	switch e.Kind() {
	case celast.IdentKind:
		w.ident(e)
	case celast.SelectKind:
		w.expr(e.AsSelect().Operand())
	case celast.CallKind:
		w.call(e)
	case celast.ListKind:
		for _, x := range e.AsList().Elements() {
			w.expr(x)
		}
	case celast.ComprehensionKind:
		w.loop(e)
	case celast.MapKind, celast.StructKind:
		w.fail(w.where(e.ID()), "there are no maps and messages in conditions", "lists are written [a, b]")
	}
}

// ident notes the fact that a name stands for, and whether it is known yet.
func (w *walker) ident(e celast.Expr) {
	name := e.AsIdent()
	if r := w.tree.ReferenceMap()[e.ID()]; r != nil {
		name = r.Name
	}
	v := w.c.vars[name]
	if v == nil { // the variable of a loop
		return
	}
	if hint, ok := known(v, w.stage); !ok {
		w.fail(w.where(e.ID()), fmt.Sprintf("%s is not known at stage %s", v.Name, w.stage), hint)
	}
	if !slices.Contains(w.facts, v) {
		w.facts = append(w.facts, v)
	}
}

// known tells whether a fact can be known at a stage.
func known(v *Variable, at gateway.Stage) (hint string, ok bool) {
	first := v.Stage
	if v.Rcpt {
		first = max(first, gateway.StageRcpt)
	}
	return fmt.Sprintf("it is from %s on: at: %s", first, first), at >= first
}

// loop looks at exists, all, map, filter.
func (w *walker) loop(e celast.Expr) {
	w.loops = true
	l := e.AsComprehension()
	for _, name := range []string{l.IterVar(), l.IterVar2()} {
		for _, fact := range w.c.names {
			if name != "" && (fact == name || strings.HasPrefix(fact, name+".")) {
				w.fail(w.where(e.ID()), fmt.Sprintf("the variable %q hides facts of that name", name), "choose another")
				break
			}
		}
	}
	for _, x := range []celast.Expr{l.IterRange(), l.AccuInit(), l.LoopCondition(), l.LoopStep(), l.Result()} {
		w.expr(x)
	}
}

// call looks at a function or operator.
func (w *walker) call(e celast.Expr) {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		w.expr(call.Target())
	}
	for _, x := range args {
		w.expr(x)
	}
	name := call.FunctionName()
	switch {
	case isOperator(name):
		return
	case !slices.Contains(w.c.functions, name):
		w.fail(w.where(e.ID()), fmt.Sprintf("unknown function %q", name), Meant(name, w.c.functions))
	case stageOf(name) > w.stage:
		w.fail(w.where(e.ID()), fmt.Sprintf("%s() is not known at stage %s", name, w.stage), "it is from header on: at: header")
	case name == "matches" && len(args) == 1 && args[0].Kind() != celast.LiteralKind:
		w.fail(w.where(e.ID()), "the regular expression must be a text in quotes", "")
	}
	w.literal(name, args)
}

func isOperator(name string) bool {
	return name == "" || !(name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z')
}

// literal checks the texts that are written into calls: networks, domains,
// names of fields, time zones.
func (w *walker) literal(function string, args []celast.Expr) {
	last := len(args) - 1
	if last < 0 {
		return
	}
	for _, e := range texts(args[last]) {
		s, ok := e.AsLiteral().(types.String)
		if !ok {
			continue
		}
		if err := w.meaning(function, string(s)); err != nil {
			hint := ""
			if function == "domain_in" && strings.Contains(string(s), "*") {
				hint = "a domain takes those below it: leave *. out"
			}
			w.fail(w.where(e.ID()), err.Error(), hint)
		}
	}
}

// meaning works out what a text written into a call of function means.
func (w *walker) meaning(function, s string) (err error) {
	switch function {
	case "ip_in":
		w.c.literals.networks[s], err = parseNetwork(s)
	case "domain_in":
		w.c.literals.domains[s], err = parseDomain(s)
	case "header", "headers":
		if !IsFieldName(s) {
			err = fmt.Errorf("%.50q is no name of a header field", s)
		}
	case "getHours", "getDayOfWeek", "getDayOfMonth", "getMonth", "getFullYear":
		if _, e := time.LoadLocation(s); e != nil && !strings.ContainsAny(s, "+-") {
			err = fmt.Errorf("%.50q is no time zone", s)
		}
	}
	return err
}

// texts returns the literals that e is, or is a list of.
func texts(e celast.Expr) []celast.Expr {
	switch e.Kind() {
	case celast.LiteralKind:
		return []celast.Expr{e}
	case celast.ListKind:
		return slices.DeleteFunc(slices.Clone(e.AsList().Elements()), func(x celast.Expr) bool {
			return x.Kind() != celast.LiteralKind
		})
	}
	return nil
}
