package spam

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
)

// maxEvidence bounds what is known beside the message itself, in log-odds: it
// can tip the scales, and cannot hide what a message says.
const maxEvidence = 6

// Weights of what other filters found, in log-odds. That mail is
// authenticated tells nothing by itself: most spam is.
const (
	forgedWeight   = 1.5 // DMARC fails, and the domain asks to act on it
	failedWeight   = 0.7 // DMARC fails, and it does not ask
	spoofedWeight  = 0.7 // SPF fails where there is no DMARC policy
	listedWeight   = 3   // a block list's full score
	allowedWeight  = -2  // an allow list has the client
	infectedWeight = 6
	fullListing    = 5 // score of dnsbl that counts fully
)

// evidence is what speaks for or against a message beside itself.
type evidence struct {
	odds    float64
	reasons []model.Reason // weights in log-odds
}

func (e *evidence) add(odds float64, format string, args ...any) {
	if odds == 0 || math.IsNaN(odds) {
		return
	}
	e.odds += odds
	e.reasons = append(e.reasons, model.Reason{Text: model.Printable(fmt.Sprintf(format, args...)), Weight: odds})
}

// total is the sum within its bounds.
func (e *evidence) total() float64 { return max(-maxEvidence, min(e.odds, maxEvidence)) }

// filters adds what the filters before this one found.
func (e *evidence) filters(facts gateway.Facts) {
	domain := facts.String("dmarc.domain")
	switch policy := facts.String("dmarc.policy"); {
	case boolean(facts, "dmarc.forwarder"), boolean(facts, "arc.trusted") && facts.String("arc.dmarc") != "fail":
	case facts.String("dmarc.result") == "fail" && boolean(facts, "dmarc.list_mail"):
	case facts.String("dmarc.result") == "fail" && policy != "none":
		e.add(forgedWeight, "not authenticated as %s, which asks for %s", domain, policy)
	case facts.String("dmarc.result") == "fail":
		e.add(failedWeight, "not authenticated as %s", domain)
	case facts.String("dmarc.result") != "pass" && facts.String("spf.result") == "fail":
		e.add(spoofedWeight, "the client may not send for %s (SPF)", facts.String("spf.domain"))
	}
	if boolean(facts, "dnsbl.allowed") {
		e.add(allowedWeight, "the client is on an allow list")
	} else if v, _ := facts.Get("dnsbl.score"); v != nil {
		if score, _ := v.(float64); score > 0 {
			e.add(listedWeight*min(1, score/fullListing), "block-listed: %s", facts.String("dnsbl.reason"))
		}
	}
	if boolean(facts, "antivirus.infected") {
		e.add(infectedWeight, "carries %s", facts.String("antivirus.virus"))
	}
}

// Signals are the rules that a message matches, as the model takes them.
func Signals(hits []rule.Hit) []model.Signal {
	signals := make([]model.Signal, len(hits))
	for i, h := range hits {
		signals[i] = model.Signal{Name: h.Rule, Weight: h.Weight}
	}
	return signals
}

// rules names the rules that a message matches, whose weight the model has
// counted; by is how much of a score a unit of it makes, in log-odds.
func (e *evidence) rules(hits []rule.Hit, by float64) (names []string) {
	for _, h := range hits {
		names = append(names, h.Rule)
		e.reasons = append(e.reasons, model.Reason{Text: h.Text + " (rule " + h.Rule + ")", Weight: by * h.Weight})
	}
	return names
}

// Explain returns why a message by itself, with features v, has its score s:
// the n weightiest reasons, rules that it matches among them.
func Explain(m *model.Model, a *anatomy.Message, v *model.Vector, s model.Score, hits []rule.Hit, n int, layers ...*model.Layer) []model.Reason {
	var e evidence
	e.rules(hits, m.RuleOdds(s))
	return e.merge(m, m.Explain(a, v, n, layers...), n)
}

func boolean(facts gateway.Facts, name string) bool {
	v, _ := facts.Get(name)
	b, _ := v.(bool)
	return b
}

// merge returns reasons of the message and, with weights turned into points,
// those of the evidence: n at most, the weightiest first.
func (e *evidence) merge(m *model.Model, reasons []model.Reason, n int) []model.Reason {
	for _, x := range e.reasons {
		reasons = append(reasons, model.Reason{Text: x.Text, Weight: m.Points(x.Weight)})
	}
	reasons = slices.DeleteFunc(reasons, func(x model.Reason) bool { return math.Abs(x.Weight) < 0.005 })
	slices.SortStableFunc(reasons, func(a, b model.Reason) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	return reasons[:min(n, len(reasons))]
}
