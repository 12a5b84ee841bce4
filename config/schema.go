package config

import (
	"reflect"
)

// Schema returns a JSON Schema (2020-12) of the configuration, for editors.
func Schema() map[string]any {
	docs := fieldDocs()
	s := object(keysOf(reflect.TypeFor[Config](), reflect.Value{}, docs), docs)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Gapura configuration"
	return s
}

func object(keys []key, docs map[string]string) map[string]any {
	props := map[string]any{}
	for _, k := range keys {
		p := schemaOf(k.typ, docs)
		if k.doc != "" {
			p["description"] = k.doc
		}
		props[k.name] = p
	}
	return map[string]any{"type": "object", "properties": props, "additionalProperties": false}
}

func schemaOf(t reflect.Type, docs map[string]string) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[Domains]():
		return map[string]any{"type": "object", "additionalProperties": object(keysOf(reflect.TypeFor[Domain](), reflect.Value{}, docs), docs)}
	case reflect.TypeFor[Filter]():
		return filterSchema(docs)
	}
	switch scalarKind(t) {
	case "true or false":
		return map[string]any{"type": "boolean"}
	case "number": // or a size such as 50MiB, or ${NAME}
		return map[string]any{"type": []string{"number", "string"}}
	case "time span":
		return map[string]any{"type": "string"}
	case "text": // or {file: path}
		return map[string]any{"type": []string{"string", "number", "boolean", "object"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		return object(keysOf(t, reflect.Value{}, docs), docs)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), docs)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), docs)}
	}
	return map[string]any{}
}

// filterSchema is an entry of filters: a name, or a name with options.
func filterSchema(docs map[string]string) map[string]any {
	props := map[string]any{}
	for name, opt := range filterOptions() {
		o := object(filterKeys(opt, docs), docs)
		o["type"] = []string{"object", "null"}
		props[name] = o
	}
	return map[string]any{"anyOf": []any{
		map[string]any{"enum": filterNames()},
		map[string]any{"type": "object", "properties": props, "additionalProperties": false, "minProperties": 1, "maxProperties": 1},
	}}
}
