package tlsrpt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what a session brings into the counts.
const (
	maxHost    = 255  // octets of a host name
	maxReason  = 100  // of Session.Reason
	maxInfo    = 300  // of Session.Info
	maxStrings = 8192 // of a policy's strings, and of its MX patterns
)

// tally is a key of the counts: one policy of one domain on one day, and one
// way in which sessions went.
type tally struct {
	day    int64 // since 1970, UTC
	domain string
	policy struct{ kind, strings, hosts string } // lists as lines
	detail Detail                                // without a count; zero: success
}

// newTally returns the key of a session, whose domain is in normal form.
func newTally(s Session, now time.Time) tally {
	k := tally{day: dayOf(now), domain: s.Policy.Domain}
	k.policy.kind = string(s.Policy.Type)
	k.policy.strings, k.policy.hosts = strings.Join(clipAll(s.Policy.Strings), "\n"), strings.Join(clipAll(s.Policy.MXHosts), "\n")
	if s.Result == Success {
		return k
	}
	k.detail = Detail{
		Result: string(s.Result), ReceivingMX: clip(s.MX, maxHost), ReceivingHelo: clip(s.Helo, maxHost),
		Info: clip(s.Info, maxInfo), Reason: clip(s.Reason, maxReason),
	}
	if s.Sending.IsValid() {
		k.detail.SendingIP = s.Sending.Unmap().WithZone("").String()
	}
	if s.Receiving.IsValid() {
		k.detail.ReceivingIP = s.Receiving.Unmap().WithZone("").String()
	}
	return k
}

// coarse returns the key without what makes it special, for when there are too
// many of them.
func (k tally) coarse() tally {
	k.policy.strings, k.policy.hosts = "", ""
	k.detail = Detail{Result: k.detail.Result}
	return k
}

// row returns the key as it is stored.
func (k tally) row() row {
	p := PolicyInfo{Type: k.policy.kind, Domain: k.domain, Strings: lines(k.policy.strings), MXHosts: lines(k.policy.hosts)}
	r := row{day: k.day, domain: k.domain, policy: encode(p)}
	if k.detail != (Detail{}) {
		r.failure = encode(k.detail)
	}
	r.policyHash, r.failureHash = hash(r.policy), hash(r.failure)
	return r
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// row is what the table has of a tally; policy and failure are JSON.
type row struct {
	day                     int64
	domain                  string
	policyHash, failureHash string
	policy, failure         string
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}" // strings and numbers only: it cannot fail
	}
	return string(b)
}

// hash shortens a key column.
func hash(s string) string {
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// clip cuts text of strangers and makes it fit for a database and a report.
func clip(s string, most int) string {
	s = s[:min(len(s), most)]
	if utf8.ValidString(s) && strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	return strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// clipAll does the same with the lines of a policy, as many as fit.
func clipAll(lines []string) []string {
	room := maxStrings
	for i, l := range lines {
		if room -= len(l); room < 0 {
			return append(clipAll(lines[:i]), "...")
		}
		if clip(l, len(l)) != l {
			clean := make([]string, len(lines))
			for i, l := range lines {
				clean[i] = clip(l, len(l))
			}
			return clipAll(clean)
		}
	}
	return lines
}

const daySeconds = 24 * 60 * 60

func dayOf(t time.Time) int64 { return t.Unix() / daySeconds }

// dayStart returns the beginning of a day.
func dayStart(day int64) time.Time { return time.Unix(day*daySeconds, 0).UTC() }
