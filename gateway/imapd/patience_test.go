package imapd

import (
	"testing"
	"time"
)

// TestAutologoutIsLate: not before half an hour (RFC 9051 section 5.4), in IDLE
// too; before that the connection rests.
func TestAutologoutIsLate(t *testing.T) {
	t.Parallel()
	set, err := (Options{Hostname: "x"}).prepare()
	if err != nil {
		t.Fatal(err)
	}
	for _, idling := range []bool{false, true} {
		c := &conn{set: set, state: authenticated, idling: idling}
		if c.patience() != restTime {
			t.Errorf("%v", c.patience())
		}
		c.resting = true
		if c.patience() < 30*time.Minute {
			t.Errorf("%v", c.patience())
		}
	}
}
