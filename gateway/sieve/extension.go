package sieve

import "slices"

// extensions are the names that require knows, in the order of listing.
var extensions = []string{
	"body", "comparator-i;ascii-numeric", "copy", "date", "duplicate", "editheader", "encoded-character",
	"enotify", "envelope", "environment", "ereject", "extlists", "extracttext", "fcc", "fileinto",
	"foreverypart", "ihave", "imap4flags", "include", "index", "mailbox", "mboxmetadata", "mime", "regex", "reject",
	"relational", "servermetadata", "spamtest", "spamtestplus", "special-use", "subaddress", "vacation",
	"vacation-seconds", "variables", "virustest",
}

// builtins need no require (RFC 5228 section 2.7.3), and may have one.
var builtins = []string{"comparator-i;octet", "comparator-i;ascii-casemap", "comparator-i;unicode-casemap"}

// Extensions returns the names of all extensions that opt offers, in order,
// as ManageSieve lists them.
func Extensions(opt Options) []string {
	return slices.DeleteFunc(slices.Clone(extensions), func(e string) bool { return !opt.offers(e) })
}

// known tells whether require knows the name.
func (o *Options) known(ext string) bool {
	return slices.Contains(builtins, ext) || slices.Contains(extensions, ext) && o.offers(ext)
}
