package spam

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
	"github.com/gapura-mail/gapura/gateway"
)

// Weights of what was seen before, in log-odds for each of the reputation's.
const (
	addressWeight = 0.5
	domainWeight  = 0.4
	networkWeight = 0.25
	linkWeight    = 0.25
	maxOdds       = 4    // of the reputation's
	contactWeight = -3.0 // the recipient has written to the sender
)

// sender is where a message comes from.
type sender struct {
	learned.Sender
	replyTo []string // Message-IDs that it answers
}

// sender tells where the message comes from, as far as it is proved.
func (r *reading) sender(tx *gateway.Transaction) sender {
	s := sender{Sender: claimed(&r.m)}
	s.IP = tx.Session.Remote.Addr()
	s.Aligned = tx.Facts.String("dmarc.result") == "pass" || boolean(tx.Facts, "dmarc.spf_aligned") || boolean(tx.Facts, "dmarc.dkim_aligned")
	if tx.Header != nil && r.m.Header.Reply {
		for _, name := range []string{"In-Reply-To", "References"} {
			if v, ok := tx.Header.Get(name); ok && len(v) < maxReferences {
				s.replyTo = append(s.replyTo, strings.Fields(v)...)
			}
		}
	}
	return s
}

// claimed is who a message says that it is from, and whom it links to.
func claimed(m *anatomy.Message) (s learned.Sender) {
	if h := &m.Header; len(h.From) == 1 && h.FromCount == 1 {
		s.Address = strings.ToLower(h.From[0].Local) + "@" + h.From[0].Domain
	}
	for _, l := range m.Links {
		if l.OK && l.URL.Domain != "" && !slices.Contains(s.Links, l.URL.Domain) && len(s.Links) < learned.MaxLinks {
			s.Links = append(s.Links, l.URL.Domain)
		}
	}
	return s
}

// maxReferences bounds a field that names other messages, in octets.
const maxReferences = 16 << 10

// reputation adds what was seen of the sender before.
func (e *evidence) reputation(ctx context.Context, f *Filter, who sender) {
	if f.deps.Learned == nil || !f.opt.Learn.Reputation {
		return
	}
	rep, _ := f.deps.Learned.Reputation(ctx, who.Sender) // what is known comes beside an error
	about := func(name string, weight float64, c learned.Counts, what string) {
		switch odds := weight * c.Odds(); {
		case -0.1 <= odds && odds <= 0.1:
		case c.N == 0: // taught, but never seen to arrive
			e.clue(name, odds, "%s is known by lessons alone, of which %s", what, balance(c))
		default:
			e.clue(name, odds, "%s has sent %d messages before, of which %s", what, c.N, balance(c))
		}
	}
	about(learned.ClueAddress, addressWeight, rep.Address, who.Address)
	about(learned.ClueDomain, domainWeight, rep.Domain, "its domain")
	about(learned.ClueNetwork, networkWeight, rep.Network, "its network")
	about(learned.ClueLink, linkWeight, rep.Links, "who links to such a domain")
}

func balance(c learned.Counts) string {
	if c.Odds() > 0 {
		return "most were spam"
	}
	return "most were not spam"
}

// contact tells why a sender is known to a user; "" : he is not, or nothing
// proves that it is he.
func (f *Filter) contact(ctx context.Context, who sender, user string) string {
	if !f.opt.Learn.Sent || who.Address == "" || !who.Aligned {
		return ""
	}
	if yes, _ := f.deps.Learned.Known(ctx, user, who.Address); yes {
		return "the recipient has written to " + who.Address
	}
	if len(who.replyTo) == 0 {
		return ""
	}
	if yes, _ := f.deps.Learned.IsReply(ctx, user, who.replyTo...); yes {
		return "answers mail that the recipient sent"
	}
	return ""
}

// lists adds what DNS lists say, each list once; their scores are points.
func (e *evidence) lists(hits []urilist.Hit, m *model.Model) {
	for _, h := range urilist.Weightiest(hits) {
		e.clue(listClue(h.Zone), h.Score/m.Points(1), "%s", h)
	}
}

// listClue is the name of the clue that a DNS list gives. It stands in header
// fields, and zones of some lists have their customer's key in them.
func listClue(zone string) string {
	h := fnv.New32a()
	h.Write([]byte(zone))
	return fmt.Sprintf("%s%08x", clueList, h.Sum32())
}

// zones are the zones of lists, each once.
func zones(hits []urilist.Hit) (list []string) {
	for _, h := range hits {
		if !slices.Contains(list, h.Zone) {
			list = append(list, h.Zone)
		}
	}
	return list
}

// listed waits for what lists say. Those that fail say nothing, but why.
func (r *reading) listed(ctx context.Context) (hits []urilist.Hit, failed []string) {
	if r.query == nil {
		return nil, nil
	}
	hits, err := r.query.Wait(ctx)
	r.query = nil
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range all.Unwrap() {
			failed = append(failed, err.Error())
		}
	}
	r.f.deps.Metrics.unlisted(len(failed))
	return hits, failed
}
