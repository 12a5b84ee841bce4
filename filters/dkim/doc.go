// Package dkim is the filter that verifies DKIM signatures (RFC 6376, 8301,
// 8463). Keys are looked up from the end of the header block on and the body
// is hashed while it arrives; both are skipped for mail without signatures.
//
// Facts:
//
//	dkim.result      the best of all signatures
//	dkim.domains     d= of those that pass
//	dkim.failed      d= of those that do not
//	dkim.temperror   d= of those whose key could not be looked up
//	dkim.selectors   s= of those that pass
//	dkim.signatures  how many there are
//	dkim.partial     all that pass leave a part of the body unsigned (l=)
//	dkim.testing     a domain that failed says that it is testing (t=y)
//
// It adds a dkim result for each signature to Authentication-Results.
//
// An example rule:
//
//	rules:
//	  - name: signed by our bank
//	    at: message
//	    if: '"bank.example" in dkim.domains && !dkim.partial'
//	    then: accept
package dkim
