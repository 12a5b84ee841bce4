package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// step does one transaction's worth of indexing: events first, new mail being
// what people search, then the list of objects while the index is being
// filled. More: there is more to do.
func (x *Index) step(ctx context.Context) (more bool, err error) {
	more, err = x.stepOnce(ctx)
	if err != nil && damaged(err) {
		x.log.Warn("the search index is damaged and made anew", "error", err)
		return true, x.rebuild(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("search: %w", err)
	}
	return more, nil
}

func (x *Index) stepOnce(ctx context.Context) (more bool, err error) {
	events, err := x.events(ctx)
	if err != nil {
		return false, err
	}
	after := x.state
	var changes []change
	switch {
	case len(events) > 0:
		changes, after.event, err = x.ofEvents(ctx, events)
	case after.filled >= 0:
		changes, after.filled, err = x.ofList(ctx, after.filled)
	default:
		return false, x.forget(ctx)
	}
	if err != nil {
		return false, err
	}
	if err := x.apply(ctx, after, changes); err != nil {
		return false, err
	}
	if x.since++; x.since >= forgetEvery {
		err = x.forget(ctx)
	}
	return true, err
}

// apply does what was found out; another process may have been first.
func (x *Index) apply(ctx context.Context, after state, changes []change) error {
	done, err := x.eng.apply(ctx, x.state, after, changes)
	if err != nil {
		return err
	}
	if !done {
		after, err = x.eng.state(ctx, x.eng.write)
	}
	if err == nil {
		x.setState(after)
		x.deps.Metrics.indexed(len(changes))
	}
	return err
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
func (x *Index) ofEvents(ctx context.Context, events []Event) (changes []change, last int64, err error) {
	gone := map[int64]bool{}
	for _, e := range events {
		if e.Removed {
			gone[e.Object] = true
		}
	}
	size := 0
	for _, e := range events {
		c := change{object: e.Object, remove: e.Removed}
		if !e.Removed && gone[e.Object] {
			last = e.Seq
			continue
		}
		if !e.Removed {
			if c.tokens, err = x.tokens(ctx, e.Object); err != nil {
				return nil, 0, err
			}
		}
		if c.remove || c.tokens != "" {
			changes = append(changes, c)
		}
		last = e.Seq
		if size += len(c.tokens); size > batchTokens {
			break
		}
	}
	return changes, last, nil
}

// ofList takes up objects behind one, and tells up to which; -1: all.
func (x *Index) ofList(ctx context.Context, after int64) (changes []change, last int64, err error) {
	list, err := x.deps.Feed.Objects(ctx, after, batchObjects)
	if err != nil || len(list) == 0 {
		return nil, -1, err
	}
	size := 0
	for _, object := range list {
		tokens, err := x.tokens(ctx, object)
		if err != nil {
			return nil, 0, err
		}
		if tokens != "" {
			changes = append(changes, change{object: object, tokens: tokens})
		}
		last = object
		if size += len(tokens); size > batchTokens {
			break
		}
	}
	return changes, last, nil
}

// tokens reads an object; "": it is gone.
func (x *Index) tokens(ctx context.Context, object int64) (string, error) {
	t, err := x.text(ctx, object)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil && ctx.Err() == nil:
		if x.attempts[object]++; x.attempts[object] < maxAttempts {
			return "", fmt.Errorf("object %d: %w", object, err)
		}
		// Whoever searches reads it, or finds that it cannot be read.
		delete(x.attempts, object)
		x.log.Error("a message cannot be read for the search index", "object", object, "error", err)
		return everything, nil
	case err != nil:
		return "", err
	}
	defer t.release()
	delete(x.attempts, object)
	defer x.sets.clear()
	return string(x.sets.tokens(t)), nil
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
