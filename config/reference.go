package config

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Reference writes every option with its meaning and default. It is a
// configuration file; behind "#" without a space are options of parts that not
// everyone has.
func Reference(w io.Writer) {
	docs := fieldDocs()
	p := &printer{w: w, docs: docs}
	p.line(0, "# Every option of Gapura with its default. What is not needed may be left out: needed are")
	p.line(0, "# only listeners and domains. Lines that begin with # and no space after it are examples.")
	p.line(0, "# ${NAME} is replaced from the environment; {file: path} stands for a file's text.")
	c := sample()
	p.keys(0, keysOf(reflect.TypeFor[Config](), reflect.ValueOf(*c), docs))
}

type printer struct {
	w    io.Writer
	docs map[string]string
	off  bool // what is written is an example
	dash bool // the next key begins an entry of a list
	told bool // timeout, on_error and mail are explained
}

func (p *printer) line(depth int, text string) {
	fmt.Fprintln(p.w, strings.TrimRight(strings.Repeat("  ", depth)+text, " "))
}

// text writes a line of YAML.
func (p *printer) text(depth int, text string) {
	if p.dash {
		depth, text, p.dash = depth-1, "- "+text, false
	}
	if p.off {
		text = "#" + text
	}
	p.line(depth, text)
}

// doc writes a comment, folded.
func (p *printer) doc(depth int, text string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 96-2*depth {
			p.line(depth, "#"+line)
			line = ""
		}
		line += " " + word
	}
	if line != "" {
		p.line(depth, "#"+line)
	}
}

func (p *printer) keys(depth int, keys []key) {
	for _, k := range keys {
		if depth == 0 {
			p.line(0, "")
		}
		if k.doc != "" {
			p.doc(depth, k.doc)
		}
		p.key(depth, k)
	}
}

func (p *printer) key(depth int, k key) {
	v := k.value
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	t := v.Type()
	switch x := v.Interface().(type) {
	case Domains:
		p.text(depth, k.name+":")
		for _, d := range x {
			p.text(depth+1, d.Name+":")
			p.keys(depth+2, keysOf(reflect.TypeOf(d), reflect.ValueOf(d), p.docs))
		}
		return
	case []Filter:
		p.filters(depth, x)
		return
	}
	switch {
	case scalarKind(t) != "":
		p.text(depth, k.name+": "+value(v))
	case t.Kind() == reflect.Struct:
		p.text(depth, k.name+":")
		p.keys(depth+1, keysOf(t, v, p.docs))
	case t.Kind() == reflect.Slice:
		p.list(depth, k.name, v)
	case t.Kind() == reflect.Map:
		p.mapping(depth, k.name, v)
	default: // a nil pointer: an option that need not be there
		p.members(depth, "It has ", t.Elem())
		p.text(depth, k.name+": null")
	}
}

// members writes a comment on what a struct that is not there has.
func (p *printer) members(depth int, lead string, t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for _, k := range keysOf(t, reflect.Zero(t), p.docs) {
		p.doc(depth, lead+k.name+": "+k.doc)
	}
}

// list writes a list; an empty one of structs gets a comment on what they
// have.
func (p *printer) list(depth int, name string, v reflect.Value) {
	t := v.Type().Elem()
	if t.Kind() != reflect.Struct || scalarKind(t) != "" {
		words := make([]string, v.Len())
		for i := range words {
			words[i] = value(v.Index(i))
		}
		p.text(depth, name+": ["+strings.Join(words, ", ")+"]")
		return
	}
	if v.Len() == 0 {
		p.members(depth, "Each has ", t)
		p.text(depth, name+": []")
		return
	}
	p.text(depth, name+":")
	for i := range v.Len() {
		p.dash = true
		p.keys(depth+2, keysOf(t, v.Index(i), p.docs))
	}
}

func (p *printer) mapping(depth int, name string, v reflect.Value) {
	if v.Len() == 0 {
		p.text(depth, name+": {}")
		return
	}
	p.text(depth, name+":")
	for _, k := range v.MapKeys() {
		p.text(depth+1, quote(k.String())+":")
		p.keys(depth+2, keysOf(v.Type().Elem(), v.MapIndex(k), p.docs))
	}
}

// filters writes an entry for every filter.
func (p *printer) filters(depth int, all []Filter) {
	p.text(depth, "filters:")
	for _, f := range all {
		p.off = optional(f.Name)
		p.text(depth+1, "- "+f.Name+":")
		keys := filterKeys(f.Name, f.Options, p.docs)
		if p.told {
			for i := len(keys) - 3; i < len(keys); i++ {
				keys[i].doc = ""
			}
		}
		p.keys(depth+3, keys)
		p.told = true
	}
	p.off = false
}

// value writes a single value.
func value(v reflect.Value) string {
	if v.Kind() == reflect.Slice { // single in text: a, b
		words := make([]string, v.Len())
		for i := range words {
			words[i] = v.Index(i).String()
		}
		return quote(strings.Join(words, ", "))
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return shortDuration(x)
	case int64:
		return size(x)
	case int:
		return size(int64(x))
	case string:
		return quote(x)
	case fmt.Stringer:
		return quote(x.String())
	}
	return fmt.Sprint(v.Interface())
}

var plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./+-]*$`)

// quote writes text so that YAML takes it as text.
func quote(s string) string {
	if plain.MatchString(s) && s != "true" && s != "false" && s != "null" {
		return s
	}
	return strconv.Quote(s)
}

// shortDuration writes 5m0s as 5m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// size writes whole KiB, MiB and GiB as such.
func size(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d%s", n, units[i])
}
