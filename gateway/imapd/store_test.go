package imapd_test

import (
	"strings"
	"testing"
)

func TestStoreChangesFlags(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 3)
	d := second(t, s)
	c.is(`STORE 1:2 +FLAGS (\Seen $Junk)`, `* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk)`, `* 1 FETCH (FLAGS (\Seen $Junk))`, `* 2 FETCH (FLAGS (\Seen $Junk))`, "OK Stored")
	c.is(`STORE 1 -FLAGS.SILENT \Seen`, "OK Stored")
	c.is(`UID STORE 3 FLAGS (\Draft)`, `* 3 FETCH (UID 3 FLAGS (\Draft))`, "OK Stored")
	c.is(`UID STORE 9 FLAGS (\Draft)`, "OK Stored")
	c.fails(`STORE 9 FLAGS (\Draft)`, "BAD")
	c.fails(`STORE 1 FLAGS (\Recent)`, "BAD")
	got := d.ok("NOOP")
	for _, want := range []string{`* FLAGS (`, `* 1 FETCH (FLAGS ($Junk))`, `* 2 FETCH (FLAGS (\Seen $Junk))`, `* 3 FETCH (FLAGS (\Draft))`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	d.ok("EXAMINE INBOX")
	d.fails(`STORE 1 FLAGS (\Seen)`, "NO [READ-ONLY]")
}

func TestConditionalStore(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 3)
	d := second(t, s)
	was := modseqOf(c, 3)
	d.ok(`STORE 2 +FLAGS (\Flagged)`)
	got := c.ok(`STORE 1:3 (UNCHANGEDSINCE ` + was + `) +FLAGS.SILENT (\Seen)`)
	c.has(got, `^OK \[MODIFIED 2\]`)
	c.has(got, `^\* 1 FETCH \(MODSEQ \(\d+\)\)$`)
	c.has(got, `^\* 3 FETCH \(MODSEQ \(\d+\)\)$`)
	got = c.ok(`UID STORE 2 (UNCHANGEDSINCE 1) +FLAGS (\Seen)`)
	c.has(got, `^OK \[MODIFIED 2\]`)
	if strings.Contains(got, `\Seen`) {
		t.Errorf("changed: %q", got)
	}
	c.has(c.ok("FETCH 1:3 (FLAGS) (CHANGEDSINCE "+was+")"), `^\* 2 FETCH \(FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)$`)
}

func modseqOf(c *client, seq int) string {
	c.t.Helper()
	_, n, _ := strings.Cut(c.ask("FETCH " + itoa(seq) + " MODSEQ")[0], "MODSEQ (")
	return strings.TrimSuffix(n, "))")
}

func TestCopyAndMove(t *testing.T) {
	t.Parallel()
	_, _, c := folder(t, 4)
	c.fails("COPY 1 nowhere", "NO [TRYCREATE]")
	c.has(c.ok("COPY 2:3 Archive"), `^OK \[COPYUID \d+ 2:3 1:2\]`)
	got := c.ask("MOVE 1,4 Archive")
	c.has(strings.Join(got, "\n"), `^\* OK \[COPYUID \d+ 1,4 3:4\] .*\n\* 4 EXPUNGE\n\* 1 EXPUNGE\nOK`)
	c.is("UID COPY 9 Archive", "OK Copied")
	c.is("UID FETCH 1:* UID", "* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)", "OK Fetched")
	c.ok("UID MOVE 2 INBOX")
	c.is("UID FETCH 1:* UID", "* 1 FETCH (UID 3)", "* 2 FETCH (UID 5)", "OK Fetched")
	c.ok("EXAMINE Archive")
	c.is("FETCH 1:* UID", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)", "OK Fetched")
	c.fails("MOVE 1 INBOX", "NO [READ-ONLY]")
	c.has(c.ok("COPY 1 INBOX"), "COPYUID")
}

func TestExpungeAndClose(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 6)
	d := second(t, s)
	c.ok(`STORE 1,3,5 +FLAGS.SILENT (\Deleted)`)
	c.is("UID EXPUNGE 3:4", "* 3 EXPUNGE", "OK Expunged")
	c.is("EXPUNGE", "* 4 EXPUNGE", "* 1 EXPUNGE", "OK Expunged")
	if got := d.ask("FETCH 6 UID"); got[0] != "* 6 FETCH (UID 6)" { // nothing goes while FETCH by number is answered
		t.Errorf("%q", got)
	}
	d.is("UID FETCH 6 UID", "* 6 FETCH (UID 6)", "* 5 EXPUNGE", "* 3 EXPUNGE", "* 1 EXPUNGE", "OK Fetched")
	d.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	d.is("CLOSE", "OK Closed")
	d.fails("FETCH 1 UID", "BAD")
	c.is("NOOP", "* 1 EXPUNGE", "OK Done")
	c.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	c.is("UNSELECT", "OK Unselected")
	d.is("EXAMINE INBOX", `* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`, "* OK [PERMANENTFLAGS ()]...", "* 2 EXISTS", "* 0 RECENT", "* OK [UNSEEN 1]...", "* OK [UIDVALIDITY ...", "* OK [UIDNEXT 7]...", "* OK [HIGHESTMODSEQ ...", "* OK [MAILBOXID (F...", "OK [READ-ONLY]...")
	d.fails("EXPUNGE", "NO [READ-ONLY]")
	d.is("CLOSE", "OK Closed")
	d.has(d.ok("SELECT INBOX"), `^\* 2 EXISTS`)
	if got := d.ask("SELECT INBOX"); got[0] != "* OK [CLOSED] The mailbox before is closed" {
		t.Errorf("%q", got)
	}
}
