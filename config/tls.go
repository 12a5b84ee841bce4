package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decodeNode reads the options; those of a mode that is still to come are not
// looked at.
func (t *TLS) decodeNode(d *decoder, n ast.Node) {
	for _, e := range d.entries(n) {
		if s, ok := e.Value.(*ast.StringNode); ok && keyOf(e) == "mode" && s.Value == "acme" {
			d.errorf(e.Value, "self-signed or files", "tls.mode: acme is not built yet")
			return
		}
	}
	type plain TLS // without this method
	d.structure(n, reflect.ValueOf((*plain)(t)).Elem(), 1)
	if modes := words["cert.Options.Mode"]; !slices.Contains(modes, t.Mode) {
		d.wrong("tls.mode", strings.Join(modes, " or "), "tls.mode: unknown mode %q", t.Mode)
	} else if err := t.Validate(); err != nil {
		d.errorf(n, "", "tls: %s", plainly(err))
	}
}
