package queue

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob/blobtest"
)

// TestAnySchedule: whatever is sent at once, whatever fails and whenever the
// power goes, again and again, what was said 250 to is delivered or comes back,
// and nothing else is left.
func TestAnySchedule(t *testing.T) {
	t.Parallel()
	n := 8
	if os.Getenv("GAPURA_SOAK") != "" {
		n = 500
	}
	for seed := range n {
		synctest.Test(t, func(t *testing.T) { anySchedule(t, uint64(seed)) })
	}
}

func anySchedule(t *testing.T, seed uint64) {
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	c := &crash{
		t: t, dir: t.TempDir(), disk: blobtest.New(),
		promised: map[string]bool{}, given: map[string]bool{}, got: map[string]int{}, bounced: map[string]int{},
	}
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 2))
	rnd := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	pause := func(most time.Duration) { time.Sleep(time.Duration(rnd(int(most)))) }
	const lives = 4
	for life := range lives {
		slowest := []time.Duration{time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond}[rnd(3)]
		c.disk.During(func() { pause(slowest) })
		q, db, blobs := c.open()
		if q == nil {
			t.Fatal("it does not open")
		}
		q.SetTransports(map[string]Transport{"out": c})
		if fails := rnd(2) == 0; fails {
			for range 5 {
				c.disk.FailAt(c.disk.Ops()+1+rnd(200), []error{syscall.EIO, syscall.ENOSPC}[rnd(2)])
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for w := range 1 + rnd(5) {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					id := fmt.Sprintf("%d-%d-%d", life, w, i)
					to := []string{"a@x.test", "a@x.test", "a@x.test", "no@x.test", "later@y.test", "hangs@x.test"}[rnd(6)]
					switch rnd(8) {
					case 0:
						c.send(q, id, rnd(2) == 0, false, to, "a@z.test")
					case 1:
						c.send(q, id, true, true, "never@x.test")
					default:
						c.send(q, id, false, false, to)
					}
					pause([]time.Duration{time.Millisecond, 100 * time.Millisecond}[rnd(2)])
				}
			})
		}
		pause([]time.Duration{100 * time.Millisecond, 4 * time.Second}[rnd(2)])
		cut := rnd(4) > 0
		if cut {
			c.disk.CutAfter(c.disk.Ops())
		}
		stop()
		wg.Wait()
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		if err := q.Close(end); err != nil {
			t.Error(err)
		}
		cancel()
		blobs.Close()
		db.Close()
		c.disk.During(nil)
		if cut {
			c.disk = c.disk.Restart(seed)
		}
	}
	c.disk = c.disk.Restart(seed) // without what was to fail
	q, db, blobs := c.open()
	q.SetTransports(map[string]Transport{"out": c})
	time.Sleep(30 * time.Hour)
	settle()
	for key := range c.promised {
		if c.got[key]+c.bounced[key] == 0 {
			t.Errorf("%q is lost", key)
		}
	}
	for key := range maps.Keys(c.got) {
		var id, to string
		fmt.Sscan(key, &id, &to)
		if !c.given[id] {
			t.Errorf("%q was delivered and never committed", key)
		}
	}
	if len(c.damaged) > 0 {
		t.Errorf("damaged: %q", c.damaged)
	}
	var left int
	if err := db.Read().QueryRow(context.Background(), sqlLeft, 0, never, 0, never).Scan(&left); err != nil || left != 0 || blobs.Usage().Live != 0 {
		t.Errorf("%d rows left, %v, %+v", left, err, blobs.Usage())
	}
	closeAll(t, q, db, blobs)
}
