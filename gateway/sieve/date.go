package sieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// dateSpecs is RFC 5260.
func dateSpecs() []spec {
	zone := tagSpec{name: "zone", group: "zone", param: []param{{aString, "time zone", false}}}
	original := tagSpec{name: "originalzone", group: "zone"}
	part := param{aString, "date part", false}
	keys := param{aStrings, "key list", false}
	return []spec{
		{
			name: "date", ext: "date", test: true, tags: append(slices.Concat(matchTags(), indexTags()), zone, original),
			pos: []param{{aString, "header name", false}, part, keys}, check: compileDate,
		},
		{name: "currentdate", ext: "date", test: true, tags: append(matchTags(), zone), pos: []param{part, keys}, check: compileDate},
	}
}

type dateTest struct {
	name     *str // nil: currentdate
	part     *str
	zone     *str // nil: the local one
	original bool
	index    index
	m        *matcher
}

func compileDate(c *compiler, n *node, a *args) test {
	k := len(a.pos) - 2
	t := &dateTest{part: a.pos[k].strs[0], zone: a.str("zone"), original: a.has("originalzone")}
	if k > 0 {
		t.name = a.pos[0].strs[0]
	}
	if p, ok := t.part.constant(); ok && !slices.Contains(dateParts, strings.ToLower(p)) {
		c.add(t.part.Pos, fmt.Sprintf("unknown date part '%s'", p), strings.Join(dateParts, ", "))
		return nil
	}
	if t.zone != nil {
		if z, ok := t.zone.constant(); ok {
			if _, ok := parseZone(z); !ok {
				c.add(t.zone.Pos, fmt.Sprintf("invalid time zone '%s'", z), "like +0100")
				return nil
			}
		}
	}
	x, ok := c.index(n, a)
	if t.m = c.matcher(n.Pos, a, a.pos[k+1].strs); t.m == nil || !ok {
		return nil
	}
	t.index = x
	return t
}

func (t *dateTest) eval(r *run) (bool, error) {
	part, err := t.part.eval(r)
	if err != nil {
		return false, err
	}
	loc := r.env.Now.Location()
	if t.zone != nil {
		z, err := t.zone.eval(r)
		if err != nil {
			return false, err
		}
		var ok bool
		if loc, ok = parseZone(z); !ok {
			return false, r.fail(t.zone.Pos, nil, "invalid time zone %q", cut(z, 20))
		}
	}
	times, err := t.times(r)
	if err != nil {
		return false, err
	}
	var values []string
	for _, at := range times {
		if !t.original {
			at = at.In(loc)
		}
		if v, ok := datePart(at, strings.ToLower(part)); ok {
			values = append(values, v)
		}
	}
	return t.m.any(r, values)
}

// times returns the dates in the field.
func (t *dateTest) times(r *run) ([]time.Time, error) {
	if t.name == nil {
		return []time.Time{r.env.Now}, nil
	}
	name, err := t.name.eval(r)
	if err != nil {
		return nil, err
	}
	values, err := r.values(strings.ToLower(name))
	if err != nil {
		return nil, err
	}
	var times []time.Time
	for _, v := range t.index.of(values) {
		if i := strings.LastIndexByte(v, ';'); i >= 0 { // Received and the like
			v = v[i+1:]
		}
		if at, err := message.ParseDate(strings.TrimSpace(v)); err == nil {
			times = append(times, at)
		}
	}
	return times, nil
}

// parseZone parses "+hhmm" (RFC 5260 section 4.1).
func parseZone(s string) (*time.Location, bool) {
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	n, err := strconv.ParseUint(s[1:], 10, 16)
	if err != nil || n%100 > 59 || n > 2359 {
		return nil, false
	}
	offset := int(n/100*3600 + n%100*60)
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), true
}

// dateParts are those of RFC 5260 section 4.2.
var dateParts = strings.Fields("year month day date julian hour minute second time iso8601 std11 zone weekday")

func datePart(t time.Time, part string) (string, bool) {
	layouts := map[string]string{
		"year": "2006", "month": "01", "day": "02", "date": "2006-01-02", "hour": "15", "minute": "04", "second": "05",
		"time": "15:04:05", "iso8601": "2006-01-02T15:04:05-07:00", "std11": "Mon, 02 Jan 2006 15:04:05 -0700", "zone": "-0700",
	}
	switch part {
	case "weekday":
		return strconv.Itoa(int(t.Weekday())), true
	case "julian":
		// Modified Julian day: days since 1858-11-17 (RFC 5260 section 4.2).
		_, offset := t.Zone()
		days := (t.Unix() + int64(offset)) / 86400
		if (t.Unix()+int64(offset))%86400 < 0 {
			days--
		}
		return strconv.FormatInt(days+40587, 10), true
	}
	layout, ok := layouts[part]
	return t.Format(layout), ok
}
