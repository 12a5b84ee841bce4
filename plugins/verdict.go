package plugins

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/plugins/wire"
)

// lieError is an answer that no honest plugin gives.
type lieError struct{ what string }

// Error implements error.
func (e *lieError) Error() string { return "its answer is not valid: " + e.what }

func lie(format string, args ...any) error { return &lieError{fmt.Sprintf(format, args...)} }

// ours are the methods of Authentication-Results that only the gateway itself
// may give: what a plugin says under these names would be believed.
var ours = []string{"auth", "spf", "sender-id", "dkim", "dkim-adsp", "domainkeys", "arc", "dmarc", "iprev", "smime"}

// verdict checks a plugin's answer at a stage about so many recipients.
func (d *description) verdict(w *wire.Verdict, stage gateway.Stage, rcpts int) (gateway.Verdict, error) {
	var v gateway.Verdict
	var err error
	if v.Facts, err = d.facts(w.GetFacts(), stage, false); err != nil {
		return gateway.Verdict{}, err
	}
	if n := len(w.GetRcpts()); n > 0 {
		if n != rcpts {
			return gateway.Verdict{}, lie("facts about %d recipients of %d", n, rcpts)
		}
		v.Rcpts = make([][]gateway.Fact, n)
		for i, list := range w.GetRcpts() {
			if v.Rcpts[i], err = d.facts(list.GetFact(), stage, true); err != nil {
				return gateway.Verdict{}, err
			}
		}
	}
	if v.Results, err = results(w.GetResults()); err != nil {
		return gateway.Verdict{}, err
	}
	return v, nil
}

func (d *description) facts(list []*wire.Fact, stage gateway.Stage, rcpt bool) ([]gateway.Fact, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) > wire.MaxFacts {
		return nil, lie("%d facts; at most %d", len(list), wire.MaxFacts)
	}
	facts := make([]gateway.Fact, len(list))
	for i, w := range list {
		f, ok := d.byName[w.GetName()]
		switch {
		case !ok:
			return nil, lie("fact %.*q was not declared", wire.MaxName, w.GetName())
		case stage < f.Stage:
			return nil, lie("fact %s at stage %s, declared from stage %s on", f.Name, stage, f.Stage)
		case rcpt && !f.Rcpt:
			return nil, lie("fact %s was not declared to differ by recipient", f.Name)
		}
		v, err := newFactValue(f, w.GetValue())
		if err != nil {
			return nil, err
		}
		facts[i] = gateway.Fact{Name: f.Name, Value: v}
	}
	return facts, nil
}

// newFactValue checks a value of field f.
func newFactValue(f gateway.Field, w *wire.Value) (any, error) {
	if n := len(w.GetTexts().GetText()); n > wire.MaxTexts { // before it is copied
		return nil, lie("%s has %d strings; at most %d", f.Name, n, wire.MaxTexts)
	}
	v, t := w.Go()
	if t != f.Type {
		return nil, lie("%s is %s, declared as %s", f.Name, t, f.Type)
	}
	switch v := v.(type) {
	case string:
		return v, validText(f.Name, v)
	case []string:
		for _, s := range v {
			if err := validText(f.Name, s); err != nil {
				return nil, err
			}
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, lie("%s is no finite number", f.Name)
		}
	}
	return v, nil
}

func validText(name, s string) error {
	if len(s) > wire.MaxText {
		return lie("%s has a string of %d octets; at most %d", name, len(s), wire.MaxText)
	}
	if !utf8.ValidString(s) {
		return lie("%s is not UTF-8", name)
	}
	return nil
}

func results(list []*wire.AuthResult) ([]message.AuthResult, error) {
	if len(list) > wire.MaxResults {
		return nil, lie("%d authentication results; at most %d", len(list), wire.MaxResults)
	}
	var out []message.AuthResult
	for _, w := range list {
		r := message.AuthResult{
			Method: w.GetMethod(), Result: w.GetResult(), Reason: printable(w.GetReason(), wire.MaxError),
		}
		switch {
		case !keyword(r.Method) || !keyword(r.Result):
			return nil, lie("authentication result %.40q=%.40q", r.Method, r.Result)
		case slices.Contains(ours, r.Method):
			return nil, lie("the authentication result of %s is the gateway's to give", r.Method)
		case len(w.GetProps()) > wire.MaxProps:
			return nil, lie("%d properties of an authentication result; at most %d", len(w.GetProps()), wire.MaxProps)
		}
		for _, p := range w.GetProps() {
			if !keyword(p.GetType()) || !keyword(p.GetName()) {
				return nil, lie("property %.40q.%.40q of an authentication result", p.GetType(), p.GetName())
			}
			r.Props = append(r.Props, message.AuthProp{
				Type: p.GetType(), Name: p.GetName(), Value: printable(p.GetValue(), wire.MaxError),
			})
		}
		out = append(out, r)
	}
	return out, nil
}

// keyword tells whether s is one in the sense of RFC 8601 section 2.2, in lower
// case.
func keyword(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i, c := range []byte(s) {
		letter, more := c >= 'a' && c <= 'z', c >= '0' && c <= '9' || c == '-'
		if !letter && (i == 0 || !more) {
			return false
		}
	}
	return true
}
