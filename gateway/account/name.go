package account

import (
	"fmt"
	"strings"

	"golang.org/x/text/secure/precis"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxName bounds user names and addresses, in octets (RFC 5321 section
// 4.5.3.1.3).
const maxName = 256

// Name returns an address as it is compared: the local part in lower case and,
// where it is not ASCII, as PRECIS has user names (RFC 8265), the domain in
// lower-case ASCII. The error wraps ErrName.
func Name(s string) (string, error) {
	if len(s) > maxName {
		return "", fmt.Errorf("%w: longer than %d octets", ErrName, maxName)
	}
	a, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrName, err)
	}
	local, err := localName(a.Local)
	if err != nil {
		return "", err
	}
	domain, err := smtp.ASCIIDomain(a.Domain)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrName, err)
	}
	n := local + "@" + domain
	if len(n) > maxName {
		return "", fmt.Errorf("%w: longer than %d octets", ErrName, maxName)
	}
	return n, nil
}

func localName(s string) (string, error) {
	if (smtp.Address{Local: s}).String() != s || strings.Contains(s, "*") {
		return "", fmt.Errorf("%w: the local part has spaces, quotes or a *", ErrName)
	}
	if isASCII(s) {
		return strings.ToLower(s), nil
	}
	n, err := precis.UsernameCaseMapped.String(s)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrName, err)
	}
	return n, nil
}

// pattern is Name, or *@ and a domain, which stands for every address there
// that is nobody's.
func pattern(s string) (string, error) {
	if domain, ok := strings.CutPrefix(s, "*@"); ok {
		n, err := Name("x@" + domain)
		return "*" + strings.TrimPrefix(n, "x"), err
	}
	return Name(s)
}

// split cuts a name at its last @.
func split(name string) (local, domain string) {
	i := strings.LastIndexByte(name, '@')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

// withoutDetail returns a name without what follows the separator in its local
// part: user+detail@domain is user@domain.
func withoutDetail(name, separator string) (string, bool) {
	local, domain := split(name)
	if separator == "" {
		return name, false
	}
	i := strings.Index(local, separator)
	if i < 1 {
		return name, false
	}
	return local[:i] + "@" + domain, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
