// Package cputime tells tests what something costs, on a busy machine, too.
package cputime

import (
	"runtime"
	"time"
)

// Of returns what f takes of a processor. What else runs does not count, nor do
// goroutines that f starts.
func Of(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := thread()
	f()
	return thread() - before
}
