package link

import (
	"iter"
	"math/bits"
)

// Flags are properties of a URL.
type Flags uint64

// What a URL may be.
const (
	// Numeric: the host is an IP address.
	Numeric Flags = 1 << iota
	// Obscured: an IP address not written as people write one: octal, hex, in
	// fewer than four parts, or percent-encoded.
	Obscured
	// Userinfo: there is something before an @ in front of the host.
	Userinfo
	// Punycode: the host has an internationalised label.
	Punycode
	// MixedScript: an internationalised label mixes Latin letters with Cyrillic
	// or Greek ones, or is made of letters that all look Latin and are not.
	MixedScript
	// Disguised: the host was percent-encoded, of full-width letters or dots, or
	// had invisible characters in it.
	Disguised
	// Malformed: backslashes, missing or surplus slashes, control characters:
	// written so that browsers follow it and filters may not.
	Malformed
	// BadHost: browsers refuse the host. Host may be empty.
	BadHost
	// Bare: no scheme was written; a mail program adds http://.
	Bare
	// Private: the registrable domain stands below a suffix of the private part
	// of the public suffix list (github.io): whose it is differs by its first label.
	Private
	// UnknownTLD: the last label is no top-level domain of the public suffix list.
	UnknownTLD
	// Shortener: a short link; where it leads cannot be seen.
	Shortener
	// Redirector: a known redirector that leads to what Inner holds, if it can
	// be read.
	Redirector
	// Tracker: click tracking of a mailing service.
	Tracker
	// Rewritten: the link protection of another mail gateway, Inner is the original.
	Rewritten
	// Nested: a host that is no known redirector carries another URL.
	Nested
	// FreeHost: a page of a free host or site builder.
	FreeHost
	// Storage: a bucket of cloud storage, a shared file, a gateway of IPFS.
	Storage
	// Form: a form of a service at which anyone makes one.
	Form
	// Tunnel: a tunnel to somebody's own machine.
	Tunnel
	// DynamicDNS: a name of a dynamic DNS service.
	DynamicDNS
	// Messenger: leads to a chat (t.me, wa.me).
	Messenger
	// OddPort: a port other than that of the scheme.
	OddPort
	// DeepSubdomains: three labels or more stand before the registrable domain.
	DeepSubdomains
	// LookAlike: the host has a brand's word, or one that looks like it, and is
	// not the brand's. See URL.Brand.
	LookAlike
	// BrandInPath: a path or query has a brand's domain or word with a host that
	// is not the brand's.
	BrandInPath
	// CheapTLD: a top-level domain in which most new names are bought for abuse.
	CheapTLD
	// RandomHost: the registrable name looks made by a program.
	RandomHost
	// MailAddress: path, query or fragment hold a mail address, plain, encoded or
	// in base64, as lures that greet their victim have.
	MailAddress
	// Program: the path ends as programs, scripts and disk images do.
	Program
	// Archive: the path ends as archives do.
	Archive
	// Intruded: a path in which intruders leave pages on other people's sites
	// (wp-content/uploads/x.php, .well-known/).
	Intruded
	// Unsubscribe: the path or query speaks of unsubscribing or preferences.
	Unsubscribe
	// Long: longer than 500 octets.
	Long

	numFlags = iota
)

// flagTexts are names and, behind "links", what a flag says of them.
var flagTexts = [numFlags]struct{ name, doc string }{
	{"numeric", "to an IP address"},
	{"obscured", "to an IP address that is not written as people write one"},
	{"userinfo", "with something before an @ in front of the host"},
	{"punycode", "whose host has an internationalised label"},
	{"mixed_script", "whose host mixes alphabets, or looks Latin and is not"},
	{"disguised", "whose host was encoded, or had full-width or invisible characters"},
	{"malformed", "that browsers follow and filters may not: backslashes, slashes missing or too many"},
	{"bad_host", "whose host browsers refuse"},
	{"bare", "without a scheme"},
	{"private", "below a suffix that belongs to a company, such as github.io"},
	{"unknown_tld", "whose last label is no top-level domain"},
	{"shortener", "that are short links"},
	{"redirector", "by a known redirector"},
	{"tracker", "by the click tracking of a mailing service"},
	{"rewritten", "that another mail gateway has rewritten"},
	{"nested", "that carry another URL"},
	{"free_host", "to a free host or site builder"},
	{"storage", "to cloud storage, shared files or a gateway of IPFS"},
	{"form", "to a service at which anyone makes forms"},
	{"tunnel", "to a tunnel to somebody's own machine"},
	{"dynamic_dns", "to a name of a dynamic DNS service"},
	{"messenger", "into a chat"},
	{"odd_port", "to another port than that of the scheme"},
	{"deep_subdomains", "with three labels or more before the registrable domain"},
	{"look_alike", "whose host looks like a brand's and is not"},
	{"brand_in_path", "with a brand in the path or query, to a host that is not the brand's"},
	{"cheap_tld", "to a top-level domain in which most new names are bought for abuse"},
	{"random_host", "whose registrable name looks made by a program"},
	{"mail_address", "that carry a mail address"},
	{"program", "to programs, scripts and disk images"},
	{"archive", "to archives"},
	{"intruded", "to a path in which intruders leave pages on other people's sites"},
	{"unsubscribe", "that speak of unsubscribing or preferences"},
	{"long", "longer than 500 octets"},
}

// Has reports whether f has all of g.
func (f Flags) Has(g Flags) bool { return f&g == g }

// Any reports whether f has one of g.
func (f Flags) Any(g Flags) bool { return f&g != 0 }

// Names yields the names of the flags, as facts and reasons have them.
func (f Flags) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := f & (1<<numFlags - 1); f != 0; f &= f - 1 {
			if !yield(flagTexts[bits.TrailingZeros64(uint64(f))].name) {
				return
			}
		}
	}
}

// Doc says what links with the lowest flag are, for people.
func (f Flags) Doc() string { return "links " + flagTexts[bits.TrailingZeros64(uint64(f))].doc }

// String returns the names joined by commas.
func (f Flags) String() string {
	var b []byte
	for name := range f.Names() {
		if b != nil {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	return string(b)
}
