// Package arc is the filter that validates the Authenticated Received Chain
// (RFC 8617): what forwarders and lists saw before they changed a message.
// Sealing is not its work: the gateway seals while it builds the header fields
// that it adds.
//
// A chain that passes proves who said it, not that it is true; so the
// administrator names the sealers to be believed. The facts arc.spf, arc.dkim
// and arc.dmarc are those of the first hop of the unbroken row of trusted
// sealers that ends with the newest.
//
// Facts:
//
//	arc.result      none, pass, fail or temperror
//	arc.instances   how many sets the chain has
//	arc.sealers     domains of the seals, the newest first
//	arc.oldest_pass from which instance on the message is unchanged, 0: from the first
//	arc.trusted     the chain passes and its newest sealer is trusted
//	arc.authserv    who reported the following
//	arc.spf, arc.dkim, arc.dmarc   results that a trusted sealer reported
//	arc.from        domain of From that its DMARC result is about
//
// It adds an arc result to Authentication-Results.
//
// An example rule:
//
//	rules:
//	  - name: forwarded by those whom we trust
//	    at: message
//	    if: dmarc.result == "fail" && arc.trusted && arc.dmarc == "pass"
//	    then: accept
package arc
