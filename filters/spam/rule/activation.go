package rule

import (
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/policy/expr"
)

// maxCost bounds one condition that CEL itself evaluates, in its units of
// about 50 ns.
const maxCost = 20_000

// slow asks CEL.
func (r *compiled) slow(s *Set, l *look) bool {
	if !l.spend(0) {
		return false
	}
	out, details, err := r.prog.Eval(&activation{s, l})
	if details != nil && details.ActualCost() != nil {
		l.work -= costOfCEL * int(min(*details.ActualCost(), 2*maxCost))
	}
	return err == nil && out == types.True
}

// activation gives CEL the facts of one message.
type activation struct {
	s *Set
	l *look
}

var _ interpreter.FunctionActivation = (*activation)(nil)

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	slot, ok := a.s.slots[name]
	if !ok {
		return nil, false
	}
	return a.at(slot), true
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }

// ResolveFunction implements interpreter.FunctionActivation.
func (a *activation) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	switch name {
	case "header":
		return a.header, true
	case "headers":
		return a.headers, true
	}
	return nil, false
}

func (a *activation) header(_ string, args ...ref.Val) ref.Val {
	name, ok := expr.HeaderArg(args)
	if !ok {
		return types.NewErr("header takes the name of a field")
	}
	return types.String(a.l.header(name))
}

// maxFields bounds the fields that headers() returns.
const maxFields = 100

func (a *activation) headers(_ string, args ...ref.Val) ref.Val {
	name, ok := expr.HeaderArg(args)
	if !ok {
		return types.NewErr("headers takes the name of a field")
	}
	var values []string
	if a.l.m.Raw != nil {
		for _, f := range a.l.m.Raw.All(name) {
			value := f.Value()
			if value = value[:min(len(value), maxHeader)]; len(values) == maxFields || !a.l.spend(len(value)) {
				break
			}
			values = append(values, message.DecodeText(value))
		}
	}
	return types.NewStringList(types.DefaultTypeAdapter, values)
}

func (a *activation) value(v *expr.Variable) ref.Val { return a.at(v.Slot) }

// at returns the value of a fact.
func (a *activation) at(slot int) ref.Val {
	switch f := &a.s.facts[slot]; {
	case f.text != nil:
		return types.String(f.text(a.l))
	case f.flag != nil:
		return types.Bool(f.flag(a.l))
	case f.count != nil:
		return types.Int(f.count(a.l))
	case f.real != nil:
		return types.Double(f.real(a.l))
	default:
		return types.NewStringList(types.DefaultTypeAdapter, f.list(a.l))
	}
}
