package antivirus

import "context"

// turn lets one scan of a message at a time be under way: what clamd finds
// clean in one it knows again in the next, by its hash; side by side it would
// take the same document apart twice.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// hold is one scan's hold on the turn.
type hold struct{ t turn }

// take waits for the turn; once taken it stays so until end.
func (h *hold) take(ctx context.Context, t turn) error {
	if h.t != nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		h.t = t
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end gives the turn to the next, if it was taken.
func (h *hold) end() {
	if h.t != nil {
		<-h.t
	}
}
