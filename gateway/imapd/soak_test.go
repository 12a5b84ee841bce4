package imapd_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestMillionIsSearchedAndSorted holds how long commands may take in a folder
// of 1,000,000 messages with texts of their own (GAPURA_SOAK; or of GAPURA_MILLION); without it, in one of a few thousand,
// that they find what is there.
func TestMillionIsSearchedAndSorted(t *testing.T) {
	n, soak := 3000, os.Getenv("GAPURA_SOAK") != ""
	if soak {
		n = 1_000_000
	}
	if most, err := strconv.Atoi(os.Getenv("GAPURA_MILLION")); err == nil {
		n = most
	}
	p := &mailboxtest.Place{Dir: t.TempDir(), Deps: mailbox.Deps{Events: true}}
	k := p.Open(t)
	k.Append(k.User("bob"), "INBOX", mailboxtest.Message("first"))
	k.NoCheck = "its objects share their octets"
	fillObjects(t, k.DB, n)
	k.Close()
	k = p.Open(t)
	k.NoCheck = "its objects share their octets"
	deps := k.Store.ForSearch()
	deps.Dir, deps.Opener = os.Getenv("GAPURA_SEARCH_DIR"), texts{}
	if deps.Dir == "" {
		deps.Dir = t.TempDir()
	}
	x := indexAll(t, deps, n)
	if err := k.Store.Tidy(t.Context()); err != nil { // what it does by itself has ended then
		t.Fatal(err)
	}
	s, err := imapd.New(imapd.Options{Listener: "imap", Hostname: "mx.example.test", PlaintextFrom: everywhere}, imapd.Deps{Accounts: accounts{}, Store: k.Store, Search: x})
	if err != nil {
		t.Fatal(err)
	}
	c := login(t, s, "bob")
	timed := func(most time.Duration, command string) []string {
		t.Helper()
		begin := time.Now()
		got := c.ask(command)
		took := time.Since(begin)
		t.Logf("%8.1f ms  %s", float64(took.Microseconds())/1000, command)
		if !strings.HasPrefix(got[len(got)-1], "OK") {
			t.Fatalf("%s: %.200q", command, got)
		}
		if took > most && soak {
			t.Errorf("%s took %s, more than %s", command, took, most)
		}
		return got
	}
	const ms = time.Millisecond
	timed(500*ms, "SELECT INBOX")
	timed(20*ms, "SELECT INBOX")
	timed(200*ms, "UID SORT RETURN (PARTIAL 1:100) (REVERSE DATE) UTF-8 ALL")
	for _, find := range []struct {
		most time.Duration
		key  string
		n    int
	}{
		{500 * ms, "TEXT hundredth", n / 100},
		{500 * ms, fmt.Sprintf("TEXT number%d", n/2), 1},
		{500 * ms, `TEXT "hundredth" TEXT "fiftieth"`, n / 100},
		{500 * ms, fmt.Sprintf(`TEXT "paper %d"`, n/2), 1},
		{500 * ms, `BODY "undredt"`, n / 100},
		{500 * ms, fmt.Sprintf("TEXT topic%d", n/3), 1},
		{500 * ms, "TEXT hundredth SINCE 15-Nov-2023", n / 200},
		{500 * ms, "TEXT nearly", n - n/5},
		{500 * ms, "TEXT nearly", n - n/5},
		{500 * ms, "TEXT nowhere", 0},
	} {
		got := timed(find.most, "UID SEARCH RETURN (COUNT) "+find.key)
		if want := fmt.Sprintf("COUNT %d", find.n); !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: %q, want %s", find.key, got[0], want)
		}
	}
	resync(t, c, k, timed)
}

// resync has 1,000 messages changed behind a client's back.
func resync(t *testing.T, c *client, k *mailboxtest.Kit, timed func(time.Duration, string) []string) {
	was, validity := c.folderNumber("HIGHESTMODSEQ"), c.folderNumber("UIDVALIDITY")
	c.ok("ENABLE QRESYNC")
	c.ok("UNSELECT")
	v, err := k.User("bob").Select(t.Context(), "INBOX", false)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var changed, gone mailbox.UIDs
	for i, every := uint32(0), v.Len()/1000; i < 1000; i++ {
		if uid := v.UID(i*every + 1); i%10 == 0 {
			gone.Add(uid)
		} else {
			changed.Add(uid)
		}
	}
	if _, err := v.Change(t.Context(), changed, mailbox.AddFlags, []string{`\Flagged`}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Expunge(t.Context(), gone, true); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := timed(50*time.Millisecond, fmt.Sprintf("SELECT INBOX (QRESYNC (%s %s))", validity, was))
		if n := len(got); n < changed.Len() {
			t.Errorf("%d lines after %d changes", n, changed.Len())
		}
		c.ok("UNSELECT")
	}
}

// indexAll returns an index that has everything.
func indexAll(t *testing.T, deps search.Deps, n int) *search.Index {
	t.Helper()
	begin := time.Now()
	x, err := search.Open(t.Context(), search.Options{Share: 100, Wait: time.Minute}, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); x.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		x.Close()
	})
	if err := x.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages indexed in %s", n, time.Since(begin).Round(time.Millisecond))
	return x
}

// texts makes a message of an object's number.
type texts struct{}

func (texts) OpenObject(_ context.Context, object int64) (io.ReadCloser, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "From: Ann <ann%d@example.org>\r\nTo: bob@example.com\r\nSubject: minutes of topic%d\r\nMessage-ID: <%d@example.org>\r\n\r\nnumber%d paper %d\r\n", object%500, object, object, object, object)
	for _, w := range []struct {
		every int64
		word  string
	}{{100, "hundredth"}, {50, "fiftieth"}, {20, "twentieth"}, {7, "seventh"}, {3, "third"}, {2, "second"}} {
		if object%w.every == 0 {
			b.WriteString(w.word + " ")
		}
	}
	if object%5 != 0 {
		b.WriteString("nearly ")
	}
	const syllables = "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu"
	h := uint64(object)*0x9e3779b97f4a7c15 + 1
	for range 40 {
		h ^= h << 13
		h ^= h >> 7
		h ^= h << 17
		for w := h % 1_000_000 * (h % 1000) / 1000; ; w /= 45 { // small numbers are frequent
			b.WriteString(syllables[w%45*3 : w%45*3+2])
			if w < 45 {
				break
			}
		}
		b.WriteByte(' ')
	}
	b.WriteString("\r\n")
	return io.NopCloser(strings.NewReader(b.String())), nil
}

// fillObjects makes bob's INBOX, which has one message, have n, each of an
// object of its own.
func fillObjects(t *testing.T, db *sqldb.DB, n int) {
	t.Helper()
	counted := fmt.Sprintf(`(WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) x`, n)
	err := db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		for _, q := range []string{
			`INSERT INTO mailbox_messages SELECT m.folder, x.i, x.i, 0, m.size, m.object + x.i - 1, 1600000000 + x.i * 200000000 / ` + fmt.Sprint(n) + `, m.saved, m.sent + x.i FROM mailbox_messages m, ` + counted,
			`INSERT INTO mailbox_objects SELECT o.id + x.i - 1, 1, o.segment, o.start, o.size, o.sent + x.i, o.thread, o.record FROM mailbox_objects o, ` + counted,
			fmt.Sprintf(`UPDATE mailbox_folders SET next = %d, modseq = %d, messages = %d, unseen = %d WHERE name = 'INBOX'`, n+1, n+1, n, n),
			fmt.Sprintf(`UPDATE mailbox_counters SET next = next + %d WHERE name = 'object'`, n),
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return mailboxtest.FillBlocks(ctx, tx, n)
	})
	if err != nil {
		t.Fatal(err)
	}
}
