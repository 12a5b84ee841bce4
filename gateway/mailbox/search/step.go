package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// step does one transaction's worth of indexing: events first, new mail being
// what people search, then the list of objects while the index is being
// filled. More: there is more to do.
func (x *Index) step(ctx context.Context) (more bool, err error) {
	more, err = x.stepOnce(ctx)
	return x.mended(ctx, more, err)
}

// mended makes a damaged index anew.
func (x *Index) mended(ctx context.Context, more bool, err error) (bool, error) {
	if err != nil && damaged(err) {
		x.log.Warn("the search index is damaged and made anew", "error", err)
		return true, x.rebuild(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("search: %w", err)
	}
	return more, nil
}

// errNoSpare says that the disk's space is for others.
var errNoSpare = errors.New("no space to spare")

func (x *Index) stepOnce(ctx context.Context) (more bool, err error) {
	spare := x.deps.Spare()
	if !x.ready {
		if spare < leastSpare {
			return false, errNoSpare
		}
		if err := x.open(ctx); err != nil {
			return false, err
		}
		x.log.Info("the search index is open")
	}
	events, err := x.events(ctx)
	if err != nil {
		return false, err
	}
	after := x.state
	b := &batch{most: int(min(batchOctets, spare-walKept))}
	var removed []int64
	switch {
	case len(events) == 0 && after.filled < 0:
		return false, x.forget(ctx)
	case spare < leastSpare:
		return false, errNoSpare
	case len(events) > 0:
		removed, after.event, err = x.ofEvents(ctx, b, events)
	default:
		after.filled, err = x.ofList(ctx, b, after.filled)
	}
	if err == nil {
		err = x.apply(ctx, after, b, removed)
	}
	if err != nil {
		return false, err
	}
	if x.since++; x.since >= forgetEvery {
		err = x.forget(ctx)
	}
	return true, err
}

// apply does what was found out; another process may have been first.
func (x *Index) apply(ctx context.Context, after state, b *batch, removed []int64) error {
	has := x.eng.has(removed)
	fresh, done, err := x.eng.apply(ctx, x.state, after, b, has)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !done:
		if after, err = x.eng.state(ctx, x.eng.write); err == nil {
			err = x.eng.load(ctx)
		}
	default:
		x.eng.note(has)
		if fresh != nil {
			x.eng.live = append(x.eng.live, fresh)
		}
	}
	if err == nil {
		x.setState(after)
		x.deps.Metrics.indexed(len(b.objects) + len(removed))
	}
	return err
}

// merge makes one segment of many, until there are few, or no space for it.
func (x *Index) merge(ctx context.Context) error {
	for {
		if err := x.eng.dropStrays(ctx); err != nil {
			return err
		}
		from := x.eng.due()
		if from == nil {
			return nil
		}
		if takes, err := x.eng.mergeTakes(ctx, from); err != nil || takes > x.deps.Spare() {
			return err
		}
		fresh, err := x.eng.merge(ctx, from, func(begin time.Time) error {
			x.sleep(ctx, x.pause(begin), nil)
			if x.deps.Spare() < mergeOctets {
				return errNoSpare
			}
			return ctx.Err()
		})
		if err == nil {
			err = x.eng.publish(ctx, from, fresh)
		}
		if err == errOther {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.eng.load(ctx)
		}
		if err != nil {
			return err
		}
		x.mu.Lock() // searches in the old ones have ended
		x.eng.replace(from, fresh)
		x.mu.Unlock()
	}
}

// events lists what comes next. Where events are missing, because the index or
// the store is an older copy, the index is made anew.
func (x *Index) events(ctx context.Context) ([]Event, error) {
	list, err := x.deps.Feed.Events(ctx, x.state.event, batchObjects)
	if err != nil {
		return nil, err
	}
	next := x.state.event + 1
	if len(list) > 0 && list[0].Seq == next {
		return list, nil
	}
	if len(list) == 0 {
		last, err := x.deps.Feed.LastEvent(ctx)
		if err != nil || last == x.state.event {
			return nil, err
		}
		if last > x.state.event {
			// One may have come since; then it is listed now.
			if list, err = x.deps.Feed.Events(ctx, x.state.event, batchObjects); err != nil || len(list) > 0 && list[0].Seq == next {
				return list, err
			}
		}
	}
	if s, err := x.eng.state(ctx, x.eng.write); err != nil || s != x.state {
		x.setState(s) // another process was first
		return nil, err
	}
	x.log.Info("the search index lacks events and is made anew")
	return nil, x.rebuild(ctx)
}

// ofEvents finds out what events change, and up to which one.
func (x *Index) ofEvents(ctx context.Context, b *batch, events []Event) (removed []int64, last int64, err error) {
	gone := map[int64]bool{}
	for _, e := range events {
		if e.Removed {
			gone[e.Object] = true
			removed = append(removed, e.Object)
		}
	}
	for _, e := range events {
		if !e.Removed && !gone[e.Object] {
			if err := x.tokens(ctx, b, e.Object); err != nil {
				return nil, 0, err
			}
		}
		if last = e.Seq; b.full() {
			// The rest comes next time; to have removed it already does no harm.
			break
		}
	}
	return removed, last, nil
}

// ofList takes up objects behind one, and tells up to which; -1: all.
func (x *Index) ofList(ctx context.Context, b *batch, after int64) (last int64, err error) {
	list, err := x.deps.Feed.Objects(ctx, after, batchObjects)
	if err != nil || len(list) == 0 {
		return -1, err
	}
	for _, object := range list {
		if err := x.tokens(ctx, b, object); err != nil {
			return 0, err
		}
		if last = object; b.full() {
			break
		}
	}
	return last, nil
}

// tokens adds an object to a batch, but one that has gone.
func (x *Index) tokens(ctx context.Context, b *batch, object int64) error {
	t, err := x.text(ctx, object)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && ctx.Err() == nil:
		if x.attempts[object]++; x.attempts[object] < maxAttempts {
			return fmt.Errorf("object %d: %w", object, err)
		}
		// Whoever searches reads it, or finds that it cannot be read.
		delete(x.attempts, object)
		x.log.Error("a message cannot be read for the search index", "object", object, "error", err)
		b.begin(object)
		b.token(everything)
		return nil
	case err != nil:
		return err
	}
	defer t.release()
	delete(x.attempts, object)
	b.begin(object)
	b.add(t)
	return nil
}

// text reads the text of an object.
func (x *Index) text(ctx context.Context, object int64) (*Text, error) {
	r, err := x.deps.Opener.OpenObject(ctx, object)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return Extract(r)
}

// forget lets the store forget the events that the index has durably.
func (x *Index) forget(ctx context.Context) error {
	if x.since == 0 {
		return nil
	}
	event := x.state.event
	durable, err := x.eng.checkpoint(ctx)
	if err != nil || !durable {
		return err
	}
	x.since = 0
	return x.deps.Feed.ForgetEvents(ctx, event)
}
