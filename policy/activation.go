package policy

import (
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/policy/expr"
)

// activation gives conditions their facts for one recipient of one
// transaction, each read when it is first asked for.
type activation struct {
	p     *Policy
	tx    *gateway.Transaction
	rcpt  int            // index of the recipient; -1: none
	alone bool           // the question is about this recipient only
	slots []ref.Val      // values read so far, by variable.slot
	seen  []outcome      // outcome of conditions that are the same for all, by rule
	why   map[int]string // of those that failed
	late  [2]functions.LateBoundOp
}

var _ interpreter.FunctionActivation = (*activation)(nil)

func newActivation(p *Policy) *activation {
	a := &activation{p: p, slots: make([]ref.Val, len(p.vars)), seen: make([]outcome, len(p.rules)), why: map[int]string{}}
	a.late = [2]functions.LateBoundOp{a.header, a.headers}
	return a
}

// reset forgets everything, so that the activation can be used again.
func (a *activation) reset() {
	a.tx = nil
	clear(a.slots)
	clear(a.seen)
	clear(a.why)
}

// turn makes the activation about another recipient.
func (a *activation) turn(rcpt int) {
	if a.rcpt == rcpt {
		return
	}
	a.rcpt = rcpt
	for _, slot := range a.p.rcptSlots {
		a.slots[slot] = nil
	}
}

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	v, ok := a.p.vars[name]
	if !ok {
		return nil, false
	}
	return a.value(v), true
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }

// ResolveFunction implements interpreter.FunctionActivation: the functions
// that look at the message.
func (a *activation) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	switch name {
	case "header":
		return a.late[0], true
	case "headers":
		return a.late[1], true
	}
	return nil, false
}

// value returns the value of a fact; that of its field while nobody found it.
func (a *activation) value(v *expr.Variable) ref.Val {
	if val := a.slots[v.Slot]; val != nil {
		return val
	}
	val := a.find(v)
	a.slots[v.Slot] = val
	return val
}

func (a *activation) find(v *expr.Variable) ref.Val {
	if read := a.p.readers[v.Slot]; read != nil {
		return read(a)
	}
	if (v.Rcpt || a.alone) && a.rcpt >= 0 {
		if found, ok := a.tx.Rcpts[a.rcpt].Facts.Get(v.Name); ok {
			return toCEL(v, found)
		}
	}
	if found, ok := a.tx.Facts.Get(v.Name); ok {
		return toCEL(v, found)
	}
	return toCEL(v, v.Zero())
}

// toCEL turns the value of a fact into CEL's. A value of another type than was
// declared is an error of the filter; it makes the condition fail.
func toCEL(v *expr.Variable, value any) ref.Val {
	switch x := value.(type) {
	case string:
		if v.Type == gateway.String {
			return types.String(x)
		}
	case bool:
		if v.Type == gateway.Bool {
			return types.Bool(x)
		}
	case int64:
		if v.Type == gateway.Int {
			return types.Int(x)
		}
	case float64:
		if v.Type == gateway.Float {
			return types.Double(x)
		}
	case []string:
		if v.Type == gateway.Strings {
			return types.NewStringList(types.DefaultTypeAdapter, x)
		}
	}
	return types.NewErr("the fact %s is %T and was declared %s", v.Name, value, v.Type)
}

// session returns the session; an empty one when there is none, as in tests.
func (a *activation) session() *gateway.Session {
	if a.tx.Session == nil {
		return &gateway.Session{}
	}
	return a.tx.Session
}

// recipient returns the recipient that the question is about.
func (a *activation) recipient() gateway.Recipient {
	if a.rcpt < 0 || a.rcpt >= len(a.tx.Rcpts) {
		return gateway.Recipient{}
	}
	return a.tx.Rcpts[a.rcpt]
}

// header implements header(): fields of the message, at StageHeader and
// StageMessage.
func (a *activation) header(_ string, args ...ref.Val) ref.Val {
	name, ok := expr.HeaderArg(args)
	if !ok {
		return types.NewErr("header takes the name of a field")
	}
	if a.tx.Header == nil {
		return types.String("")
	}
	value, _ := a.tx.Header.Get(name)
	return types.String(message.DecodeText(value))
}

// headers implements headers().
func (a *activation) headers(_ string, args ...ref.Val) ref.Val {
	name, ok := expr.HeaderArg(args)
	if !ok {
		return types.NewErr("headers takes the name of a field")
	}
	var values []string
	if a.tx.Header != nil {
		for _, f := range a.tx.Header.All(name) {
			values = append(values, message.DecodeText(f.Value()))
		}
	}
	return types.NewStringList(types.DefaultTypeAdapter, values)
}
