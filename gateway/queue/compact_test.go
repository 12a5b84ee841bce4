package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestMovedOctets: segments that are mostly dead are given up; what still
// waits is moved, in memory and on disk, and arrives as it was.
func TestMovedOctets(t *testing.T) {
	in(t, Options{PerDestination: 1}, func(t *testing.T, l *lab) {
		// Small segments, and nothing kept in memory.
		l.close()
		l.q = nil
		open := func() {
			l.open()
			l.blobs.Close()
			files, err := blob.OpenFiles(context.Background(), blob.Options{Dir: l.dir + "/blobs", SegmentSize: 300 << 10}, Live(context.Background(), l.db, nil))
			if err != nil {
				t.Fatal(err)
			}
			l.blobs, l.q.blobs, l.q.notes = files, files, files
		}
		open()
		l.next.before = func(_ context.Context, j *Job) {
			if j.Destination == "slow.test" {
				time.Sleep(time.Minute)
			}
		}
		l.next.answer = func(j *Job, to string) Outcome {
			if j.Destination == "later.test" && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.start()
		big := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1000)
		sent := map[string]string{}
		for i := range 60 {
			to := []string{"a@gone.test"}
			switch i % 10 {
			case 3:
				to = []string{"a@slow.test"} // in memory while it is moved
			case 7:
				to = []string{"a@later.test", "b@gone.test"}
			}
			body := fmt.Sprintf("Subject: %d\r\n\r\n%s", i, big)
			sent[l.send("a@example.org", body, to...)] = body
		}
		time.Sleep(3 * logTime) // what is tried still has a row by then
		settle()
		freed := int64(0)
		for {
			n, err := l.blobs.Compact(context.Background(), (*owner)(l.q))
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			freed += n
		}
		settle() // empty segments are removed beside it
		if u := l.blobs.Usage(); freed == 0 || u.Total > 3*u.Live {
			t.Errorf("freed %d, %+v", freed, u)
		}
		time.Sleep(20 * time.Minute)
		settle()
		got := map[string]int{}
		for _, g := range l.next.all() {
			if len(g.to) > 0 {
				got[g.id] += len(g.to)
				if g.body != sent[g.id] {
					t.Errorf("%s is damaged", g.id)
				}
			}
		}
		if len(got) != 60 || len(l.list()) != 0 || l.blobs.Usage().Live != 0 {
			t.Errorf("%d delivered, %d left, %+v", len(got), len(l.list()), l.blobs.Usage())
		}
	})
}

// TestLostOctets: a message whose octets are not there any more is held, not
// tried for ever.
func TestLostOctets(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.send("a@example.org", strings.Repeat(mail, 1000), "a@x.test") // too big for memory
		l.q.blobs = noBlobs{l.blobs}
		l.start()
		settle()
		items := l.list()
		if len(items) != 1 || items[0].State != Held || items[0].Hold != lostReason {
			t.Fatalf("%+v", items)
		}
		l.q.blobs = l.blobs
		l.act(Release, Filter{All: true})
		settle()
		if len(l.list()) != 0 {
			t.Error("not sent")
		}
	})
}

type noBlobs struct{ blob.Store }

func (noBlobs) Open(context.Context, blob.Ref) (blob.Reader, error) { return nil, blob.ErrNotFound }

// TestMoveThatFails: a message is deferred, or goes, while Compact moves its
// octets; afterwards it is where its row says, whether the move was written or
// not.
func TestMoveThatFails(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, what := range []Result{Deferred, Delivered} {
			in(t, Options{}, func(t *testing.T, l *lab) { moveWhile(t, l, fails, what) })
		}
	}
}

func moveWhile(t *testing.T, l *lab, fails bool, what Result) {
	l.close()
	l.q = nil
	l.open()
	l.blobs.Close()
	files, err := blob.OpenFiles(t.Context(), blob.Options{Dir: l.dir + "/blobs", SegmentSize: 300 << 10}, Live(t.Context(), l.db, nil))
	if err != nil {
		t.Fatal(err)
	}
	l.blobs, l.q.blobs, l.q.notes = files, files, files
	started, end := make(chan struct{}), make(chan struct{})
	l.next.before = func(_ context.Context, j *Job) {
		if j.Destination == "slow.test" && j.Attempt == 1 {
			close(started)
			<-end
		}
	}
	l.next.answer = func(j *Job, _ string) Outcome {
		if j.Destination == "slow.test" && j.Attempt == 1 && what == Deferred {
			return busy
		}
		return delivered
	}
	l.start()
	big := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1000)
	slow := l.send("a@example.org", big, "a@slow.test")
	<-started
	for range 8 {
		l.send("a@example.org", big, "a@quick.test")
	}
	time.Sleep(3 * logTime) // what is tried still has a row by then
	settle()
	write, moving := l.q.write, false
	l.q.write = func(ctx context.Context, f func(context.Context, *sqldb.Tx) error) error {
		if !moving {
			return write(ctx, f)
		}
		moving = false
		close(end) // the outcome comes just now, and is written first if it may
		settle()
		if fails {
			return errors.New("disk full")
		}
		return write(ctx, f)
	}
	moving = true
	_, err = l.blobs.Compact(t.Context(), (*owner)(l.q))
	if moving || fails != (err != nil) {
		t.Fatalf("moving %v, %v", moving, err)
	}
	settle()
	for range 8 { // the segment that has the copy ends
		l.send("a@example.org", big, "a@quick.test")
	}
	settle()
	_, again := l.blobs.Compact(t.Context(), (*owner)(l.q))
	time.Sleep(time.Hour)
	settle()
	n := 0
	for _, g := range l.next.all() {
		if g.id == slow && len(g.to) > 0 {
			n++
		}
	}
	u := l.blobs.Usage()
	if n != 1 || len(l.list()) != 0 || u.Live != 0 || again != nil {
		t.Errorf("fails %v, %v: delivered %d times, %d left, %+v, %v", fails, what, n, len(l.list()), u, again)
	}
	if u.Segments > 1 {
		t.Errorf("fails %v, %v: space is not reclaimed: %+v", fails, what, u)
	}
}

// releases counts what a store is told of.
type releases struct {
	blob.Store
	mu sync.Mutex
	n  map[blob.Ref]int
}

func (r *releases) Release(refs ...blob.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		r.n[ref]++
	}
	r.Store.Release(refs...)
}

// TestReleasedOnce: the octets of a message for several destinations are
// released when the last of them has it, whether outcomes are written together
// or not.
func TestReleasedOnce(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		r := &releases{Store: l.blobs, n: map[blob.Ref]int{}}
		l.q.blobs = r
		l.start()
		l.send("a@example.org", mail, "a@x.test", "b@y.test", "c@z.test")
		settle()
		l.next.answer = func(j *Job, _ string) Outcome {
			if j.Destination == "y.test" && j.Attempt == 1 {
				return busy
			}
			return delivered
		}
		l.send("a@example.org", mail, "a@x.test", "b@y.test", "c@z.test")
		d := l.q.Delivery("out")
		if err := d.Prepare(t.Context(), copyOf("a@example.org", mail, "a@x.test", "b@y.test")); err != nil {
			t.Fatal(err)
		}
		d.Abort()
		time.Sleep(time.Hour)
		settle()
		if len(r.n) != 3 {
			t.Errorf("%d messages released", len(r.n))
		}
		for ref, n := range r.n {
			if n != 1 {
				t.Errorf("%v released %d times", ref, n)
			}
		}
	})
}
