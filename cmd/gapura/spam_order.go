package main

import (
	"context"
	"iter"
	"sync"
)

// inOrder has work done on each item by so many goroutines, and gives what
// came of it to done, which is called by one goroutine, in the order of the
// items. No more than a few items for each goroutine are under way at a time.
func inOrder[T, R any](ctx context.Context, jobs int, items iter.Seq2[T, error], work func(T) R, done func(T, R) error) error {
	type job struct {
		item   T
		err    error
		result chan R
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	todo, order := make(chan *job), make(chan *job, 4*jobs)
	for range jobs {
		all.Go(func() {
			for j := range todo {
				j.result <- work(j.item)
			}
		})
	}
	all.Go(func() {
		defer close(order)
		defer close(todo)
		for item, err := range items {
			j := &job{item, err, make(chan R, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			select {
			case todo <- j:
			case <-ctx.Done():
				return
			}
		}
	})
	for j := range order {
		if j.err != nil {
			return j.err
		}
		select {
		case r := <-j.result:
			if err := done(j.item, r); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
