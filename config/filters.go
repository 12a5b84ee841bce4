package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/plugins"
)

// Filter is one entry of the list of filters: a filter's name with its
// options. Every filter also takes timeout, on_error and mail.
type Filter struct {
	Name    string
	Options any // pointer to the filter's Options
	// How long the filter may take: from the call at the early stages, from
	// the end of the message for what reads it.
	Timeout time.Duration `yaml:"timeout"`
	// What happens when the filter fails or is late: continue without its
	// facts, or defer: the client is told to try again.
	OnError string `yaml:"on_error"`
	// Which mail the filter looks at: inbound, that of strangers; submission,
	// that of our own users and machines.
	Mail []string `yaml:"mail"`

	pos position
}

// Position tells where the entry stands, for Config.Errorf.
func (f Filter) Position() position { return f.pos }

// DefaultFilterTimeout is a filter's timeout where none is written.
const DefaultFilterTimeout = 5 * time.Second

// FactPrefix is what the names of the filter's facts begin with: its name, or
// that of its plugin.
func (f Filter) FactPrefix() string {
	if p, ok := f.Options.(*plugins.Options); ok {
		return p.Name
	}
	return f.Name
}

// strangersOnly are filters that judge who a stranger is and what he wants.
var strangersOnly = []string{"dnsbl", "spf", "dkim", "arc", "dmarc", "spam"}

// mailOf is which mail a filter looks at where nothing is written.
func mailOf(filter string) []string {
	if slices.Contains(strangersOnly, filter) {
		return mails[:1:1]
	}
	return slices.Clone(mails)
}

// filterNames are the filters that there are, in an order that suits most:
// cheap ones first, dmarc behind those that it builds on.
func filterNames() []string {
	return []string{"dnsbl", "headers", "spf", "dkim", "arc", "dmarc", "attachment", "antivirus", "spam", "plugin"}
}

// later are filters that the documentation names and this version has not.
var later = []string{"milter", "greylist", "url", "rspamd"}

func (f *Filter) decodeNode(d *decoder, n ast.Node) {
	if s, ok := n.(*ast.StringNode); ok { // "- spf" for "- spf: {}"
		f.begin(d, n, s.Value)
		return
	}
	es := d.entries(n)
	if len(es) != 1 {
		if len(es) > 1 {
			d.errorf(n, "begin each filter with - and indent its options below its name", "more than one filter in one entry")
		}
		return
	}
	if f.begin(d, es[0].Key, keyOf(es[0])) {
		f.options(d, es[0].Value)
	}
}

// begin looks the filter's name up.
func (f *Filter) begin(d *decoder, n ast.Node, name string) bool {
	f.Name, f.Timeout, f.OnError, f.Mail, f.pos = name, DefaultFilterTimeout, "continue", mailOf(name), positionOf(n)
	if slices.Contains(later, name) {
		d.errorf(n, "", "filter %q is not built yet", name)
		return false
	}
	f.Options = filterOptions()[name]
	if f.Options == nil {
		d.errorf(n, didYouMean(name, filterNames()), "unknown filter %q", name)
		return false
	}
	return true
}

// options decodes the filter's own options and the two that every filter has.
func (f *Filter) options(d *decoder, n ast.Node) {
	if _, empty := n.(*ast.NullNode); empty {
		return
	}
	own := reflect.ValueOf(f.Options).Elem()
	fields := fieldsOf(own)
	fields["timeout"] = reflect.ValueOf(&f.Timeout).Elem()
	fields["on_error"] = reflect.ValueOf(&f.OnError).Elem()
	fields["mail"] = reflect.ValueOf(&f.Mail).Elem()
	d.into(n, fields, 1)
	if !slices.Contains(onErrors, f.OnError) {
		d.wrong(d.path+".on_error", "", "on_error: %q is neither continue nor defer", f.OnError)
	}
	unknown := func(m string) bool { return !slices.Contains(mails, m) }
	if len(f.Mail) == 0 || slices.ContainsFunc(f.Mail, unknown) {
		d.wrong(d.path+".mail", "mail: [inbound, submission]", "mail: neither inbound nor submission")
	}
	if f.Timeout <= 0 {
		d.wrong(d.path+".timeout", "", "timeout: a filter needs some time")
	}
	if v, ok := f.Options.(validator); ok {
		if err := v.Validate(); err != nil {
			for line := range strings.SplitSeq(plainly(err), "\n") {
				d.errorf(meant(n, line), "", "%s: %s", f.Name, line)
			}
		}
	}
}
