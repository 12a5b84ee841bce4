// Package dmarc is the filter that evaluates DMARC (RFC 9989): it finds the
// policy of the domain in From by tree walk while the body arrives, and
// combines it with what the filters spf and dkim found, which are listed
// before it. Mail of clients that are authenticated or may relay is not
// evaluated.
//
// Facts:
//
//	dmarc.result          none, pass, fail, temperror, permerror
//	dmarc.disposition     what the domain's owner asks for this message: none, quarantine, reject
//	dmarc.policy          the policy that applies, t=y considered
//	dmarc.domain          the author's domain
//	dmarc.org_domain      its organizational domain
//	dmarc.policy_domain   whose record it is, "" without one
//	dmarc.spf_aligned     SPF passed for an aligned domain
//	dmarc.dkim_aligned    a signature of an aligned domain passed
//	dmarc.testing         the record says t=y
//	dmarc.list_mail       the message says that a mailing list sent it
//	dmarc.forwarder       one of the forwarders in the configuration sent it
//
// It adds a dmarc result to Authentication-Results.
//
// RFC 9989 section 7.4 forbids to refuse mail because of p=reject alone. An
// example rule that heeds it:
//
//	rules:
//	  - name: DMARC
//	    at: message
//	    if: dmarc.disposition == "reject" && !dmarc.list_mail && !dmarc.forwarder && !arc.trusted
//	    then: reject
package dmarc
