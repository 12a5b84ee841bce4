package queue

import (
	"testing"
	"time"
)

// TestALongStopExpiresNothingAtOnce: what has become too old while nothing ran
// is tried more than once before it goes back; the first attempt may be before
// the network is up.
func TestALongStopExpiresNothingAtOnce(t *testing.T) {
	for _, up := range []bool{false, true} {
		for name, fault := range map[string]Outcome{"no DNS": away, "451": busy} {
			in(t, Options{}, func(t *testing.T, l *lab) {
				var start time.Time
				l.next.answer = func(j *Job, _ string) Outcome {
					if j.From.IsNull() || up && !start.IsZero() && time.Since(start) > 5*time.Minute {
						return delivered
					}
					return fault
				}
				l.start()
				l.send("a@example.org", mail, "1@x.test")
				time.Sleep(3 * time.Hour)
				l.close()
				time.Sleep(150 * time.Hour)
				l.open()
				start = time.Now()
				before := len(l.next.all())
				l.start()
				time.Sleep(time.Hour)
				settle()
				tried := l.next.all()[before:]
				last, attempts := tried[len(tried)-1], 0
				for _, g := range tried {
					if g.from != "" {
						attempts++
					}
				}
				if attempts < 2 || (last.from != "") != up || len(last.to) != 1 || len(l.list()) != 0 {
					t.Fatalf("%s, %v: %d attempts, then from %q to %v", name, up, attempts, last.from, last.to)
				}
				if after := last.at.Sub(start); after < 5*time.Minute || after > 16*time.Minute {
					t.Errorf("%s, %v: after %v", name, up, after)
				}
			})
		}
	}
}

// TestListsTellTimesInUTC: programs read them, wherever the server stands.
func TestListsTellTimesInUTC(t *testing.T) {
	in(t, Options{}, func(t *testing.T, l *lab) {
		l.next.answer = func(*Job, string) Outcome { return busy }
		l.start()
		l.send("a@example.org", mail, "1@x.test")
		settle()
		it := l.list()[0]
		groups, err := Summary(t.Context(), l.db)
		if err != nil || len(groups) != 1 {
			t.Fatal(groups, err)
		}
		for i, at := range []time.Time{it.Queued, *it.Tried, *it.Next, *it.Expires, groups[0].Oldest} {
			if at.Location() != time.UTC {
				t.Errorf("%d: %v", i, at)
			}
		}
	})
}
