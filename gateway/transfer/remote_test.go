package transfer

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// remote starts an IMAP server with a user and returns its address.
func remote(t *testing.T) (*imapmemserver.User, string) {
	t.Helper()
	mem := imapmemserver.New()
	user := imapmemserver.NewUser("ana", "secret")
	mem.AddUser(user)
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		InsecureAuth: true,
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { srv.Serve(l); close(done) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return user, l.Addr().String()
}

func add(t *testing.T, u *imapmemserver.User, folder, text string, flags ...imap.Flag) {
	t.Helper()
	r := literal{strings.NewReader(text)}
	if _, err := u.Append(folder, r, &imap.AppendOptions{Flags: flags, Time: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
}

type literal struct{ *strings.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func TestIMAP(t *testing.T) {
	t.Parallel()
	u, addr := remote(t)
	for _, name := range []string{"INBOX", "Work/2024", "Sent"} {
		if err := u.Create(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 120 { // more than two batches
		text := fmt.Sprintf("Subject: %d\r\n\r\nhello\r\n", i)
		add(t, u, "INBOX", text, imap.FlagSeen, "$Work")
		want = append(want, fmt.Sprintf(`INBOX [$Work \Seen] 2024-02-03 04:05:06 %q`, text))
	}
	add(t, u, "Work/2024", "Subject: w\r\n\r\n", imap.FlagAnswered)
	want = append(want, `Work/2024 [\Answered] 2024-02-03 04:05:06 "Subject: w\r\n\r\n"`)

	done := map[string]uint32{}
	opt := IMAPOptions{
		Address: addr, Plaintext: true, User: "ana", Password: "secret",
		Done: func(folder string, _ uint32) uint32 { return done[folder] },
		Took: func(folder string, _, uid uint32) error { done[folder] = uid; return nil },
	}
	all := func() (list []string) {
		src, err := DialIMAP(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		if _, _, err := src.Scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		for m, err := range src.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(m.Flags)
			list = append(list, fmt.Sprintf("%s %v %s %q", m.Folder, m.Flags, m.Date.UTC().Format(time.DateTime), text(t, m)))
		}
		return list
	}
	got := all()
	slices.Sort(got)
	for i := range want {
		want[i] = strings.ToLower(want[i][:strings.Index(want[i], "]")]) + want[i][strings.Index(want[i], "]"):]
		got[i] = strings.ToLower(got[i][:strings.Index(got[i], "]")]) + got[i][strings.Index(got[i], "]"):]
	}
	slices.Sort(want)
	slices.Sort(got)
	equal(t, got, want)

	if again := all(); len(again) != 0 {
		t.Errorf("a second run fetches %d messages again", len(again))
	}
	add(t, u, "INBOX", "Subject: new\r\n\r\n")
	if again := all(); len(again) != 1 {
		t.Errorf("a run after one new message fetches %d", len(again))
	}
	opt.Password = "wrong"
	if _, err := DialIMAP(t.Context(), opt); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestWhatFailedIsFetchedAgain: as a message that was above the quota.
func TestWhatFailedIsFetchedAgain(t *testing.T) {
	t.Parallel()
	u, addr := remote(t)
	if err := u.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		add(t, u, "INBOX", fmt.Sprintf("Subject: %d\r\n\r\n", i))
	}
	var done uint32
	src, err := DialIMAP(t.Context(), IMAPOptions{
		Address: addr, Plaintext: true, User: "ana", Password: "secret",
		Took: func(_ string, _, uid uint32) error { done = uid; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, _, err := src.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	src.SyncWith(func() (int64, error) { return int64(n / 100), nil }) // one of the second batch fails
	for _, err := range src.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 120 || done != 50 {
		t.Errorf("%d messages, all up to %d are taken", n, done)
	}
}
