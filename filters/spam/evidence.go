package spam

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
)

// Weights of what other filters found, in log-odds, as long as mail here has
// not shown that they should be others. That mail is authenticated tells nothing by
// itself: most spam is.
const (
	forgedWeight   = 1.5 // DMARC fails, and the domain asks to act on it
	failedWeight   = 0.7 // DMARC fails, and it does not ask
	spoofedWeight  = 0.7 // SPF fails where there is no DMARC policy
	listedWeight   = 3   // a block list's full score
	allowedWeight  = -2  // an allow list has the client
	infectedWeight = 6
	fullListing    = 5 // score of dnsbl that counts fully
)

// Names of clues that other filters find.
const (
	clueForged   = "dmarc-policy"
	clueFailed   = "dmarc"
	clueSpoofed  = "spf"
	clueListed   = "dnsbl"
	clueAllowed  = "allowlist"
	clueInfected = "virus"
	clueList     = "list/" // and a hash of the zone of a DNS list
)

// fullOdds is how large the log-odds of a clue may be.
func fullOdds(name string) float64 {
	switch name {
	case clueForged:
		return forgedWeight
	case clueFailed, clueSpoofed:
		return failedWeight
	case clueListed:
		return listedWeight
	case clueAllowed:
		return -allowedWeight
	case learned.ClueAddress:
		return maxOdds * addressWeight
	case learned.ClueDomain:
		return maxOdds * domainWeight
	case learned.ClueNetwork:
		return maxOdds * networkWeight
	case learned.ClueLink:
		return maxOdds * linkWeight
	}
	return learned.MaxEvidence
}

// evidence is what speaks for or against a message beside itself.
type evidence struct {
	odds    float64
	reasons []model.Reason // weights in log-odds
	clues   []learned.Clue // not in odds yet
	texts   []string       // of clues
}

func (e *evidence) add(odds float64, format string, args ...any) {
	if odds == 0 || math.IsNaN(odds) {
		return
	}
	e.odds += odds
	e.reasons = append(e.reasons, model.Reason{Text: fmt.Sprintf(format, args...), Weight: odds})
}

// clue adds what mail here may have shown to be worth more or less than it
// says by itself.
func (e *evidence) clue(name string, odds float64, format string, args ...any) {
	if odds == 0 || math.IsNaN(odds) {
		return
	}
	if len(e.clues) == learned.MaxClues { // nothing is learned of more
		e.add(odds, format, args...)
		return
	}
	e.clues = append(e.clues, learned.Clue{Name: name, Odds: odds, Full: max(fullOdds(name), math.Abs(odds))})
	e.texts = append(e.texts, model.Printable(fmt.Sprintf(format, args...)))
}

// noted is by how much a clue's worth differs from one where it is told.
const noted = 0.05

// settle counts the clues with what they are worth here.
func (e *evidence) settle(ctx context.Context, f *Filter) {
	if len(e.clues) == 0 {
		return
	}
	worth := f.worth(ctx, e.clues)
	for i, c := range e.clues {
		text := e.texts[i]
		if math.Abs(worth[i]-1) >= noted {
			text += fmt.Sprintf(" (weighs %.0f %% of the usual here)", 100*worth[i])
		}
		e.reasons = append(e.reasons, model.Reason{Text: text, Weight: c.Odds * worth[i]})
	}
	e.odds += learned.Together(e.clues, worth)
}

// worth is what clues are worth here.
func (f *Filter) worth(ctx context.Context, clues []learned.Clue) []float64 {
	if f.deps.Learned != nil {
		return f.deps.Learned.Worth(ctx, clues)
	}
	worth := make([]float64, len(clues))
	for i := range worth {
		worth[i] = 1
	}
	return worth
}

// total is the sum within its bounds.
func (e *evidence) total() float64 {
	return max(-learned.MaxEvidence, min(e.odds, learned.MaxEvidence))
}

// filters adds what the filters before this one found.
func (e *evidence) filters(facts gateway.Facts) {
	domain := facts.String("dmarc.domain")
	switch policy := facts.String("dmarc.policy"); {
	case boolean(facts, "dmarc.forwarder"), boolean(facts, "arc.trusted") && facts.String("arc.dmarc") != "fail":
	case facts.String("dmarc.result") == "fail" && boolean(facts, "dmarc.list_mail"):
	case facts.String("dmarc.result") == "fail" && policy != "none":
		e.clue(clueForged, forgedWeight, "not authenticated as %s, which asks for %s", domain, policy)
	case facts.String("dmarc.result") == "fail":
		e.clue(clueFailed, failedWeight, "not authenticated as %s", domain)
	case facts.String("dmarc.result") != "pass" && facts.String("spf.result") == "fail":
		e.clue(clueSpoofed, spoofedWeight, "the client may not send for %s (SPF)", facts.String("spf.domain"))
	}
	if boolean(facts, "dnsbl.allowed") {
		e.clue(clueAllowed, allowedWeight, "the client is on an allow list")
	} else if v, _ := facts.Get("dnsbl.score"); v != nil {
		if score, _ := v.(float64); score > 0 {
			e.clue(clueListed, listedWeight*min(1, score/fullListing), "block-listed: %s", facts.String("dnsbl.reason"))
		}
	}
	if boolean(facts, "antivirus.infected") {
		e.clue(clueInfected, infectedWeight, "carries %s", facts.String("antivirus.virus"))
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
