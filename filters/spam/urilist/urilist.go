package urilist

import (
	"cmp"
	"crypto"
	"slices"
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
	l.Skip(opt.Skip...)
	return l, nil
}

// FileHashes are those by which lists know files; none: no list does.
func (l *Lists) FileHashes() (all []crypto.Hash) {
	for _, x := range l.lists {
		if x.kind == byFile && !slices.Contains(all, x.hash) {
			all = append(all, x.hash)
		}
	}
	return all
}

// Skip has no list asked about domains, nor what is below them.
func (l *Lists) Skip(domains ...string) {
	for _, s := range domains {
		if name, ok := dns.Normal(s); ok {
			l.skip[name] = true
		}
	}
}

// skipped reports domains that are not asked about: those of the configuration
// and of brands, unless anyone may put a page there.
func (l *Lists) skipped(host, domain string, flags link.Flags) bool {
	if l.told(host) {
		return true
	}
	const anyones = link.FreeHost | link.Storage | link.Form | link.Tunnel | link.DynamicDNS | link.Shortener | link.Private
	return !flags.Any(anyones) && link.Famous(domain)
}

// told reports domains that are not asked about since somebody has said so.
func (l *Lists) told(host string) bool {
	for name := host; name != ""; {
		if l.skip[name] {
			return true
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return false
}
