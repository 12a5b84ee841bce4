package crew

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resting tells how many goroutines wait.
func (c *Crew) resting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rest)
}

func TestGoroutinesAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Crew
		c.Enter()
		n := 0
		for range 10 {
			c.Go(func() { n++ })
			synctest.Wait()
		}
		if n != 10 || c.resting() != 1 {
			t.Errorf("%d jobs done, %d goroutines rest", n, c.resting())
		}
		c.Leave()
	})
}

func TestNobodyRestsOutsideOfEnterAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Crew
		c.Go(func() {})
		synctest.Wait()
		if c.resting() != 0 {
			t.Error("one waits that nobody entered for")
		}
		c.Enter()
		c.Enter()
		hold := make(chan struct{})
		for range 3 {
			c.Go(func() {})
		}
		c.Go(func() { <-hold })
		synctest.Wait()
		c.Leave()
		if c.resting() == 0 {
			t.Error("none waits, though one user is left")
		}
		c.Leave()
		close(hold) // the last one comes back to nobody
		synctest.Wait()
		if c.resting() != 0 {
			t.Error("some wait after the last Leave")
		}
	})
}

func TestRestIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Crew
		c.Enter()
		hold := make(chan struct{})
		for range maxRest + 10 {
			c.Go(func() { <-hold })
		}
		close(hold)
		synctest.Wait()
		if c.resting() != maxRest {
			t.Errorf("%d rest", c.resting())
		}
		c.Leave()
	})
}

func TestEveryJobIsDoneOnce(t *testing.T) {
	var c Crew
	var done atomic.Int64
	var jobs, users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 500 {
				c.Enter()
				jobs.Add(2)
				c.Go(func() { done.Add(1); jobs.Done() })
				c.Go(func() { done.Add(1); jobs.Done() })
				c.Leave()
			}
		})
	}
	users.Wait()
	jobs.Wait()
	if done.Load() != 8000 {
		t.Errorf("%d jobs done", done.Load())
	}
}

func BenchmarkGo(b *testing.B) {
	var c Crew
	c.Enter()
	defer c.Leave()
	b.ReportAllocs()
	done := make(chan struct{})
	for b.Loop() {
		c.Go(func() { done <- struct{}{} })
		<-done
	}
}
