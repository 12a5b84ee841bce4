package imapd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

const nested = "From: a@example.test\r\nSubject: outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A4llo =\r\nworld\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@example.test\r\nSubject: inner\r\nX-In: 1\r\n\r\ninner text\r\n" +
	"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n" +
	"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n--b--\r\n"

func TestFetchTellsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	putItems(t, store, "bob", "INBOX", item(t, store, nested, time.Unix(1_000_000_000, 0), `\Flagged`, "$Forwarded"))
	c := login(t, s, "bob")
	c.ok("EXAMINE INBOX")
	c.is("FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)", `* 1 FETCH (UID 1 FLAGS (\Recent \Flagged $Forwarded) INTERNALDATE " 9-Sep-2001 01:46:40 +0000" RFC822.SIZE `+itoa(len(nested))+")", "OK Fetched")
	c.is("FETCH 1 BODY[HEADER.FIELDS (subject X-None)]", "* 1 FETCH (BODY[HEADER.FIELDS (subject X-None)] {18}\r\nSubject: outer\r\n\r\n)", "OK Fetched")
	c.is("FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (subject from MIME-version)]", "* 1 FETCH (BODY[HEADER.FIELDS.NOT (subject from MIME-version)] {45}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n)", "OK Fetched")
	c.is("FETCH 1 BODY[2.HEADER.FIELDS (X-IN)]", "* 1 FETCH (BODY[2.HEADER.FIELDS (X-IN)] {11}\r\nX-In: 1\r\n\r\n)", "OK Fetched")
	c.is("FETCH 1 BODY[2.TEXT]", "* 1 FETCH (BODY[2.TEXT] {10}\r\ninner text)", "OK Fetched")
	c.is("FETCH 1 BODY[2.1]<6.100>", "* 1 FETCH (BODY[2.1]<6> {4}\r\ntext)", "OK Fetched")
	c.is("FETCH 1 BODY[3.MIME]<0.13>", "* 1 FETCH (BODY[3.MIME]<0> {13}\r\nContent-Type:)", "OK Fetched")
	c.is("FETCH 1 BODY[9]", "* 1 FETCH (BODY[9] NIL)", "OK Fetched")
	c.is("FETCH 1 BODY[]<99999.5>", "* 1 FETCH (BODY[]<99999> {0}\r\n)", "OK Fetched")
	c.is("FETCH 1 BODY[]", "* 1 FETCH (BODY[] {"+itoa(len(nested))+"}\r\n"+nested+")", "OK Fetched")
	c.is("FETCH 1 (BINARY[1] BINARY.SIZE[1] BINARY.SIZE[3])", "* 1 FETCH (BINARY[1] {12}\r\nhällo world BINARY.SIZE[1] 12 BINARY.SIZE[3] 5)", "OK Fetched")
	c.is("FETCH 1 BINARY[1]<7.3>", "* 1 FETCH (BINARY[1]<7> {3}\r\nwor)", "OK Fetched")
	c.is("FETCH 1 BINARY[3]", "* 1 FETCH (BINARY[3] ~{5}\r\n\x00\x01\x02\x03\x04)", "OK Fetched")
	c.is("FETCH 1 BINARY[4]", "* 1 FETCH (BINARY[4] NIL)", "NO [UNKNOWN-CTE]...")
	c.is("FETCH 1 (RFC822.HEADER RFC822.TEXT)", "* 1 FETCH (RFC822.HEADER {"+itoa(strings.Index(nested, "--b"))+"}...", "OK Fetched")
	c.is("FETCH 1 (ENVELOPE)", `* 1 FETCH (ENVELOPE (NIL "outer" ((NIL NIL "a" "example.test")) ((NIL NIL "a" "example.test")) ((NIL NIL "a" "example.test")) NIL NIL NIL NIL NIL))`, "OK Fetched")
	c.is("FETCH 1 BODY", `* 1 FETCH (BODY (("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable"...`, "OK Fetched")
	c.is("FETCH 1 PREVIEW", "* 1 FETCH (PREVIEW {12}\r\nhällo world)", "OK Fetched")
	c.is("FETCH 1 (PREVIEW (LAZY) EMAILID THREADID)", "* 1 FETCH (EMAILID (M...", "OK Fetched")
	c.has(c.ok("FETCH 1 (SAVEDATE MODSEQ)"), `MODSEQ \(\d+\) SAVEDATE "[^"]+"`)
	c.fails("FETCH 1 BODY[", "BAD")
	c.fails("FETCH 1 (BODY[1.X])", "BAD")
	c.fails("FETCH 1:2 UID", "BAD")
	c.is("UID FETCH 5:* FLAGS", "* 1 FETCH (UID 1 FLAGS (\\Recent \\Flagged $Forwarded) MODSEQ...", "OK Fetched")
	c.ok("ENABLE IMAP4rev2")
	c.is("FETCH 1 PREVIEW", `* 1 FETCH (PREVIEW "hällo world")`, "OK Fetched")
}

func TestFetchOfABodySetsSeen(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 3)
	c.is("FETCH 1 BODY.PEEK[TEXT]", "* 1 FETCH (BODY[TEXT] {16}\r\nHello letter 1\r\n)", "OK Fetched")
	c.is("FETCH 1:2 BODY[TEXT]", "* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {16}\r\nHello letter 1\r\n)", "* 2 FETCH (FLAGS (\\Seen) BODY[TEXT] {16}\r\nHello letter 2\r\n)", "OK Fetched")
	c.is("FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {16}\r\nHello letter 1\r\n)", "OK Fetched")
	c.is("FETCH 3 BINARY.SIZE[1]", "* 3 FETCH (BINARY.SIZE[1] 16)", "OK Fetched")
	d := login(t, s, "bob")
	d.ok("EXAMINE INBOX")
	d.is("FETCH 3 BODY[TEXT]", "* 3 FETCH (BODY[TEXT] {16}\r\nHello letter 3\r\n)", "OK Fetched")
	d.is("FETCH 1:3 FLAGS", `* 1 FETCH (FLAGS (\Seen))`, `* 2 FETCH (FLAGS (\Seen))`, `* 3 FETCH (FLAGS ())`, "OK Fetched")
}

func TestLargeBodiesAreSentWhole(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	big := letter("big") + strings.Repeat("0123456789abcde\r\n", 100_000)
	put(t, store, "bob", "INBOX", big)
	c := login(t, s, "bob")
	c.ok("SELECT INBOX")
	if got := c.ask("FETCH 1 BODY.PEEK[]"); got[0] != "* 1 FETCH (BODY[] {"+itoa(len(big))+"}\r\n"+big+")" {
		t.Errorf("%d octets: %.100q", len(got[0]), got[0])
	}
	if got := c.ask("FETCH 1 BODY.PEEK[]<1000.500000>"); got[0] != "* 1 FETCH (BODY[]<1000> {500000}\r\n"+big[1000:501000]+")" {
		t.Errorf("%d octets: %.100q", len(got[0]), got[0])
	}
}

func TestFetchOfWhatHasGone(t *testing.T) {
	t.Parallel()
	s, _, c := folder(t, 3)
	d := second(t, s)
	d.ok(`STORE 2 +FLAGS (\Deleted)`)
	d.ok("EXPUNGE")
	c.is("FETCH 1:3 BODY.PEEK[TEXT]<0.1>", "* 1 FETCH (BODY[TEXT]<0> {1}\r\nH)", "* 3 FETCH (BODY[TEXT]<0> {1}\r\nH)", "OK [EXPUNGEISSUED]...")
	c.is("NOOP", "* 2 EXPUNGE", "OK...")
	c.is("FETCH 1:2 UID", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)", "OK Fetched")
	c.fails("FETCH 3 UID", "BAD")
}

func TestFetchPartial(t *testing.T) {
	t.Parallel()
	_, _, c := folder(t, 5)
	c.is("UID FETCH 1:* (UID) (PARTIAL -1:-2)", "* 4 FETCH (UID 4)", "* 5 FETCH (UID 5)", "OK Fetched")
	c.is("UID FETCH 1:* (UID) (PARTIAL 2:3)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "OK Fetched")
	c.is("UID FETCH 1:* (UID) (PARTIAL 6:9)", "OK Fetched")
}
