package main

import (
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/antivirus"
	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/filters/dkim"
	"github.com/gapura-mail/gapura/filters/dmarc"
	"github.com/gapura-mail/gapura/filters/dnsbl"
	"github.com/gapura-mail/gapura/filters/headers"
	"github.com/gapura-mail/gapura/filters/spf"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/route"
)

// newFilter makes the filter that one entry of the configuration asks for.
func newFilter(f config.Filter, r dns.Resolver, cfg *config.Config) (gateway.Filter, error) {
	switch opt := f.Options.(type) {
	case *antivirus.Options:
		return antivirus.New(*opt)
	case *arc.Options:
		return arc.New(*opt, r)
	case *dkim.Options:
		return dkim.New(*opt, r)
	case *dmarc.Options:
		return dmarc.New(*opt, r)
	case *dnsbl.Options:
		return dnsbl.New(*opt, r)
	case *headers.Options:
		return headers.New(*opt, ownNames(cfg), r)
	case *spf.Options:
		return spf.New(*opt, r, cfg.Hostname)
	}
	return nil, fmt.Errorf("filter %q has no maker", f.Name)
}

// ownNames are the names that nobody else may call himself.
func ownNames(cfg *config.Config) []string {
	own := []string{cfg.Hostname}
	for _, d := range cfg.Domains {
		if name := strings.TrimPrefix(d.Name, "*."); name != route.Default {
			own = append(own, name)
		}
	}
	return own
}

// newSteps makes the configured filters.
func newSteps(cfg *config.Config, r dns.Resolver) ([]pipeline.Step, error) {
	var steps []pipeline.Step
	for _, f := range cfg.Filters {
		x, err := newFilter(f, r, cfg)
		if err != nil {
			return nil, cfg.Errorf(f.Position(), "%v", err)
		}
		steps = append(steps, pipeline.Step{Filter: x, Timeout: f.Timeout, Defer: f.OnError == "defer"})
	}
	return steps, nil
}
