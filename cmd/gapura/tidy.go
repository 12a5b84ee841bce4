package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	tidyEvery = 500 * time.Millisecond
	// tidyQuiet is what is allocated in that time at most when nothing goes on,
	// in octets.
	tidyQuiet = 128 << 10
	// tidyGain is what must have been allocated since the last time for there to
	// be something to give back, in octets.
	tidyGain = 8 << 20
)

// tidy gives memory back to the system when work has stopped, until ctx ends:
// with gcPercent the heap may otherwise stay at five times what lives, for as
// long as connections only wait.
func tidy(ctx context.Context) {
	t := time.NewTicker(tidyEvery)
	defer t.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var d tidying
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if metrics.Read(sample); d.due(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
			unmapProgram()
		}
	}
}

// tidying decides when it is time, by how much was allocated since the process
// began.
type tidying struct{ last, tidied uint64 }

func (d *tidying) due(allocated uint64) bool {
	quiet := allocated-d.last <= tidyQuiet
	d.last = allocated
	if !quiet || allocated-d.tidied < tidyGain {
		return false
	}
	d.tidied = allocated
	return true
}
