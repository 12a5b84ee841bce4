// Package transfer reads mail from where other systems keep it and writes it
// in forms that they read: Maildir, mbox, and IMAP as a client.
//
// A Source is read in two goes: Scan finds out what there is, so that a
// progress bar knows the end, and Messages gives one message after another.
// Nothing of a source is changed. What is damaged is skipped, and told.
package transfer
