// Package mailbox keeps users' mail: an index in SQL, octets in blob, and a
// feed of what changes.
//
// A User has Folders (RFC 9051 calls them mailboxes) with names whose levels
// are parted by "/". A folder holds messages under UIDs; a message is an object
// (octets and index record), which folders and users share, with what each
// folder says of it: flags, modification sequence, dates.
//
// To store mail is two steps. Store.Put makes octets durable and indexes them,
// out of everybody's sight; Store.Deliver, User.Append make messages of them,
// durably, all at once. What is never made a message is reclaimed.
//
// A View is what one session sees of one folder. It stays as it was when the
// folder was selected until Sync takes up what others, and the session itself,
// have done since: sequence numbers never change behind a session's back.
//
// UIDs, UIDVALIDITY and the ids of RFC 8474 are never used twice. Every change
// of a folder's messages has a modification sequence above all before it
// (RFC 7162).
//
// On SQLite one process writes mailboxes. On PostgreSQL several may; each
// learns of what the others did by LISTEN, and at the latest when it writes.
package mailbox
