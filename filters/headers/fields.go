package headers

import "github.com/gapura-mail/gapura/gateway"

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	const connect, helo, msg = gateway.StageConnect, gateway.StageHelo, gateway.StageMessage
	return []gateway.Field{
		{Name: "headers.fcrdns", Type: gateway.String, Stage: connect, Doc: `Whether a name of the client's address leads back to it: pass, fail, none (the address has no name) or temperror; "" on a unix socket.`},
		{Name: "headers.client_name", Type: gateway.String, Stage: connect, Doc: `The client's name, where headers.fcrdns is pass; else "".`},
		{Name: "headers.ptr", Type: gateway.Strings, Stage: connect, Doc: "The names that the client's address claims, at most 10, proven or not."},
		{Name: "headers.helo", Type: gateway.String, Stage: helo, Doc: `The form of HELO: ok (a domain name, or a literal of the client's address), invalid, ip (an address without brackets), literal-mismatch (a literal of another address) or unqualified (one label). "" for users, submission and relaying networks.`},
		{Name: "headers.helo_dns", Type: gateway.String, Stage: helo, Doc: `What the DNS says of a name in HELO: match (it has the client's address), other (it exists, with other addresses or a mail exchanger), none or temperror; "" where HELO is no name.`},
		{Name: "headers.helo_forged", Type: gateway.Bool, Stage: helo, Doc: "A stranger calls itself by our host name, one of our domains, own_names, or the address that it connected to."},
		{Name: "headers.from_count", Type: gateway.Int, Stage: msg, Doc: "Number of From fields. RFC 5322 wants one."},
		{Name: "headers.from_mailboxes", Type: gateway.Int, Stage: msg, Doc: "Number of mailboxes in all From fields."},
		{Name: "headers.from_domain", Type: gateway.String, Stage: msg, Doc: "Domain of the first mailbox in From, lower case, in A-labels."},
		{Name: "headers.from_domains", Type: gateway.Strings, Stage: msg, Doc: "Domains of all mailboxes in all From fields, each once, at most 100."},
		{Name: "headers.from_valid", Type: gateway.Bool, Stage: msg, Doc: "There is one From field, it keeps to RFC 5322, and each of its mailboxes has a domain that can exist."},
		{Name: "headers.sender", Type: gateway.String, Stage: msg, Doc: "The Sender field: ok, none, invalid, or required (there is none but several authors; RFC 5322 section 3.6.2)."},
		{Name: "headers.date", Type: gateway.String, Stage: msg, Doc: "The Date field: ok, missing, invalid, future (further ahead than the option allows) or past (older than it allows)."},
		{Name: "headers.date_skew", Type: gateway.Int, Stage: msg, Doc: "Seconds that Date is ahead of now; negative: behind. 0 without a valid Date."},
		{Name: "headers.message_id", Type: gateway.String, Stage: msg, Doc: "The Message-ID field: ok, missing or invalid."},
		{Name: "headers.mime_version", Type: gateway.String, Stage: msg, Doc: "The MIME-Version field: ok, none (and no other MIME field), missing (but there are MIME fields) or invalid."},
		{Name: "headers.duplicates", Type: gateway.Strings, Stage: msg, Doc: "Fields that are there more often than once although RFC 5322 section 3.6 or RFC 2045 allows one, in lower case."},
		{Name: "headers.no_recipients", Type: gateway.Bool, Stage: msg, Doc: "There is no To, Cc or Bcc field."},
		{Name: "headers.eightbit", Type: gateway.Bool, Stage: msg, Doc: "The header has octets above 127, though the sender did not say SMTPUTF8."},
		{Name: "headers.list", Type: gateway.Bool, Stage: msg, Doc: "The message came through a mailing list: it has List-Id (RFC 2919), List-Post (RFC 2369) or Mailing-List, or Precedence says list."},
	}
}
