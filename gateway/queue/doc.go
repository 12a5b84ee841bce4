// Package queue keeps mail durably until its next hop has taken it.
//
// Bodies are in gateway/blob, everything else is in gateway/sqldb, and the
// database is the truth: what memory holds is a bounded part of it. Each
// message has one row, an entry, for each group of recipients who share a
// destination.
//
// Most mail is delivered as soon as it is accepted and never gets a row: what
// the row would hold is a note of the octets, which is durable with them. These
// notes are the log (wal.go); after a second, or a crash, rows are made of what
// is left there.
//
// Any other entry that has just been accepted is in the table queue_new, which is as
// small as what is being delivered right now and has no index, and in memory,
// from where it is tried at once. One that has to wait moves to queue_waiting;
// the runner loads it from there when it is due. What is accepted while its
// destination is down, or while memory is full, goes to queue_waiting at once.
//
//	Commit    blob.AppendNote (durable), or blob.Append and the journal: rows of
//	          many messages in one transaction (durable); then 250 and the
//	          scheduler
//	schedule  lanes and priorities by weight, destinations in turn, senders in
//	          turn, the oldest first
//	attempt   Transport.Deliver, then outcomes: the entry's row is removed, or
//	          a note of many entries says that they are done, or the row is
//	          changed to wait for its next attempt; notifications are queued in
//	          the same transaction
//
// All times that are stored are Unix milliseconds of the queue's own clock,
// which is set once, when the queue is opened: it goes on evenly when somebody
// sets the machine's clock.
package queue
