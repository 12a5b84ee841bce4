// Package mailboxtest is the suite that mailbox.Store passes on every database
// and blob store.
package mailboxtest
