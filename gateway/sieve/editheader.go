package sieve

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// maxAdded is the length of a field's value that a script may add.
const maxAdded = 2048

// editSpecs is RFC 5293.
func editSpecs() []spec {
	return []spec{
		{
			name: "addheader", ext: "editheader", tags: []tagSpec{{name: "last"}},
			pos: []param{{aString, "field name", false}, {aString, "value", false}}, command: compileAddHeader,
		},
		{
			name: "deleteheader", ext: "editheader", tags: append(matchTags(), tagSpec{name: "index", param: []param{{aNumber, "index", true}}}, tagSpec{name: "last"}),
			pos: []param{{aString, "field name", false}, {aStrings, "value patterns", false}}, optional: 1, last: true, command: compileDeleteHeader,
		},
	}
}

// protected tells whether scripts must leave a field alone (RFC 5293 section
// 6): without it, nobody would see where mail came from, or that it loops.
func protected(name string, add bool) bool {
	return strings.EqualFold(name, LoopField) || !add && (strings.EqualFold(name, "Received") || strings.EqualFold(name, "Auto-Submitted"))
}

func (r *run) protected(name string, add bool) bool {
	return protected(name, add) || r.suite != nil && r.suite.protected(name, add)
}

// fieldValue unfolds a value and takes the line end off (RFC 5322 section
// 2.2.3); false where no field can have it.
func fieldValue(v string) (string, bool) {
	v = strings.TrimRight(strings.ReplaceAll(v, "\r\n", "\n"), "\n")
	v = strings.NewReplacer("\n ", " ", "\n\t", "\t").Replace(v)
	return v, strings.IndexByte(v, 0) < 0
}

type addHeaderCommand struct {
	Pos
	name, value *str
	last        bool
}

func compileAddHeader(c *compiler, n *node, a *args) command {
	h := &addHeaderCommand{n.Pos, a.pos[0].strs[0], a.pos[1].strs[0], a.has("last")}
	if name, ok := h.name.constant(); ok && !c.fieldName(h.name, name, true) {
		return nil
	}
	if v, ok := h.value.constant(); ok && !c.fieldValue(h.value, v) {
		return nil
	}
	return h
}

// fieldValue checks a value.
func (c *compiler) fieldValue(s *str, v string) bool {
	switch _, ok := fieldValue(v); {
	case !ok:
		c.errorf(s.Pos, "header field value '%s' is invalid", message.CleanValue(cut(v, 100)))
		return false
	case len(v) > maxAdded:
		c.errorf(s.Pos, "header field is longer than %d octets", maxAdded)
		return false
	}
	return true
}

// fieldName checks the name of a field that is to be added or deleted.
func (c *compiler) fieldName(s *str, name string, add bool) bool {
	switch {
	case !message.ValidFieldName(name):
		c.errorf(s.Pos, "header field name '%s' is invalid", cut(name, 100))
		return false
	case protected(name, add):
		c.warnf(s.Pos, "the header field '%s' is left as it is", name)
	}
	return true
}

func (h *addHeaderCommand) exec(r *run) error {
	name, err := h.name.eval(r)
	if err != nil {
		return r.at(h.Pos, err)
	}
	value, err := h.value.eval(r)
	if err != nil {
		return r.at(h.Pos, err)
	}
	text, ok := fieldValue(value)
	switch {
	case !message.ValidFieldName(name):
		return r.fail(h.Pos, nil, "header field name '%s' is invalid", cut(name, 100))
	case !ok:
		return r.fail(h.Pos, nil, "header field value '%s' is invalid", message.CleanValue(cut(value, 100)))
	case len(value) > maxAdded:
		return r.limit(h.Pos, "header field is longer than %d octets", maxAdded)
	case r.protected(name, true):
		r.warn(h.Pos, "the header field '%s' is left as it is", name)
		return nil
	}
	field, err := message.FormatField(name, text)
	if err != nil {
		return r.fail(h.Pos, err, "header field '%s' cannot be added: %v", name, err)
	}
	raw := r.header.now.Raw()
	out := make([]byte, 0, len(raw)+len(field))
	if h.last {
		if out = append(out, raw...); len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, "\r\n"...)
		}
		out = append(out, field...)
	} else {
		out = append(append(out, field...), raw...)
	}
	r.note(h.Pos, "addheader %q", name)
	return r.at(h.Pos, r.change(out))
}

type deleteHeaderCommand struct {
	Pos
	name  *str
	index index
	m     *matcher // nil: whatever the value
}

func compileDeleteHeader(c *compiler, n *node, a *args) command {
	d := &deleteHeaderCommand{Pos: n.Pos, name: a.pos[0].strs[0]}
	if name, ok := d.name.constant(); ok && !c.fieldName(d.name, name, false) {
		return nil
	}
	var ok bool
	if d.index, ok = c.index(n, a); !ok {
		return nil
	}
	if a.pos[1].given {
		if d.m = c.matcher(n.Pos, a, a.pos[1].strs); d.m == nil {
			return nil
		}
	}
	return d
}

func (d *deleteHeaderCommand) exec(r *run) error {
	name, err := d.name.eval(r)
	if err != nil {
		return r.at(d.Pos, err)
	}
	switch {
	case !message.ValidFieldName(name):
		return r.fail(d.Pos, nil, "header field name '%s' is invalid", cut(name, 100))
	case r.protected(name, false):
		r.warn(d.Pos, "the header field '%s' is left as it is", name)
		return nil
	}
	drop, err := d.choose(r, name)
	if err != nil || len(drop) == 0 {
		return r.at(d.Pos, err)
	}
	r.note(d.Pos, "deleteheader %q: %d", name, len(drop))
	e := r.header.now.Edit()
	i := -1
	e.RemoveFunc(func(message.Field) bool { i++; return drop[i] })
	return r.at(d.Pos, r.change(e.Bytes()))
}

// choose returns the numbers of the fields that go.
func (d *deleteHeaderCommand) choose(r *run, name string) (map[int]bool, error) {
	fields := r.header.now.Fields()
	var at []int
	for i, f := range fields {
		if f.Is(name) {
			at = append(at, i)
		}
	}
	if err := r.spend(step * len(at)); err != nil {
		return nil, err
	}
	if n := d.index.n; n > 0 {
		i := n - 1
		if d.index.last {
			i = len(at) - n
		}
		if i < 0 || i >= len(at) {
			return nil, nil
		}
		at = at[i : i+1]
	}
	if d.m != nil && d.m.typ == matchCount {
		ok, err := d.m.any(r, make([]string, len(at)))
		if !ok || err != nil {
			return nil, err
		}
	}
	drop := map[int]bool{}
	for _, i := range at {
		if d.m != nil && d.m.typ != matchCount {
			v := strings.Trim(message.DecodeText(fields[i].Value()), " \t\r\n")
			if ok, err := d.m.any(r, []string{v}); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		drop[i] = true
	}
	return drop, nil
}
