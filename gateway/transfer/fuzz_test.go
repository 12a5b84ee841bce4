package transfer

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// unquoted is what comes back of a message that was written into an mbox.
func unquoted(t *testing.T, msg string) string {
	t.Helper()
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := quoteMbox(w, strings.NewReader(msg)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(NewCRLFReader(newMboxReader(&b)))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestEmptyLinesAtAnyPlace: a message comes back out of an mbox as it was,
// wherever its empty lines are in the buffers that it goes through.
func TestEmptyLinesAtAnyPlace(t *testing.T) {
	t.Parallel()
	for shift := range 300 {
		msg := "Subject: " + strings.Repeat("s", shift) + "\r\n\r\n" + strings.Repeat("some text\r\n\r\nmore, "+strings.Repeat("and more of it ", 8)+"\r\n", 600)
		if got := unquoted(t, msg); got != msg {
			i := 0
			for i < len(got) && i < len(msg) && got[i] == msg[i] {
				i++
			}
			t.Fatalf("shifted by %d: differs at %d: %q", shift, i, got[i:min(len(got), i+40)])
		}
	}
}

// FuzzMbox: what is written into an mbox comes back, and whatever is read as
// one has messages that end.
func FuzzMbox(f *testing.F) {
	f.Add("Subject: x\n\nFrom me\n>From you\n\n\nend\n", uint16(3))
	f.Add("From a@example.org Thu Jan  1 00:00:00 1970\nStatus: RO\n\nx\n\nFrom b Thu Jan  1 00:00 1970\n\n", uint16(1))
	f.Add("\r\n\r\n \r\n", uint16(900))
	f.Fuzz(func(t *testing.T, s string, n uint16) {
		if len(s) == 0 || len(s)*int(n) > 200<<10 {
			return
		}
		lines := strings.Split(strings.NewReplacer("\r", "").Replace(strings.Repeat(s, max(1, int(n)))), "\n")
		body := strings.Join(lines, "\r\n") + "\r\n"
		if msg := "Subject: x\r\n\r\n" + body; unquoted(t, msg) != msg {
			t.Errorf("%q is %q", msg, unquoted(t, msg))
		}
		name := filepath.Join(t.TempDir(), "box")
		write(t, name, s)
		m, err := OpenMbox(name, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Scan(t.Context()); err != nil {
			return
		}
		for x, err := range m.Messages(t.Context()) {
			if err == nil {
				text(t, x)
			}
		}
	})
}

// FuzzMaildirName: no name of a file or folder is too strange, and the names
// that are written are read as they were.
func FuzzMaildirName(f *testing.F) {
	f.Add("1700000000.x.host:2,FS", "Arbeit/Bücher & Co")
	f.Add("x;2,Zab", "INBOX/a.b")
	f.Add(":2,", "&-/~")
	f.Fuzz(func(t *testing.T, file, folder string) {
		unique, letters := splitFlags(file)
		if !strings.HasPrefix(file, unique) || !strings.HasSuffix(file, letters) {
			t.Errorf("%q is %q and %q", file, unique, letters)
		}
		box := maildirFolder{keywords: [26]string{"a", "b"}}
		flags := box.flags(letters)
		sink := &MaildirSink{dir: "/x", dirs: map[string]string{}, keywords: map[string][]string{"": {"a", "b"}}}
		again := box.flags(sink.letters("", flags))
		slices.Sort(flags)
		slices.Sort(again)
		if !slices.Equal(flags, again) {
			t.Errorf("%q is %q, %q when written and read", letters, flags, again)
		}
		seconds(file)
		roleOf(folder)
		maildirPlusName(folder)
		for part := range strings.SplitSeq(folder, "/") { // as mailboxes allow
			if part == "" || !utf8.ValidString(part) || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) {
				return
			}
		}
		if folder == Inbox || strings.Contains(folder, ".") {
			return
		}
		if got := maildirPlusName(filepath.Base(sink.path(folder))); got != folder {
			t.Errorf("%q is %q", folder, got)
		}
	})
}
