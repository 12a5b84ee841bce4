// Package spf is the filter that checks SPF (RFC 7208): of the name in HELO or
// EHLO, and of the MAIL FROM address. Mail with a null sender has the HELO
// identity for both. Clients that are authenticated or may relay are not
// checked.
//
// Facts:
//
//	spf.result        of MAIL FROM: none, neutral, pass, fail, softfail, temperror, permerror
//	spf.domain        the domain that was checked
//	spf.mechanism     the term that matched, "default" when none did
//	spf.explanation   what the domain's owner says about a fail
//	spf.lookups       terms that asked the DNS; more than 10 are a permerror
//	spf.helo_result   of HELO
//	spf.helo_domain
//
// It adds spf results with smtp.helo and smtp.mailfrom to
// Authentication-Results.
//
// An example rule:
//
//	rules:
//	  - name: nobody may send as us from outside
//	    at: mail
//	    if: spf.result == "fail" && spf.domain == "example.org"
//	    then: reject
package spf
