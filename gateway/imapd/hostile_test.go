package imapd_test

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// TestResponsesHaveNoNUL: what a message says does not break what is said of
// it (RFC 9051 section 9, CHAR8 and TEXT-CHAR).
func TestResponsesHaveNoNUL(t *testing.T) {
	t.Parallel()
	_, store, c := folder(t, 0)
	put(t, store, "bob", "INBOX", "From: a\x00\x00b <x\x00y@\x00example.test>\r\nSubject: s\x00\x01\rx =?utf-8?q?a=00=0D=0A_b?=\r\nDate: \x00\rjunk\r\nMessage-ID: <\x00>\r\n"+
		"Content-Type: text/pl\x00ain; na\x00me=\"a\x00b\rc\"\r\nContent-ID: <\x00\r>\r\nContent-Disposition: inl\x00ine; x*=utf-8''%00%0D%0A\r\nContent-Language: e\x00\rn\r\nContent-Location: \x00\rz\r\n\r\nte\x00xt \x00\r x\r\n")
	c.ok("NOOP")
	for _, rev2 := range []bool{false, true} {
		if rev2 {
			c.ok("ENABLE IMAP4rev2")
		}
		for _, item := range []string{"ENVELOPE", "BODY", "BODYSTRUCTURE", "PREVIEW"} {
			l := c.ask("FETCH 1 (" + item + ")")
			if got := strings.Join(l, "\n"); strings.Contains(got, "\x00") || len(l) != 2 {
				t.Errorf("%s: %q", item, got)
			}
		}
	}
}

// TestWorkIsBounded: one command cannot take long, whatever it asks for.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	put(t, store, "bob", "INBOX", letter("x")+strings.Repeat(strings.Repeat("a", 70)+"\r\n", 20_000))
	c := login(t, s, "bob")
	c.ok("SELECT INBOX")
	for name, command := range map[string]string{
		"texts":    "SEARCH" + strings.Repeat(" NOT BODY b", 5500),
		"not":      "SEARCH" + strings.Repeat(" NOT", 15000) + " ALL",
		"parens":   "SEARCH " + strings.Repeat("(", 30000) + "ALL" + strings.Repeat(")", 30000),
		"patterns": "LIST \"\" (" + strings.TrimSpace(strings.Repeat("a*b%c ", 10000)) + ")",
		"wild":     "LIST \"\" " + strings.Repeat("*%a", 20000),
		"levels":   "CREATE " + strings.Repeat("a/", 1000) + "b",
		"sections": "FETCH 1 (" + strings.TrimSpace(strings.Repeat("BINARY.SIZE[1] ", 4000)) + ")",
		"fields":   "FETCH 1 BODY.PEEK[HEADER.FIELDS (" + strings.TrimSpace(strings.Repeat("a ", 30000)) + ")]",
		"header":   "SEARCH" + strings.Repeat(" NOT HEADER X-Y b", 3800),
		"sort":     "SORT (" + strings.TrimSpace(strings.Repeat("SUBJECT ", 7000)) + ") UTF-8 ALL",
		"metadata": "GETMETADATA (DEPTH infinity) \"\" (" + strings.TrimSpace(strings.Repeat("/private ", 6000)) + ")",
		"notify":   "NOTIFY SET (MAILBOXES (" + strings.TrimSpace(strings.Repeat("a ", 30000)) + ") (MessageNew MessageExpunge))",
	} {
		if l := c.cmd(command); !strings.HasPrefix(l[len(l)-1], "NO [") {
			t.Errorf("%s: %.80q", name, l[len(l)-1])
		}
	}
}
