// Package quarantine is mail that is kept apart, neither delivered nor refused,
// until somebody releases or removes it, or it expires.
//
// It waits where queued mail waits, as rows of the queue that no attempt is made
// at: so it is as durable, in backups, and moved with its segment as that is, and to
// release it changes one row in one transaction. From then on it is queued mail.
// Each recipient's copy has a row of its own; the octets are there once.
package quarantine
