package link

import (
	"strings"

	"golang.org/x/net/idna"
)

// facts are what a host's name alone tells. Mail repeats hosts, so the last ones
// asked about are kept.
type facts struct {
	host, domain string
	flags        Flags
	brand        string
	rules        []rule // in the order of trial: the nearest name's first
}

// facts returns what is known of a host name in ASCII and lower case.
func (t *tables) facts(host string) *facts { return t.known.get(host, t.study) }

// study finds out about a host.
func (t *tables) study(host string) *facts {
	f := &facts{host: host}
	suffix, icann := publicSuffix(host)
	switch {
	case icann:
	case strings.IndexByte(suffix, '.') >= 0:
		f.flags |= Private
	default:
		f.flags |= UnknownTLD
	}
	f.domain = below(host, suffix)
	t.listed(f)
	if t.cheap[host[strings.LastIndexByte(host, '.')+1:]] {
		f.flags |= CheapTLD
	}
	if n := len(host) - len(f.domain); n > 0 && strings.Count(host[:n], ".") >= 3 {
		f.flags |= DeepSubdomains
	}
	if name, _, _ := strings.Cut(f.domain, "."); random(name) {
		f.flags |= RandomHost
	}
	shown := host
	if strings.HasPrefix(host, "xn--") || strings.Contains(host, ".xn--") {
		f.flags |= Punycode
		if s, err := idna.Punycode.ToUnicode(host); err == nil {
			shown = s
			if mixedScript(s) {
				f.flags |= MixedScript
			}
		}
	}
	if f.brand = t.brands.lookAlike(f.domain, shown); f.brand != "" {
		f.flags |= LookAlike
	}
	return f
}

// listed adds what the lists have about the host and the domains above it.
func (t *tables) listed(f *facts) {
	host := strings.TrimPrefix(f.host, "www.")
	for name := host; ; {
		if e := t.hosts[name]; e != nil {
			flags := e.flags
			if len(name) == len(host) && host != "sites.google.com" {
				flags &^= FreeHost | Tunnel | DynamicDNS // the service's own site
			}
			f.flags |= flags
			f.rules = append(f.rules, e.rules...)
		}
		i := strings.IndexByte(name, '.')
		if i < 0 {
			break
		}
		name = name[i+1:]
	}
	name, suffix, _ := strings.Cut(f.domain, ".")
	if e := t.wild[name]; e != nil && (national(suffix) || len(suffix) == 2) {
		f.rules = append(f.rules, e.rules...)
	}
}
