package imapd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// searchable returns a session over five different messages.
func searchable(t *testing.T) *client {
	t.Helper()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	day := func(d int) time.Time { return time.Date(2020, 1, d, 12, 0, 0, 0, time.UTC) }
	putItems(
		t, store, "bob", "INBOX",
		item(t, store, letter("apple pie", "Cc: carl@example.test\r\n", "X-Tag: one two\r\n"), day(1), `\Seen`),
		item(t, store, "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.test>\r\nSubject: =?utf-8?b?w4RwZmVs?=\r\nDate: Tue, 2 Feb 2021 23:30:00 -0500\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe aus K=F6ln\r\n", day(2), `\Flagged`),
		item(t, store, nested, day(3), "$Junk"),
		item(t, store, letter("banana")+strings.Repeat("filler ", 2000)+"needle in a haystack\r\n", day(4), `\Deleted`, `\Answered`),
		item(t, store, letter("Re: apple pie"), time.Now(), `\Draft`),
	)
	c := login(t, s, "bob")
	c.ok("SELECT INBOX")
	return c
}

func TestSearchKeys(t *testing.T) {
	t.Parallel()
	c := searchable(t)
	for key, want := range map[string]string{
		"ALL": "1 2 3 4 5", "1": "1", "2:*": "2 3 4 5", "UID 2,4": "2 4", "NOT 2:4": "1 5", "SEEN": "1", "UNSEEN": "2 3 4 5", "UNDELETED UNFLAGGED": "1 3 5",
		"DELETED": "4", "DRAFT": "5", "KEYWORD $junk": "3", "UNKEYWORD $junk 1:3": "1 2", "KEYWORD nobody": "", "NEW": "2 3 4 5", "RECENT": "1 2 3 4 5", "OLD": "", "NOT OLD 2": "2",
		"OR SEEN FLAGGED": "1 2", "(OR (SEEN) (FLAGGED)) 2": "2", "NOT (OR SEEN NOT FLAGGED)": "2",
		"BEFORE 2-Jan-2020": "1", "ON 2-Jan-2020": "2", "SINCE 4-Jan-2020": "4 5", "SENTON 2-Feb-2021": "2", "SENTBEFORE 2-Feb-2021 3:3": "3", "SENTSINCE 1-Jan-2024": "1 4 5",
		"YOUNGER 3600": "5", "OLDER 3600": "1 2 3 4", "LARGER 5000": "4", "SMALLER 300": "1 2 5", "SAVEDSINCE 1-Jan-2024": "1 2 3 4 5", "SAVEDBEFORE 1-Jan-2024": "", "SAVEDATESUPPORTED": "1 2 3 4 5",
		"FROM ann": "1 4 5", `FROM "JÖRG"`: "2", "FROM joerg@": "2", "TO bob": "1 4 5", "CC carl": "1", "BCC x": "", `SUBJECT "apple p"`: "1 5", `SUBJECT äpfel`: "2", `SUBJECT ""`: "1 2 3 4 5",
		"HEADER X-Tag two": "1", `HEADER X-Tag ""`: "1", `HEADER Cc ""`: "1", "HEADER Message-ID <banana@example.test>": "4", "HEADER Message-ID pie@": "1 5", "HEADER X-None a": "",
		`BODY köln`: "2", `BODY "GRÜSSE"`: "", `BODY "Grüße aus"`: "2", "BODY needle": "4", "BODY inner": "3", "TEXT inner": "3", "TEXT x-tag": "1", "BODY x-tag": "", `BODY "hällo world"`: "3", "NOT BODY hello": "2 3", "OR BODY needle SUBJECT pie": "1 4 5",
		"FUZZY SUBJECT pie": "1 5", "CHARSET UTF-8 SUBJECT {6}\r\nÄpfel": "2", "1:3 BODY hello BODY apple": "1", "$": "",
	} {
		got := c.searched(key)
		if got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	c.fails("SEARCH CHARSET KOI8-R ALL", "NO [BADCHARSET (")
	c.fails("SEARCH FOO", "BAD")
}

// searched sends a search, and returns its numbers.
func (c *client) searched(key string) string {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("a%d ", c.tag)
	head, rest, literal := strings.Cut(key, "\r\n")
	if literal {
		c.send(tag + "SEARCH " + head + "\r\n")
		c.expect("+")
		c.send(rest + "\r\n")
	} else {
		c.send(tag + "SEARCH " + key + "\r\n")
	}
	lines := c.answer(tag)
	if !strings.HasPrefix(lines[len(lines)-1], "OK") || len(lines) < 2 {
		c.t.Fatalf("%s: %q", key, lines)
	}
	return strings.TrimSpace(strings.TrimPrefix(lines[0], "* SEARCH"))
}

func TestSearchByCounters(t *testing.T) {
	t.Parallel()
	_, _, c := folder(t, 3)
	for _, step := range []struct{ do, deleted, undeleted, seen, unseen string }{
		{"NOOP", "", "1 2 3", "", "1 2 3"},
		{`STORE 2 +FLAGS (\Deleted)`, "2", "1 3", "", "1 2 3"},
		{`STORE 1:3 +FLAGS (\Seen)`, "2", "1 3", "1 2 3", ""},
		{`STORE 1:3 FLAGS ()`, "", "1 2 3", "", "1 2 3"},
		{`EXPUNGE`, "", "1 2 3", "", "1 2 3"},
	} {
		c.ok(step.do)
		for key, want := range map[string]string{
			"DELETED": step.deleted, "UNDELETED": step.undeleted, "SEEN": step.seen, "UNSEEN": step.unseen, "NOT DELETED": step.undeleted, "NOT SEEN": step.unseen,
		} {
			if got := c.searched(key); got != want {
				t.Errorf("%s: %s: %q, want %q", step.do, key, got, want)
			}
		}
	}
	c.is("UID SORT RETURN (PARTIAL 1:2 COUNT) (REVERSE DATE) UTF-8 UNDELETED", "* ESEARCH...", "OK...")
	c.ok(`STORE 1 +FLAGS (\Deleted)`)
	got := c.ask("UID SORT RETURN (PARTIAL 1:9 COUNT) (DATE) UTF-8 UNDELETED")
	c.has(got[0], `UID COUNT 2 PARTIAL \(1:9 2:3\)$`)
}

func TestExtendedSearch(t *testing.T) {
	t.Parallel()
	_, _, c := folder(t, 6)
	c.is("SEARCH RETURN () 2:4", `* ESEARCH (TAG "a3") ALL 2:4`, "OK...")
	c.is("UID SEARCH RETURN (MIN MAX COUNT ALL) 2:4", `* ESEARCH (TAG "a4") UID MIN 2 MAX 4 COUNT 3 ALL 2:4`, "OK...")
	c.is("SEARCH RETURN (MIN MAX COUNT ALL) SEEN", `* ESEARCH (TAG "a5") COUNT 0`, "OK...")
	c.is("SEARCH RETURN (PARTIAL 2:3) ALL", `* ESEARCH (TAG "a6") PARTIAL (2:3 2:3)`, "OK...")
	c.is("SEARCH RETURN (PARTIAL -1:-2 COUNT) ALL", `* ESEARCH (TAG "a7") COUNT 6 PARTIAL (-1:-2 5:6)`, "OK...")
	c.is("SEARCH RETURN (PARTIAL 7:9) ALL", `* ESEARCH (TAG "a8") PARTIAL (7:9 NIL)`, "OK...")
	c.is("SEARCH RETURN (SAVE) 2:3", "OK...")
	c.is("FETCH $ UID", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "OK...")
	c.is("SEARCH RETURN (SAVE MIN) $ 3", `* ESEARCH (TAG "a11") MIN 3`, "OK...")
	c.is("UID FETCH $ UID", "* 3 FETCH (UID 3)", "OK...")
	c.ok("SEARCH RETURN (SAVE) ALL")
	c.fails("SEARCH RETURN (SAVE) CHARSET KOI8-R ALL", "NO")
	c.is("SEARCH RETURN (COUNT) $", `* ESEARCH (TAG "a15") COUNT 6`, "OK...")
	c.ok(`STORE 2 +FLAGS.SILENT \Deleted`)
	c.ok("EXPUNGE")
	c.is("SEARCH RETURN (ALL) $", `* ESEARCH (TAG "a18") ALL 1:5`, "OK...")
	c.has(c.ok("SEARCH RETURN (ALL) MODSEQ 1"), `^\* ESEARCH \(TAG "a19"\) ALL 1:5 MODSEQ \d+$`)
	c.has(c.ok("SEARCH MODSEQ 1"), `^\* SEARCH 1 2 3 4 5 \(MODSEQ \d+\)$`)
	c.ok("ENABLE IMAP4rev2")
	c.is("SEARCH 2:3", `* ESEARCH (TAG "a22") ALL 2:3`, "OK...")
}

func TestSort(t *testing.T) {
	t.Parallel()
	c := searchable(t)
	for by, want := range map[string]string{
		"(ARRIVAL)": "1 2 3 4 5", "(REVERSE ARRIVAL)": "5 4 3 2 1", "(SIZE)": "5 1 2 3 4", "(SUBJECT)": "1 5 2 4 3", "(SUBJECT REVERSE ARRIVAL)": "5 1 2 4 3",
		"(DATE)": "3 2 1 4 5", "(REVERSE DATE)": "1 4 5 2 3", "(FROM SUBJECT)": "3 1 5 4 2", "(REVERSE TO ARRIVAL)": "1 4 5 2 3", "(CC)": "2 3 4 5 1", "(DISPLAYFROM)": "3 1 4 5 2", "(DISPLAYTO)": "2 3 1 4 5",
	} {
		got := c.ask("SORT " + by + " UTF-8 ALL")
		if got[0] != "* SORT "+want {
			t.Errorf("%s: %q, want %q", by, got[0], want)
		}
	}
	c.is("SORT (SIZE) UTF-8 SEEN FLAGGED", "* SORT", "OK...")
	c.is("UID SORT RETURN (PARTIAL 1:2 COUNT) (REVERSE DATE) UTF-8 ALL", `* ESEARCH (TAG "a16") UID COUNT 5 PARTIAL (1:2 1,4)`, "OK...")
	c.is("SORT RETURN (PARTIAL 4:9) (REVERSE DATE) UTF-8 ALL", `* ESEARCH (TAG "a17") PARTIAL (4:9 2:3)`, "OK...")
	c.is("SORT RETURN (PARTIAL -1:-2) (DATE) UTF-8 ALL", `* ESEARCH (TAG "a18") PARTIAL (-1:-2 4:5)`, "OK...")
	c.is("SORT RETURN (PARTIAL 2:3) (SIZE) UTF-8 1:4", `* ESEARCH (TAG "a19") PARTIAL (2:3 2:3)`, "OK...")
	c.is("SORT RETURN (MIN MAX ALL COUNT) (REVERSE SIZE) UTF-8 ALL", `* ESEARCH (TAG "a20") MIN 4 MAX 5 COUNT 5 ALL 4,3,2,1,5`, "OK...")
	c.is("SORT RETURN (SAVE) (DATE) UTF-8 FLAGGED", "OK...")
	c.is("FETCH $ UID", "* 2 FETCH (UID 2)", "OK...")
	c.fails("SORT (DATE) KOI8-R ALL", "NO [BADCHARSET")
}
