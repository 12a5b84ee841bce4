// Package lda is the local delivery agent: it brings mail into mailboxes, by
// way of each user's Sieve script.
//
// A Delivery takes one message for recipients of ours. Each recipient is
// resolved to users (by alias, detail or catch-all); each user's script says
// what becomes of the copy; then the octets are stored once for all whose
// copies are the same, rows are made in one transaction, and 250 is said. What
// a script sends (redirects, answers, notices) is queued before that. All of it
// happens once for a transaction, recipient and user, however often it is
// tried.
//
// Nothing that a script does makes mail disappear unless it says so: one that
// cannot be compiled, fails or runs too long keeps the mail in the folder where
// it goes without any script, and the user finds out why in the log.
package lda
