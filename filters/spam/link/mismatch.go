package link

import (
	"strings"
)

const (
	maxShown  = 512 // octets of a link's text in which a URL is looked for
	maxBefore = 6   // words before a bare domain that is still shown as a target
)

// Mismatch reports whether text, what a link shows, is or has a URL, domain or
// mail address of another registrable domain than where u leads. It is none if
// both are one brand's, if a redirector's Inner leads to what is shown, or if u
// is a tracker that tells nothing.
func Mismatch(text string, u URL) bool {
	shown, ok := Shown(text)
	if shown.Scheme == "mailto" && u.Scheme != "mailto" {
		return false // an address that is spoken of
	}
	if !ok || u.Domain == "" || shown.Domain == "" || shown.Domain == u.Domain {
		return false
	}
	if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" && u.Scheme != "ftp" {
		return false
	}
	b := &lists().brands
	for _, i := range b.owners(shown.Domain) {
		if b.owns(i, u.Domain) {
			return false
		}
	}
	if u.Flags.Any(Redirector | Tracker | Rewritten) {
		last := u.Final()
		return last.Domain != shown.Domain && last.Domain != u.Domain
	}
	return Owner(u.Host) != Owner(shown.Host)
}

func (b *brands) owners(domain string) []int32 {
	if o := b.own[domain]; len(o) > 0 {
		return o
	}
	name, suffix, _ := strings.Cut(domain, ".")
	if national(suffix) {
		return b.ownWild[name]
	}
	return nil
}

// Shown returns the first URL, domain or mail address that a link's text shows.
func Shown(text string) (URL, bool) {
	text = text[:min(len(text), maxShown)]
	if strings.IndexByte(text, '.') < 0 && !strings.ContainsAny(text, "。．｡․") {
		return URL{}, false
	}
	words := 0
	for word := range strings.FieldsSeq(text) {
		words++
		word = strings.Trim(word, "<>()[]{}\"'“”‘’«»,;:!?*|")
		if i := strings.IndexByte(word, '.'); i <= 0 && !strings.ContainsAny(word, "。．｡․") || len(word) < 4 {
			continue
		}
		if !strings.Contains(word, "://") && strings.ContainsAny(word, "…") {
			continue
		}
		u, ok := Parse(word)
		if ok && u.Domain != "" && !u.Flags.Any(UnknownTLD|BadHost) && strings.Contains(u.Domain, ".") &&
			(u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "mailto" || u.Scheme == "ftp") {
			if u.Flags.Has(Bare) && words > maxBefore && !strings.HasPrefix(u.Host, "www.") {
				continue
			}
			return u, true
		}
	}
	return URL{}, false
}
