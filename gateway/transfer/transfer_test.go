package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// read reads all of a source: folder, flags, date and text of each message.
func read(t *testing.T, s Source) (folders []Folder, list []string) {
	t.Helper()
	folders, total, err := s.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range s.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %v %s %q", m.Folder, m.Flags, m.Date.UTC().Format(time.DateTime), text(t, m)))
	}
	if int64(len(list)) != total.Messages {
		t.Errorf("%d messages, Scan told of %d", len(list), total.Messages)
	}
	return folders, list
}

func text(t *testing.T, m *Message) string {
	t.Helper()
	r, err := m.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %.600q\nwant %.600q", got, want)
	}
}

func TestLineEnds(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"a\nb\n":                "a\r\nb\r\n",
		"a\r\nb":                "a\r\nb",
		"\n\n\r\n":              "\r\n\r\n\r\n",
		"a\rb\n\r":              "a\rb\r\n\r",
		"\r\r\n":                "\r\r\n",
		strings.Repeat("x", 99): strings.Repeat("x", 99),
	} {
		for _, r := range []io.Reader{NewCRLFReader(strings.NewReader(in)), NewCRLFReader(iotest.OneByteReader(strings.NewReader(in))), iotest.OneByteReader(NewCRLFReader(strings.NewReader(in)))} {
			got, err := io.ReadAll(r)
			if err != nil || string(got) != want {
				t.Errorf("%q: %q, %v, want %q", in, got, err, want)
			}
		}
		back, err := io.ReadAll(iotest.OneByteReader(newLFReader(iotest.OneByteReader(strings.NewReader(want)))))
		if lf := strings.ReplaceAll(want, "\r\n", "\n"); err != nil || string(back) != lf {
			t.Errorf("%q with LF: %q, %v, want %q", want, back, err, lf)
		}
	}
}

func TestMaildirPlusPlus(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, text := range map[string]string{
		"cur/1700000002.b.host:2,FSa":             "Subject: b\n\nb\n",
		"cur/1700000001.a.host:2,S":               "Subject: a\n\na\n",
		"new/1700000003.c.host":                   "Subject: c\n\nc\n",
		"dovecot-keywords":                        "0 $Work\n",
		".Sent Items/cur/1.d.host:2,RS":           "Subject: d\n\nd\n",
		".Arbeit.B&APw-cher/cur/1.e.host:2,PT":    "Subject: e\n\ne\n",
		".Arbeit.B&APw-cher/maildirfolder":        "",
		"subscriptions":                           "V\t2\n\nArbeit\tB&APw-cher\n",
		"tmp/1.halfwritten":                       "x",
		"nested/inner/cur/1700000009.f.host;2,DF": "Subject: f\n\nf\n",
	} {
		write(t, filepath.Join(dir, name), text)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	src, err := OpenMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	folders, list := read(t, src)
	slices.SortFunc(folders, func(a, b Folder) int { return strings.Compare(a.Name, b.Name) })
	equal(t, folders, []Folder{{Name: "Arbeit/Bücher", Subscribed: true}, {Name: "INBOX", Subscribed: true}, {Name: "Sent Items", Role: `\Sent`}, {Name: "nested/inner"}})
	slices.Sort(list)
	equal(t, list, []string{
		`Arbeit/Bücher [$Forwarded \Deleted] 2024-02-03 04:05:06 "Subject: e\r\n\r\ne\r\n"`,
		`INBOX [\Flagged \Seen $Work] 2024-02-03 04:05:06 "Subject: b\r\n\r\nb\r\n"`,
		`INBOX [\Seen] 2024-02-03 04:05:06 "Subject: a\r\n\r\na\r\n"`,
		`INBOX [] 2024-02-03 04:05:06 "Subject: c\r\n\r\nc\r\n"`,
		`Sent Items [\Answered \Seen] 2024-02-03 04:05:06 "Subject: d\r\n\r\nd\r\n"`,
		`nested/inner [\Draft \Flagged] 2024-02-03 04:05:06 "Subject: f\r\n\r\nf\r\n"`,
	})
	if _, err := OpenMaildir(t.TempDir()); err == nil {
		t.Error("an empty folder is a Maildir")
	}
}

func TestMbox(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Inbox"), "From a@example.org Sat Feb  3 04:05:06 2024\n"+
		"Status: RO\nX-Status: AF\nX-Keywords: $Work later\nSubject: one\n X-Status: folded\n\nHello\n>From here\n>>From there\nFrom now on, no message\n\n"+
		"From b@example.org Sat Feb 03 04:05:07 +0000 2024\r\nSubject: two\r\n\r\n\r\nends in empty lines\r\n\r\n\r\n"+
		"From c Sat Feb  3 04:05 2024\nX-Mozilla-Status: 1005\nX-Mozilla-Keys: $label1\nSubject: three\n\nno end of line")
	write(t, filepath.Join(dir, "Inbox.sbd", "Projekte"), "From - Sat Feb  3 04:05:06 2024\nX-Mozilla-Status: 0009\n\nexpunged\n\n"+
		"From - Sat Feb  3 04:05:06 2024\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n"+
		"From - Sat Feb  3 04:05:06 2024\n\nonly a body\n")
	write(t, filepath.Join(dir, "Inbox.msf"), "// <!-- no mbox -->")
	src, err := OpenMbox(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	folders, total, err := src.Scan(t.Context())
	if err != nil || total.Messages != 6 {
		t.Fatal(total, err)
	}
	equal(t, folders, []Folder{{Name: "INBOX", Subscribed: true}, {Name: "INBOX/Projekte", Subscribed: true}})
	var list []string
	for m, err := range src.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %v %s %q", m.Folder, m.Flags, m.Date.UTC().Format(time.DateTime), text(t, m)))
	}
	equal(t, list, []string{
		`INBOX [\Seen \Answered \Flagged $Work later] 2024-02-03 04:05:06 "Subject: one\r\n X-Status: folded\r\n\r\nHello\r\nFrom here\r\n>From there\r\nFrom now on, no message\r\n"`,
		`INBOX [] 2024-02-03 04:05:07 "Subject: two\r\n\r\n\r\nends in empty lines\r\n\r\n"`,
		`INBOX [\Seen \Flagged $Forwarded $label1] 2024-02-03 04:05:00 "Subject: three\r\n\r\nno end of line"`,
		`INBOX/Projekte [] 2024-02-03 04:05:06 "\r\nonly a body\r\n"`,
	})
}

func TestGmailLabelsAreFolders(t *testing.T) {
	name := filepath.Join(t.TempDir(), "All mail.mbox")
	var b strings.Builder
	for _, labels := range []string{"Inbox,Unread,Category updates", "Sent,Opened", "=?UTF-8?Q?Rechnungen/B=C3=BCro,Starred,Opened?=", "Archived,Important", "Spam"} {
		fmt.Fprintf(&b, "From 1@xxx Sat Feb 03 04:05:06 +0000 2024\nX-Gmail-Labels: %s\n\nx\n\n", labels)
	}
	write(t, name, b.String())
	src, err := OpenMbox(name, "")
	if err != nil {
		t.Fatal(err)
	}
	_, list := read(t, src)
	for i, want := range []string{"INBOX [] ", `Sent [\Seen] `, `Rechnungen/Büro [\Flagged \Seen] `, `Archive [$Important \Seen] `, `Junk [\Seen] `} {
		if !strings.HasPrefix(list[i], want) {
			t.Errorf("%s, want %s", list[i], want)
		}
	}
}

// sample is what both sinks are given, in the form that read tells.
var sample = []struct {
	folder, text string
	flags        []string
}{
	{"INBOX", "Subject: a\r\n\r\nFrom the beginning\r\n>From two\r\n", []string{`\Seen`, "$Work"}},
	{"INBOX", "Subject: long\r\n\r\n" + strings.Repeat("y", 40<<10) + "\r\nFrom\r\n", nil},
	{"Arbeit/v1.2 Bücher", "Subject: b\r\n\r\n\r\n\r\n", []string{`\Answered`, `\Flagged`, `\Draft`}},
	{"Sent", "no header at all\r\n\r\n", []string{`\Seen`}},
}

// create makes a Maildir, or a folder of mboxes.
func create(form, dir string) (Sink, error) {
	if form == "maildir" {
		return CreateMaildir(dir)
	}
	return CreateMbox(dir)
}

func createIn(t *testing.T, form, dir string) Sink {
	t.Helper()
	sink, err := create(form, dir)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// openIn opens what createIn made, and scans it.
func openIn(t *testing.T, form, dir string) (src Source) {
	t.Helper()
	var err error
	if form == "maildir" {
		src, err = OpenMaildir(dir)
	} else {
		src, err = OpenMbox(dir, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := src.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	return src
}

func TestWhatIsExportedIsImportedTheSame(t *testing.T) {
	at := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, form := range []string{"maildir", "mbox"} {
		t.Run(form, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			sink := createIn(t, form, dir)
			var want []string
			for _, f := range []string{"INBOX", "Arbeit/v1.2 Bücher", "Sent"} {
				if err := sink.Folder(Folder{Name: f, Subscribed: true}); err != nil {
					t.Fatal(err)
				}
			}
			for i, m := range sample {
				err := sink.Write(t.Context(), &Message{Folder: m.folder, Flags: m.flags, Date: at, Key: fmt.Sprint("k/", i), Open: func(context.Context) (io.ReadCloser, error) {
					return io.NopCloser(iotest.HalfReader(bytes.NewReader([]byte(m.text)))), nil
				}})
				if err != nil {
					t.Fatal(err)
				}
				flags := slices.Clone(m.flags)
				slices.Sort(flags)
				want = append(want, fmt.Sprintf("%s %v %q", m.folder, flags, m.text))
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
				if !m.Date.Equal(at) {
					t.Errorf("date %v", m.Date)
				}
				slices.Sort(m.Flags)
				folder := strings.Replace(m.Folder, "v1_2", "v1.2", 1) // no dots in Maildir++
				got = append(got, fmt.Sprintf("%s %v %q", folder, m.Flags, text(t, m)))
			}
			slices.Sort(got)
			slices.Sort(want)
			equal(t, got, want)
			if _, err := create(form, dir); err == nil {
				t.Error("an export overwrites another")
			}
		})
	}
}
