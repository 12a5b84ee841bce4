package inbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// aliases leads local parts of example.org to addresses.
type aliases map[string]string

func (m aliases) Resolve(_ context.Context, to smtp.Address) ([]smtp.Address, error) {
	var list []smtp.Address
	switch m[to.Local] {
	case "":
		return []smtp.Address{to}, nil
	case "loop":
		return nil, fmt.Errorf("account: %w", smtp.NewReply(550, smtp.EnhancedCode{5, 4, 6}, "The aliases of this address lead in a circle"))
	case "error":
		return nil, errors.New("database is away")
	case "many":
		return make([]smtp.Address, maxTargets+1), nil
	}
	for a := range strings.FieldsSeq(m[to.Local]) {
		list = append(list, path(a))
	}
	return list, nil
}

func TestAliasesLeadToTheirTargets(t *testing.T) {
	for _, c := range []struct {
		name string
		who  client
		to   string
		lead string
		rcpt string // beginning of the reply to RCPT
		one  string // recipients whom the first backend got
		two  string
		sent string
	}{
		{name: "no alias", who: stranger, to: "v@example.org", rcpt: "250 2.1.5 Recipient ok (", one: "v@example.org"},
		{name: "one of ours", who: stranger, to: "sales@example.org", lead: "v@example.org", rcpt: "250 2.1.5 Recipient ok (", one: "v@example.org"},
		{name: "one elsewhere", who: stranger, to: "sales@example.org", lead: "x@else.test", rcpt: "250", sent: "outbound: x@else.test"},
		{name: "several", who: stranger, to: "sales@example.org", lead: "v@example.org w@two.test a@queued.test x@else.test", rcpt: "250", one: "v@example.org", sent: "outbound: x@else.test; queued.test: a@queued.test; two.test: w@two.test"},
		{name: "itself and another", who: stranger, to: "sales@example.org", lead: "sales@example.org x@else.test", rcpt: "250", one: "sales@example.org", sent: "outbound: x@else.test"},
		{name: "one of them is refused", who: stranger, to: "sales@example.org", lead: "unknown@example.org v@example.org", rcpt: "250", one: "v@example.org"},
		{name: "all are refused", who: stranger, to: "sales@example.org", lead: "unknown@example.org unknown@example.org", rcpt: "550 5.1.1 Nobody behind this address takes mail (see"},
		{name: "the only one is refused, and its name not told", who: stranger, to: "sales@example.org", lead: "unknown@example.org", rcpt: "550 5.1.1 Nobody behind this address"},
		{name: "a loop", who: stranger, to: "sales@example.org", lead: "loop", rcpt: "550 5.4.6 The aliases of this address lead in a circle (see"},
		{name: "an error", who: stranger, to: "sales@example.org", lead: "error", rcpt: "451 4.3.0 Local error; try again later (see"},
		{name: "too many", who: stranger, to: "sales@example.org", lead: "many", rcpt: "451 4.3.0"},
		{name: "a user writes to one", who: user, to: "sales@example.org", lead: "v@example.org x@else.test", rcpt: "250", one: "v@example.org", sent: "outbound: x@else.test"},
		{name: "others' addresses are no aliases of ours", who: user, to: "sales@else.test", lead: "v@example.org", rcpt: "250", sent: "outbound: sales@else.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, q := newSubmission(t)
			e.also(func(o *Options) { o.Aliases = aliases{"sales": c.lead} })
			got := e.submit(c.who, map[bool]string{true: "u@example.org", false: "a@b.test"}[c.who.login], own, c.to)
			if !strings.HasPrefix(got[1].Error(), c.rcpt) {
				t.Errorf("%v", got)
			}
			if c.rcpt[0] == '2' && (len(got) != 3 || got[2].Code != 250) {
				t.Errorf("%v", got)
			}
			if one, two := backendGot(e.one), backendGot(e.two); one != c.one || two != c.two || q.sent() != c.sent {
				t.Errorf("%q, %q, %q", one, two, q.sent())
			}
		})
	}
}

func backendGot(b *backend) string {
	var all []string
	for _, c := range b.copies {
		for _, r := range c.Rcpts {
			all = append(all, r.To.String())
		}
	}
	return strings.Join(all, " ")
}

// TestAliasBehindABusyServer: whoever sends comes back, and hears no address.
func TestAliasBehindABusyServer(t *testing.T) {
	e, q := newSubmission(t)
	e.oneIs = &inSession{q: q}
	e.also(func(o *Options) { o.Aliases = aliases{"sales": "busy@example.org x@else.test"} })
	if got := last(e.submit(stranger, "a@b.test", own, "sales@example.org")); !strings.HasPrefix(got, "452 4.2.2 The server behind this address") || q.sent() != "" {
		t.Error(got)
	}
}

// TestForwardedMailHasAReturnPathOfOurs, and the original recipient on record.
func TestForwardedMailHasAReturnPathOfOurs(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) {
		o.Aliases = aliases{"sales": "v@queued.test x@else.test"}
		o.Rewrite = func(from smtp.ReversePath, domain string) smtp.ReversePath {
			return smtp.ReversePath{Address: smtp.Address{Local: "SRS0=" + from.Local, Domain: domain}}
		}
	})
	e.submit(stranger, "a@b.test", own, "sales@example.org")
	if len(q.copies) != 2 {
		t.Fatal(q.sent())
	}
	for i, c := range q.copies {
		want := map[string]string{"outbound": "SRS0=a@example.org", "queued.test": "a@b.test"}[q.routes[i]]
		if c.From.String() != want || c.Rcpts[0].Params.OriginalAddress != "sales@example.org" || c.Rcpts[0].Params.OriginalType != "rfc822" {
			t.Errorf("%s: %+v", q.routes[i], c)
		}
	}
}

// TestSeparateRepliesOfAliases: one reply for each RCPT, not for each target.
func TestSeparateRepliesOfAliases(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) {
		o.Aliases = aliases{"sales": "v@example.org x@else.test", "team": "w@two.test x@else.test"}
	})
	q.commErr, e.two.reply = nil, full
	got := e.submit(client{listener: "lmtp"}, "a@b.test", own, "sales@example.org", "team@example.org", "plain@example.org")
	if len(got) != 7 || got[4].Code != 250 || got[5].Code != 452 || got[6].Code != 250 {
		t.Errorf("%v", got)
	}
}

// TestThePolicyJudgesTheAddressThatWasNamed.
func TestThePolicyJudgesTheAddressThatWasNamed(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Aliases = aliases{"sales": "x@else.test"} })
	e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		for _, r := range tx.Rcpts {
			if r.To.String() != "sales@example.org" || r.Route != "example.org" {
				t.Errorf("%v: %+v", stage, r)
			}
		}
		return []gateway.Disposition{{}}
	}
	e.submit(stranger, "a@b.test", own, "sales@example.org")
	if q.sent() != "outbound: x@else.test" {
		t.Error(q.sent())
	}
}

// TestForwardedAndPlainMailAreTwoMessages: their return paths differ.
func TestForwardedAndPlainMailAreTwoMessages(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) {
		o.Aliases = aliases{"sales": "y@else.test"}
		o.Rewrite = func(smtp.ReversePath, string) smtp.ReversePath {
			return smtp.ReversePath{Address: path("srs@example.org")}
		}
	})
	e.submit(user, "u@example.org", own, "x@else.test", "sales@example.org")
	if q.sent() != "outbound: x@else.test; outbound: y@else.test" {
		t.Fatal(q.sent())
	}
	for _, c := range q.copies {
		if want := map[string]string{"x": "u@example.org", "y": "srs@example.org"}[c.Rcpts[0].To.Local]; c.From.String() != want {
			t.Errorf("%s: from %s", c.Rcpts[0].To, c.From)
		}
	}
}

// TestAliasOfAnotherBackend: a stranger's transaction has a backend already.
func TestAliasOfAnotherBackend(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Aliases = aliases{"sales": "w@two.test"} })
	got := e.submit(stranger, "a@b.test", own, "v@example.org", "sales@example.org", "direct@two.test")
	if got[2].Code != 250 || got[3].Code != 452 || q.sent() != "two.test: w@two.test" || backendGot(e.one) != "v@example.org" {
		t.Errorf("%v, %s", got, q.sent())
	}
}

// TestThePolicysRouteIsForOurOwn: what leaves by an alias leaves.
func TestThePolicysRouteIsForOurOwn(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Aliases = aliases{"sales": "v@example.org x@else.test"} })
	e.policy = func(stage gateway.Stage, _ *gateway.Transaction) []gateway.Disposition {
		if stage == gateway.StageMessage {
			return []gateway.Disposition{{Route: "queued.test"}}
		}
		return []gateway.Disposition{{}}
	}
	e.submit(stranger, "a@b.test", own, "sales@example.org")
	if q.sent() != "outbound: x@else.test; queued.test: v@example.org" {
		t.Error(q.sent())
	}
}

// TestAliasesDoNotMultiply: one alias by many names, in one transaction.
func TestAliasesDoNotMultiply(t *testing.T) {
	e, q := newSubmission(t)
	big := strings.Repeat("x@else.test ", maxTargets)
	e.also(func(o *Options) { o.Aliases = aliases{"a": big, "b": big, "c": big, "d": "y@else.test"} })
	got := e.submit(stranger, "a@b.test", own, "a@example.org", "b@example.org", "c@example.org", "d@example.org", "v@example.org")
	for i, want := range []string{"250", "250", "250", "452 4.5.3 The addresses", "452 4.5.3", "250", "250"} {
		if i > 0 && !strings.HasPrefix(got[i].Error(), want) {
			t.Errorf("%d: %v, want %s", i, got[i], want)
		}
	}
	if len(q.copies) != 1 || len(q.copies[0].Rcpts) != maxLed {
		t.Errorf("%d copies", len(q.copies))
	}
}
