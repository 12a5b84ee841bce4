package urilist

import (
	"cmp"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/gateway/dns"
)

// Lists asks DNS lists.
type Lists struct {
	lists    []*list
	resolver dns.Resolver
	opt      Options
	skip     map[string]bool
}

// New returns the lists. r should remember answers and join questions that are
// asked at once: messages of one wave carry the same domains.
func New(opt Options, r dns.Resolver) (*Lists, error) {
	lists, err := compile(opt)
	if err != nil {
		return nil, err
	}
	opt.Wait = cmp.Or(opt.Wait, defaultWait)
	opt.MaxLookups = cmp.Or(opt.MaxLookups, defaultLookups)
	l := &Lists{lists: lists, resolver: r, opt: opt, skip: map[string]bool{}}
	for _, s := range opt.Skip {
		name, _ := dns.Normal(s)
		l.skip[name] = true
	}
	return l, nil
}

// skipped reports domains that are not asked about: those of the configuration
// and of brands, unless anyone may put a page there.
func (l *Lists) skipped(host, domain string, flags link.Flags) bool {
	for name := host; name != ""; {
		if l.skip[name] {
			return true
		}
		_, name, _ = strings.Cut(name, ".")
	}
	const anyones = link.FreeHost | link.Storage | link.Form | link.Tunnel | link.DynamicDNS | link.Shortener | link.Private
	return !flags.Any(anyones) && link.Famous(domain)
}
