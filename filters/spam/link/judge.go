package link

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// judge sets the flags of a web URL whose parts are known.
func (u *URL) judge() {
	if u.Port != 0 && u.Port != defaultPort(u.Scheme) {
		u.Flags |= OddPort
	}
	if u.Host != "" {
		u.judgeHost()
	}
	u.judgePath()
	if len(u.Inner) == 0 {
		u.nested()
	}
}

func defaultPort(scheme string) int {
	switch scheme {
	case "https", "wss":
		return 443
	case "ftp":
		return 21
	}
	return 80
}

// judgeHost sets the flags that the host alone tells, and those that lists tell
// of its paths.
func (u *URL) judgeHost() {
	if u.Flags.Any(Numeric) {
		return
	}
	f := lists().facts(u.Host)
	u.Flags |= f.flags
	u.Brand = f.brand
	u.follow(f.rules)
}

// random reports names like x7k2qv9d or bcdfghklm: programs make them.
func random(name string) bool {
	if len(name) < 7 || strings.HasPrefix(name, "xn--") {
		return false
	}
	run, longest, switches, digits, vowels := 0, 0, 0, 0, 0
	for i := range len(name) {
		c := name[i]
		switch {
		case isDigit(c):
			digits++
			run = 0
		case strings.IndexByte("aeiouy", c) >= 0:
			vowels++
			run = 0
		case c == '-':
			run = 0
		default:
			run++
			longest = max(longest, run)
		}
		if i > 0 && isDigit(c) != isDigit(name[i-1]) && c != '-' && name[i-1] != '-' {
			switches++
		}
	}
	letters := len(name) - digits
	return longest >= 6 || switches >= 4 || letters >= 7 && vowels*7 < letters
}

// mixedScript reports whether a label mixes Latin with Cyrillic, Greek or
// others alike, or looks Latin through and through and is not.
func mixedScript(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		latin, like, other := 0, 0, 0
		for _, r := range label {
			switch {
			case r < utf8.RuneSelf:
				if isLetter(byte(r)) {
					latin++
				}
			case r < 0x250:
			case confusable(r) != 0:
				like++
			default:
				other++
			}
		}
		if like > 0 && (latin > 0 || other == 0) {
			return true
		}
	}
	return false
}

var programs = []string{
	".exe", ".scr", ".msi", ".hta", ".js", ".jse", ".vbs", ".vbe", ".wsf", ".bat", ".cmd", ".ps1", ".lnk", ".jar", ".apk", ".dmg", ".pkg",
	".iso", ".img", ".vhd", ".vhdx", ".com", ".pif", ".cpl", ".dll", ".msix", ".appx", ".appinstaller", ".application", ".one", ".xll", ".url", ".docm", ".xlsm", ".pptm",
}

var archives = []string{".zip", ".rar", ".7z", ".gz", ".tgz", ".bz2", ".xz", ".cab", ".ace", ".arj", ".lzh", ".z", ".tar"}

// judgePath sets the flags that path, query and fragment tell.
func (u *URL) judgePath() {
	path := u.Path
	if i := strings.LastIndexByte(path, '.'); i >= 0 && len(path)-i <= 13 && i > strings.LastIndexByte(path, '/') {
		switch ext := strings.ToLower(path[i:]); {
		case has(programs, ext) && (ext != ".com" || u.Query == ""):
			u.Flags |= Program
		case has(archives, ext):
			u.Flags |= Archive
		}
	}
	if intruded(path) {
		u.Flags |= Intruded
	}
	if containsFold(path, "unsub") || containsFold(u.Query, "unsub") || containsFold(path, "optout") || containsFold(path, "opt-out") || containsFold(path, "preferences") {
		u.Flags |= Unsubscribe
	}
	if hasAddress(u.Path) || hasAddress(u.Query) || hasAddress(u.Fragment) {
		u.Flags |= MailAddress
	}
	if u.Host != "" && u.Brand == "" {
		if brand := lists().brands.inPath(u); brand != "" {
			u.Brand = brand
			u.Flags |= BrandInPath
		}
	}
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// intruded reports paths under which a content manager keeps code and uploads,
// not pages.
func intruded(path string) bool {
	switch {
	case len(path) < 6:
		return false
	case strings.Contains(path, "/.well-known/"):
		return !strings.Contains(path, "/.well-known/acme-challenge/")
	case strings.Contains(path, "/wp-includes/"), strings.Contains(path, "/wp-admin/"), strings.Contains(path, "/.git/"), strings.Contains(path, "/cgi-bin/"):
		return true
	case strings.Contains(path, "/wp-content/"):
		return strings.HasSuffix(path, ".php") || strings.HasSuffix(path, "/") || strings.HasSuffix(path, ".html") || strings.HasSuffix(path, ".htm")
	}
	return false
}

// containsFold reports whether s has the lower-case ASCII word.
func containsFold(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	first := word[0]
	for i, c := range []byte(s[:len(s)-len(word)+1]) {
		if c|0x20 == first && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// hasAddress reports a mail address in s, plain, escaped, or in base64.
func hasAddress(s string) bool {
	if len(s) < 6 {
		return false
	}
	for i := 1; i < len(s)-3; i++ {
		at := s[i] == '@'
		if s[i] == '%' && s[i+1] == '4' && s[i+2] == '0' {
			at = true
		}
		if at && addressAround(s, i) {
			return true
		}
	}
	return encodedAddress(s)
}

// addressAround reports whether what stands around the @ at i is a mail
// address, and no user of a site (/@user) or map coordinates (@48.1,16.3).
func addressAround(s string, i int) bool {
	after := s[i+1:]
	if s[i] == '%' {
		after = s[i+3:]
	}
	local := 0 // a long one is a Message-ID of an archive's page
	for local < i && local < 25 && (isLetter(s[i-1-local]) || isDigit(s[i-1-local]) || strings.IndexByte("._-+", s[i-1-local]) >= 0) {
		local++
	}
	c := s[i-1]
	if local >= 25 || !isLetter(c) && !isDigit(c) && c != '_' && c != '-' || after == "" || !isLetter(after[0]) && !isDigit(after[0]) {
		return false
	}
	if len(after) > 1 && isDigit(after[0]) && after[1] == 'x' {
		return false // icon@2x.png
	}
	for j := range min(len(after), 64) {
		switch c := after[j]; {
		case c == '.':
			return j+2 < len(after) && isLetter(after[j+1]) && isLetter(after[j+2])
		case !isLetter(c) && !isDigit(c) && c != '-':
			return false
		}
	}
	return false
}

// encodedAddress looks at the last word of s, which lures' kits read.
func encodedAddress(s string) bool {
	s = strings.TrimRight(s, "=")
	i := strings.LastIndexFunc(s, func(r rune) bool {
		return r >= utf8.RuneSelf || !isLetter(byte(r)) && !isDigit(byte(r)) && r != '_' && r != '+' && r != '-'
	})
	word := s[i+1:]
	if len(word) < 12 || len(word) > 120 || len(word)%4 == 1 {
		return false
	}
	var in, out [128]byte
	copy(in[:], word)
	for j, c := range in[:len(word)] {
		switch c {
		case '-':
			in[j] = '+'
		case '_':
			in[j] = '/'
		}
	}
	n, err := base64.RawStdEncoding.Decode(out[:], in[:len(word)])
	if err != nil {
		return false
	}
	at := false
	for j, c := range out[:n] {
		if c < ' ' || c > '~' {
			return false
		}
		at = at || c == '@' && j > 0 && addressAround(string(out[:n]), j)
	}
	return at
}
