package link

import (
	"strings"
)

// Bounds.
const (
	maxTarget = 8 << 10 // octets of a target that are read
	maxHost   = 1 << 10 // octets of a host as written; more than any disguise needs
	longURL   = 500     // octets from which a URL is Long
	maxInner  = 4       // URLs kept that one URL carries
	maxDepth  = 5       // redirectors followed by Final
)

// URL is a link's target taken apart. Strings are parts of the target where
// they could be.
type URL struct {
	// Scheme in lower case: http for what has none, mailto, tel, data,
	// javascript, cid, file ...
	Scheme string
	// User is what stood before the @: of a mail address the local part.
	User string
	// Host in lower case and ASCII, an IP address in its usual form (IPv6
	// without brackets), of a mail address its domain.
	Host string
	// Domain is the registrable domain by the public suffix list, both parts:
	// for someone.github.io that name; see Private and Owner. For an IP address
	// it is the address, for a public suffix itself that suffix.
	Domain string
	// Port as written, 0 if none was.
	Port int
	// Path begins with a slash if there is one. Of tel: it is the number, of
	// data: the media type, of cid: the id, of javascript: empty.
	Path string
	// Query without its question mark, Fragment without its hash.
	Query, Fragment string
	// Inner are up to four URLs that this one carries: where a redirector leads.
	Inner []string
	// Brand is the brand that a LookAlike or BrandInPath resembles.
	Brand string
	Flags Flags
}

// Parse reads the target of a link, or a URL or bare domain found in text. It
// reports false for what leads nowhere outside the message: fragments, relative
// paths, empty targets, words that are no domain.
func Parse(target string) (URL, bool) {
	var u URL
	s := u.clean(target)
	scheme, rest, ok := cutScheme(s)
	if !ok {
		return u.bare(s)
	}
	u.Scheme = scheme
	switch scheme {
	case "http", "https", "ftp", "ws", "wss":
		return u.web(rest)
	case "mailto":
		return u.mailto(rest)
	case "tel", "callto", "sms", "smsto", "facetime", "facetime-audio":
		number, query, _ := strings.Cut(strings.TrimLeft(rest, "/"), "?")
		u.Path, u.Query = digitsOf(number), query
		return u, u.Path != ""
	case "data":
		u.Path = mediaType(rest)
		return u, true
	case "javascript", "vbscript", "about", "blob":
		return u, true
	case "cid", "mid":
		u.Path = rest
		return u, rest != ""
	case "file":
		if strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///") {
			return u.web(rest)
		}
		return u, true
	}
	if i := nestedAt(rest); i >= 0 { // ms-word:ofe|u|https://host/x, intent:, view-source:
		u.Path, u.Inner = rest[:i], []string{rest[i:]}
		return u, true
	}
	if strings.HasPrefix(rest, "//") {
		return u.web(rest)
	}
	u.Path = rest
	return u, rest != ""
}

// clean does what browsers do first: blanks and controls at both ends go, tabs
// and line breaks go everywhere.
func (u *URL) clean(s string) string {
	if len(s) > maxTarget {
		s = s[:maxTarget]
	}
	if len(s) > longURL {
		u.Flags |= Long
	}
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xa0 || r == 0xad || invisible(r) })
	if !strings.ContainsAny(s, "\t\r\n") {
		return s
	}
	u.Flags |= Malformed
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}

// cutScheme cuts a scheme off, in lower case. host:80/ has none.
func cutScheme(s string) (scheme, rest string, ok bool) {
	for i := range min(len(s), 24) {
		switch c := s[i]; {
		case c == ':' && i > 1: // C:\file has none
			scheme, rest = strings.ToLower(s[:i]), s[i+1:]
			port := rest != "" && isDigit(rest[0]) && scheme != "tel" && scheme != "sms" && scheme != "callto" && scheme != "mailto" && scheme != "http" && scheme != "https"
			return scheme, rest, !port && !strings.Contains(scheme, ".")
		case isLetter(c), i > 0 && (isDigit(c) || c == '+' || c == '-' || c == '.'):
		default:
			return "", s, false
		}
	}
	return "", s, false
}

// bare reads what has no scheme: //host/x, www.host, host.tld/x, a@host.tld.
func (u URL) bare(s string) (URL, bool) {
	u.Scheme = "http"
	if len(s) > 2 && isSlash(s[0]) && isSlash(s[1]) {
		return u.web(s)
	}
	if s == "" || strings.IndexByte("/#?.\\", s[0]) >= 0 {
		return u, false
	}
	u.Flags |= Bare
	end := strings.IndexAny(s, "/\\?#")
	if end < 0 {
		end = len(s)
	}
	host := s[:end]
	if strings.IndexByte(host, '.') < 0 && !strings.ContainsAny(host, "。．｡%") || strings.ContainsAny(host, " <>\"") {
		return u, false
	}
	if at := strings.IndexByte(host, '@'); at > 0 && end == len(s) {
		u.Scheme = "mailto"
		return u.mailto(s)
	}
	v, ok := u.web(s)
	if !ok || v.Flags.Any(UnknownTLD|BadHost) {
		return v, false
	}
	if v.Flags.Has(Numeric) {
		return v, end < len(s) && strings.Count(host, ".") == 3
	}
	return v, strings.HasPrefix(v.Host, "www.") || end < len(s)-1 || !fileLike(v.Host)
}

// fileLike reports names like main.rs or notes.md, which end as files do.
func fileLike(host string) bool {
	i := strings.LastIndexByte(host, '.')
	return strings.IndexByte(host, '.') == i && lists().files[host[i+1:]]
}

// web reads authority, path, query and fragment as browsers do: backslashes are
// slashes, and as many may stand before the host as like.
func (u URL) web(s string) (URL, bool) {
	start := 0
	for start < len(s) && isSlash(s[start]) {
		if s[start] == '\\' {
			u.Flags |= Malformed
		}
		start++
	}
	if start != 2 && !u.Flags.Has(Bare) {
		u.Flags |= Malformed
	}
	s = s[start:]
	end := strings.IndexAny(s, "/\\?#")
	if end < 0 {
		end = len(s)
	}
	if end == len(s) { // a sentence's punctuation at the end of a host
		end = len(strings.TrimRight(s, ").,;:!?*'\"]>"))
		if strings.IndexByte(s[:end], '[') >= 0 {
			end = len(s)
		}
		s = s[:end]
	}
	u.locate(s[end:])
	if end == 0 {
		return u, false
	}
	if !u.authority(s[:end]) {
		u.Flags |= BadHost
	}
	u.judge()
	return u, true
}

// locate splits what follows the authority.
func (u *URL) locate(s string) {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s, u.Fragment = s[:i], s[i+1:]
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		s, u.Query = s[:i], s[i+1:]
	}
	if strings.IndexByte(s, '\\') >= 0 {
		u.Flags |= Malformed
		s = strings.ReplaceAll(s, `\`, "/")
	}
	u.Path = s
}

// authority reads [user[:password]@]host[:port].
func (u *URL) authority(s string) bool {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		u.User, s = s[:at], s[at+1:]
		u.Flags |= Userinfo
	}
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		host, port = s[:end+1], s[end+1:]
		if port != "" && port[0] != ':' {
			return false
		}
	} else if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	if !u.setHost(host) {
		return false
	}
	for _, c := range []byte(strings.TrimPrefix(port, ":")) {
		if !isDigit(c) || u.Port > 6553 {
			return false
		}
		u.Port = u.Port*10 + int(c-'0')
	}
	return u.Port < 1<<16
}

// mailto reads the first address.
func (u URL) mailto(s string) (URL, bool) {
	s = strings.TrimLeft(s, "/")
	s, u.Query, _ = strings.Cut(s, "?")
	if strings.IndexByte(s, '%') >= 0 {
		s = unescape(s)
	}
	s, _, _ = strings.Cut(s, ",")
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		u.Path = s
		return u, s != "" || u.Query != ""
	}
	u.User = s[:at]
	if !u.setHost(strings.TrimRight(s[at+1:], ">")) {
		u.Flags |= BadHost
		return u, !u.Flags.Has(Bare)
	}
	u.judgeHost()
	return u, !u.Flags.Has(Bare) || !u.Flags.Any(UnknownTLD)
}

// mediaType returns the media type of a data: URL in lower case.
func mediaType(s string) string {
	end := strings.IndexAny(s[:min(len(s), 128)], ";,")
	if end < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(s[:end]))
}

// Final follows what known redirectors carry, five deep, and returns the last
// URL. It is u itself if u carries none.
func (u URL) Final() URL {
	for range maxDepth {
		if len(u.Inner) == 0 || !u.Flags.Any(Redirector|Tracker|Rewritten|Shortener) {
			break
		}
		next, ok := Parse(u.Inner[0])
		if !ok {
			break
		}
		u = next
	}
	return u
}

func isSlash(c byte) bool  { return c == '/' || c == '\\' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
