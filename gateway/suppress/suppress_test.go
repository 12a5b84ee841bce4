package suppress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func open(t testing.TB, opt Options) (*List, *sqldb.DB) {
	t.Helper()
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return reopen(t, db, opt), db
}

func reopen(t testing.TB, db *sqldb.DB, opt Options) *List {
	t.Helper()
	l, err := Open(t.Context(), opt, Deps{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func listed(t testing.TB, l *List, sender, address string) bool {
	t.Helper()
	_, ok, err := l.Lookup(t.Context(), sender, address)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestEntriesCountForTheirDomain(t *testing.T) {
	t.Parallel()
	l, _ := open(t, DefaultOptions())
	for _, e := range []Entry{{Address: "Bob@Example.NET"}, {Address: "eve@example.net", Domain: "Example.org"}, {Address: "@gone.example"}, {Address: "@part.example", Domain: "example.org"}, {Address: "a@bücher.example"}} {
		if err := l.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		sender, address string
		want            bool
	}{
		{"example.org", "bob@example.net", true},
		{"", "BOB@example.net", true},
		{"example.com", "bob@EXAMPLE.net", true},
		{"example.org", "eve@example.net", true},
		{"EXAMPLE.org", "eve@example.net", true},
		{"example.com", "eve@example.net", false},
		{"", "eve@example.net", false},
		{"example.com", "any@gone.example", true},
		{"example.com", "any@sub.gone.example", false},
		{"example.org", "any@part.example", true},
		{"example.com", "any@part.example", false},
		{"example.com", "a@xn--bcher-kva.example", true},
		{"example.com", "carl@example.net", false},
		{"example.com", "no address", false},
		{"not a domain", "bob@example.net", true},
	} {
		if got := listed(t, l, c.sender, c.address); got != c.want {
			t.Errorf("%s to %s: %v", c.sender, c.address, got)
		}
	}
	if n, err := l.Remove(t.Context(), "", "bob@example.net"); n != 1 || err != nil || listed(t, l, "", "bob@example.net") {
		t.Errorf("removed %d, %v", n, err)
	}
	if n, err := l.Remove(t.Context(), "*", "eve@example.net"); n != 1 || err != nil || listed(t, l, "example.org", "eve@example.net") {
		t.Errorf("removed %d, %v", n, err)
	}
	if n, _ := l.Remove(t.Context(), "", "@part.example"); n != 0 {
		t.Error("an entry of one domain was removed for all")
	}
	for _, bad := range []Entry{{Address: "bob"}, {Address: "@"}, {Address: "a@b@"}, {Address: "a@b.example", Domain: "x y"}, {Address: strings.Repeat("a", 300) + "@b.example"}, {Address: "a\x00b@c.example"}} {
		if err := l.Add(t.Context(), bad); !errors.Is(err, ErrAddress) && !errors.Is(err, ErrDomain) {
			t.Errorf("%q: %v", bad.Address, err)
		}
	}
}

func TestRefusalTellsWhatToDo(t *testing.T) {
	t.Parallel()
	l, _ := open(t, DefaultOptions())
	since := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	bob := smtp.Address{Local: "bob", Domain: "example.net"}
	if err := l.Add(t.Context(), Entry{Address: bob.String(), Reason: Bounced, Detail: "550 5.1.1 unknown\r\nuser", Since: since, Domain: "example.org"}); err != nil {
		t.Fatal(err)
	}
	r, err := l.Refused(t.Context(), "example.org", bob)
	want := "550 5.1.1 bob@example.net: earlier mail bounced on 2026-11-20 (550 5.1.1 unknown  user); ask your administrator to remove it: gapura suppress remove bob@example.net --domain example.org"
	if err != nil || r.Error() != want {
		t.Errorf("%v, %v; want %s", r, err, want)
	}
	if r, err = l.Refused(t.Context(), "example.com", bob); err != nil || !r.IsZero() {
		t.Errorf("%v, %v", r, err)
	}
	opt := DefaultOptions()
	opt.Refuse = false
	l.Reconfigure(opt)
	if r, err = l.Refused(t.Context(), "example.org", bob); err != nil || !r.IsZero() {
		t.Errorf("switched off: %v, %v", r, err)
	}
}

func TestBouncesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions()
		opt.Bounces, opt.Window, opt.BounceTime = 3, 10*24*time.Hour, 20*24*time.Hour
		l, db := open(t, opt)
		defer db.Close()
		note := func(about string) bool {
			t.Helper()
			added, err := l.Note(t.Context(), Event{Sender: "example.org", Address: "bob@example.net", Source: "dsn", Detail: "550 no", About: about})
			if err != nil {
				t.Fatal(err)
			}
			return added
		}
		for _, about := range []string{"<1@a>", "<1@a>", "<1@a>", "<2@a>"} {
			if note(about) {
				t.Error("one message counts more than once")
			}
		}
		time.Sleep(11 * 24 * time.Hour)
		if note("<3@a>") || note("<4@a>") {
			t.Error("bounces from before the window count")
		}
		if listed(t, l, "example.org", "bob@example.net") {
			t.Error("listed too early")
		}
		if !note("<5@a>") || !listed(t, l, "example.org", "bob@example.net") || listed(t, l, "example.com", "bob@example.net") {
			t.Error("not listed, or for others")
		}
		// With the entry go the bounces that led to it.
		if n, err := l.Remove(t.Context(), "example.org", "bob@example.net"); n != 1 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
		for i := range 3 { // of messages that have no name, once an hour
			if note("") != (i == 2) || i < 2 && note("") {
				t.Errorf("wrong in hour %d", i)
			}
			time.Sleep(time.Hour)
		}
		time.Sleep(19*24*time.Hour - time.Hour)
		if !listed(t, l, "example.org", "bob@example.net") {
			t.Error("expired too early")
		}
		time.Sleep(2 * 24 * time.Hour)
		if listed(t, l, "example.org", "bob@example.net") {
			t.Error("still listed")
		}
		note("<6@a>")
		var n int
		if err := l.deps.DB.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM suppress_entries").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d entries are kept, %v", n, err)
		}
		if err := l.deps.DB.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM suppress_bounces").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d bounces are kept, %v", n, err)
		}
	})
}

func TestComplaintsCountAtOnce(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	l, _ := open(t, opt)
	v := Event{Sender: "example.org", Address: "bob@example.net", Complaint: true, Source: "arf"}
	if added, err := l.Note(t.Context(), v); !added || err != nil || !listed(t, l, "example.org", "bob@example.net") {
		t.Errorf("added %v, %v", added, err)
	}
	opt.Complaints, opt.Bounces = false, 0
	l.Reconfigure(opt)
	v.Address = "eve@example.net"
	if added, err := l.Note(t.Context(), v); added || err != nil {
		t.Errorf("switched off: added %v, %v", added, err)
	}
	v.Complaint = false
	for i := range 5 {
		v.About = fmt.Sprint(i)
		if added, err := l.Note(t.Context(), v); added || err != nil {
			t.Errorf("switched off: added %v, %v", added, err)
		}
	}
}

func TestAdministratorsEntryStays(t *testing.T) {
	t.Parallel()
	l, _ := open(t, DefaultOptions())
	ctx := t.Context()
	if err := l.Add(ctx, Entry{Address: "bob@example.net", Domain: "example.org", Detail: "asked us to"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Note(ctx, Event{Sender: "example.org", Address: "bob@example.net", Complaint: true}); err != nil {
		t.Fatal(err)
	}
	if e, ok, err := l.Lookup(ctx, "example.org", "bob@example.net"); !ok || err != nil || e.Reason != Manual || e.Detail != "asked us to" {
		t.Errorf("%+v, %v", e, err)
	}
}

// A bounce, which is forgotten after a while, ends neither a complaint, which is
// not, nor what came from a file for ever; what has ended is in nobody's way.
func TestWhatLastsLongerStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opt := DefaultOptions()
		opt.Bounces = 1
		l, db := open(t, opt)
		defer db.Close()
		bounce := func(address, about string) {
			t.Helper()
			if added, err := l.Note(t.Context(), Event{Sender: "example.org", Address: address, Detail: "550 5.1.1 unknown", About: about}); err != nil || !added {
				t.Fatal(added, err)
			}
		}
		reason := func(address string) Reason {
			t.Helper()
			e, _, err := l.Lookup(t.Context(), "example.org", address)
			if err != nil {
				t.Fatal(err)
			}
			return e.Reason
		}
		if _, err := l.Note(t.Context(), Event{Sender: "example.org", Address: "ann@example.net", Complaint: true}); err != nil {
			t.Fatal(err)
		}
		for _, e := range []Entry{
			{Address: "bob@example.net", Domain: "example.org", Reason: Imported},
			{Address: "carl@example.net", Domain: "example.org", Until: time.Now().Add(time.Minute)},
			{Address: "dan@example.net", Domain: "example.org", Reason: Imported, Until: time.Now().Add(time.Hour)},
		} {
			if err := l.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		for address, want := range map[string]Reason{"ann@example.net": Complaint, "bob@example.net": Imported, "carl@example.net": Bounced, "dan@example.net": Bounced} {
			bounce(address, "<1@example.org>")
			if got := reason(address); got != want {
				t.Errorf("%s is on the list as %q, want %q", address, got, want)
			}
		}
		time.Sleep(opt.BounceTime + time.Hour)
		for address, want := range map[string]Reason{"ann@example.net": Complaint, "bob@example.net": Imported, "carl@example.net": "", "dan@example.net": ""} {
			if got := reason(address); got != want {
				t.Errorf("later, %s is on the list as %q, want %q", address, got, want)
			}
		}
	})
}

func TestOtherProcessesChangesAreSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, db := open(t, DefaultOptions())
		defer db.Close()
		other := reopen(t, db, DefaultOptions())
		check := func(want bool) {
			t.Helper()
			if got := listed(t, l, "example.org", "bob@example.net"); got != want {
				t.Errorf("listed: %v", got)
			}
		}
		check(false)
		for range 3 { // removed and added again, it has the same place
			if err := other.Add(t.Context(), Entry{Address: "bob@example.net"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * refreshEvery)
			check(true)
			if _, err := other.Remove(t.Context(), "", "bob@example.net"); err != nil {
				t.Fatal(err)
			}
			check(false)
			l.filter.Store(newBloom(0)) // as if it had never known
		}
	})
}

// TestRefreshWhileTheListIsRead: what is added then is seen too.
func TestRefreshWhileTheListIsRead(t *testing.T) {
	t.Parallel()
	l, db := open(t, DefaultOptions())
	other := reopen(t, db, DefaultOptions())
	var csv strings.Builder
	for i := range 50_000 { // reading takes a while
		fmt.Fprintf(&csv, "u%d@example.net\n", i)
	}
	if _, _, err := other.Import(t.Context(), strings.NewReader(csv.String()), Entry{Reason: Imported}); err != nil {
		t.Fatal(err)
	}
	l.filter.Store(newBloom(100_000))
	read := make(chan struct{})
	go func() {
		defer close(read)
		l.current(t.Context())
	}()
	time.Sleep(5 * time.Millisecond)
	if err := other.Add(t.Context(), Entry{Address: "bob@example.org"}); err != nil {
		t.Fatal(err)
	}
	l.Refresh()
	<-read
	if !listed(t, l, "example.org", "bob@example.org") {
		t.Error("not seen")
	}
}

func TestFilterGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, db := open(t, DefaultOptions())
		defer db.Close()
		listed(t, l, "", "a@b.example")
		small := l.filter.Load()
		var csv strings.Builder
		for i := range small.room + 10 {
			fmt.Fprintf(&csv, "u%d@example.net\n", i)
		}
		if n, bad, err := l.Import(t.Context(), strings.NewReader(csv.String()), Entry{Reason: Imported}); int64(n) != small.room+10 || bad.Count != 0 || err != nil {
			t.Fatalf("%d, %v, %v", n, bad, err)
		}
		for range 3 {
			time.Sleep(2 * refreshEvery)
			if !listed(t, l, "x.example", "u7@example.net") || listed(t, l, "x.example", "v7@example.net") {
				t.Error("wrong")
			}
		}
		if b := l.filter.Load(); b == small || b.full() {
			t.Error("the filter has not grown")
		}
		wrong := 0
		for i := range 10000 {
			if l.filter.Load().has("", fmt.Sprintf("v%d@example.net", i)) {
				wrong++
			}
		}
		if wrong > 200 {
			t.Errorf("%d of 10000 are asked in vain", wrong)
		}
	})
}

// TestExportIsImported is parse(print(x)) == x.
func TestExportIsImported(t *testing.T) {
	t.Parallel()
	l, _ := open(t, DefaultOptions())
	for i := range pageSize + 7 {
		e := Entry{Address: fmt.Sprintf("u%d@example.net", i), Reason: Bounced, Source: "dsn", Detail: "said, \"no\"", Since: time.Unix(1760000000, 0)}
		if i%2 == 0 {
			e.Domain = "example.org"
		}
		if i%3 == 0 {
			e.Until = time.Now().Add(time.Hour).Truncate(time.Second)
		}
		if err := l.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var a, b bytes.Buffer
	if n, err := l.Export(t.Context(), Filter{}, &a); n != pageSize+7 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	m, _ := open(t, DefaultOptions())
	if n, bad, err := m.Import(t.Context(), bytes.NewReader(a.Bytes()), Entry{}); n != pageSize+7 || bad.Count != 0 || err != nil {
		t.Fatalf("%d, %v, %v", n, bad, err)
	}
	if _, err := m.Export(t.Context(), Filter{}, &b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("%v; %.300s; %.300s", err, &a, &b)
	}
	for _, c := range []struct {
		f    Filter
		want int
	}{{Filter{Domain: "example.org"}, 254}, {Filter{Address: "u3@example.net"}, 1}, {Filter{Address: "@example.net"}, pageSize + 7}, {Filter{Address: "@ample.net"}, 0}, {Filter{Reason: Complaint}, 0}} {
		n := 0
		if err := l.Each(t.Context(), c.f, func(Entry) error { n++; return nil }); err != nil || n != c.want {
			t.Errorf("%+v: %d, %v", c.f, n, err)
		}
	}
}

func TestImportPassesOverWhatIsNone(t *testing.T) {
	t.Parallel()
	l, _ := open(t, DefaultOptions())
	n, bad, err := l.Import(t.Context(), strings.NewReader("Email,Reason,x\na@b.example,complaint\n\nnobody\n@c.example,strange,\"y\nz\"\n"), Entry{Reason: Imported, Domain: "example.org", Source: "f.csv"})
	if n != 2 || bad.Count != 1 || !strings.HasPrefix(bad.First[0], "line 4:") || err != nil {
		t.Errorf("%d, %+v, %v", n, bad, err)
	}
	if e, ok, _ := l.Lookup(t.Context(), "example.org", "x@c.example"); !ok || e.Reason != Imported || e.Detail != "strange" || e.Source != "f.csv" {
		t.Errorf("%+v", e)
	}
	if e, ok, _ := l.Lookup(t.Context(), "example.org", "a@b.example"); !ok || e.Reason != Complaint {
		t.Errorf("%+v", e)
	}
	if _, _, err := l.Import(t.Context(), strings.NewReader("\""+strings.Repeat("x", 2*maxCSVLine)), Entry{}); !errors.Is(err, errLine) {
		t.Errorf("a long line: %v", err)
	}
	broken := errors.New("broken")
	if n, _, err := l.Import(t.Context(), io.MultiReader(strings.NewReader("d@b.example\n"), failing{broken}), Entry{}); !errors.Is(err, broken) || n > 1 {
		t.Errorf("%d, %v", n, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	if err := DefaultOptions().Check(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Options){
		func(o *Options) { o.Bounces = -1 }, func(o *Options) { o.Bounces = 21 }, func(o *Options) { o.Window = 0 }, func(o *Options) { o.BounceTime = -1 }, func(o *Options) { o.ComplaintTime = -1 },
	} {
		o := DefaultOptions()
		if change(&o); o.Check() == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add("address,domain\na@b.example,c.example\n")
	f.Add("\"a")
	db, err := sqldb.Open(context.Background(), sqldb.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	l := reopen(f, db, DefaultOptions())
	f.Fuzz(func(t *testing.T, s string) {
		n, _, err := l.Import(t.Context(), strings.NewReader(s), Entry{})
		if err == nil && n > strings.Count(s, "\n")+strings.Count(s, "\r")+1 {
			t.Fatalf("%d entries", n)
		}
		if errors.Is(err, sqldb.ErrClosed) {
			t.Fatal(err)
		}
	})
}

func BenchmarkNotListed(b *testing.B) {
	l, _ := open(b, DefaultOptions())
	to := smtp.Address{Local: "bob", Domain: "example.net"}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := l.Refused(b.Context(), "example.org", to); err != nil || !r.IsZero() {
			b.Fatal(r, err)
		}
	}
}
