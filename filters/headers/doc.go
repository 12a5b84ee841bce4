// Package headers is the filter that looks at what a client says about itself
// and at the form of the header: whether the client's address has a name that
// leads back to it (RFC 8601 section 3), whether HELO makes sense (RFC 5321
// section 4.1.3, 4.1.4), and whether the fields of RFC 5322 section 3.6 are
// there, once, and well-formed.
//
// Facts at connect, as iprev also in Authentication-Results:
//
//	headers.fcrdns        pass, fail, none or temperror
//	headers.client_name   the name that leads back to the client, for pass
//	headers.ptr           all names that its address claims, proven or not
//
// Facts at helo, for clients that are strangers:
//
//	headers.helo          ok, invalid, ip, literal-mismatch or unqualified
//	headers.helo_dns      match, other, none or temperror
//	headers.helo_forged   the client calls itself by a name or address of ours
//
// Facts of the message:
//
//	headers.from_count, from_mailboxes, from_domain, from_domains, from_valid
//	headers.sender        ok, none, invalid or required
//	headers.date          ok, missing, invalid, future or past
//	headers.date_skew     seconds that Date is ahead of now
//	headers.message_id    ok, missing or invalid
//	headers.mime_version  ok, none, missing or invalid
//	headers.duplicates    fields that are there more often than they may
//	headers.no_recipients neither To nor Cc nor Bcc
//	headers.eightbit      octets above 127 without SMTPUTF8
//	headers.list          it came through a mailing list
//
// An example rule:
//
//	rules:
//	  - name: one author, please
//	    at: message
//	    if: headers.from_count != 1 || !headers.from_valid
//	    then: reject
//	    reply: "550 5.7.1 The message needs one From field with an address"
package headers
