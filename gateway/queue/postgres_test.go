package queue

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestOnPostgreSQL takes mail through all of its states on the empty database
// that GAPURA_TEST_POSTGRES names.
func TestOnPostgreSQL(t *testing.T) {
	url := os.Getenv("GAPURA_TEST_POSTGRES")
	if url == "" {
		t.Skip("GAPURA_TEST_POSTGRES names no database")
	}
	l := &lab{t: t, dir: t.TempDir(), opt: Options{Retry: []time.Duration{time.Second}}, log: quiet, next: &fake{}}
	open := func() {
		ctx := context.Background()
		var err error
		if l.db, err = sqldb.Open(ctx, sqldb.Options{URL: url}); err != nil {
			t.Fatal(err)
		}
		if l.blobs, err = blob.OpenFiles(ctx, blob.Options{Dir: l.dir + "/blobs"}, Live(ctx, l.db)); err != nil {
			t.Fatal(err)
		}
		if l.q, err = Open(ctx, l.opt, l.deps()); err != nil {
			t.Fatal(err)
		}
	}
	var down sync.Once
	l.next.answer = func(j *Job, to string) Outcome {
		switch {
		case strings.HasPrefix(to, "no@"):
			return unknown
		case strings.HasPrefix(to, "later@") && j.Attempt < 3:
			return busy
		}
		o := delivered
		if strings.HasPrefix(to, "down@") {
			down.Do(func() { o = away })
		}
		return o
	}
	open()
	l.send("a@example.org", mail, "before@x.test") // not started: it stays
	l.close()
	open()
	defer l.close()
	l.start()
	for i := range 20 {
		l.send("a@example.org", mail, "1@x.test", "no@x.test", fmt.Sprintf("later@y%d.test", i), "down@z.test")
	}
	c := copyOf("a@example.org", mail, "held@x.test")
	c.Queue.Hold = "why"
	l.commit(c)
	d := l.q.Delivery("out")
	if err := d.Prepare(t.Context(), copyOf("a@example.org", mail, "never@x.test")); err != nil {
		t.Fatal(err)
	}
	d.Abort()
	for end := time.Now().Add(20 * time.Second); len(l.list()) > 1 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if items := l.list(); len(items) != 1 || items[0].State != Held {
		t.Errorf("%d left", len(items))
	}
	groups, err := Summary(t.Context(), l.db)
	if err != nil || len(groups) != 1 || groups[0].Held != 1 {
		t.Errorf("%+v, %v", groups, err)
	}
	if n, err := l.q.Act(t.Context(), Change{Action: Remove, Filter: Filter{Reason: "WHY"}}, nil); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	got := map[string]int{}
	for _, g := range l.next.all() {
		for _, to := range g.to {
			got[to]++
		}
	}
	if got["1@x.test"] != 20 || got["down@z.test"] != 20 || got["later@y7.test"] != 1 || got["a@example.org"] != 20 || got["before@x.test"] != 1 || got["never@x.test"] != 0 {
		t.Errorf("%v", got)
	}
	if u := l.blobs.Usage(); u.Live != 0 {
		t.Errorf("%d octets live", u.Live)
	}
}
