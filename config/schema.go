package config

import (
	"reflect"
	"time"

	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/lda"
)

// node is a part of a JSON Schema.
type node = map[string]any

// words are the values of keys that have few, by type and field.
var words = map[string][]string{
	"config.Listener.Protocol":     protocols,
	"config.Domain.Deliver":        deliveries,
	"config.Filter.OnError":        onErrors,
	"config.Filter.Mail":           mails,
	"inbound.Submission.CheckFrom": checkFroms,
	"config.Log.Level":             levels,
	"lda.Options.Detail":           lda.Details,
	"lda.Options.Full":             lda.Fulls,
	"cert.Options.Mode":            {cert.ModeSelfSigned, cert.ModeFiles},
	"proxy.Options.Balance":        {"first", "round-robin"},
	"dnsbl.Zone.Type":              {"", "block", "allow"},
	"dnsbl.Zone.Kind":              {"", "ip", "domain"},
	"smtpd.Options.NUL":            {"refuse", "repair", "allow"},
}

// needed are keys that must be there, by type.
var needed = map[reflect.Type][]string{
	reflect.TypeFor[Listener](): {"protocol", "address"},
	reflect.TypeFor[Domain]():   {"deliver"},
}

// Schema returns a JSON Schema (2020-12) of the configuration, for editors.
func Schema() map[string]any {
	docs := fieldDocs()
	c := sample()
	c.Hostname = "" // an example, no default
	s := object(keysOf(reflect.TypeFor[Config](), reflect.ValueOf(*c), docs), docs)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Gapura configuration"
	s["$defs"] = definitions()
	return s
}

// definitions are the single values, each of which may come from the
// environment or a file.
func definitions() node {
	file := node{
		"type": "object", "properties": node{"file": node{"type": "string"}},
		"required": []string{"file"}, "additionalProperties": false,
	}
	outside := node{"anyOf": []any{ref("file"), node{"type": "string", "pattern": `\$\{`}}}
	or := func(schemas ...any) node { return node{"anyOf": append(schemas, ref("outside"))} }
	return node{
		"file":      file,
		"outside":   outside,
		"text":      node{"anyOf": []any{ref("file"), node{"type": []string{"string", "number", "boolean"}}}},
		"number":    or(node{"type": "number"}),
		"size":      or(node{"type": "integer"}, node{"type": "string", "pattern": `^-?[0-9]+ *([KMGT]iB)?$`}),
		"time span": or(node{"type": "string", "pattern": `^(0|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+)$`}, node{"const": 0}),
	}
}

func ref(name string) node { return node{"$ref": "#/$defs/" + name} }

func object(keys []key, docs map[string]string) node {
	props := node{}
	for _, k := range keys {
		p := schemaOf(k.typ, k.value, docs)
		if list := words[k.field]; list != nil {
			p = node{"anyOf": []any{node{"enum": list}, ref("outside")}}
			if k.typ.Kind() == reflect.Slice {
				p = node{"type": "array", "minItems": 1, "items": p}
			}
		}
		if k.doc != "" {
			p["description"] = k.doc
		}
		if x := single(k.value); x != nil {
			p["default"] = x
		}
		props[k.name] = p
	}
	return node{"type": "object", "properties": props, "additionalProperties": false}
}

// single returns a default for people to see, nil where it says nothing.
func single(v reflect.Value) any {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if !v.IsValid() || scalarKind(v.Type()) == "" || v.Kind() == reflect.String && v.Len() == 0 {
		return nil
	}
	switch x := v.Interface().(type) {
	case bool, string, float64:
		return x
	case time.Duration:
		return shortDuration(x)
	case int:
		return x
	case int64:
		return size(x)
	}
	return nil
}

func schemaOf(t reflect.Type, v reflect.Value, docs map[string]string) node {
	if t.Kind() == reflect.Pointer {
		o := schemaOf(t.Elem(), reflect.Value{}, docs)
		if o["type"] == "object" {
			o["type"] = []string{"object", "null"}
		}
		return o
	}
	switch t {
	case reflect.TypeFor[Domains]():
		d := sample().Domains[0]
		d.Backends = nil
		o := object(keysOf(reflect.TypeOf(d), reflect.ValueOf(d), docs), docs)
		o["required"] = needed[reflect.TypeOf(d)]
		return node{"type": "object", "additionalProperties": o}
	case reflect.TypeFor[Filter]():
		return filterSchema(docs)
	}
	switch kind := scalarKind(t); kind {
	case "":
	case "true or false":
		return node{"type": "boolean"}
	default:
		return ref(kind)
	}
	switch t.Kind() {
	case reflect.Struct:
		o := object(keysOf(t, v, docs), docs)
		if must := needed[t]; must != nil {
			o["required"] = must
		}
		return o
	case reflect.Slice:
		return node{"type": "array", "items": schemaOf(t.Elem(), reflect.Value{}, docs)}
	case reflect.Map:
		return node{"type": "object", "additionalProperties": schemaOf(t.Elem(), reflect.Value{}, docs)}
	}
	return node{}
}

// filterSchema is an entry of filters: a name, or a name with options.
func filterSchema(docs map[string]string) node {
	props := node{}
	for name, opt := range filterOptions() {
		o := object(filterKeys(name, opt, docs), docs)
		o["type"] = []string{"object", "null"}
		props[name] = o
	}
	return node{"anyOf": []any{
		node{"enum": filterNames()},
		node{"type": "object", "properties": props, "additionalProperties": false, "minProperties": 1, "maxProperties": 1},
	}}
}
