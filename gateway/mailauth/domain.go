package mailauth

import (
	"errors"
	"strings"

	"golang.org/x/net/idna"
)

// maxUDomain bounds the octets of a name with U-labels; at most 4 of them make
// one of the 253 of its A-labels.
const maxUDomain = 4 * 253

// ASCIIDomain returns domain in A-label form and lower case (RFC 5890 section
// 2.3.2.1), without a final dot. It fails for U-labels that IDNA 2008 has no
// A-label for; names in ASCII are not checked.
func ASCIIDomain(domain string) (string, error) {
	domain = strings.TrimSuffix(domain, ".")
	if isASCII(domain) {
		return strings.ToLower(domain), nil
	}
	if len(domain) > maxUDomain {
		return "", errors.New("domain name too long")
	}
	return idna.Lookup.ToASCII(domain)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isSubdomain tells whether name is domain or below it; both are lower case.
func isSubdomain(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, domain) && name[len(name)-len(domain)-1] == '.'
}
