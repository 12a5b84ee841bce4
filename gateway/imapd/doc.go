// Package imapd is the IMAP server: IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051)
// and their extensions over gateway/mailbox, one file per command.
//
// A connection has one goroutine with a small stack and no buffers, which
// waits for octets; what has come is read, run and answered by a goroutine of
// the server's crew (a turn), so that thousands of connections that wait cost
// next to nothing. All that belongs to a connection belongs to whichever of
// both runs; they never run at once.
//
// A command is a row of the table in table.go and a method in a file of its
// own: it parses its arguments with an imap.Decoder, asks the mailbox, appends
// untagged responses to c.out, and returns the tagged reply. What an error
// means for the client is decided in one place, errors.go.
package imapd
