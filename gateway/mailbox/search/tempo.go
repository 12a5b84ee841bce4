package search

import (
	"context"
	"time"
)

// In a rush mail has the processors first: what is not indexed yet is found by
// reading it, and to index a thousand messages at once is cheaper.
const (
	rushRate   = 200              // events a second
	rushWait   = 10 * time.Second // how long a rush is waited for
	rushShare  = 3                // what Options.Share is divided by from then on
	rushBehind = 100_000          // events behind, at which no rush counts any more
	rushLook   = 100 * time.Millisecond
)

// tempo is how fast mail comes in.
type tempo struct {
	last  int64     // event
	at    time.Time // when it was the last
	began time.Time // of the rush; zero: there is none
}

// look takes what is the last event now.
func (t *tempo) look(last int64, now time.Time) {
	took := now.Sub(t.at)
	switch {
	case took < rushLook:
		return
	case float64(last-t.last) < rushRate*took.Seconds() || t.at.IsZero():
		t.began = time.Time{}
	case t.began.IsZero():
		t.began = now
	}
	t.last, t.at = last, now
}

// rush tells whether there is one, and whether it is new.
func (t *tempo) rush() (yes, fresh bool) {
	yes = !t.began.IsZero()
	return yes, yes && t.at.Sub(t.began) < rushWait
}

// calm waits for the end of a rush, but not for ever.
func (x *Index) calm(ctx context.Context, t *tempo) {
	for x.look(ctx, t) && ctx.Err() == nil {
		if _, fresh := t.rush(); !fresh || x.behind(t) {
			return
		}
		x.sleep(ctx, gatherTime, nil)
	}
}

// look measures the tempo; false: that cannot be. The next step tells why.
func (x *Index) look(ctx context.Context, t *tempo) bool {
	last, err := x.deps.Feed.LastEvent(ctx)
	if err == nil {
		t.look(last, time.Now())
	}
	return err == nil
}

// patience is how many times as long as usual to rest.
func (x *Index) patience(t *tempo) time.Duration {
	if yes, _ := t.rush(); yes && !x.behind(t) {
		return rushShare
	}
	return 1
}

// behind tells whether there is too much to be read by who searches.
func (x *Index) behind(t *tempo) bool { return t.last-x.reached.Load() > rushBehind }
