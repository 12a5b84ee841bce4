package imap_test

import (
	"bytes"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// FuzzCommand gives a line to every grammar: none may panic, and what prints
// must parse to the same.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		" 1:*,5 (UID FLAGS BODY.PEEK[1.HEADER.FIELDS (From \"To\")]<0.5> PREVIEW (LAZY)) (CHANGEDSINCE 5 VANISHED)",
		" 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen $Junk)",
		" RETURN (SAVE MIN PARTIAL -1:-5) OR (FROM a NOT TO {1}\r\nb) UID 1 SINCE 1-Feb-1994 MODSEQ \"/a\" all 5",
		" RETURN () (REVERSE DATE) UTF-8 HEADER a \"b\\\"\" FUZZY KEYWORD x",
		" REFERENCES UTF-8 $",
		" (SUBSCRIBED) \"\" (\"a\" %) RETURN (STATUS (SIZE) METADATA (/a))",
		" INBOX (QRESYNC (1 2 3:5 (1 3)))",
		" a (\\Seen) \"17-Jul-1996 02:44:25 -0700\" ~{3+}",
		" SET STATUS (subtree (a) (MessageNew (UID) MessageExpunge))",
		" (\"name\" NIL)", " \"\" (storage 5)", " a (DEPTH 1) (/a)", " a (/a {1}\r\nb)",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, name := range []string{"UID FETCH", "FETCH", "STORE", "SEARCH", "SORT", "THREAD"} {
			out, err := printed(name, string(line))
			if err != nil {
				continue
			}
			if again, err := printed(name, out); err != nil || again != out {
				t.Errorf("%s %q printed %q, which is %q, %v", name, line, out, again, err)
			}
		}
		for _, name := range []string{"LIST", "STATUS", "SELECT", "APPEND", "ID", "ENABLE", "SETQUOTA", "GETMETADATA", "SETMETADATA", "NOTIFY"} {
			_, _ = parsed(name, string(line))
		}
		imap.LiteralAtEnd(line)
		d := decoder("a1 " + string(line))
		var c imap.Command
		d.Command(&c)
	})
}

// FuzzWords reads what a Writer wrote.
func FuzzWords(f *testing.F) {
	f.Add("INBOX", uint32(1), uint32(3), true)
	f.Add("日本語/a&b", uint32(9), uint32(0), false)
	f.Add("a\"\\\r\n%*", uint32(1<<31), uint32(1<<32-1), false)
	f.Fuzz(func(t *testing.T, s string, a, b uint32, utf8 bool) {
		var out bytes.Buffer
		w := imap.NewWriter(&out)
		w.UTF8 = utf8
		var set imap.NumSet
		set.Add(max(a, 1))
		set.AddRange(max(min(a, b), 1), max(a, b, 1))
		w.SP().Mailbox(s).SP().Astring(s).SP().StringBytes([]byte(s)).SP().NumSet(&set)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		d := decoder(out.String())
		d.UTF8 = utf8
		var name string
		var x, y []byte
		var back imap.NumSet
		if !d.SP() || !d.Mailbox(&name) {
			if len(s) <= imap.MaxMailbox && isText(s) {
				t.Fatalf("%q: %v", out.Bytes(), d.Err())
			}
			return
		}
		if !isText(s) {
			return
		}
		if !d.SP() || !d.Astring(&x) || !d.SP() || !d.String(&y) || !d.SP() || !d.NumSet(&back) || !d.End() {
			t.Fatalf("%q: %v", out.Bytes(), d.Err())
		}
		if name != s && name != imap.Inbox || string(x) != s || string(y) != s || back.String() != set.String() {
			t.Errorf("%q: %q %q %q %s", out.Bytes(), name, x, y, back.String())
		}
	})
}
