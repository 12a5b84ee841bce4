package config

import (
	"github.com/gapura-mail/gapura/filters/dnsbl"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/plugins"
)

// sample is the defaults with an example wherever there is none.
func sample() *Config {
	c := Default()
	c.Hostname = "mx1.example.org"
	cache := c.DNS.Cache
	c.DNS = DNS{dns.DefaultOptions(), cache}
	c.Listeners = []Listener{{Protocol: "smtp", Address: "0.0.0.0:25"}}
	c.Domains = Domains{{Name: "example.org", Deliver: "proxy", Options: proxy.DefaultOptions()}}
	c.Domains[0].Backends = []string{"smtp://10.0.0.5:25"}
	options := filterOptions()
	one := 1.0
	options["dnsbl"].(*dnsbl.Options).Zones = []dnsbl.Zone{{
		Zone: "zen.example.net", Score: &one, Type: "block", Kind: "ip", IPv6: ptr(true),
		Codes: map[string]dnsbl.Code{"127.0.0.[2-4]": {Score: ptr(5.0), Meaning: "sends spam"}},
	}}
	plugin := options["plugin"].(*plugins.Options)
	plugin.Name, plugin.Command = "hello", []string{"/usr/local/lib/gapura/hello"}
	for _, name := range filterNames() {
		c.Filters = append(c.Filters, Filter{Name: name, Options: options[name], Timeout: DefaultFilterTimeout, OnError: onErrors[0]})
	}
	return c
}

// optional tells which filters of the sample need something that not everyone
// has.
func optional(filter string) bool {
	return filter == "dnsbl" || filter == "antivirus" || filter == "plugin"
}
