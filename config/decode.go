package config

import (
	"bytes"
	"encoding"
	"fmt"
	"net/netip"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const (
	maxFile  = 1 << 20 // octets of a configuration file
	maxDepth = 32      // of nested values
)

// decoder puts YAML nodes into Go values. It goes on after a mistake, so that
// all are told at once.
type decoder struct {
	file   string
	errs   Errors
	getenv func(string) (string, bool)
	path   string              // of the value being decoded: "limits.message"
	places map[string]position // of values, by path

	typed   int      // errs from types, before values are checked
	secrets []string // values from outside, each followed by its source

	withoutSecrets bool   // see LoadWithoutSecrets
	missing        Errors // what it did not mind
}

// nodeDecoder is a type that reads its node itself.
type nodeDecoder interface {
	decodeNode(d *decoder, n ast.Node)
}

// validator is a type that knows more about its values than their types say.
type validator interface {
	Validate() error
}

func (d *decoder) errorf(n ast.Node, hint, format string, args ...any) {
	d.at(positionOf(n), hint, fmt.Sprintf(format, args...))
}

// parse returns the root of a file; nil after a mistake or for an empty file.
func (d *decoder) parse(data []byte) ast.Node {
	if len(data) > maxFile {
		d.errs = append(d.errs, Error{File: d.file, Line: 1, Col: 1, Msg: fmt.Sprintf("larger than %d bytes", maxFile)})
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors begin a file with it
	if line, ok := tooDeep(data); ok {
		d.at(position{line, 1}, "", "nested too deeply")
		return nil
	}
	f, err := parseYAML(data)
	if err != nil {
		d.errs = append(d.errs, syntaxError(d.file, err))
		return nil
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil || f.Docs[0].Body.Type() == ast.NullType {
		d.at(position{1, 1}, "a first one is printed by `gapura config reference`", "the file says nothing")
		return nil
	}
	if len(f.Docs) > 1 {
		p := position{1, 1}
		if f.Docs[1].Body != nil {
			p = positionOf(f.Docs[1].Body)
		}
		d.at(p, "", "more than one YAML document")
	}
	return f.Docs[0].Body
}

// decode puts node n into v.
func (d *decoder) decode(n ast.Node, v reflect.Value, depth int) {
	if depth > maxDepth {
		d.errorf(n, "", "nested too deeply")
		return
	}
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.errorf(n, "write the value out", "anchors, aliases and tags are not read")
		return
	case *ast.NullNode:
		return // as if absent
	}
	if v.CanAddr() {
		if x, ok := v.Addr().Interface().(nodeDecoder); ok {
			x.decodeNode(d, n)
			return
		}
		if x, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
			d.text(n, x)
			return
		}
	}
	d.byKind(n, v, depth)
	if v.CanAddr() {
		if x, ok := v.Addr().Interface().(validator); ok && v.Kind() == reflect.Struct {
			d.options(n, x.Validate(), path.Base(v.Type().PkgPath()))
		}
	}
}

// options reports what a package says of its options, a line for each mistake,
// without its own name, which means nothing to an administrator.
func (d *decoder) options(n ast.Node, err error, name string) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		text := strings.TrimPrefix(line, name+": ")
		d.errorf(meant(n, text), "", "%s", text)
	}
}

func (d *decoder) byKind(n ast.Node, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), depth+1)
	case reflect.Struct:
		d.structure(n, v, depth)
	case reflect.Map:
		d.mapping(n, v, depth)
	case reflect.Slice:
		d.sequence(n, v, depth)
	default:
		d.scalar(n, v)
	}
}

// entries returns the key-value pairs of a mapping, each key once.
func (d *decoder) entries(n ast.Node) []*ast.MappingValueNode {
	var all []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		all = n.Values
	case *ast.MappingValueNode:
		all = []*ast.MappingValueNode{n}
	default:
		d.errorf(n, "", "want a mapping of keys to values, found %s", kindOf(n))
	}
	seen := map[string]position{}
	return slices.DeleteFunc(slices.Clone(all), func(e *ast.MappingValueNode) bool {
		key := keyOf(e)
		first, twice := seen[key]
		if twice {
			d.errorf(e.Key, "keep one of the two", "key %q is there already at %d:%d", key, first.line, first.col)
		} else {
			seen[key] = positionOf(e.Key)
		}
		return twice
	})
}

func keyOf(e *ast.MappingValueNode) string {
	if s, ok := e.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return e.Key.GetToken().Value
}

func (d *decoder) structure(n ast.Node, v reflect.Value, depth int) {
	d.into(n, fieldsOf(v), depth)
}

// into decodes a mapping into the fields of those names.
func (d *decoder) into(n ast.Node, fields map[string]reflect.Value, depth int) {
	for _, e := range d.entries(n) {
		key := keyOf(e)
		f, ok := fields[key]
		if !ok {
			d.errorf(e.Key, didYouMean(key, names(fields)), "unknown key %q", key)
			continue
		}
		d.below("."+key, e.Value, f, depth+1)
	}
}

// below decodes a value whose path is the one now and step, and notes its
// place.
func (d *decoder) below(step string, n ast.Node, v reflect.Value, depth int) {
	outer := d.path
	d.path = strings.TrimPrefix(outer+step, ".")
	d.places[d.path] = positionOf(n)
	d.decode(n, v, depth)
	d.path = outer
}

// place tells where the value of a path stands, or what it would be in; 1:1
// when that is not there either.
func (d *decoder) place(path string) position {
	for path != "" {
		if p, ok := d.places[path]; ok {
			return p
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return position{1, 1}
}

// fieldsOf returns the settable fields of a struct by their yaml names; those
// of inline structs count as its own.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	m := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, opt, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case tag == "" && (f.Anonymous || opt == "inline") && f.Type.Kind() == reflect.Struct:
			for k, x := range fieldsOf(v.Field(i)) {
				m[k] = x
			}
		case f.IsExported() && tag != "" && tag != "-":
			m[tag] = v.Field(i)
		}
	}
	return m
}

func names[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, depth int) {
	m := reflect.MakeMap(v.Type())
	for _, e := range d.entries(n) {
		val := reflect.New(v.Type().Elem()).Elem()
		d.below("."+keyOf(e), e.Value, val, depth+1)
		m.SetMapIndex(reflect.ValueOf(keyOf(e)).Convert(v.Type().Key()), val)
	}
	v.Set(m)
}

func (d *decoder) sequence(n ast.Node, v reflect.Value, depth int) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.errorf(n, "write it as [a, b] or as lines that begin with -", "want a list, found %s", kindOf(n))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, x := range seq.Values {
		d.below("["+strconv.Itoa(i)+"]", x, s.Index(i), depth+1)
	}
	v.Set(s)
}

func (d *decoder) text(n ast.Node, x encoding.TextUnmarshaler) {
	s, ok := d.str(n)
	if !ok {
		return
	}
	if p, ok := x.(*netip.Prefix); ok {
		d.network(n, p, s)
	} else if err := x.UnmarshalText([]byte(s)); err != nil {
		d.errorf(n, "", "%v", err)
	}
}

// network reads a network, or an address as the network of itself alone.
func (d *decoder) network(n ast.Node, p *netip.Prefix, s string) {
	a, err := netip.ParseAddr(s)
	if err == nil && a.Zone() == "" {
		*p = netip.PrefixFrom(a, a.BitLen())
	} else if *p, err = netip.ParsePrefix(s); err != nil {
		d.errorf(n, "write it like 10.0.0.0/8 or 2001:db8::1", "%q is no network", written(n))
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// zeroIsNever are the time spans that have a default where none is written, so
// that their owners take what is below 0 for none.
var zeroIsNever = map[string]bool{"queue.warn": true, "accounts.ldap.remember": true, "accounts.oauth.remember": true}

func (d *decoder) scalar(n ast.Node, v reflect.Value) {
	if v.Kind() == reflect.Bool {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.errorf(n, "", "want true or false, found %s", kindOf(n))
			return
		}
		v.SetBool(b.Value)
		return
	}
	s, ok := d.str(n)
	switch {
	case v.Kind() == reflect.String:
		v.SetString(s)
	case !ok:
		return
	case v.Type() == durationType:
		x, err := time.ParseDuration(s)
		if err != nil || x < 0 {
			d.errorf(n, "write it like 30s, 5m or 4h", "%q is no time span", written(n))
			return
		}
		if x == 0 && zeroIsNever[d.path] {
			x = -1
		}
		v.SetInt(int64(x))
	case v.CanInt():
		x, ok := parseSize(s)
		if !ok || v.OverflowInt(x) {
			d.errorf(n, "write it like 100 or 50MiB", "%q is no number", written(n))
			return
		}
		v.SetInt(x)
	case v.CanUint():
		x, err := strconv.ParseUint(s, 10, 64)
		if err != nil || v.OverflowUint(x) {
			d.errorf(n, "", "%q is no number from 0 on", written(n))
			return
		}
		v.SetUint(x)
	case v.CanFloat():
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			d.errorf(n, "", "%q is no number", written(n))
			return
		}
		v.SetFloat(x)
	default:
		panic("config: no way to decode " + v.Type().String())
	}
}

// parseSize reads a whole number, with KiB, MiB, GiB or TiB behind it for
// bytes.
func parseSize(s string) (int64, bool) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			s, shift = strings.TrimSpace(rest), 10*(i+1)
		}
	}
	x, err := strconv.ParseInt(s, 10, 64)
	if err != nil || x < 0 && shift > 0 || x<<shift>>shift != x {
		return 0, false
	}
	return x << shift, true
}

// str returns the text of a scalar, with ${NAME} replaced from the environment,
// or the contents of {file: path}.
func (d *decoder) str(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return d.expand(n, n.Value)
	case *ast.LiteralNode:
		return d.expand(n, n.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.MappingNode, *ast.MappingValueNode:
		return d.fromFile(n)
	}
	d.errorf(n, "", "want a single value, found %s", kindOf(n))
	return "", false
}

// written returns a value as it stands in the file.
func written(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.MappingNode, *ast.MappingValueNode:
		return "{file: ...}"
	}
	return n.GetToken().Value
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing"
	}
	return strings.ToLower(n.Type().String())
}
