package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/antivirus"
	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/filters/attachment"
	"github.com/gapura-mail/gapura/filters/dkim"
	"github.com/gapura-mail/gapura/filters/dmarc"
	"github.com/gapura-mail/gapura/filters/dnsbl"
	"github.com/gapura-mail/gapura/filters/headers"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spf"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/plugins"
	"github.com/gapura-mail/gapura/policy"
)

// archiveMemory is how much of an archive in an archive stays in memory.
const archiveMemory = 512 << 10

// newFilter makes the filter that one entry of the configuration asks for.
func newFilter(f config.Filter, r dns.Resolver, cfg *config.Config, bodies body.Options, s *server) (gateway.Filter, error) {
	switch opt := f.Options.(type) {
	case *antivirus.Options:
		return antivirus.New(*opt)
	case *arc.Options:
		return arc.New(*opt, r)
	case *attachment.Options:
		return attachment.New(*opt, func() *body.Body {
			bodies.Memory = archiveMemory
			return body.New(bodies)
		})
	case *dkim.Options:
		return dkim.New(*opt, r)
	case *dmarc.Options:
		return dmarc.New(*opt, r)
	case *dnsbl.Options:
		return dnsbl.New(*opt, r)
	case *headers.Options:
		return headers.New(*opt, ownNames(cfg), r)
	case *plugins.Options:
		return openPlugin(withPluginDir(*opt, cfg.File), s.log)
	case *spam.Options:
		return s.openSpam(*opt, cfg, r)
	case *spf.Options:
		return spf.New(*opt, r, cfg.Hostname)
	}
	return nil, fmt.Errorf("filter %q has no maker", f.Name)
}

// openPlugin starts a plugin. Nothing else may have a fact with its prefix.
func openPlugin(opt plugins.Options, log *slog.Logger) (gateway.Filter, error) {
	fields, err := policyFields()
	if err != nil {
		return nil, err
	}
	for _, f := range append(fields, policy.BaseFields()...) {
		if prefix, _, _ := strings.Cut(f.Name, "."); prefix == opt.Name {
			return nil, fmt.Errorf("a plugin cannot have the name %q: there is %s already", opt.Name, f.Name)
		}
	}
	p, err := plugins.Open(context.Background(), opt, log)
	if err != nil {
		return nil, err
	}
	return p.Filter(), nil
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
func newSteps(cfg *config.Config, r dns.Resolver, bodies body.Options, s *server) ([]pipeline.Step, error) {
	var steps []pipeline.Step
	for _, f := range cfg.Filters {
		x, err := newFilter(f, r, cfg, bodies, s)
		if err != nil {
			(&judge{steps: steps}).close()
			return nil, cfg.Errorf(f.Position(), "%v", err)
		}
		steps = append(steps, pipeline.Step{Filter: x, Timeout: f.Timeout, Defer: f.OnError == "defer", Mail: mailOf(f)})
	}
	return steps, nil
}

// mailOf is which mail a filter is asked about.
func mailOf(f config.Filter) (m pipeline.Mail) {
	for _, word := range f.Mail {
		switch word {
		case "inbound":
			m |= pipeline.Inbound
		case "submission":
			m |= pipeline.Submission
		}
	}
	return m
}
