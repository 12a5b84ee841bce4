package pop3d

import "fmt"

// quit is QUIT (RFC 1939 sections 4 and 6): what was marked as deleted is
// removed.
func (c *conn) quit([]byte) error {
	c.closing = true
	c.Quiet()
	if c.drop == nil {
		return c.say("Bye")
	}
	ctx := c.limited()
	defer ctx.Cancel()
	d := c.drop
	removed, seen := c.deleted.uids(d, nil), c.seen.uids(d, c.deleted)
	c.seen = nil
	if len(removed) > 0 || len(seen) > 0 {
		if err := d.Update(ctx, seen, removed); err != nil {
			return fmt.Errorf("pop3d: removing messages: %w", err)
		}
	}
	c.leave() // before it is said, so that the next session finds no lock
	return c.say("Bye")
}
