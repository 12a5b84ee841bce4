package imapd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// threadMessage is a message of a minute with id and references.
func threadMessage(minute int, subject, id, refs string) string {
	m := fmt.Sprintf("From: a@example.test\r\nDate: Mon, 1 Jan 2024 10:%02d:00 +0000\r\nSubject: %s\r\nMessage-ID: <%s@x>\r\n", minute, subject, id)
	if refs != "" {
		m += "References: <" + strings.ReplaceAll(refs, " ", "@x> <") + "@x>\r\n"
	}
	return m + "\r\ntext\r\n"
}

func TestThreads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		messages     []string
		refs, byText string
	}{
		"chain":          {[]string{threadMessage(1, "a", "1", ""), threadMessage(2, "Re: a", "2", "1"), threadMessage(3, "Re: a", "3", "1 2")}, "(1 2 3)", "(1 (2)(3))"},
		"fork":           {[]string{threadMessage(1, "a", "1", ""), threadMessage(3, "Re: a", "2", "1"), threadMessage(2, "Re: a", "3", "1")}, "(1 (3)(2))", "(1 (3)(2))"},
		"missing root":   {[]string{threadMessage(1, "a", "1", "0"), threadMessage(2, "a", "2", "0")}, "((1)(2))", "(1 2)"},
		"missing alone":  {[]string{threadMessage(1, "a", "1", "0"), threadMessage(2, "b", "2", "1")}, "(1 2)", "(1)(2)"},
		"missing middle": {[]string{threadMessage(1, "a", "1", ""), threadMessage(2, "Re: a", "3", "1 2"), threadMessage(3, "Re: a", "4", "1 2")}, "(1 (2)(3))", "(1 (2)(3))"},
		"by subject":     {[]string{threadMessage(1, "Re: a", "1", ""), threadMessage(2, "a", "2", ""), threadMessage(3, "b", "3", "")}, "(2 1)(3)", "(1 2)(3)"},
		"two alike":      {[]string{threadMessage(1, "a", "1", ""), threadMessage(2, "a", "2", ""), threadMessage(3, "a", "3", "")}, "((1)(2)(3))", "(1 (2)(3))"},
		"loop":           {[]string{threadMessage(1, "a", "1", "2"), threadMessage(2, "b", "2", "1")}, "(2 1)", "(1)(2)"},
		"itself":         {[]string{threadMessage(1, "a", "1", "1")}, "(1)", "(1)"},
		"no subject":     {[]string{threadMessage(1, "", "1", ""), threadMessage(2, "", "2", "")}, "(1)(2)", "(1 2)"},
		"same id":        {[]string{threadMessage(1, "a", "1", ""), threadMessage(2, "b", "1", ""), threadMessage(3, "c", "3", "1")}, "(1 3)(2)", "(1)(2)(3)"},
	} {
		store := openStore(t, mailbox.Options{})
		var items []mailbox.Item
		for _, m := range c.messages {
			items = append(items, item(t, store, m, time.Unix(1_000_000_000, 0)))
		}
		putItems(t, store, "bob", "INBOX", items...)
		cl := login(t, newServer(t, imapd.Options{}, store), "bob")
		cl.ok("SELECT INBOX")
		if got := cl.ask("THREAD REFERENCES UTF-8 ALL"); got[0] != "* THREAD "+c.refs {
			t.Errorf("%s: REFERENCES %q, want %q", name, got[0], c.refs)
		}
		if got := cl.ask("UID THREAD ORDEREDSUBJECT UTF-8 ALL"); got[0] != "* THREAD "+c.byText {
			t.Errorf("%s: ORDEREDSUBJECT %q, want %q", name, got[0], c.byText)
		}
		cl.is("THREAD REFERENCES UTF-8 SEEN", "* THREAD", "OK...")
	}
}
