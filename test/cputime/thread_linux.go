package cputime

import (
	"syscall"
	"time"
)

// thread is what this thread has taken so far.
func thread() time.Duration {
	const rusageThread = 1 // getrusage(2)
	var u syscall.Rusage
	_ = syscall.Getrusage(rusageThread, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
