package main

import (
	"fmt"

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
	"github.com/gapura-mail/gapura/gateway/dns"
)

// policyFields lists the facts that policies may name: those of the configured
// filters and those of all built-in ones, so that a rule about a filter that
// is not configured is no error.
func policyFields(configured ...gateway.Filter) ([]gateway.Field, error) {
	builtin, err := builtinFilters()
	if err != nil {
		return nil, err
	}
	var fields []gateway.Field
	seen := map[string]bool{}
	for _, f := range append(configured, builtin...) {
		if !seen[f.Name()] {
			seen[f.Name()] = true
			fields = append(fields, f.Fields()...)
		}
	}
	return fields, nil
}

// builtinFilters makes one of every built-in filter, to be asked for its
// fields only.
func builtinFilters() ([]gateway.Filter, error) {
	var filters []gateway.Filter
	var failed error
	add := func(f gateway.Filter, err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("built-in filter: %w", err)
		}
		filters = append(filters, f)
	}
	r := dns.Zone{}
	add(dnsbl.New(dnsbl.Options{Zones: []dnsbl.Zone{{Zone: "list.invalid"}}}, r))
	add(headers.New(headers.Options{}, nil, r))
	add(spf.New(spf.Options{}, r, "gapura.invalid"))
	add(dkim.New(dkim.Options{}, r))
	add(arc.New(arc.Options{}, r))
	add(dmarc.New(dmarc.Options{}, r))
	add(antivirus.New(antivirus.Options{}))
	add(attachment.New(attachment.Options{}, nil))
	add(spam.New(spam.DefaultOptions(), spam.Deps{}))
	return filters, failed
}
