package cputime

import (
	"runtime"
	"testing"
	"time"
)

// TestOnlyWhatIsRunCounts: who waits takes nothing, and what others do is theirs.
func TestOnlyWhatIsRunCounts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the clock's time")
	}
	var others time.Duration
	waits := Of(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			others = Of(func() { work(50 * time.Millisecond) })
		}()
		<-done
	})
	if others < 50*time.Millisecond || waits > others/2 {
		t.Errorf("%v, and %v for who waited", others, waits)
	}
}

// work takes so much of a processor.
func work(most time.Duration) {
	for end := thread() + most; thread() < end; {
		for range 1 << 16 {
			runtime.KeepAlive(most)
		}
	}
}
