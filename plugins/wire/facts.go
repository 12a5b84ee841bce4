package wire

import (
	"fmt"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// NewValue returns v for the wire; nil stays nil. It fails for a type that no
// fact has.
func NewValue(v any) (*Value, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return &Value{Kind: &Value_Text{[]byte(v)}}, nil
	case bool:
		return &Value{Kind: &Value_Flag{v}}, nil
	case int64:
		return &Value{Kind: &Value_Number{v}}, nil
	case float64:
		return &Value{Kind: &Value_Real{v}}, nil
	case []string:
		t := &Texts{Text: make([][]byte, len(v))}
		for i, s := range v {
			t.Text[i] = []byte(s)
		}
		return &Value{Kind: &Value_Texts{t}}, nil
	}
	return nil, fmt.Errorf("a fact cannot be a %T", v)
}

// Go returns the value as package gateway has it, with its type; nil and 0
// when there is none.
func (v *Value) Go() (any, gateway.FactType) {
	switch k := v.GetKind().(type) {
	case *Value_Text:
		return string(k.Text), gateway.String
	case *Value_Flag:
		return k.Flag, gateway.Bool
	case *Value_Number:
		return k.Number, gateway.Int
	case *Value_Real:
		return k.Real, gateway.Float
	case *Value_Texts:
		list := make([]string, len(k.Texts.GetText()))
		for i, s := range k.Texts.GetText() {
			list[i] = string(s)
		}
		return list, gateway.Strings
	}
	return nil, 0
}

// NewFacts returns facts for the wire.
func NewFacts(facts []gateway.Fact) ([]*Fact, error) {
	if len(facts) == 0 {
		return nil, nil
	}
	list := make([]*Fact, len(facts))
	for i, f := range facts {
		v, err := NewValue(f.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		list[i] = &Fact{Name: f.Name, Value: v}
	}
	return list, nil
}

// GoFacts returns facts as package gateway has them; nothing is checked.
func GoFacts(list []*Fact) []gateway.Fact {
	if len(list) == 0 {
		return nil
	}
	facts := make([]gateway.Fact, len(list))
	for i, f := range list {
		v, _ := f.GetValue().Go()
		facts[i] = gateway.Fact{Name: f.GetName(), Value: v}
	}
	return facts
}

// NewVerdict returns a plugin's verdict for the wire.
func NewVerdict(v gateway.Verdict) (*Verdict, error) {
	facts, err := NewFacts(v.Facts)
	if err != nil {
		return nil, err
	}
	w := &Verdict{Facts: facts}
	for _, r := range v.Rcpts {
		facts, err := NewFacts(r)
		if err != nil {
			return nil, err
		}
		w.Rcpts = append(w.Rcpts, &Facts{Fact: facts})
	}
	for _, r := range v.Results {
		w.Results = append(w.Results, newResult(r))
	}
	return w, nil
}

func newResult(r message.AuthResult) *AuthResult {
	w := &AuthResult{Method: r.Method, Result: r.Result, Reason: r.Reason}
	for _, p := range r.Props {
		w.Props = append(w.Props, &AuthProp{Type: p.Type, Name: p.Name, Value: p.Value})
	}
	return w
}

// NewFields returns a filter's fields for the wire.
func NewFields(fields []gateway.Field) ([]*Field, error) {
	list := make([]*Field, len(fields))
	for i, f := range fields {
		def, err := NewValue(f.Default)
		if err != nil {
			return nil, fmt.Errorf("default of %s: %w", f.Name, err)
		}
		list[i] = &Field{
			Name: f.Name, Type: uint32(f.Type), Default: def,
			Stage: uint32(f.Stage), Rcpt: f.Rcpt, Doc: f.Doc,
		}
	}
	return list, nil
}
