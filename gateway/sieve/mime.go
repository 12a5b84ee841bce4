package sieve

import (
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
)

// maxLoops bounds foreverypart within each other.
const maxLoops = 4

// mimeSpecs is RFC 5703 without replace and enclose.
func mimeSpecs() []spec {
	name := tagSpec{name: "name", param: []param{{aString, "name", true}}}
	first := tagSpec{name: "first", param: []param{{aNumber, "number of characters", true}}}
	return []spec{
		{name: "foreverypart", ext: "foreverypart", tags: []tagSpec{name}, block: true, command: compileLoop},
		{name: "break", ext: "foreverypart", tags: []tagSpec{name}, command: compileBreak},
		{name: "extracttext", ext: "extracttext", tags: append(modifierTags(), first), pos: []param{{aString, "variable name", true}}, command: compileExtract},
	}
}

type loopCommand struct {
	Pos
	name  string
	block []command
}

func compileLoop(c *compiler, n *node, a *args) command {
	l := &loopCommand{Pos: n.Pos}
	if s := a.str("name"); s != nil {
		l.name = s.text
	}
	if len(c.loops) >= maxLoops {
		c.errorf(n.Pos, "foreverypart commands are nested deeper than %d levels", maxLoops)
		return nil
	}
	c.loops = append(c.loops, l.name)
	l.block = c.block(n.block)
	c.loops = c.loops[:len(c.loops)-1]
	return l
}

// breakSignal ends a loop.
type breakSignal struct{ name string }

// Error implements error; it is never told.
func (b *breakSignal) Error() string { return "break" }

// exec runs the block for every part: of the message, or of the part that a
// loop around is at (RFC 5703 section 3).
func (l *loopCommand) exec(r *run) error {
	if len(r.loops) >= maxLoops { // of scripts that include each other
		return r.limit(l.Pos, "foreverypart commands are nested deeper than %d levels", maxLoops)
	}
	b, err := r.parts()
	if err != nil {
		return r.at(l.Pos, err)
	}
	from, to := 0, len(b.parts)
	if n := len(r.loops); n > 0 {
		from, to = r.loops[n-1]+1, b.parts[r.loops[n-1]].end
	}
	r.loops = append(r.loops, 0)
	defer func() { r.loops = r.loops[:len(r.loops)-1] }()
	for i := from; i < to; i++ {
		r.loops[len(r.loops)-1] = i
		err := r.block(l.block)
		if b, ok := err.(*breakSignal); ok && (b.name == "" || b.name == l.name) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type breakCommand struct{ signal breakSignal }

func compileBreak(c *compiler, n *node, a *args) command {
	b := &breakCommand{}
	if s := a.str("name"); s != nil {
		b.signal.name = s.text
	}
	if len(c.loops) == 0 || b.signal.name != "" && !slices.Contains(c.loops, b.signal.name) {
		c.errorf(n.Pos, "the break command has no foreverypart around it that it could end")
		return nil
	}
	return b
}

func (b *breakCommand) exec(*run) error { return &b.signal }

type extractCommand struct {
	Pos
	name      string
	first     int // 0: all
	modifiers []string
}

func compileExtract(c *compiler, n *node, a *args) command {
	if len(c.loops) == 0 {
		c.errorf(n.Pos, "the extracttext command must be inside of foreverypart")
		return nil
	}
	name, ok := c.variableName(a.pos[0].strs[0])
	if !ok {
		return nil
	}
	return &extractCommand{n.Pos, name, int(min(a.tags["first"].num, 1<<30)), a.modifiers()}
}

// exec stores the text of the part, nothing where it is no text (RFC 5703
// section 7).
func (e *extractCommand) exec(r *run) error {
	b, err := r.parts()
	if err != nil {
		return r.at(e.Pos, err)
	}
	text := ""
	if p := &b.parts[r.loops[len(r.loops)-1]]; p.isText() {
		text = p.plain()
	}
	if err := r.spend(len(text)); err != nil {
		return r.at(e.Pos, err)
	}
	if e.first > 0 {
		text = firstRunes(text, e.first)
	}
	text = cut(text, r.opt.VariableSize)
	for _, m := range e.modifiers {
		text = modify(text, m, r.opt.VariableSize)
	}
	return r.set(e.Pos, e.name, text)
}

// firstRunes returns the first n characters.
func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// mimeOption is :mime with what belongs to it; nil: the message's header.
type mimeOption struct {
	anychild bool
	take     string // type, subtype, contenttype, param or ""
	params   []*str
}

// mime compiles the tags; false after an error.
func (c *compiler) mime(n *node, a *args) (*mimeOption, bool) {
	o := &mimeOption{anychild: a.has("anychild")}
	for _, t := range []string{"type", "subtype", "contenttype", "param"} {
		if a.has(t) {
			o.take = t
		}
	}
	o.params = a.tags["param"].strs
	if !a.has("mime") {
		if o.anychild || o.take != "" {
			c.errorf(n.Pos, "the %s test requires :mime with :anychild, :type, :subtype, :contenttype and :param", n.name)
			return nil, false
		}
		return nil, true
	}
	return o, true
}

// headers returns the header blocks that are looked at: of the part that
// foreverypart is at or of the message.
func (o *mimeOption) headers(r *run) ([]*message.Header, error) {
	at := 0
	if n := len(r.loops); n > 0 {
		at = r.loops[n-1]
	} else if !o.anychild {
		return []*message.Header{r.header.now}, nil
	}
	b, err := r.parts()
	if err != nil || at >= len(b.parts) {
		return nil, err
	}
	to := at + 1
	if o.anychild {
		to = b.parts[at].end
	}
	var all []*message.Header
	for i := at; i < to; i++ {
		if h := b.parts[i].header; h != nil && (len(all) == 0 || all[len(all)-1] != h) {
			all = append(all, h)
		}
	}
	return all, nil
}

// values returns the decoded values of a field.
func (o *mimeOption) values(r *run, name string) ([]string, error) {
	if o == nil {
		return r.values(name)
	}
	headers, err := o.headers(r)
	if err != nil {
		return nil, err
	}
	var params []string
	if o.take == "param" {
		if params, err = evalAll(r, o.params); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, h := range headers {
		values, size := decodeFields(h, name)
		if err := r.spend(size + len(h.Fields())); err != nil {
			return nil, err
		}
		for _, v := range values {
			out = o.piece(out, v, params)
		}
	}
	return out, nil
}

// piece appends what is wanted of a value (RFC 5703 section 4.1).
func (o *mimeOption) piece(out []string, v string, params []string) []string {
	if o.take == "" {
		return append(out, v)
	}
	full, all, err := mime.ParseMediaType(v)
	if err != nil && err != mime.ErrInvalidMediaParameter {
		return out
	}
	main, sub, _ := strings.Cut(full, "/")
	switch o.take {
	case "type":
		return append(out, main)
	case "subtype":
		return append(out, sub)
	case "contenttype":
		return append(out, full)
	}
	for _, p := range params {
		if v, ok := all[strings.ToLower(p)]; ok {
			if !utf8.ValidString(v) {
				v = strings.ToValidUTF8(v, "\ufffd")
			}
			out = append(out, v)
		}
	}
	return out
}

// raw returns the values of a field as they came.
func (o *mimeOption) raw(r *run, name string) ([]string, error) {
	headers := []*message.Header{r.header.now}
	if o != nil {
		var err error
		if headers, err = o.headers(r); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, h := range headers {
		if err := r.spend(len(h.Fields())); err != nil {
			return nil, err
		}
		out = append(out, rawValues(h, name)...)
	}
	return out, nil
}
