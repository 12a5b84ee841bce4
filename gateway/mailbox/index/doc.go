// Package index makes, once and in one pass over a message's octets, the
// record that IMAP answers from without reading the message again: ENVELOPE
// and BODYSTRUCTURE as they are sent (RFC 9051 section 7.5.2), where every
// section lies (BODY[1.2.MIME], BINARY of RFC 3516), PREVIEW (RFC 8970), the
// keys of SORT and THREAD (RFC 5256, RFC 5957) and what SEARCH compares.
//
// # The record
//
// A record is octets, to be kept as a BLOB; Open checks one, and its methods
// read a field each, without allocating. Numbers are varints as
// encoding/binary has them, unsigned unless said otherwise.
//
//	octet     version: 1
//	number    flags: bit n as the constant 1<<n of Flags
//	number    how many fields follow
//	numbers   the length of each field
//	octets    the fields one after another
//
// Fields, by their place; one that is missing at the end is empty, and those
// that a newer program appends are passed over:
//
//	 0  numbers: size, length of the header with its empty line, lines of
//	    the body, then, if bit FlagDate is set, the Date field: seconds since
//	    1970 and the zone in minutes east, both signed
//	 1  ENVELOPE in its parentheses; 8-bit strings are literals
//	 2  BODYSTRUCTURE, likewise, extension data included; message/global
//	    has its envelope and structure as RFC 9051 has it
//	 3  sections, below
//	 4  preview, UTF-8
//	 5  base subject for SORT and THREAD, folded
//	 6-8  mailbox (local part) of the first address in From, To, Cc, folded
//	 9,10 display of From, To (RFC 5957 section 3), folded
//	11  Message-ID without brackets, normalised
//	12  the identifiers of References, or else the first of In-Reply-To, each
//	    followed by a NUL
//	13-17 Subject, From, To, Cc, Bcc decoded and folded, several fields of a
//	    name separated by a line feed
//	18  first address of From as "local@domain", as it came
//
// "Folded" is i;unicode-casemap (RFC 5051): see Fold.
//
// Sections are entities in order of appearance, the message first, parts
// after what contains them:
//
//	octet   kind (bits 0-1: leaf, multipart, message) and encoding (bits
//	        2-4: none, base64, quoted-printable, uuencode, unknown)
//	number  signed: begin of its header after the begin of the body of the
//	        entity before it
//	number  length of the header with the empty line
//	number  length of the body
//	number  of a leaf: octets decoded; of a multipart: number of parts
package index
