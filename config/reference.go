package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// Reference writes every option with its meaning and default as a
// configuration file in which all optional things are commented out.
func Reference(w io.Writer) {
	docs := fieldDocs()
	p := &printer{w: w, docs: docs}
	p.line(0, "# Every option of Gapura with its default. Only domains and listeners are needed.")
	p.line(0, "# ${NAME} is replaced from the environment; {file: path} stands for a file's text.")
	def := Default()
	def.Hostname = "mx1.example.org"
	p.keys(0, keysOf(reflect.TypeFor[Config](), reflect.ValueOf(*def), docs))
}

type printer struct {
	w    io.Writer
	docs map[string]string
}

func (p *printer) line(depth int, text string) {
	fmt.Fprintln(p.w, strings.TrimRight(strings.Repeat("  ", depth)+text, " "))
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
		p.doc(depth, k.doc)
		p.key(depth, k)
	}
}

func (p *printer) key(depth int, k key) {
	t := k.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
		k.value = reflect.Value{}
	}
	switch {
	case t == reflect.TypeFor[Domains]():
		p.line(depth, k.name+":")
		p.line(depth+1, "example.org:")
		p.keys(depth+2, keysOf(reflect.TypeFor[Domain](), reflect.Value{}, p.docs))
	case t == reflect.TypeFor[[]Filter]():
		p.filters(depth)
	case scalarKind(t) != "":
		p.line(depth, k.name+": "+value(t, k.value))
	case t.Kind() == reflect.Struct:
		p.line(depth, k.name+":")
		p.keys(depth+1, keysOf(t, k.value, p.docs))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && scalarKind(t.Elem()) == "":
		p.line(depth, k.name+":")
		p.line(depth+1, "-")
		p.keys(depth+2, keysOf(t.Elem(), reflect.Value{}, p.docs))
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		p.line(depth, k.name+":")
		p.line(depth+1, "KEY:")
		p.keys(depth+2, keysOf(t.Elem(), reflect.Value{}, p.docs))
	case t.Kind() == reflect.Map:
		p.line(depth, k.name+": {}")
	default:
		p.line(depth, k.name+": []")
	}
}

// filters writes an entry for every filter.
func (p *printer) filters(depth int) {
	p.line(depth, "filters:")
	all := filterOptions()
	for _, name := range filterNames() {
		p.line(depth+1, "- "+name+":")
		p.keys(depth+4, filterKeys(all[name], p.docs))
	}
}

// value writes a default.
func value(t reflect.Type, v reflect.Value) string {
	if !v.IsValid() || v.IsZero() {
		switch scalarKind(t) {
		case "true or false":
			return "false"
		case "number":
			return "0"
		case "time span":
			return "0s"
		}
		return `""`
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return shortDuration(x)
	case int64:
		return size(x)
	case int:
		return size(int64(x))
	case string:
		return x
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprint(v.Interface())
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
