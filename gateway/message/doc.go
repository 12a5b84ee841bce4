// Package message reads RFC 5322 messages from raw bytes that nobody vouches
// for: the header block and its fields, Received, Authentication-Results (RFC
// 8601), addresses in header fields, and the streaming MIME walk in the few
// readings that real clients make.
package message
