package queue

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/test/peers"
)

// TestManyWait: what waits costs disk, and neither memory nor much time at the
// start. GAPURA_SOAK=1 has a million messages wait, and holds the figures.
func TestManyWait(t *testing.T) {
	n, domains := 5_000, 100
	soak := os.Getenv("GAPURA_SOAK") != ""
	if soak {
		n, domains = 1_000_000, 10_000
	}
	l := &lab{t: t, dir: t.TempDir(), log: quiet, next: &fake{answer: func(*Job, string) Outcome { return away }}}
	l.open()
	fill(t, l, n, domains, func(*entry) {})
	l.close()
	debug.FreeOSMemory()
	before := rss(t)

	start := time.Now()
	l.open()
	defer l.close()
	opened := time.Since(start)
	l.start()
	start = time.Now()
	groups, err := Summary(context.Background(), l.db)
	if err != nil || len(groups) != domains {
		t.Fatalf("%d groups, %v", len(groups), err)
	}
	summed := time.Since(start)
	start = time.Now()
	listed := 0
	err = List(context.Background(), l.db, Options{}, Filter{Domain: "d7.example"}, func(*Item) error { listed++; return nil })
	if err != nil || listed != n/domains {
		t.Fatalf("%d listed, %v", listed, err)
	}
	found := time.Since(start)
	for len(l.next.all()) < min(domains, 1000) { // all are tried, and all are down
		time.Sleep(10 * time.Millisecond)
	}
	memory := rss(t)
	if c := l.q.Counts(); c.Active+c.Waiting != int64(n) {
		t.Errorf("%+v", c)
	}
	t.Logf("%d messages: open %v, summary %v, list of one domain %v, memory %d MiB of which %d MiB are the test's", n, opened, summed, found, memory>>20, before>>20)
	if soak && (opened > 5*time.Second || summed > time.Second || found > time.Second || memory > 300<<20) {
		t.Error("too much")
	}
}

// TestManyExpire: mail is taken while all that is in quarantine expires at once.
// GAPURA_SOAK=1 has a million copies there, and holds the figures.
func TestManyExpire(t *testing.T) {
	n, soak := 5_000, os.Getenv("GAPURA_SOAK") != ""
	if soak {
		n = 1_000_000
	}
	l := &lab{t: t, dir: t.TempDir(), log: quiet, next: &fake{}, opt: Options{Quarantine: time.Minute}}
	l.open()
	fill(t, l, n, 100, func(e *entry) {
		e.kept, e.since = &gateway.Kept{Rule: "main.yaml:1 odd", Stage: "message", Subject: "hello"}, l.q.clock.now()-time.Hour.Milliseconds()
		e.msg.queued = e.since
	})
	err := l.db.Write(context.Background(), func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE queue_waiting SET alarm = 1")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.close()
	debug.FreeOSMemory()
	before := rss(t)
	l.open()
	defer l.close()
	l.start()
	start, most := time.Now(), int64(0)
	var took []time.Duration
	for l.q.Counts().Quarantined > 0 {
		began := time.Now()
		l.send("a@example.org", mail, "b@x.test")
		took = append(took, time.Since(began))
		most = max(most, rss(t))
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(took)
	p99, longest := took[len(took)*99/100], took[len(took)-1]
	t.Logf("%d copies expired in %v; beside them %d messages were taken, in %v, 99 %% of them in %v, all in %v; memory up to %d MiB, %d of them the test's",
		n, time.Since(start), len(took), took[len(took)/2], p99, longest, most>>20, before>>20)
	if soak && (p99 > 250*time.Millisecond || longest > 2*time.Second || most > 300<<20) {
		t.Error("too much")
	}
}

// fill puts rows into the database as if n messages waited.
func fill(t *testing.T, l *lab, n, domains int, each func(*entry)) {
	t.Helper()
	c := copyOf("a@example.org", mail, "b@d0.example")
	c.Queue.Hold = "to have its octets"
	l.commit(c)
	o, now := l.q.options(), l.q.clock.now()
	var ref *entry
	err := eachWaiting(context.Background(), l.db, &Filter{All: true}, func(e *entry, _ State) error { ref = e; return nil })
	if err != nil || ref == nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	err = l.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM queue_waiting")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; {
		err := l.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			var rows [][]any
			for range 5000 {
				if i == n {
					break
				}
				e := work(int64(i+10), "", 0, fmt.Sprint("user", i%1000), fmt.Sprintf("d%d.example", i%domains))
				e.msg.ref, e.msg.queued, e.msg.trace = ref.msg.ref, now-int64(i%100_000_000), fmt.Sprintf("01K2ZB0C9WVMD3F4S4Q%07d", i)
				e.rcpts = []recipient{{to: ref.rcpts[0].to, last: reply{Reply: busy.Reply, mta: "mx.next"}}}
				e.since, e.due = now, now-int64(i%1000)
				each(e)
				rows = append(rows, l.q.waitingRow(o, e))
				i++
			}
			_, err := tx.ExecMany(ctx, sqlInsertWaiting, rows)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rss returns the memory of this process.
func rss(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		peers.Missing(t, "memory is read from Linux's /proc: %v", err)
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		if v, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			var kib int64
			fmt.Sscan(v, &kib)
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
