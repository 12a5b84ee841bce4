package smtp

import (
	"strconv"
	"strings"
	"time"
)

// MaxPriority is the highest value of MT-PRIORITY; the lowest is its negative.
const MaxPriority = 9

// parsePriority reads a priority-value, from -9 to 9 (RFC 6710 section 6).
func parsePriority(s string) (int, bool) {
	digit, negative := strings.CutPrefix(s, "-")
	if len(digit) != 1 || !isDigit(digit[0]) || negative && digit == "0" {
		return 0, false
	}
	n := int(digit[0] - '0')
	if negative {
		n = -n
	}
	return n, true
}

// parseSeconds reads 1*9DIGIT, as RFC 4865 and RFC 2852 have it.
func parseSeconds(s string) (time.Duration, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(n) * time.Second, err == nil
}

// maxHoldUntil bounds HOLDUNTIL's text: a date-time with fractions of a second.
const maxHoldUntil = 40

// parseHoldUntil reads a date-time of RFC 3339; the time is in UTC.
func parseHoldUntil(s string) (time.Time, bool) {
	if len(s) > maxHoldUntil {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(s))
	return t.UTC(), err == nil && !t.IsZero() && t.Year() > 0
}

// parseDeliverBy reads a by-value: "by-time;by-mode[by-trace]" (RFC 2852
// section 4). Mode R needs a time that is still to come.
func parseDeliverBy(s string) (DeliverBy, bool) {
	by, mode, ok := strings.Cut(s, ";")
	if !ok {
		return DeliverBy{}, false
	}
	digits, negative := strings.CutPrefix(by, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	within, ok := parseSeconds(digits)
	if negative {
		within = -within
	}
	d := DeliverBy{Within: within, Set: true}
	switch strings.ToUpper(mode) {
	case "N":
	case "NT":
		d.Trace = true
	case "R":
		d.Return = true
	case "RT":
		d.Return, d.Trace = true, true
	default:
		return DeliverBy{}, false
	}
	return d, ok && (!d.Return || within > 0)
}

// append appends the by-value.
func (d DeliverBy) append(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(d.Within/time.Second), 10)
	mode := byte('N')
	if d.Return {
		mode = 'R'
	}
	dst = append(dst, ';', mode)
	if d.Trace {
		dst = append(dst, 'T')
	}
	return dst
}
