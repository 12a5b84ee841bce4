package config

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway/proxy"
)

// Domains are the domains in the order in which they are written.
type Domains []Domain

// Domain says where mail of one domain goes.
type Domain struct {
	// proxy: handed over in session; the backend's reply is ours.
	Deliver       string `yaml:"deliver"`
	proxy.Options `yaml:",inline"`

	Name string `yaml:"-"`
	pos  position
}

func (ds *Domains) decodeNode(d *decoder, n ast.Node) {
	for _, e := range d.entries(n) {
		x := Domain{Name: keyOf(e), pos: positionOf(e.Key)}
		d.decode(e.Value, reflect.ValueOf(&x).Elem(), 1)
		*ds = append(*ds, x)
	}
}

func (l *Listener) decodeNode(d *decoder, n ast.Node) {
	type plain Listener // without this method
	d.decode(n, reflect.ValueOf((*plain)(l)).Elem(), 1)
	l.pos = positionOf(n)
}

// Position tells where the domain stands, for Config.Errorf.
func (x Domain) Position() position { return x.pos }
