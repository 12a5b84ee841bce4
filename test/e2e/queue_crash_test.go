package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// queueYAML relays mail from loopback through the queue to a smart host.
func queueYAML(next, more string) string {
	return fmt.Sprintf(`networks: {relay: [127.0.0.0/8]}
outbound: {route: "smtp://%s"}
queue: {retry: [1s]}
%s`, next, more)
}

// TestQueueSurvivesKills: killed at any instant under load, the gateway has
// every message that it answered 250 for, whole. What arrives twice had
// arrived before the kill whose answer could not be noted any more.
func TestQueueSurvivesKills(t *testing.T) {
	rounds := 10
	if os.Getenv("GAPURA_SOAK") != "" {
		rounds = 200
	} else {
		t.Parallel()
	}
	sink := startTally(t)
	sink.refuse = func() bool { return rand.IntN(50) == 0 }
	sink.wait = func() time.Duration { return time.Duration(rand.IntN(3)) * time.Millisecond }
	g := serve(t, queueYAML(sink.addr, ""))
	size := func() int { return 1 << (8 + rand.IntN(11)) } // 256 octets to 256 KiB
	all, twice, kills := 0, 0, []time.Time{}
	for round := range rounds {
		l := startLoad(g.smtp, 8, size)
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
		g.kill()
		kills = append(kills, time.Now())
		accepted, _ := l.end()
		g.start()
		if !poll(func() bool { return sink.missing(accepted) == 0 }) {
			t.Fatalf("round %d: %d of %d accepted messages are lost", round+1, sink.missing(accepted), len(accepted))
		}
		all += len(accepted)
		twice += explained(t, sink, accepted, kills)
	}
	if n := sink.damaged.Load(); n > 0 {
		t.Errorf("%d messages arrived damaged", n)
	}
	if all == 0 {
		t.Fatal("nothing was accepted")
	}
	t.Logf("%d rounds, %d messages accepted and arrived, %d of them twice", rounds, all, twice)
}

// explained counts the messages that arrived more than once; between the
// connections of two arrivals there must have been a kill. What was sent before
// it may be read and answered long after it, where the machine is busy.
func explained(t *testing.T, sink *tally, marks []string, kills []time.Time) (twice int) {
	t.Helper()
	for _, mark := range marks {
		at := sink.connections(mark)
		for i := 1; i < len(at); i++ {
			twice++
			if !killedBetween(at[i-1], at[i], kills) {
				t.Errorf("%s arrived twice without a kill between", mark)
			}
		}
	}
	return twice
}

// killedBetween allows for the time in which the next hop hears of a connection.
func killedBetween(a, b time.Time, kills []time.Time) bool {
	for _, k := range kills {
		if k.Add(50*time.Millisecond).After(a) && k.Before(b) {
			return true
		}
	}
	return false
}
