package config

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// Domains are the domains in the order in which they are written.
type Domains []Domain

// Domain says where mail of one domain goes.
type Domain struct {
	// proxy: handed over in session; the backend's reply is ours.
	Deliver string `yaml:"deliver"`
	// Servers, tried in order: smtp://HOST:PORT, smtp+starttls://,
	// smtps://, lmtp://HOST:PORT or lmtp+unix:///PATH.
	Backends []string `yaml:"backends"`
	// How backends' certificates are checked.
	TLS BackendTLS `yaml:"tls"`
	// Connections to each backend at most.
	Connections int `yaml:"connections"`

	Name string `yaml:"-"`
	pos  position
}

// BackendTLS says how backends' certificates are checked.
type BackendTLS struct {
	// Whether the certificate must be valid for the name.
	Verify bool `yaml:"verify"`
	// Name that it must be valid for. Default: the host in the URL.
	Name string `yaml:"name"`
	// PEM file of the certificate authorities to trust. Default: the
	// system's.
	CA string `yaml:"ca"`
	// PEM files of the certificate and key that we show.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
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
