package expr

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// DomainName returns a domain in lower case and A-labels, without a final dot,
// so that names that mean the same are equal.
func DomainName(s string) string {
	s = strings.TrimSuffix(s, ".")
	ascii, lower := true, true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
		lower = lower && (s[i] < 'A' || s[i] > 'Z')
	}
	if !ascii && len(s) <= smtp.MaxDomain {
		if a, err := idna.Lookup.ToASCII(s); err == nil {
			return a
		}
	}
	if ascii && lower {
		return s
	}
	return strings.ToLower(s)
}

// factName is what a fact may be called: words with dots between, of a
// filter's facts the filter's name first; all identifiers of CEL.
var factName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

// reserved are words that CEL does not let a name contain.
var reserved = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
	"let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
}

// IsFactName tells whether conditions can name a fact so.
func IsFactName(s string) bool {
	bad := func(w string) bool { return slices.Contains(reserved, w) }
	return factName.MatchString(s) && !slices.ContainsFunc(strings.Split(s, "."), bad)
}

// maxFieldName bounds the name of a field, which shares a line with its value.
const maxFieldName = 70

// IsFieldName tells whether s can be the name of a header field (RFC 5322
// section 3.6.8).
func IsFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != "" && len(s) <= maxFieldName
}
