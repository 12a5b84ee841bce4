package spam

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
)

// maxWritten bounds what the header tells of clues, in octets.
const maxWritten = 600

// written are clues as spam.evidence has them, and X-Spam-Status: "dnsbl:3.00".
func written(clues []learned.Clue) []string {
	list := make([]string, 0, len(clues))
	size := 0
	for _, c := range clues {
		x := c.Name + ":" + strconv.FormatFloat(c.Odds, 'f', 2, 64)
		if size += len(x) + 1; size > maxWritten {
			break
		}
		list = append(list, x)
	}
	return list
}

// evidenceMark is what in X-Spam-Status stands before clues.
const evidenceMark = "evidence="

// readClues reads the clues of a field X-Spam-Status of ours, which are never
// nil where it tells of any or none; false: it does not tell.
func readClues(status string) (clues []learned.Clue, ok bool) {
	for word := range strings.FieldsSeq(status) {
		list, is := strings.CutPrefix(word, evidenceMark)
		if !is {
			continue
		}
		clues = []learned.Clue{}
		for x := range strings.SplitSeq(list, ",") {
			if len(clues) == learned.MaxClues {
				break
			}
			again := func(o learned.Clue) bool { return strings.HasPrefix(x, o.Name+":") }
			if c, ok := readClue(x); ok && !slices.ContainsFunc(clues, again) {
				clues = append(clues, c)
			}
		}
		return clues, true
	}
	return nil, false
}

// readClue reads one; false: it is none that is known.
func readClue(x string) (c learned.Clue, ok bool) {
	name, value, ok := strings.Cut(x, ":")
	odds, err := strconv.ParseFloat(value, 64)
	if !ok || err != nil || math.IsNaN(odds) || !isClue(name) {
		return c, false
	}
	full := fullOdds(name)
	return learned.Clue{Name: name, Odds: max(-full, min(odds, full)), Full: full}, true
}

// isClue tells whether there is a clue of a name.
func isClue(name string) bool {
	return fullOdds(name) != learned.MaxEvidence || name == clueInfected || strings.HasPrefix(name, clueList) && len(name) == len(listClue(""))
}

// CluesOf tells what was known beside a kept message when it came: what the
// gateway called hostname has noted of it, or of a message of before it noted that,
// what its authentication tells.
func CluesOf(raw []byte, hostname string) []learned.Clue {
	if len(AsArrived(raw, hostname)) == len(raw) {
		return nil
	}
	tx := &gateway.Transaction{Session: &gateway.Session{}}
	if clues, ok := readClues(tell(tx, Kept{Raw: raw, Hostname: hostname})); ok {
		return clues
	}
	var e evidence
	e.filters(tx.Facts)
	return e.clues
}

// came adds what the header of a kept message tells but of its sender, of whom
// more is known by now; facts are those that it tells of authentication.
func (e *evidence) came(clues []learned.Clue, facts gateway.Facts, lists []urilist.List) {
	var auth evidence
	auth.filters(facts)
	for _, c := range clues {
		i := slices.IndexFunc(auth.clues, func(o learned.Clue) bool { return o.Name == c.Name })
		switch {
		case learned.Reputed(c.Name):
		case i >= 0:
			e.clue(c.Name, c.Odds, "%s", auth.texts[i])
		default:
			e.clue(c.Name, c.Odds, "%s", cameText(c.Name, lists))
		}
	}
}

// cameText says what was known of a message when it came.
func cameText(name string, lists []urilist.List) string {
	switch name {
	case clueForged, clueFailed:
		return "not authenticated as its author"
	case clueSpoofed:
		return "the client may not send for the sender (SPF)"
	case clueListed:
		return "the client was block-listed when it came"
	case clueAllowed:
		return "the client was on an allow list when it came"
	case clueInfected:
		return "carried a virus when it came"
	}
	for _, l := range lists {
		if zone, _ := dns.Normal(l.Zone); listClue(zone) == name {
			return zone + " listed something in it when it came"
		}
	}
	return "a DNS list had something in it when it came"
}
