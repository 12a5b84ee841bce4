package config

import (
	"github.com/gapura-mail/gapura/filters/antivirus"
	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/filters/attachment"
	"github.com/gapura-mail/gapura/filters/dkim"
	"github.com/gapura-mail/gapura/filters/dmarc"
	"github.com/gapura-mail/gapura/filters/dnsbl"
	"github.com/gapura-mail/gapura/filters/headers"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spf"
	"github.com/gapura-mail/gapura/plugins"
)

// filterOptions returns new options of every filter with their defaults, by
// its name.
func filterOptions() map[string]any {
	return map[string]any{
		"antivirus":  ptr(antivirus.DefaultOptions()),
		"arc":        new(arc.Options),
		"attachment": ptr(attachment.DefaultOptions()),
		"dkim":       ptr(dkim.DefaultOptions()),
		"dmarc":      ptr(dmarc.DefaultOptions()),
		"dnsbl":      ptr(dnsbl.DefaultOptions()),
		"headers":    ptr(headers.DefaultOptions()),
		"plugin":     ptr(plugins.DefaultOptions()),
		"spam":       ptr(spam.DefaultOptions()),
		"spf":        ptr(spf.DefaultOptions()),
	}
}

func ptr[T any](v T) *T { return &v }
