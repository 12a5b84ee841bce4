package quota

import "testing"

// TestClockSetBack: limits hold while a clock is set back, and what was counted
// before that does not count again when its time comes.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	const at = 1_800_000_000
	limits := Limits{MessagesHour: 10, MessagesDay: 10}
	for name, back := range map[string]int64{"an hour": 3600, "a day": 86400, "a year": 365 * 86400} {
		u := newUsage()
		for range 10 {
			u.add(at, counts{messages: 1})
		}
		if over, _ := u.check(at-back, limits, counts{messages: 1}); over == nil || over.again > at-back+25*3600 {
			t.Errorf("%s: right after: %+v", name, over)
		}
		if over, _ := u.check(at-back-60, limits, counts{messages: 1}); over == nil {
			t.Errorf("%s: a minute earlier still: %+v", name, over)
		}
		for later := at - back + 26*3600; later < at-back+60*3600; later += 1800 {
			if over, _ := u.check(later, limits, counts{messages: 1}); over != nil {
				t.Fatalf("%s: %d hours later: %+v", name, (later-at+back)/3600, over)
			}
		}
	}
}
