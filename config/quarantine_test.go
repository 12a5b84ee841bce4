package config

import (
	"testing"
	"time"
)

// TestTheQueueKnowsHowLongTheQuarantineKeeps, whose rows are its own.
func TestTheQueueKnowsHowLongTheQuarantineKeeps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"hostname: a.test": 720 * time.Hour, "quarantine: {expire: 48h}": 48 * time.Hour} {
		c, err := Parse("gapura.yaml", []byte(text))
		if err != nil || c.Queue.Quarantine != want {
			t.Errorf("%s: %v, %v", text, c.Queue.Quarantine, err)
		}
	}
}
