package sieve

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// header is the header block as the script sees it: as it came, then as
// edited.
type header struct {
	now     *message.Header
	edited  []byte              // nil: as it came
	decoded map[string][]string // by names in lower case
	known   [8]decodedField     // the same, the first names that were asked for
	n       int
}

type decodedField struct {
	name   string
	values []string
}

// values returns the values of all fields of a name, in lower case, unfolded,
// decoded (RFC 2047) and without white space at either end.
func (r *run) values(name string) ([]string, error) {
	h := &r.header
	for i := range h.n {
		if h.known[i].name == name {
			return h.known[i].values, nil
		}
	}
	if v, ok := h.decoded[name]; ok {
		return v, nil
	}
	values, size := decodeFields(h.now, name)
	if err := r.spend(size + len(h.now.Fields())); err != nil {
		return nil, err
	}
	if h.n < len(h.known) {
		h.known[h.n] = decodedField{name, values}
		h.n++
		return values, nil
	}
	if h.decoded == nil {
		h.decoded = map[string][]string{}
	}
	h.decoded[name] = values
	return values, nil
}

// decodeFields returns the decoded values of the name and their octets.
func decodeFields(h *message.Header, name string) (values []string, size int) {
	for _, f := range h.Fields() {
		if f.Is(name) {
			v := message.DecodeText(f.Value())
			values = append(values, strings.Trim(v, " \t\r\n"))
			size += len(f.Raw)
		}
	}
	return values, size
}

// raw returns the values of a name as they came, unfolded.
func rawValues(h *message.Header, name string) []string {
	var out []string
	for _, f := range h.Fields() {
		if f.Is(name) {
			out = append(out, f.Value())
		}
	}
	return out
}

// change makes raw the header block.
func (r *run) change(raw []byte) error {
	if err := r.spend(len(raw)); err != nil {
		return err
	}
	now, err := message.ParseHeader(raw, message.HeaderLimits{})
	if err != nil {
		return err
	}
	r.header = header{now: now, edited: raw}
	return nil
}

// index is :index and :last (RFC 5260 section 6).
type index struct {
	n    int // from 1; 0: all
	last bool
}

func (c *compiler) index(n *node, a *args) (index, bool) {
	x := index{last: a.has("last")}
	if v := a.tags["index"]; v.given {
		if v.num < 1 || v.num > 1<<30 {
			c.errorf(v.Pos, "the index of the %s %s must be at least 1", n.name, a.spec.kind())
			return x, false
		}
		x.n = int(v.num)
	}
	if x.last && x.n == 0 {
		c.errorf(n.Pos, "the tag :last requires :index")
		return x, false
	}
	return x, true
}

// of returns the one of all that is meant.
func (x index) of(all []string) []string {
	i := x.n - 1
	if x.last {
		i = len(all) - x.n
	}
	switch {
	case x.n == 0:
		return all
	case i < 0 || i >= len(all):
		return nil
	}
	return all[i : i+1]
}

// fieldNames are the names of header fields in a test, in lower case where
// they are constant.
type fieldNames struct {
	strs  []*str
	fixed []string
}

func newFieldNames(list []*str) fieldNames {
	f := fieldNames{strs: list}
	if names, ok := constants(list); ok {
		for i := range names {
			names[i] = strings.ToLower(names[i])
		}
		f.fixed = names
	}
	return f
}

func (f *fieldNames) get(r *run) ([]string, error) {
	if f.fixed != nil {
		return f.fixed, nil
	}
	names, err := evalAll(r, f.strs)
	for i := range names {
		names[i] = strings.ToLower(names[i])
	}
	return names, err
}
