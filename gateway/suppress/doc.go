// Package suppress keeps the addresses that are not to be written to: those
// that bounced for good, those whose owners complained, and what an
// administrator puts on the list.
//
// An entry counts for the mail of one sending domain or of all. A filter in
// memory answers for nearly all addresses that they are on no list; only what
// it does not know is asked of the database, so that removals count at once.
// Additions by other processes (gapura suppress add) are seen within seconds, or after Refresh.
package suppress
