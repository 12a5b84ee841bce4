package body

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
)

// TestBudgetUnderConcurrency: many bodies that fail, abort and are read at the
// same time leave nothing in the budget and never exceed it.
func TestBudgetUnderConcurrency(t *testing.T) {
	const memory, spool = 20 * chunkSize, 20 * chunkSize
	budget := NewBudget(memory, spool)
	dir := t.TempDir()
	data := pattern(7*chunkSize + 5)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			var readers sync.WaitGroup
			b := New(Options{Memory: firstChunk + chunkSize, Dir: dir, Budget: budget})
			for range 3 {
				r := b.Open()
				readers.Go(func() {
					defer r.Close()
					got, err := io.ReadAll(r)
					if !bytes.HasPrefix(data, got) || err == nil && len(got) != len(data) {
						t.Errorf("read %d octets, %v", len(got), err)
					}
				})
			}
			var err error
			for rest := data; len(rest) > 0 && err == nil; rest = rest[min(len(rest), 30_001):] {
				_, err = b.Write(rest[:min(len(rest), 30_001)])
			}
			switch {
			case errors.Is(err, ErrBudget) || i%3 == 0:
				b.Abort(err)
			case err != nil:
				t.Error(err)
			default:
				b.Close()
			}
			if m, s := budget.Memory(), budget.Spool(); m > memory || s > spool {
				t.Errorf("memory %d, spool %d", m, s)
			}
			b.Release()
			readers.Wait()
		})
	}
	wg.Wait()
	if budget.Memory() != 0 || budget.Spool() != 0 {
		t.Errorf("left: memory %d, spool %d", budget.Memory(), budget.Spool())
	}
}

// TestHoldsAreGivenBack, taken as memory and past its cap as spool.
func TestHoldsAreGivenBack(t *testing.T) {
	b := NewBudget(100, 50)
	var x, y, z Held
	if !b.Hold(&x, 60) || !b.Hold(&x, 90) || b.Memory() != 90 {
		t.Errorf("memory %d", b.Memory())
	}
	if !b.Hold(&y, 50) || b.Spool() != 50 || b.Memory() != 90 {
		t.Errorf("memory %d, spool %d", b.Memory(), b.Spool())
	}
	if b.Hold(&z, 11) || !b.Hold(&z, 10) || !b.Hold(&z, 5) {
		t.Error("the last ten")
	}
	b.Free(&x)
	b.Free(&x)
	b.Free(&y)
	b.Free(&z)
	if b.Memory() != 0 || b.Spool() != 0 {
		t.Errorf("left %d, %d", b.Memory(), b.Spool())
	}
	var none *Budget
	if !none.Hold(&x, 1<<40) {
		t.Error("no budget, no cap")
	}
}
