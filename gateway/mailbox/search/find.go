package search

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/cores"
)

const (
	smallFolder  = 64        // messages: to read them is as quick as to ask the index
	maxPending   = 2_000_000 // events that a search looks at
	maxReaders   = 4         // messages read at once for a search
	pendingBatch = 1000
)

// Folder is what a search looks in.
type Folder interface {
	// Len is how many messages there are, about.
	Len() int
	// All lists the objects of all messages.
	All(ctx context.Context) ([]int64, error)
	// Among returns those of the objects, which are in ascending order, that
	// the folder has.
	Among(ctx context.Context, objects []int64) ([]int64, error)
}

// Search returns the objects in a folder that have a text, in ascending order.
// An empty text is in every message. What is not indexed yet is read, and so is
// what the index does not know exactly.
func (x *Index) Search(ctx context.Context, where Where, text string, in Folder) ([]int64, error) {
	defer x.deps.Metrics.searched(time.Now())
	p := newPattern(where, text)
	if len(p.text) == 0 || in.Len() <= smallFolder || !p.indexed() {
		all, err := in.All(ctx)
		if err != nil || len(p.text) == 0 {
			return sorted(all), err
		}
		return x.only(ctx, &p, all)
	}
	if err := x.catchUp(ctx); err != nil {
		return nil, err
	}
	st, fresh, err := x.unindexed(ctx)
	if err != nil {
		return nil, err
	}
	maybe, sure, err := x.candidates(ctx, &p)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		x.log.Error("a search without its index", "error", err)
		if damaged(err) {
			x.repair(ctx)
		}
		all, err := in.All(ctx)
		if err != nil {
			return nil, err
		}
		return x.only(ctx, &p, all)
	}
	here, err := in.Among(ctx, merge(merge(maybe, sure), sorted(fresh)))
	if err != nil {
		return nil, err
	}
	here = sorted(here)
	if st.filled >= 0 {
		if here, err = withUnfilled(ctx, in, here, st.filled); err != nil {
			return nil, err
		}
	}
	return x.choose(ctx, &p, here, sure)
}

// repair begins the index anew, for those who search next.
func (x *Index) repair(ctx context.Context) {
	if x.take(ctx) != nil {
		return
	}
	defer x.give()
	if err := x.rebuild(ctx); err != nil {
		x.log.Error("the search index cannot be made anew", "error", err)
	}
}

// choose splits what may have the pattern into what has it for sure and what
// is read.
func (x *Index) choose(ctx context.Context, p *pattern, here, sure []int64) ([]int64, error) {
	found := make([]int64, 0, len(here))
	var read []int64
	for _, object := range here {
		for len(sure) > 0 && sure[0] < object {
			sure = sure[1:]
		}
		if len(sure) > 0 && sure[0] == object {
			found = append(found, object)
		} else {
			read = append(read, object)
		}
	}
	more, err := x.only(ctx, p, read)
	if err != nil {
		return nil, err
	}
	return merge(found, more), nil
}

// withUnfilled adds the objects of a folder that the index has not come to.
func withUnfilled(ctx context.Context, in Folder, here []int64, filled int64) ([]int64, error) {
	all, err := in.All(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(sorted(all), func(object int64) bool { return object <= filled })
	return merge(here, all), nil
}

// catchUp takes up what has arrived, within Options.Wait.
func (x *Index) catchUp(ctx context.Context) error {
	most := x.opt.Load().Wait
	wait, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	deadline := time.Now().Add(most)
	for time.Now().Before(deadline) {
		if x.take(wait) != nil {
			break // somebody else is at it
		}
		// Not the short context: what is half done would be lost.
		events, err := x.deps.Feed.Events(ctx, x.state.event, 1)
		if err == nil && len(events) > 0 {
			_, err = x.step(ctx)
		}
		x.give()
		if err != nil || len(events) == 0 {
			break // what is not indexed is read
		}
	}
	return ctx.Err()
}

// unindexed lists objects that were added behind what the index has.
func (x *Index) unindexed(ctx context.Context) (st state, objects []int64, err error) {
	x.mu.RLock()
	ready := x.ready
	if ready {
		st, err = x.eng.state(ctx, x.eng.read)
	}
	x.mu.RUnlock()
	if err != nil || !ready {
		return state{}, nil, nil // everything is read
	}
	for at := st.event; len(objects) < maxPending; {
		events, err := x.deps.Feed.Events(ctx, at, pendingBatch)
		if err != nil {
			return st, nil, err
		}
		for _, e := range events {
			if !e.Removed {
				objects = append(objects, e.Object)
			}
			at = e.Seq
		}
		if len(events) < pendingBatch {
			return st, objects, nil
		}
	}
	st.filled = 0 // there are more: everything is read
	return st, nil, nil
}

// candidates asks the index, one segment beside another.
func (x *Index) candidates(ctx context.Context, p *pattern) (maybe, sure []int64, err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	live := x.eng.live
	type answer struct{ maybe, sure set }
	answers := make([]answer, len(live))
	err = each(ctx, len(live), func(ctx context.Context, i int) (err error) {
		answers[i].maybe, answers[i].sure, err = x.eng.find(ctx, live[i], p)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i, s := range live {
		maybe = answers[i].maybe.objects(maybe, s.objects)
		sure = answers[i].sure.objects(sure, s.objects)
	}
	return sorted(maybe), sorted(sure), nil
}

// each calls f with the numbers below n, some of them at once.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(maxReaders, cores.All(), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// only reads objects and returns those that have the pattern.
func (x *Index) only(ctx context.Context, p *pattern, objects []int64) ([]int64, error) {
	objects = sorted(objects)
	x.deps.Metrics.opened(len(objects))
	has := make([]bool, len(objects))
	err := each(ctx, len(objects), func(ctx context.Context, i int) (err error) {
		has[i], err = x.has(ctx, p, objects[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	n := 0
	for i, object := range objects {
		if has[i] {
			objects[n] = object
			n++
		}
	}
	return objects[:n], nil
}

// has reads an object. One that is gone, or cannot be read, has nothing.
func (x *Index) has(ctx context.Context, p *pattern, object int64) (bool, error) {
	t, err := x.text(ctx, object)
	switch {
	case err == nil:
		defer t.release()
		return p.in(t), nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case !errors.Is(err, fs.ErrNotExist):
		x.log.Error("a message cannot be read for a search", "object", object, "error", err)
	}
	return false, nil
}

// sorted sorts a list and leaves each out but once.
func sorted(list []int64) []int64 {
	if !slices.IsSorted(list) {
		slices.Sort(list)
	}
	return slices.Compact(list)
}

// merge joins two sorted lists.
func merge(a, b []int64) []int64 {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	out := make([]int64, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
