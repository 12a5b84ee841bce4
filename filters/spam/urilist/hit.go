package urilist

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dnslist"
)

// Hit is a listing: one list about one subject.
type Hit struct {
	Zone    string
	Subject string // domain, host, address or hash that is listed
	Answer  netip.Addr
	Score   float64
	Meaning string // as the configuration has it for the answer
}

// String is a sentence for reasons.
func (h Hit) String() string {
	s := h.Subject + " is listed by " + h.Zone
	if h.Meaning != "" {
		s += " (" + h.Meaning + ")"
	}
	return s
}

// Score adds hits up: every list counts once, with its weightiest listing.
func Score(hits []Hit) float64 {
	sum := 0.0
	for _, h := range Weightiest(hits) { // in the order of hits: sums of floats depend on it
		sum += h.Score
	}
	return sum
}

// Weightiest returns of every list its weightiest listing.
func Weightiest(hits []Hit) (list []Hit) {
	for _, h := range hits {
		i := slices.IndexFunc(list, func(o Hit) bool { return o.Zone == h.Zone })
		switch {
		case i < 0:
			list = append(list, h)
		case math.Abs(h.Score) > math.Abs(list[i].Score):
			list[i] = h
		}
	}
	return list
}

// order sorts hits as the configuration has the lists.
func (l *Lists) order(a, b Hit) int {
	at := func(h Hit) int {
		return slices.IndexFunc(l.lists, func(x *list) bool { return x.zone == h.Zone })
	}
	return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a.Subject, b.Subject), a.Answer.Compare(b.Answer))
}

// judge takes the weightiest of the answers about a subject.
func (l *list) judge(subject string, ips []netip.Addr) ([]Hit, error) {
	var best *Hit
	var refused error
	for _, ip := range ips[:min(len(ips), maxAnswers)] {
		if l.refused(ip) {
			refused = fmt.Errorf("the list answered %s, which is no listing", ip)
			continue
		}
		score, meaning, ok := l.value(ip)
		if ok && (best == nil || math.Abs(score) > math.Abs(best.Score)) {
			best = &Hit{l.zone, subject, ip, score, meaning}
		}
	}
	if best != nil {
		return []Hit{*best}, nil
	}
	return nil, refused
}

// refused reports answers that never count. The configuration may name any of
// dnslist.Refusal but those of 127.255.255.0/24; in a mask the first bit is a
// refusal whatever the others are.
func (l *list) refused(ip netip.Addr) bool {
	a := ip.As4()
	switch {
	case a[0] != 127 || a[1] == 255 && a[2] == 255:
		return true
	case l.masked:
		return a[3]&1 != 0 || a[1] != 0 || a[2] != 0
	case !dnslist.Refusal(ip):
		return false
	}
	for i := range l.codes {
		if l.codes[i].Match(ip) {
			return false
		}
	}
	return true
}

// value returns what an answer counts, and whether it is a listing.
func (l *list) value(ip netip.Addr) (score float64, meaning string, ok bool) {
	if !l.masked && len(l.codes) == 0 {
		return l.score, "", true
	}
	take := func(c *code) {
		if !ok || math.Abs(c.score) > math.Abs(score) {
			score, ok = c.score, true
		}
		if c.meaning != "" && !strings.Contains(meaning, c.meaning) {
			if meaning != "" {
				meaning += ", "
			}
			meaning += c.meaning
		}
	}
	for i := range l.codes {
		if l.codes[i].Match(ip) {
			take(&l.codes[i])
		}
	}
	for i, c := range l.bits {
		if c != nil && ip.As4()[3]>>i&1 != 0 {
			take(c)
		}
	}
	return score, meaning, ok
}
