package plugins

import (
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/wire"
	"google.golang.org/protobuf/proto"
)

// description is what a plugin said that it is, checked.
type description struct {
	raw     *wire.Description
	version string
	fields  []gateway.Field
	byName  map[string]gateway.Field
	stages  []gateway.Stage
	wanted  [gateway.StageMessage + 1]bool
	after   []string
	body    bool
}

// newDescription checks what the plugin of the configured name says.
func newDescription(name string, d *wire.Description) (*description, error) {
	if name == anyName {
		if name = d.GetName(); !validName.MatchString(name) {
			return nil, fmt.Errorf("it calls itself %.40q, which is no filter's name", name)
		}
	}
	out := &description{
		raw: d, body: d.GetBody(), byName: make(map[string]gateway.Field),
		version: printable(d.GetVersion(), wire.MaxVersion),
	}
	if n := len(d.GetFields()); n > wire.MaxFields {
		return nil, fmt.Errorf("it declares %d fields; at most %d", n, wire.MaxFields)
	}
	for _, w := range d.GetFields() {
		f, err := newField(name, w)
		if err != nil {
			return nil, err
		}
		if _, twice := out.byName[f.Name]; twice {
			return nil, fmt.Errorf("it declares field %q twice", f.Name)
		}
		out.fields = append(out.fields, f)
		out.byName[f.Name] = f
	}
	for _, s := range d.GetStages() {
		if s < uint32(gateway.StageConnect) || s > uint32(gateway.StageMessage) || out.wanted[s] {
			return nil, fmt.Errorf("it wants to be asked at stage %d, which is none or was named before", s)
		}
		out.wanted[s] = true
		out.stages = append(out.stages, gateway.Stage(s))
	}
	var err error
	out.after, err = afterNames(d.GetAfter())
	return out, err
}

func newField(name string, w *wire.Field) (gateway.Field, error) {
	f := gateway.Field{
		Name: w.GetName(), Type: gateway.FactType(w.GetType()), Stage: gateway.Stage(w.GetStage()),
		Rcpt: w.GetRcpt(), Doc: printable(w.GetDoc(), wire.MaxDoc),
	}
	rest, ok := strings.CutPrefix(f.Name, name+".")
	switch {
	case !ok || !validFact(rest) || len(f.Name) > wire.MaxName:
		return f, fmt.Errorf("it declares field %.*q; names begin with %q, then lower case letters, digits, _ and dots", wire.MaxName, f.Name, name+".")
	case rest == "error":
		return f, fmt.Errorf("it declares field %q, which the gateway fills itself", f.Name)
	case w.GetType() < uint32(gateway.String) || w.GetType() > uint32(gateway.Strings):
		return f, fmt.Errorf("field %s has type %d, which is none", f.Name, w.GetType())
	case w.GetStage() < uint32(gateway.StageConnect) || w.GetStage() > uint32(gateway.StageMessage):
		return f, fmt.Errorf("field %s has stage %d, which is none", f.Name, w.GetStage())
	}
	if w.GetDefault() == nil {
		return f, nil
	}
	def, err := newFactValue(f, w.GetDefault())
	if err != nil {
		return f, fmt.Errorf("default of %w", err)
	}
	f.Default = def
	return f, nil
}

// validFact tells whether s is words of a letter, then letters, digits and
// underscores, joined by dots.
func validFact(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || word[0] < 'a' || word[0] > 'z' || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return true
}

func afterNames(names []string) ([]string, error) {
	if len(names) > wire.MaxAfter {
		return nil, fmt.Errorf("it wants %d filters before it; at most %d", len(names), wire.MaxAfter)
	}
	for _, n := range names {
		if !validName.MatchString(n) {
			return nil, fmt.Errorf("it wants to be listed after %.40q, which is no filter's name", n)
		}
	}
	return names, nil
}

// same tells whether a restarted plugin is still what it was: the policy was
// checked against its fields.
func (d *description) same(e *description) bool {
	a, b := proto.Clone(d.raw).(*wire.Description), proto.Clone(e.raw).(*wire.Description)
	a.Version, b.Version = "", ""
	return proto.Equal(a, b)
}

// printable is s without control characters, cut to n octets: text of a plugin
// for people and logs.
func printable(s string, n int) string {
	s = s[:min(len(s), n)]
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// clean is an error text of or about a plugin.
func clean(s string) string { return printable(s, wire.MaxError) }
