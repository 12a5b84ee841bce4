package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
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
		if n, err := l.q.Act(t.Context(), Change{Action: Release, Filter: Filter{All: true}}, nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		settle()
		if len(l.list()) != 0 {
			t.Error("not sent")
		}
	})
}

type noBlobs struct{ blob.Store }

func (noBlobs) Open(context.Context, blob.Ref) (blob.Reader, error) { return nil, blob.ErrNotFound }
