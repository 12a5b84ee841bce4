package config

import (
	"github.com/gapura-mail/gapura/filters/antivirus"
	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/filters/attachment"
	"github.com/gapura-mail/gapura/filters/dkim"
	"github.com/gapura-mail/gapura/filters/dmarc"
	"github.com/gapura-mail/gapura/filters/dnsbl"
	"github.com/gapura-mail/gapura/filters/headers"
	"github.com/gapura-mail/gapura/filters/spf"
	"github.com/gapura-mail/gapura/plugins"
)

// filterOptions returns new options of every filter, by its name.
func filterOptions() map[string]any {
	return map[string]any{
		"antivirus":  new(antivirus.Options),
		"arc":        new(arc.Options),
		"attachment": new(attachment.Options),
		"dkim":       new(dkim.Options),
		"dmarc":      new(dmarc.Options),
		"dnsbl":      new(dnsbl.Options),
		"headers":    new(headers.Options),
		"plugin":     new(plugins.Options),
		"spf":        new(spf.Options),
	}
}
