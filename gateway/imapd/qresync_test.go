package imapd_test

import (
	"strings"
	"testing"
)

func TestQResync(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 6)
	c.fails("SELECT INBOX (QRESYNC (1 1))", "BAD")
	validity := c.folderNumber("UIDVALIDITY")
	was := c.folderNumber("HIGHESTMODSEQ")
	c.ok("ENABLE QRESYNC")
	d := second(t, s)
	d.ok("ENABLE QRESYNC")
	d.ok(`STORE 2,4 +FLAGS.SILENT (\Deleted)`)
	d.has(d.ok("EXPUNGE"), `^\* VANISHED 2,4\nOK \[HIGHESTMODSEQ \d+\]`)
	d.ok(`STORE 3 +FLAGS (\Flagged)`) // UID 5
	c.has(c.ok("NOOP"), `^\* VANISHED 2,4\n\* 3 FETCH \(UID 5 MODSEQ \(\d+\) FLAGS \(\\Flagged\)\)\nOK`)
	e := login(t, s, "bob")
	e.ok("ENABLE QRESYNC")
	got := e.ok("SELECT INBOX (QRESYNC (" + validity + " " + was + "))")
	e.has(got, `\n\* VANISHED \(EARLIER\) 2,4\n\* 3 FETCH \(UID 5 MODSEQ \(\d+\) FLAGS \(\\Flagged\)\)\nOK`)
	got = e.ok("SELECT INBOX (QRESYNC (" + validity + " " + was + " 1:3,6))")
	e.has(got, `\n\* VANISHED \(EARLIER\) 2\nOK`)
	got = e.ok("SELECT INBOX (QRESYNC (" + validity + " " + was + " 1:6 (1:2 1:2)))")
	e.has(got, `\n\* VANISHED \(EARLIER\) 2,4\n`)
	got = e.ok("SELECT INBOX (QRESYNC (" + validity + " " + was + " 1:6 (1:2 1,3)))")
	e.has(got, `\n\* VANISHED \(EARLIER\) 4\n`)
	got = e.ok("SELECT INBOX (QRESYNC (99 " + was + "))")
	if want := "VANISHED"; containsWord(got, want) {
		t.Errorf("another validity: %q", got)
	}
	e.has(e.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE "+was+" VANISHED)"), `^\* VANISHED \(EARLIER\) 2,4\n\* 3 FETCH \(UID 5 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)\nOK`)
	d.ok(`UID STORE 6 +FLAGS.SILENT (\Deleted)`)
	d.ok("UID EXPUNGE 6")
	e.has(e.ok("UID FETCH 6:* (FLAGS) (CHANGEDSINCE "+was+" VANISHED)"), `VANISHED`)
	e.has(e.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE "+was+" VANISHED)"), `^\* VANISHED \(EARLIER\) 2,4,6`)
}

// TestCloseTellsWhatTheClientKnows: HIGHESTMODSEQ, where nothing but its own
// expunge has happened.
func TestCloseTellsWhatTheClientKnows(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 4)
	c.fails("CLOSE", "OK Closed")
	c.ok("ENABLE QRESYNC")
	c.ok("SELECT INBOX")
	c.fails("CLOSE", "OK Closed")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	second(t, s).ok(`STORE 3 +FLAGS.SILENT (\Flagged)`)
	got := c.ok("CLOSE")
	c.has(got, `^\* 3 FETCH \(UID 3 MODSEQ \(\d+\) FLAGS \(\\Flagged\)\)\nOK \[HIGHESTMODSEQ \d+\] Closed$`)
	c.has(c.ok("STATUS INBOX (MESSAGES HIGHESTMODSEQ)"), `MESSAGES 3 `+strings.Trim(got[strings.Index(got, "HIGHESTMODSEQ"):strings.Index(got, "]")], "[]")+`\)`)
}
