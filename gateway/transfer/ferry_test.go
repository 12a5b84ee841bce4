package transfer

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
)

// dock serves the mailboxes of k over a socket.
func dock(t *testing.T, k *mailboxtest.Kit) io.ReadWriteCloser {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		NewServer(k.Store).Serve(context.Background(), there)
		there.Close()
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn
}

// carry imports a source.
func carry(t *testing.T, k *mailboxtest.Kit, src Source) (Counts, []string) {
	t.Helper()
	folders, _, err := src.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var failures []string
	n, err := Import(t.Context(), dock(t, k), "ana@example.org", false, folders, src, func(_ int64, key, failed string) {
		if failed != "" {
			failures = append(failures, key+": "+failed)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, failures
}

// TestImportIsResumable imports a Maildir, again, and again with more in it.
func TestImportIsResumable(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	dir := t.TempDir()
	for i := range 250 {
		write(t, filepath.Join(dir, "cur", fmt.Sprintf("%d.%d.h:2,S", 1700000000+i, i)), strings.ReplaceAll(mailboxtest.Message(fmt.Sprint("n ", i)), "\r\n", "\n"))
	}
	write(t, filepath.Join(dir, ".Sent Items", "cur", "1.s.h:2,RS"), "Subject: sent\n\nx\n")
	write(t, filepath.Join(dir, ".Work.2024", "cur", "1.w.h:2,Fa"), "Subject: big\n\n"+strings.Repeat("0123456789abcdef\n", 150_000))
	write(t, filepath.Join(dir, ".Work.2024", "dovecot-keywords"), "0 $Todo\n")
	open := func() Source {
		src, err := OpenMaildir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	n, failures := carry(t, k, open())
	if n.Messages != 252 || n.Duplicates != 0 || n.Failed != 0 {
		t.Errorf("%+v %v", n, failures)
	}
	u := k.User("ana@example.org")
	for name, want := range map[string]string{"INBOX": "250", "Sent": `1 [\Answered \Seen]`, "Work/2024": `1 [$Todo \Flagged]`} {
		v := k.Select(u, name)
		got := fmt.Sprint(v.Len())
		if v.Len() == 1 {
			_, err := v.Messages(t.Context(), mailbox.AllUIDs, false, func(m *mailbox.Message) error {
				flags := v.Folder().Keywords.Names(m.Flags)
				slices.Sort(flags)
				got += " " + fmt.Sprint(flags)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if n, _ := carry(t, k, open()); n.Messages != 0 || n.Duplicates != 252 {
		t.Errorf("a second time: %+v", n)
	}
	write(t, filepath.Join(dir, "new", "1800000000.x.h"), "Subject: new\n\nx\n")
	if n, _ := carry(t, k, open()); n.Messages != 1 || n.Duplicates != 252 {
		t.Errorf("with one more: %+v", n)
	}
}

// TestMailThatOnlyLooksTheSameIsKept: without a Message-ID, what differs beyond
// the preview is other mail; the same octets are the same.
func TestMailThatOnlyLooksTheSameIsKept(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	dir := t.TempDir()
	for i, end := range []string{"one", "two", "one"} {
		write(t, filepath.Join(dir, "cur", fmt.Sprintf("1.%d.h:2,", i)), "Subject: report\n\n"+strings.Repeat("the same words ", 100)+"\n"+end+"\n")
	}
	for range 2 {
		src, err := OpenMaildir(dir)
		if err != nil {
			t.Fatal(err)
		}
		carry(t, k, src)
		if n := k.Select(k.User("ana@example.org"), "INBOX").Len(); n != 2 {
			t.Fatalf("%d messages, want 2", n)
		}
	}
}

// TestExportGivesBackWhatCame imports, exports and compares.
func TestExportGivesBackWhatCame(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	u := k.User("ana@example.org")
	k.Append(u, "INBOX", mailboxtest.Message("one"), `\Seen`, "$Work")
	k.Append(u, "Sent", mailboxtest.Message("two"), `\Answered`)
	for _, form := range []string{"maildir", "mbox"} {
		dir := filepath.Join(t.TempDir(), form)
		sink := createIn(t, form, dir)
		var total Total
		n, err := Export(t.Context(), dock(t, k), "ana@example.org", nil, sink, func(x Total) { total = x }, func(int64, string, string) {})
		if err != nil || n.Messages != 2 || total.Messages != 2 || n.Octets != total.Octets {
			t.Fatal(n, total, err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
		src := openIn(t, form, dir)
		var got []string
		for m, err := range src.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if time.Since(m.Date) > time.Hour {
				t.Error(form, m.Date)
			}
			slices.Sort(m.Flags)
			got = append(got, fmt.Sprintf("%s %v %s", m.Folder, m.Flags, text(t, m)))
		}
		slices.Sort(got)
		equal(t, got, []string{`INBOX [$Work \Seen] ` + mailboxtest.Message("one"), `Sent [\Answered] ` + mailboxtest.Message("two")})
	}
	sink, err := CreateMbox(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Export(t.Context(), dock(t, k), "ana@example.org", []string{"Nowhere"}, sink, func(Total) {}, func(int64, string, string) {})
	if err == nil || !strings.Contains(err.Error(), "Nowhere") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := Export(t.Context(), dock(t, k), "nobody@example.org", nil, sink, func(Total) {}, func(int64, string, string) {}); err == nil {
		t.Error("a user who is not there")
	}
}

// TestWhatIsTooLongFailsByItself imports messages whose keywords or folder take
// more than a line of the ferry, or no folder can have, among others.
func TestWhatIsTooLongFailsByItself(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	deep := strings.Repeat("d/", 40_000)
	var src odd
	add := func(folder, key string, flags ...string) {
		src = append(src, Message{Folder: folder, Key: key, Flags: flags, Size: 10})
	}
	add(Inbox, "before")
	add(Inbox, "flags", strings.Repeat("k", 70<<10))
	add(deep, "deep")
	add(strings.Repeat("n", 2000), "name")
	add(Inbox, strings.Repeat("<", 5<<10))
	add(Inbox, strings.Repeat("<", 12<<10))
	add(Inbox, "after")
	n, failures := carry(t, k, src)
	var got []string
	for _, f := range failures {
		got = append(got, f[:min(len(f), 5)])
	}
	if n.Messages != 3 || n.Failed != 4 || !slices.Equal(got, []string{"flags", "deep:", "<<<<<", "name:"}) {
		t.Errorf("%+v, %.60q", n, failures)
	}
	if n := k.Select(k.User("ana@example.org"), "INBOX").Len(); n != 3 {
		t.Errorf("%d messages", n)
	}
}

// odd is a source of messages of a few octets.
type odd []Message

// Scan implements Source.
func (o odd) Scan(context.Context) (list []Folder, total Total, err error) {
	for _, m := range o {
		list = append(list, Folder{Name: m.Folder})
	}
	return list, Total{Messages: int64(len(o))}, nil
}

// Messages implements Source.
func (o odd) Messages(context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for i := range o {
			o[i].Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\n", i))), nil
			}
			if !yield(&o[i], nil) {
				return
			}
		}
	}
}

// Close implements Source.
func (o odd) Close() error { return nil }

// TestLongNamesOfFoldersAreExported has names that no file can have, and two
// that begin alike.
func TestLongNamesOfFoldersAreExported(t *testing.T) {
	t.Parallel()
	k := mailboxtest.New(t)
	u := k.User("ana@example.org")
	level := strings.Repeat("é", mailbox.MaxLevel/2)
	names := []string{level, level + "/" + level, level + "/" + strings.Repeat("n", mailbox.MaxLevel), level + "/" + strings.Repeat("n", mailbox.MaxLevel-1) + "m"}
	for i, name := range names {
		if _, err := u.Create(t.Context(), name, mailbox.RoleNone); err != nil {
			t.Fatal(err)
		}
		k.Append(u, name, mailboxtest.Message(fmt.Sprint("in ", i)), "$Work", `\Seen`)
	}
	for _, form := range []string{"maildir", "mbox"} {
		dir := filepath.Join(t.TempDir(), form)
		sink := createIn(t, form, dir)
		n, err := Export(t.Context(), dock(t, k), "ana@example.org", nil, sink, func(Total) {}, func(int64, string, string) {})
		if err != nil || n.Messages != int64(len(names)) {
			t.Errorf("%s: %+v, %v", form, n, err)
		}
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
		src, err := OpenMaildir(dir)
		if form == "mbox" {
			continue // what is there is of TestMboxOfFoldersWhoseNamesMeet
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, total, err := src.Scan(t.Context()); err != nil || total.Messages != int64(len(names)) {
			t.Errorf("%+v, %v", total, err)
		}
		folders := map[string]bool{}
		for m, err := range src.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			folders[m.Folder] = true
			slices.Sort(m.Flags)
			if !slices.Equal(m.Flags, []string{"$Work", `\Seen`}) || !strings.Contains(text(t, m), "Text of in") {
				t.Errorf("%v", m.Flags)
			}
		}
		if len(folders) != len(names) {
			t.Errorf("%d folders", len(folders))
		}
	}
}
