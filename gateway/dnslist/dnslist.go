// Package dnslist has the conventions of DNS lists (RFC 5782): how answers are
// written in a configuration, which of them are no listings, and what of a
// list's text is fit to be passed on.
package dnslist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
)

const maxText = 200 // octets of a list's explanation

// Refusal tells answers that are no listings: what does not come from a list
// at all (RFC 5782 section 2.1), Spamhaus' 127.255.255.252, .254 and .255
// (typing error, open resolver, too many queries) and 127.0.1.255 (an address
// where a domain was due), dnswl.org's 127.0.0.255 and URIBL's and SURBL's
// 127.0.0.1 (too many queries).
func Refusal(ip netip.Addr) bool {
	a := ip.As4()
	switch {
	case a[0] != 127, a[1] == 255 && a[2] == 255:
		return true
	case a[1] == 0 && a[2] == 0:
		return a[3] == 1 || a[3] == 255
	}
	return a == [4]byte{127, 0, 1, 255}
}

// Clean makes text of strangers fit for a reply: printable ASCII, single
// spaces, bounded.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r <= ' ':
			return ' '
		case r > '~':
			return '?'
		}
		return r
	}, s[:min(len(s), 4*maxText)])
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxText {
		s = s[:max(0, strings.LastIndexByte(s[:maxText+1], ' '))]
	}
	return s
}

// Reason is why a list failed, without the name that was asked.
func Reason(err error) error {
	for _, known := range []error{dns.ErrTimeout, dns.ErrServFail} {
		if errors.Is(err, known) {
			return known
		}
	}
	return fmt.Errorf("look-up failed: %w", err)
}
