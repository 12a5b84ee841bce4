package e2e_test

import "testing"

// programs are mail programs of others, each with a user of its own on one
// gateway. go-imap judges what they did, and they each other's: see box.
var programs = []struct {
	name string
	run  func(b *box)
}{
	{"mbsync", byMbsync},
	{"offlineimap", byOfflineimap},
	{"neomutt", byNeomutt},
	{"imapfilter", byImapfilter},
	{"imaplib", byImaplib},
	{"curl", byCurl},
	{"dsync", byDsync},
	{"getmail", byGetmail},
	{"fetchmail", byFetchmail},
	{"mpop", byMpop},
	{"poplib", byPoplib},
}

// TestMailPrograms: each reads, and marks, moves, searches, appends and deletes
// as it can.
func TestMailPrograms(t *testing.T) {
	t.Parallel()
	k := startKeeper(t, "pop3: {lock_wait: 100ms}\n")
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.run(k.box(t, p.name))
		})
	}
}
