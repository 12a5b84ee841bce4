package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// quarantined returns the subjects of what is in quarantine.
func (g *gapura) quarantined() map[string]bool {
	g.t.Helper()
	out, err := g.run("quarantine", "list", "--json")
	if err != nil {
		g.t.Fatalf("quarantine list: %v: %s", err, out)
	}
	var list []struct{ Subject string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		g.t.Fatalf("quarantine list: %v: %s", err, out)
	}
	subjects := map[string]bool{}
	for _, it := range list {
		subjects[it.Subject] = true
	}
	return subjects
}

// TestQuarantineSurvivesKills: killed at any instant while mail is put into
// quarantine and released from it, the gateway has every message that it answered
// 250 for there, or its recipient has it; released, all arrive whole, and none is
// left. What arrives twice had arrived before a kill.
func TestQuarantineSurvivesKills(t *testing.T) {
	rounds := 8
	if os.Getenv("GAPURA_SOAK") != "" {
		rounds = 100
	} else {
		t.Parallel()
	}
	sink := startTally(t)
	sink.wait = func() time.Duration { return time.Duration(rand.IntN(3)) * time.Millisecond }
	dir := folder(t)
	rules := "rules:\n  - {name: all, at: mail, then: quarantine}\n"
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+fmt.Sprintf(
		"policy: [policy.yaml]\nqueue: {retry: [1s]}\ndomains:\n  far.test: {deliver: queue, backends: [\"smtp://%s\"]}\n", sink.addr))
	size := func() int { return 1 << (8 + rand.IntN(9)) }
	var all []string
	var kills []time.Time
	kept, twice := 0, 0
	for round := range rounds {
		l := startLoad(g.smtp, 6, size)
		stop := make(chan struct{})
		var releasing sync.WaitGroup
		if round%2 == 1 { // else they wait for what comes after the kill
			releasing.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
						g.run("quarantine", "release", "--all", "--no-learn") // the gateway may just be dying
					}
				}
			})
		}
		time.Sleep(time.Duration(50+rand.IntN(500)) * time.Millisecond)
		g.kill()
		kills = append(kills, time.Now())
		accepted, _ := l.end()
		close(stop)
		releasing.Wait()
		g.start()
		all = append(all, accepted...)
		there := g.quarantined()
		kept += len(there)
		if round%2 == 0 {
			for _, mark := range accepted {
				if !there[mark] {
					t.Fatalf("round %d: a message that was promised is not in quarantine", round+1)
				}
			}
		}
		if round%4 == 2 { // the rest waits for the next releases
			continue
		}
		if out, err := g.run("quarantine", "release", "--all"); err != nil && !strings.Contains(out, "no mail in quarantine fits") {
			t.Fatalf("%v: %s", err, out)
		}
		if !poll(func() bool { return sink.missing(accepted) == 0 }) {
			t.Fatalf("round %d: %d of %d accepted messages are lost", round+1, sink.missing(accepted), len(accepted))
		}
	}
	g.run("quarantine", "release", "--all")
	if !poll(func() bool { return sink.missing(all) == 0 }) {
		t.Fatalf("%d of %d accepted messages are lost", sink.missing(all), len(all))
	}
	twice = explained(t, sink, all, kills)
	eventually(t, "the queue to be empty", func() bool { return len(g.queued()) == 0 })
	if left := g.quarantined(); len(left) > 0 {
		t.Errorf("%d are left", len(left))
	}
	if n := sink.damaged.Load(); n > 0 || kept == 0 || len(all) == 0 {
		t.Errorf("%d messages arrived damaged; %d accepted, %d of them seen in quarantine", n, len(all), kept)
	}
	t.Logf("%d rounds, %d messages accepted and arrived, %d seen in quarantine after a kill, %d arrived twice", rounds, len(all), kept, twice)
}
