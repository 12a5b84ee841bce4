package link

import (
	"encoding/base64"
	"strings"
)

const (
	maxRules  = 32 // rules of one host that are tried
	maxParams = 64 // parameters of a query that are read
)

// follow reads where a known redirector leads.
func (u *URL) follow(rules []rule) {
	if u.Scheme == "mailto" {
		rules = nil
	}
	for _, r := range rules[:min(len(rules), maxRules)] {
		if !strings.HasPrefix(u.Path, r.path) {
			continue
		}
		if r.how == nil {
			u.Flags |= r.kind
			continue
		}
		found := false
		for _, how := range r.how {
			if found = u.unwrap(how); found {
				break
			}
		}
		if found || r.kind != Redirector || r.how[0] == "opaque" {
			u.Flags |= r.kind
		}
	}
}

// unwrap adds the URL that is carried in the way how.
func (u *URL) unwrap(how string) bool {
	switch how {
	case "opaque":
		return false
	case "any":
		return u.addInner(nestedURL(u.Query)) || u.addInner(nestedURL(u.Path)) || u.addInner(nestedURL(u.Fragment))
	case "path":
		return u.addInner(nestedURL(u.Path)) || u.addInner(pathURL(u.Path))
	case "urldefense1":
		return u.addInner(reveal(param(u.Query, "u")))
	case "urldefense2":
		return u.addInner(urlDefense2(param(u.Query, "u")))
	case "urldefense3":
		s := u.Path
		if u.Query != "" {
			s += "?" + u.Query
		}
		if u.Fragment != "" {
			s += "#" + u.Fragment
		}
		return u.addInner(urlDefense3(s))
	case "translate":
		return u.addInner(translated(u.Host, u.Path))
	case "amp":
		return u.addInner(amp(u.Path))
	case "json":
		return u.addInner(inBase64(u.Query)) || u.addInner(inBase64(u.Path)) || u.addInner(nestedURL(u.Query)) || u.addInner(pathURL(u.Path))
	}
	return u.addInner(reveal(param(u.Query, how)))
}

func (u *URL) addInner(s string) bool {
	if s == "" {
		return false
	}
	if len(u.Inner) < maxInner {
		u.Inner = append(u.Inner, s)
	}
	return true
}

// nested finds a URL of another domain that an unknown host carries.
func (u *URL) nested() {
	s := nestedURL(u.Query)
	if s == "" {
		s = nestedURL(u.Path)
	}
	if s == "" {
		s = inBase64(u.Query)
	}
	if s == "" {
		return
	}
	if host, ok := hostOf(s); ok && u.Domain != "" && !strings.HasSuffix(host, u.Domain) {
		u.Inner = append(u.Inner, s)
		u.Flags |= Nested
	}
}

// hostOf returns the host of an absolute URL without judging it.
func hostOf(s string) (string, bool) {
	var v URL
	_, rest, ok := cutScheme(s)
	if !ok {
		return "", false
	}
	rest = strings.TrimLeft(rest, "/\\")
	if i := strings.IndexAny(rest, "/\\?#"); i >= 0 {
		rest = rest[:i]
	}
	ok = v.authority(rest)
	return v.Host, ok && v.Host != ""
}

// param returns the escaped value of a parameter; names differ by case.
func param(query, name string) string {
	for range maxParams {
		if query == "" {
			break
		}
		var p string
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			p, query = query[:i], query[i+1:]
			p = strings.TrimPrefix(p, "amp;")
		} else {
			p, query = query, ""
		}
		if key, value, ok := strings.Cut(p, "="); ok && key == name {
			return value
		}
	}
	return ""
}

// reveal turns a parameter's value into a URL, or "" if it is none: it is
// escaped, perhaps twice, or base64.
func reveal(s string) string {
	if s == "" {
		return ""
	}
	for range 3 {
		if absolute(s) || strings.HasPrefix(s, "//") && len(s) > 4 {
			return s
		}
		next := unescape(s)
		if next == s {
			break
		}
		s = next
	}
	if d := inBase64(s); d != "" {
		return d
	}
	if host, _, _ := strings.Cut(s, "/"); strings.IndexByte(host, '.') > 0 && !strings.ContainsAny(s, " @\"<>,") {
		if _, ok := (URL{}).bare(s); ok {
			return "http://" + s
		}
	}
	return ""
}

// absolute reports whether s begins as a web URL.
func absolute(s string) bool {
	i := nestedAt(s[:min(len(s), 12)])
	return i == 0
}

// nestedAt returns where http:// or https:// stands in s, or -1. One slash is
// enough: paths lose the other.
func nestedAt(s string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], ':')
		if i < 0 {
			return -1
		}
		i += at
		at = i + 1
		if at >= len(s) || !isSlash(s[at]) {
			continue
		}
		for _, scheme := range [...]string{"https", "http"} {
			if start := i - len(scheme); start >= 0 && strings.EqualFold(s[start:i], scheme) && (start == 0 || !isLetter(s[start-1])) {
				return start
			}
		}
	}
}

// nestedURL returns a web URL carried in s, escaped up to twice, or "".
func nestedURL(s string) string {
	for range 3 {
		if len(s) < 10 {
			return ""
		}
		if i := nestedAt(s); i >= 0 {
			return s[i:]
		}
		i := nestedEscaped(s)
		if i < 0 {
			return ""
		}
		// A parameter ends where the next begins.
		s = s[i:]
		if end := strings.IndexAny(s, "&;"); end >= 0 {
			s = s[:end]
		}
		s = unescape(s)
	}
	return ""
}

// nestedEscaped returns where an escaped http:// begins, or -1.
func nestedEscaped(s string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '%')
		if i < 0 {
			return -1
		}
		i += at
		rest := s[i+1:]
		for strings.HasPrefix(rest, "25") {
			rest = rest[2:]
		}
		if strings.HasPrefix(rest, "3A") || strings.HasPrefix(rest, "3a") {
			for _, scheme := range [...]string{"https", "http"} {
				if start := i - len(scheme); start >= 0 && strings.EqualFold(s[start:i], scheme) {
					return start
				}
			}
		}
		at = i + 1
	}
}

// inBase64 finds a URL in s that is base64 or base64url, plain or inside JSON
// or other octets: http has three forms, one for each place in three octets.
func inBase64(s string) string {
	for _, form := range [...]struct{ text, before string }{{"aHR0c", ""}, {"odHRw", "h"}, {"h0dHA6", "ht"}} {
		i := strings.Index(s, form.text)
		if i < 0 {
			continue
		}
		i += len(form.before)
		if u := decode64(form.before, s[i:]); u != "" {
			return u
		}
	}
	return ""
}

// decode64 decodes s as far as it is base64 and returns the URL that before and
// it begin with.
func decode64(before, s string) string {
	end := 0
	for end < len(s) && (isLetter(s[end]) || isDigit(s[end]) || strings.IndexByte("+/-_", s[end]) >= 0) {
		end++
	}
	enc := base64.RawStdEncoding
	if strings.ContainsAny(s[:end], "-_") {
		enc = base64.RawURLEncoding
		end = strings.IndexAny(s[:end]+"/", "+/")
	}
	end -= boolInt(end%4 == 1)
	b, err := enc.DecodeString(s[:end])
	if err != nil && len(b) < 8 {
		return ""
	}
	text := before + strings.ReplaceAll(string(b), `\`, "") // JSON escapes slashes
	if nestedAt(text) != 0 {
		return ""
	}
	if end := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r == '"' || r == '\'' || r == '<' || r > '~' }); end >= 0 {
		text = text[:end]
	}
	return text
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pathURL reads the first part of a path that is a domain or an escaped or
// base64 URL: /L0/https:%2F%2F..., /e/c/eyJ..., /example.com%2Fx/abc.
func pathURL(path string) string {
	if s := inBase64(path); s != "" {
		return s
	}
	for part := range strings.SplitSeq(path, "/") {
		if strings.IndexByte(part, '.') > 0 || strings.Contains(part, "%2") {
			if s := reveal(part); s != "" {
				return s
			}
		}
	}
	return ""
}

// amp reads /amp/s/host/x, /c/s/host/x, /v/s/host/x.
func amp(path string) string {
	for _, p := range [...]string{"/amp/s/", "/c/s/", "/v/s/", "/i/s/", "/r/s/", "/amp/", "/c/", "/v/"} {
		if rest, ok := strings.CutPrefix(path, p); ok && strings.IndexByte(rest, '.') > 0 {
			scheme := "http://"
			if strings.HasSuffix(p, "s/") {
				scheme = "https://"
			}
			return scheme + rest
		}
	}
	return ""
}

// translated reads www-example-com.translate.goog: - is a dot, -- a hyphen.
func translated(host, path string) string {
	label, ok := strings.CutSuffix(host, ".translate.goog")
	if !ok || label == "" {
		return ""
	}
	label = strings.ReplaceAll(label, "--", "\x00")
	label = strings.ReplaceAll(label, "-", ".")
	return "https://" + strings.ReplaceAll(label, "\x00", "-") + path
}

// urlDefense2 undoes Proofpoint's URL Defense 2: - is %, _ is /.
func urlDefense2(s string) string {
	if s == "" {
		return ""
	}
	return reveal(unescape(strings.NewReplacer("-", "%", "_", "/").Replace(s)))
}

// urlDefense3 undoes Proofpoint's URL Defense 3: /v3/__URL__;BYTES!!... where
// each * stands for one character of BYTES and ** and a letter for a run of them.
func urlDefense3(path string) string {
	_, rest, ok := strings.Cut(path, "__")
	if !ok {
		return ""
	}
	end := strings.LastIndex(rest, "__;")
	if end < 0 {
		if end = strings.LastIndex(rest, "__"); end < 0 {
			return ""
		}
		return oneSlash(rest[:end])
	}
	s, code := rest[:end], rest[end+3:]
	code, _, _ = strings.Cut(code, "!")
	if strings.IndexByte(s, '*') < 0 || code == "" {
		return oneSlash(s)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(code, "="))
	if err != nil {
		return oneSlash(s)
	}
	chars := []rune(string(b))
	out := make([]byte, 0, len(s)+len(b))
	for i := 0; i < len(s); i++ {
		n := 1
		switch {
		case s[i] != '*':
			out = append(out, s[i])
			continue
		case i+2 < len(s) && s[i+1] == '*':
			n = 2 + max(0, strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", s[i+2]))
			i += 2
		}
		n = min(n, len(chars))
		out, chars = append(out, string(chars[:n])...), chars[n:]
	}
	return oneSlash(string(out))
}

// oneSlash gives http:/x the slash back that some servers take.
func oneSlash(s string) string {
	if i := strings.Index(s, ":/"); i > 0 && i < 6 && !strings.HasPrefix(s[i:], "://") {
		s = s[:i] + "://" + s[i+2:]
	}
	if !absolute(s) {
		return ""
	}
	return s
}
