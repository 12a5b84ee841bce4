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
	// What is done with it; proxy: it is handed over in session, and the
	// backend's reply is ours; queue: it is kept here until the backend takes
	// it; mailbox: it is kept here for users, who read it over IMAP and POP3.
	Deliver string `yaml:"deliver"`
	// Who gets mail to postmaster of a mailbox domain, an address. Default:
	// mailboxes.postmaster.
	Postmaster    string `yaml:"postmaster"`
	proxy.Options `yaml:",inline"`

	Name string `yaml:"-"`
	pos  position
}

func (ds *Domains) decodeNode(d *decoder, n ast.Node) {
	for _, e := range d.entries(n) {
		x := Domain{Name: keyOf(e), Options: proxy.DefaultOptions(), pos: positionOf(e.Key)}
		d.below("."+x.Name, e.Value, reflect.ValueOf(&x).Elem(), 1)
		*ds = append(*ds, x)
	}
}

// Validate hides that of the backends, whose mistakes check places better.
func (Domain) Validate() error { return nil }

// Position tells where the domain stands, for Config.Errorf.
func (x Domain) Position() position { return x.pos }
