package queue

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// crash is a queue on a disk whose power is cut.
type crash struct {
	t    *testing.T
	dir  string
	disk *blobtest.Disk

	mu       sync.Mutex
	promised map[string]bool // "id rcpt" that 250 was said to
	given    map[string]bool // "id" that Commit was called for
	got      map[string]int  // "id rcpt" delivered
	bounced  map[string]int  // "id rcpt" told of in a notification
	damaged  []string
}

func (c *crash) open() (*Queue, *sqldb.DB, *blob.Files) {
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: c.dir, URL: sqldbtest.URL(c.t, c.dir)})
	if err != nil {
		c.t.Fatal(err)
	}
	files := blob.Options{Dir: "blobs", FS: c.disk, SegmentSize: 64 << 10, Large: 32 << 10, Ahead: 4 << 10}
	blobs, err := blob.OpenFiles(ctx, files, Live(ctx, db, blob.NotesOf(files)))
	if err != nil {
		db.Close()
		return nil, nil, nil
	}
	q, err := Open(ctx, Options{}, Deps{DB: db, Blobs: blobs, Hostname: "mx.test", Log: quiet, Logged: true, Leads: leadOut})
	if err != nil {
		c.t.Fatal(err)
	}
	q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
		if err := c.disk.Step(); err != nil {
			return err
		}
		if err := db.Write(ctx, f); err != nil {
			return err
		}
		return c.disk.Step() // done, and nobody has heard of it
	}
	return q, db, blobs
}

// body is what a message of an id must arrive as.
func body(id string) string {
	return "Subject: " + id + "\r\n\r\n" + strings.Repeat(id+"\r\n", 100+len(id)*int(id[len(id)-1])%500)
}

// Deliver implements Transport: some recipients are refused, some come later.
func (c *crash) Deliver(_ context.Context, j *Job) []Outcome {
	outs := make([]Outcome, len(j.Rcpts))
	if err := c.disk.Step(); err != nil {
		return same(len(j.Rcpts), busy)
	}
	if j.Rcpts[0].To.Local == "hangs" {
		time.Sleep(5 * logTime)
	}
	r, err := j.Open()
	if err != nil {
		return same(len(j.Rcpts), busy)
	}
	defer r.Close()
	var b strings.Builder
	if _, err := r.(*octets).WriteTo(&b); err != nil {
		return same(len(j.Rcpts), busy)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, x := range j.Rcpts {
		to := x.To.String()
		switch {
		case j.From.IsNull():
			c.bounce(b.String())
			outs[i] = delivered
		case x.To.Local == "no":
			outs[i] = unknown
		case x.To.Local == "later" && j.Attempt < 3:
			outs[i] = busy
		default:
			if b.String() != body(j.ID) {
				c.damaged = append(c.damaged, j.ID)
			}
			c.got[j.ID+" "+to]++
			outs[i] = delivered
		}
	}
	if c.disk.Step() != nil { // taken, and nobody has heard of it
		return same(len(j.Rcpts), busy)
	}
	return outs
}

// bounce notes whom a notification is about.
func (c *crash) bounce(text string) {
	id := ""
	for line := range strings.SplitSeq(text, "\r\n") {
		if v, ok := strings.CutPrefix(line, "Subject: "); ok && !strings.Contains(v, " ") {
			id = v
		}
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if v, ok := strings.CutPrefix(line, "Final-Recipient: rfc822; "); ok {
			c.bounced[id+" "+v]++
		}
	}
}

// send queues a message of the id.
func (c *crash) send(q *Queue, id string, prepare, abort bool, to ...string) {
	m := copyOf("me@example.org", body(id), to...)
	m.ID = id
	route := "out"
	if strings.HasPrefix(id, "k") { // for the quarantine
		route = ""
		for i := range m.Rcpts {
			m.Rcpts[i].Route = "out"
			m.Kept = append(m.Kept, &gateway.Kept{Rule: id})
		}
	}
	d := q.Delivery(route)
	defer d.Abort()
	if prepare && d.Prepare(context.Background(), m) != nil || abort {
		return
	}
	c.mu.Lock()
	c.given[id] = true
	c.mu.Unlock()
	if _, err := d.Commit(context.Background(), m); err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range m.Rcpts {
		c.promised[id+" "+r.To.String()] = true
	}
}

// work is what goes on until the power goes.
func (c *crash) work(q *Queue) {
	q.SetTransports(map[string]Transport{"out": c})
	c.send(q, "m1", false, false, "a@x.test")
	c.send(q, "m2", false, false, "a@x.test", "b@y.test", "no@x.test", "later@y.test")
	settle()
	var wg sync.WaitGroup
	for i, to := range [...]string{"a@x.test", "no@x.test", "later@y.test", "a@x.test", "a@y.test", "hangs@x.test"} {
		wg.Go(func() { c.send(q, fmt.Sprint("s", i), false, false, to) })
	}
	wg.Wait()
	time.Sleep(3 * logTime)
	for i := range 3 {
		wg.Go(func() { c.send(q, fmt.Sprint("t", i), false, false, "a@x.test") })
	}
	wg.Wait()
	for i := range 3 {
		wg.Go(func() { c.send(q, fmt.Sprint("n", i), i == 1, false, "a@x.test", fmt.Sprintf("a@z%d.test", i)) })
	}
	wg.Wait()
	c.send(q, "p1", true, true, "never@x.test")
	c.send(q, "k0", true, true, "never@x.test")
	c.send(q, "k1", false, false, "a@x.test", "b@y.test")
	c.send(q, "k2", true, false, "a@x.test", "later@x.test")
	c.release(q, Filter{ID: "k1"})
	c.release(q, Filter{To: "later@x.test"})
	c.send(q, "m3", true, false, "no@x.test", "later@z.test")
	time.Sleep(10 * time.Minute)
	settle()
}

// release lets go what is in quarantine.
func (c *crash) release(q *Queue, f Filter) {
	f.State = Quarantined
	q.Act(context.Background(), Change{Action: Release, Filter: f}, nil) // the power may be off
}

func leadOut(_ context.Context, to smtp.Address) ([]gateway.Recipient, error) {
	return []gateway.Recipient{{To: smtp.ForwardPath{Address: to}, Route: "out"}}, nil
}

// TestPowerCutAfterAnyOperation: whatever was said 250 to is delivered, or
// comes back, after the power was cut at any operation of blobs, database or
// next hop; twice only what the next hop had taken and no record of it was
// made; and nothing else is left.
func TestPowerCutAfterAnyOperation(t *testing.T) {
	t.Parallel()
	step := 3
	if os.Getenv("GAPURA_SOAK") != "" {
		step = 1
	}
	ops := cutAfter(t, 1<<30)
	t.Logf("%d operations", ops)
	for n := 1; n < ops; n += step {
		cutAfter(t, n)
	}
}

func cutAfter(t *testing.T, n int) (ops int) {
	synctest.Test(t, func(t *testing.T) {
		c := &crash{
			t: t, dir: t.TempDir(), disk: blobtest.New(),
			promised: map[string]bool{}, given: map[string]bool{}, got: map[string]int{}, bounced: map[string]int{},
		}
		c.disk.CutAfter(n)
		q, db, blobs := c.open()
		if q == nil {
			return
		}
		c.work(q)
		closeAll(t, q, db, blobs)
		before := maps.Clone(c.got)
		ops = c.disk.Ops()
		c.disk = c.disk.Restart(uint64(n))
		q, db, blobs = c.open()
		if q == nil {
			t.Fatal("the blobs do not open again")
		}
		q.SetTransports(map[string]Transport{"out": c})
		c.release(q, Filter{All: true})
		time.Sleep(30 * time.Hour)
		settle()
		c.verify(n, before)
		if u := blobs.Usage(); u.Live != 0 {
			t.Errorf("cut after %d: %d octets live", n, u.Live)
		}
		var left int
		if err := db.Read().QueryRow(context.Background(), sqlLeft, 0, never, 0, never).Scan(&left); err != nil || left != 0 {
			t.Errorf("cut after %d: %d rows left, %v", n, left, err)
		}
		closeAll(t, q, db, blobs)
	})
	return ops
}

func closeAll(t *testing.T, q *Queue, db *sqldb.DB, blobs *blob.Files) {
	if err := q.Close(context.Background()); err != nil {
		t.Error(err)
	}
	blobs.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func (c *crash) verify(n int, before map[string]int) {
	for _, key := range slices.Sorted(maps.Keys(c.promised)) {
		if c.got[key]+c.bounced[key] == 0 {
			c.t.Errorf("cut after %d: %q is lost", n, key)
		}
	}
	for key, k := range c.got {
		id, _, _ := strings.Cut(key, " ")
		switch {
		case k > 2 || k == 2 && before[key] == 0:
			c.t.Errorf("cut after %d: %q delivered %d times", n, key, k)
		case !c.given[id]:
			c.t.Errorf("cut after %d: %q was delivered and never committed", n, key)
		}
	}
	if len(c.damaged) > 0 {
		c.t.Errorf("cut after %d: damaged: %q", n, c.damaged)
	}
}

var _ gateway.Preparer = (*delivery)(nil)

// TestNumbersAreNotGivenTwice: what comes after a restart has nothing to do
// with a message some of whose rows have gone: the octets of that go with its
// last row.
func TestNumbersAreNotGivenTwice(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(j *Job, to string) Outcome {
			if to == "a@later.test" && j.Attempt == 1 || to == "a@never.test" {
				return busy
			}
			return delivered
		}
		l.start()
		l.send("me@example.org", mail, "a@later.test", "a@now.test")
		settle()
		l.close()
		l.open()
		l.start()
		l.send("me@example.org", mail, "a@never.test")
		time.Sleep(time.Hour)
		settle()
		if list, u := l.list(), l.blobs.Usage(); len(list) != 1 || u.Live >= 2*int64(len(mail)) {
			t.Errorf("%d entries, %+v", len(list), u)
		}
	})
}
