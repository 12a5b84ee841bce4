package rule

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/gapura-mail/gapura/gateway/message"
)

// closures turns checked CEL into plain functions: what has neither loops nor
// anything that can fail. The value of every function is that of CEL.
type closures struct {
	tree  *celast.AST
	facts map[string]*fact
}

type (
	boolFunc func(l *look) bool
	intFunc  func(l *look) int64
	realFunc func(l *look) float64
	textFunc func(l *look) string
	listFunc func(l *look) []string
)

// fact returns the fact that a name stands for.
func (c *closures) fact(e celast.Expr) *fact {
	if k := e.Kind(); k != celast.IdentKind && k != celast.SelectKind {
		return nil
	}
	r := c.tree.ReferenceMap()[e.ID()]
	if r == nil {
		return nil
	}
	return c.facts[r.Name]
}

// call returns the function and operands of a call; the target of a member
// function is the first.
func call(e celast.Expr) (string, []celast.Expr) {
	if e.Kind() != celast.CallKind {
		return "", nil
	}
	x := e.AsCall()
	if x.IsMemberFunction() {
		return x.FunctionName(), append([]celast.Expr{x.Target()}, x.Args()...)
	}
	return x.FunctionName(), x.Args()
}

func literal[T ref.Val](e celast.Expr) (T, bool) {
	var zero T
	if e.Kind() != celast.LiteralKind {
		return zero, false
	}
	v, ok := e.AsLiteral().(T)
	return v, ok
}

// bool returns the function of a condition; nil: it is not one of those that
// can be made.
func (c *closures) bool(e celast.Expr) boolFunc {
	if v, ok := literal[types.Bool](e); ok {
		return func(*look) bool { return bool(v) }
	}
	if f := c.fact(e); f != nil {
		return f.flag
	}
	name, args := call(e)
	switch name {
	case operators.LogicalAnd:
		return c.and(args)
	case operators.LogicalOr:
		return c.or(args)
	case operators.LogicalNot:
		if x := c.bool(args[0]); x != nil {
			return func(l *look) bool { return !x(l) }
		}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return c.compare(name, args[0], args[1])
	case operators.In:
		return c.in(args[0], args[1])
	case "contains", "startsWith", "endsWith", "matches":
		return c.search(name, args)
	}
	return nil
}

// flat returns the operands of a chain of one operator.
func flat(op string, args []celast.Expr) (all []celast.Expr) {
	for _, e := range args {
		if name, inner := call(e); name == op {
			all = append(all, flat(op, inner)...)
		} else {
			all = append(all, e)
		}
	}
	return all
}

func (c *closures) bools(op string, args []celast.Expr) []boolFunc {
	var list []boolFunc
	for _, e := range flat(op, args) {
		f := c.bool(e)
		if f == nil {
			return nil
		}
		list = append(list, f)
	}
	return list
}

func (c *closures) and(args []celast.Expr) boolFunc {
	list := c.bools(operators.LogicalAnd, args)
	if list == nil {
		return nil
	}
	return func(l *look) bool {
		for _, f := range list {
			if !f(l) {
				return false
			}
		}
		return true
	}
}

func (c *closures) or(args []celast.Expr) boolFunc {
	list := c.bools(operators.LogicalOr, args)
	if list == nil {
		return nil
	}
	return func(l *look) bool {
		for _, f := range list {
			if f(l) {
				return true
			}
		}
		return false
	}
}

// compare makes comparisons of two values of one kind, numbers of both.
func (c *closures) compare(op string, a, b celast.Expr) boolFunc {
	if x, y := c.int(a), c.int(b); x != nil && y != nil {
		return ordered(op, x, y)
	}
	if x, y := c.text(a), c.text(b); x != nil && y != nil {
		return ordered(op, x, y)
	}
	if x, y := c.real(a), c.real(b); x != nil && y != nil {
		return ordered(op, x, y)
	}
	if x, y := c.bool(a), c.bool(b); x != nil && y != nil {
		switch op {
		case operators.Equals:
			return func(l *look) bool { return x(l) == y(l) }
		case operators.NotEquals:
			return func(l *look) bool { return x(l) != y(l) }
		}
	}
	return nil
}

func ordered[F ~func(*look) T, T int64 | float64 | string](op string, x, y F) boolFunc {
	switch op {
	case operators.Equals:
		return func(l *look) bool { return x(l) == y(l) }
	case operators.NotEquals:
		return func(l *look) bool { return x(l) != y(l) }
	case operators.Less:
		return func(l *look) bool { return x(l) < y(l) }
	case operators.LessEquals:
		return func(l *look) bool { return x(l) <= y(l) }
	case operators.Greater:
		return func(l *look) bool { return x(l) > y(l) }
	}
	return func(l *look) bool { return x(l) >= y(l) }
}

// smallInt bounds the literals that may be added: sums of counts then never
// overflow, which CEL would call an error.
const smallInt = 1 << 30

func (c *closures) int(e celast.Expr) intFunc {
	if v, ok := literal[types.Int](e); ok {
		return func(*look) int64 { return int64(v) }
	}
	if f := c.fact(e); f != nil {
		return f.count
	}
	name, args := call(e)
	switch name {
	case operators.Add:
		for _, a := range args {
			if v, ok := literal[types.Int](a); ok && (v > smallInt || v < -smallInt) {
				return nil
			}
			if f := c.fact(a); f != nil && f.foreign {
				return nil
			}
		}
		if x, y := c.int(args[0]), c.int(args[1]); x != nil && y != nil {
			return func(l *look) int64 { return x(l) + y(l) }
		}
	case "size":
		if x := c.text(args[0]); x != nil {
			return func(l *look) int64 {
				s := x(l)
				if len(s) > 256 && !l.spend(len(s)) {
					return 0
				}
				return int64(utf8.RuneCountInString(s))
			}
		}
		if x := c.list(args[0]); x != nil {
			return func(l *look) int64 { return int64(len(x(l))) }
		}
	}
	return nil
}

// real takes integers as well: CEL compares numbers of both kinds.
func (c *closures) real(e celast.Expr) realFunc {
	if v, ok := literal[types.Double](e); ok {
		return func(*look) float64 { return float64(v) }
	}
	if f := c.fact(e); f != nil && f.real != nil {
		return f.real
	}
	if f := c.fact(e); f != nil && f.count != nil && !f.foreign {
		return func(l *look) float64 { return float64(f.count(l)) }
	}
	if v, ok := literal[types.Int](e); ok && v <= smallInt && v >= -smallInt {
		return func(*look) float64 { return float64(v) }
	}
	return nil
}

func (c *closures) text(e celast.Expr) textFunc {
	if v, ok := literal[types.String](e); ok {
		return func(*look) string { return string(v) }
	}
	if f := c.fact(e); f != nil {
		return f.text
	}
	name, args := call(e)
	switch name {
	case "header":
		if v, ok := literal[types.String](args[0]); ok {
			return func(l *look) string { return l.header(string(v)) }
		}
	case "lowerAscii":
		if x := c.text(args[0]); x != nil {
			return func(l *look) string {
				s := x(l)
				if !l.spend(len(s)) {
					return ""
				}
				return lowerASCII(s)
			}
		}
	}
	return nil
}

func (c *closures) list(e celast.Expr) listFunc {
	if f := c.fact(e); f != nil {
		return f.list
	}
	if e.Kind() != celast.ListKind {
		return nil
	}
	var list []string
	for _, x := range e.AsList().Elements() {
		v, ok := literal[types.String](x)
		if !ok {
			return nil
		}
		list = append(list, string(v))
	}
	return func(*look) []string { return list }
}

func (c *closures) in(a, b celast.Expr) boolFunc {
	x, list := c.text(a), c.list(b)
	if x == nil || list == nil {
		return nil
	}
	return func(l *look) bool { return slices.Contains(list(l), x(l)) }
}

// search makes questions about what is in a text.
func (c *closures) search(name string, args []celast.Expr) boolFunc {
	if len(args) != 2 {
		return nil
	}
	x := c.text(args[0])
	y, ok := literal[types.String](args[1])
	if x == nil || !ok {
		return nil
	}
	want := string(y)
	switch name {
	case "startsWith":
		return func(l *look) bool { return strings.HasPrefix(x(l), want) }
	case "endsWith":
		return func(l *look) bool { return strings.HasSuffix(x(l), want) }
	case "contains":
		return func(l *look) bool {
			s := x(l)
			return l.spend(len(s)) && strings.Contains(s, want)
		}
	}
	re, err := regexp.Compile(want)
	if err != nil {
		return nil
	}
	return func(l *look) bool {
		s := x(l)
		return l.spend(costOfExpr*len(s)) && re.MatchString(s)
	}
}

// lowerASCII is CEL's lowerAscii: A-Z alone.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// maxHeader bounds the octets of one field that conditions see.
const maxHeader = 4 << 10

// header returns the topmost field of the name, decoded.
func (l *look) header(name string) string {
	if l.m.Raw == nil {
		return ""
	}
	value, _ := l.m.Raw.Get(name)
	if value = value[:min(len(value), maxHeader)]; !l.spend(len(value)) {
		return ""
	}
	return message.DecodeText(value)
}
