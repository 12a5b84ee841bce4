// Package imap has IMAP's words, for both IMAP4rev1 (RFC 3501) and IMAP4rev2
// (RFC 9051): the lexing of commands, their grammar as small values, and the
// writing of responses. It knows bytes and order, not meaning, and does no
// input or output but through a Writer.
//
// A command is lexed from one slice that holds all of it, literals inline:
//
//	a1 LOGIN {4}\r\nfred {6}\r\nsecret
//
// Who reads the connection appends line after line and asks LiteralAtEnd
// whether octets of a literal follow; APPEND's messages it need not keep (see
// ParseAppend). A Decoder is sticky: after the first error every method
// returns false, so that a grammar reads like its ABNF.
//
//	var d imap.Decoder
//	d.Reset(command)
//	var c imap.Command
//	if !d.Command(&c) { ... }
//	var name string
//	if !d.SP() || !d.Mailbox(&name) || !d.End() { return d.Err() }
//
// What is returned as []byte aliases the command. Strings are copies.
package imap
