package config

import (
	"encoding"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
)

// key is one key of the configuration, for reference and schema.
type key struct {
	name  string
	field string // package.Type.Field
	doc   string
	typ   reflect.Type
	value reflect.Value // the default; invalid where there is none
}

// keysOf returns the keys of a struct in the order of its fields.
func keysOf(t reflect.Type, v reflect.Value, docs map[string]string) []key {
	var keys []key
	for i := range t.NumField() {
		f := t.Field(i)
		var fv reflect.Value
		if v.IsValid() {
			fv = v.Field(i)
		}
		tag, opt, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case tag == "" && (f.Anonymous || opt == "inline") && f.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(f.Type, fv, docs)...)
		case f.IsExported() && tag != "" && tag != "-":
			field := path.Base(t.PkgPath()) + "." + t.Name() + "." + f.Name
			keys = append(keys, key{tag, field, docs[field], f.Type, fv})
		}
	}
	if t == reflect.TypeFor[SMTP]() { // written elsewhere
		keys = slices.DeleteFunc(keys, func(k key) bool { _, ok := elsewhere[k.name]; return ok })
	}
	return keys
}

// filterKeys are the keys of a filter's entry: its options and those of every
// filter.
func filterKeys(name string, opt any, docs map[string]string) []key {
	v := reflect.ValueOf(opt).Elem()
	keys := keysOf(v.Type(), v, docs)
	return append(keys,
		key{"timeout", "config.Filter.Timeout", docs["config.Filter.Timeout"], durationType, reflect.ValueOf(DefaultFilterTimeout)},
		key{"on_error", "config.Filter.OnError", docs["config.Filter.OnError"], reflect.TypeFor[string](), reflect.ValueOf("continue")},
		key{"mail", "config.Filter.Mail", docs["config.Filter.Mail"], reflect.TypeFor[[]string](), reflect.ValueOf(mailOf(name))})
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// scalarKind returns what a single value of t is called, "" where t is no
// single value.
func scalarKind(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "time span"
	case reflect.PointerTo(t).Implements(textType):
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "size"
	case reflect.Float64:
		return "number"
	}
	return ""
}
