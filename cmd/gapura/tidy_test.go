package main

import "testing"

func TestMemoryIsGivenBackWhenWorkHasStopped(t *testing.T) {
	t.Parallel()
	var d tidying
	for i, step := range []struct {
		allocated uint64
		due       bool
	}{
		{20 << 20, false},            // at work
		{20<<20 + tidyQuiet, true},   // it has stopped
		{20<<20 + tidyQuiet, false},  // nothing more to gain
		{21 << 20, false},            // little work
		{21 << 20, false},            // it has stopped, and is not worth it
		{40 << 20, false},            // at work again
		{41 << 20, false},            //
		{41<<20 + tidyQuiet/2, true}, // it has stopped
	} {
		if got := d.due(step.allocated); got != step.due {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
