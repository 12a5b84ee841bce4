package dnsbl

import (
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dnslist"
	"github.com/gapura-mail/gapura/gateway/message"
)

const maxAnswers = 32 // answers of one list that are looked at

// listing is what one list says about one subject.
type listing struct {
	question
	answers []netip.Addr // that are listings
	score   float64
	meaning string
	text    string
	err     error
}

func (l *listing) listed() bool { return len(l.answers) > 0 }

// judge takes the strongest of the answers.
func (l *listing) judge(ips []netip.Addr) {
	for _, ip := range ips[:min(len(ips), maxAnswers)] {
		score, meaning, known := l.zone.value(ip)
		switch {
		case !known && dnslist.Refusal(ip):
			l.err = fmt.Errorf("the list answered %s, which is no listing", ip)
			continue
		case !known:
			continue
		}
		if !l.listed() || math.Abs(score) > math.Abs(l.score) {
			l.score, l.meaning = score, meaning
		}
		l.answers = append(l.answers, ip)
	}
	if l.listed() {
		l.err = nil
	}
}

// value returns what an answer counts, and whether it is a listing.
func (z *zone) value(ip netip.Addr) (score float64, meaning string, known bool) {
	for i := range z.codes {
		c := &z.codes[i]
		if c.Match(ip) && (!known || math.Abs(c.score) > math.Abs(score)) {
			score, meaning, known = c.score, c.meaning, true
		}
	}
	if len(z.codes) > 0 {
		return score, meaning, known
	}
	return z.score, "", !dnslist.Refusal(ip)
}

// reason is the sentence for the reply.
func (l *listing) reason() string {
	s := l.subject + " is listed by " + l.zone.name
	if l.meaning != "" {
		s += " (" + l.meaning + ")"
	}
	if l.text != "" {
		s += ": " + l.text
	}
	return s
}

// Fields implements gateway.Filter.
func (f *Filter) Fields() []gateway.Field {
	at := f.stages[0]
	return []gateway.Field{
		{Name: "dnsbl.score", Type: gateway.Float, Stage: at, Doc: "Sum of the weights of all lists that list the client, its HELO name or the sender's domain. Every list counts once for each of them, with the strongest of its answers."},
		{Name: "dnsbl.listed", Type: gateway.Bool, Stage: at, Doc: "A block list lists one of them."},
		{Name: "dnsbl.zones", Type: gateway.Strings, Stage: at, Doc: "The block lists that list one of them, in configured order."},
		{Name: "dnsbl.reason", Type: gateway.String, Stage: at, Doc: "A sentence for the reply about the block list with the greatest weight: who is listed by which list, and why."},
		{Name: "dnsbl.allowed", Type: gateway.Bool, Stage: at, Doc: "An allow list lists one of them."},
		{Name: "dnsbl.allow_zones", Type: gateway.Strings, Stage: at, Doc: "The allow lists that list one of them, in configured order."},
		{Name: "dnsbl.answers", Type: gateway.Strings, Stage: at, Doc: "Every listing: client, helo or sender, the list, and its answer: \"client zen.example.org 127.0.0.2\"."},
		{Name: "dnsbl.errors", Type: gateway.Strings, Stage: at, Doc: "The lists that could not be asked, each with the reason: \"zen.example.org: name servers did not answer\"."},
	}
}

// verdict adds everything up. It fails when every list did. Results for
// Authentication-Results are told once, at the first stage.
func verdict(stage gateway.Stage, found []listing) (gateway.Verdict, error) {
	var score, most float64
	var zones, allow, answers, failed []string
	var errs []error
	var why string
	var results []message.AuthResult
	for i := range found {
		l := &found[i]
		switch {
		case l.err != nil:
			failed = once(failed, l.zone.name+": "+l.err.Error())
			errs = append(errs, fmt.Errorf("%s: %w", l.zone.name, l.err))
			continue
		case !l.listed():
			continue
		case l.zone.allow:
			allow = once(allow, l.zone.name)
			if stage == gateway.StageConnect {
				results = append(results, l.dnswl())
			}
		default:
			zones = once(zones, l.zone.name)
			if why == "" || l.score > most {
				most, why = l.score, l.reason()
			}
		}
		score += l.score
		for _, ip := range l.answers {
			answers = append(answers, l.who.String()+" "+l.zone.name+" "+ip.String())
		}
	}
	if len(errs) == len(found) {
		return gateway.Verdict{}, fmt.Errorf("dnsbl: no list answered: %w", errors.Join(errs...))
	}
	return gateway.Verdict{Results: results, Facts: []gateway.Fact{
		{Name: "dnsbl.score", Value: score},
		{Name: "dnsbl.listed", Value: len(zones) > 0},
		{Name: "dnsbl.zones", Value: zones},
		{Name: "dnsbl.reason", Value: why},
		{Name: "dnsbl.allowed", Value: len(allow) > 0},
		{Name: "dnsbl.allow_zones", Value: allow},
		{Name: "dnsbl.answers", Value: answers},
		{Name: "dnsbl.errors", Value: failed},
	}}, nil
}

func once(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// dnswl is the result of an allow list (RFC 8904 section 2).
func (l *listing) dnswl() message.AuthResult {
	return message.AuthResult{Method: "dnswl", Result: "pass", Props: []message.AuthProp{
		{Type: "dns", Name: "zone", Value: l.zone.name},
		{Type: "policy", Name: "ip", Value: l.answers[0].String()},
	}}
}
