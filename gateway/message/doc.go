// Package message reads RFC 5322 messages from raw bytes that nobody vouches
// for: the header block and its fields, Received, Authentication-Results (RFC
// 8601), addresses in header fields, and the streaming MIME walk in the few
// readings that real clients make.
package message

// ReadingName names one of the ways in which real clients read an ambiguous
// message; docs/mime.md describes them. "" is the plain one.
type ReadingName string
