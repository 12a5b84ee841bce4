package inbound

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// finding is a filter that finds these facts.
type finding struct {
	gateway.BodyOnly
	facts []gateway.Fact
}

func (finding) Name() string            { return "finding" }
func (finding) Fields() []gateway.Field { return nil }
func (f finding) Read(context.Context, *gateway.Transaction, gateway.Message) (gateway.Reading, error) {
	return f, nil
}

func (f finding) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: f.facts}, nil
}

// byName decides at a stage by the recipient's name: what it begins with.
func byName(at gateway.Stage) policy {
	return func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
		if stage != at {
			return nil
		}
		var ds []gateway.Disposition
		for _, r := range tx.Rcpts {
			d := gateway.Disposition{Rules: []string{"p.yaml:1 rule"}}
			for _, a := range []gateway.Action{gateway.Reject, gateway.Defer, gateway.Discard, gateway.Quarantine} {
				if strings.HasPrefix(r.To.Local, a.String()) {
					d.Action = a
				}
			}
			if strings.HasSuffix(r.To.Local, "marked") {
				d.Edits = []gateway.Edit{{Kind: gateway.AddField, Name: "X-Spam-flag", Value: "YES"}, {Kind: gateway.AddField, Name: "X-Mine", Value: "1"}}
			}
			ds = append(ds, d)
		}
		if stage == gateway.StageRcpt {
			return ds[len(ds)-1:]
		}
		return ds
	}
}

var errNoSpare = fmt.Errorf("queue: %w", gateway.ErrNotKept)

// TestKeptApart: who gets what where copies are kept in quarantine, in which order it
// happens, and what the client hears.
func TestKeptApart(t *testing.T) {
	const at = gateway.StageMessage
	one := func(r smtp.Reply) []smtp.Reply { return []smtp.Reply{r} }
	both := []smtp.Reply{smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken"), virus}
	for _, c := range []struct {
		name    string
		who     client
		prdr    bool
		at      gateway.Stage
		to      string
		lead    string // of the alias sales
		backend []smtp.Reply
		facts   []gateway.Fact
		prep    error
		comm    error
		on      string // route where that is so; "" : all
		want    string
		events  string
		sent    string
		log     string // outcomes
	}{
		{
			name: "alone", at: at, to: "quarantine@example.org",
			want: "250 2.0.0 ", events: "commit ", sent: ": quarantine@example.org in quarantine", log: "quarantined",
		},
		{
			name: "two on two routes are one copy", at: at, to: "quarantine@example.org quarantine2@queued.test",
			want: "250", events: "commit ", sent: ": quarantine2@queued.test in quarantine quarantine@example.org in quarantine", log: "quarantined quarantined",
		},
		{
			name: "durable before the backend's dot", at: at, to: "quarantine@example.org v@example.org",
			want: "250", events: "prepare , backend, commit ", sent: ": quarantine@example.org in quarantine", log: "quarantined accepted",
		},
		{
			name: "a full disk is told before", at: at, to: "quarantine@example.org v@example.org", prep: full,
			want: "452 4.2.2", events: "prepare ", log: "deferred deferred",
		},
		{
			name: "a full disk, alone", at: at, to: "quarantine@example.org", comm: full,
			want: "452 4.2.2", events: "commit ", log: "deferred",
		},
		{
			name: "decided before the message came", at: gateway.StageRcpt, to: "quarantine@example.org v@example.org",
			want: "250", events: "prepare , backend, commit ", sent: ": quarantine@example.org in quarantine", log: "quarantined accepted",
		},
		{
			name: "a user's own mail", who: user, at: gateway.StageSubmission, to: "quarantine@else.test",
			want: "250", events: "commit ", sent: ": quarantine@else.test in quarantine", log: "quarantined",
		},
		{
			name: "each has a reply", who: client{listener: "lmtp"}, at: at, to: "quarantine@example.org reject@example.org v@example.org",
			want: "250", events: "prepare , backend, commit ", sent: ": quarantine@example.org in quarantine", log: "quarantined refused accepted",
		},
		{
			name: "refused beside an accepted one", at: at, to: "reject@example.org v@example.org",
			want: "250", events: "prepare , backend, commit ", sent: ": reject@example.org in quarantine", log: "quarantined accepted",
		},
		{
			name: "refused beside a discarded one", at: at, to: "reject@example.org discard@example.org",
			want: "250", events: "commit ", sent: ": reject@example.org in quarantine", log: "quarantined discarded",
		},
		{
			name: "refused beside a kept one", at: at, to: "reject@example.org quarantine@example.org",
			want: "250", events: "prepare , prepare , commit , commit ", sent: ": quarantine@example.org in quarantine; : reject@example.org in quarantine", log: "quarantined quarantined",
		},
		{
			name: "all refused", at: at, to: "reject@example.org reject2@example.org",
			want: "550", events: "", log: "refused refused",
		},
		{
			name: "one refused here, the other by the backend", at: at, to: "reject@example.org v@example.org", backend: one(virus),
			want: "550", events: "prepare , backend, abort ", log: "refused refused",
		},
		{
			name: "the client comes again with all", at: at, to: "reject@example.org v@example.org", backend: one(full),
			want: "452", events: "prepare , backend, abort ", log: "deferred deferred",
		},
		{
			name: "deferred beside a refused one", at: at, to: "reject@example.org defer@example.org v@example.org",
			want: "451", events: "", log: "deferred deferred deferred",
		},
		{
			name: "deferred beside a kept one", at: at, to: "quarantine@example.org defer@example.org",
			want: "451", events: "", log: "deferred deferred",
		},
		{
			name: "malware is dropped", at: at, to: "reject@example.org v@example.org", facts: []gateway.Fact{{Name: "antivirus.result", Value: "infected"}},
			want: "250", events: "backend", log: "dropped accepted",
		},
		{
			name: "malware that a rule wants", at: at, to: "quarantine@example.org", facts: []gateway.Fact{{Name: "antivirus.result", Value: "infected"}},
			want: "250", events: "commit ", sent: ": quarantine@example.org in quarantine", log: "quarantined",
		},
		{
			name: "the backend refuses one after the dot", at: at, to: "v@example.org w@example.org", backend: both,
			want: "250", events: "backend, commit ", sent: ": w@example.org in quarantine", log: "accepted quarantined",
		},
		{
			name: "that cannot be kept", at: at, to: "v@example.org w@example.org", backend: both, comm: full,
			want: "452", events: "backend, commit ", log: "accepted deferred",
		},
		{
			name: "a refused copy that cannot be kept is told before", at: at, to: "reject@example.org v@example.org", prep: full,
			want: "452", events: "prepare ", log: "deferred deferred",
		},
		{
			name: "a refused copy that cannot be activated", at: at, to: "reject@example.org v@example.org", comm: full,
			want: "452", events: "prepare , backend, commit , abort ", log: "deferred accepted",
		},
		{
			name: "no room for refused copies is nothing that the client hears of", at: at, to: "reject@example.org v@example.org", prep: errNoSpare,
			want: "250", events: "prepare , backend", log: "dropped accepted",
		},
		{
			name: "nor beside a discarded one", at: at, to: "reject@example.org discard@example.org", comm: errNoSpare,
			want: "250", events: "commit ", log: "dropped discarded",
		},
		{
			name: "nor after the dot", at: at, to: "v@example.org w@example.org", backend: both, comm: errNoSpare,
			want: "250", events: "backend, commit ", log: "accepted dropped",
		},
		{
			name: "nor of an alias, by LMTP", who: client{listener: "lmtp"}, at: at, to: "sales@example.org", lead: "v@example.org w@example.org", backend: both, comm: errNoSpare,
			want: "250", events: "backend, commit ", log: "accepted",
		},
		{
			name: "and all refused hear so", at: at, to: "reject@example.org v@example.org", backend: one(virus), prep: errNoSpare,
			want: "550", events: "prepare , backend", log: "refused refused",
		},
		{
			name: "one of the others cannot be queued, and all come again", at: at, to: "reject@example.org v@example.org a@queued.test", comm: full, on: "queued.test",
			want: "452", events: "prepare , prepare queued.test, backend, commit queued.test, abort , abort queued.test", log: "deferred accepted deferred",
		},
		{
			name: "the backend refuses one of an alias", at: at, to: "sales@example.org", lead: "v@example.org w@example.org", backend: both,
			want: "250", events: "backend, commit ", sent: ": w@example.org in quarantine", log: "accepted",
		},
		{
			name: "the backend refuses one of an alias, by LMTP", who: client{listener: "lmtp"}, at: at, to: "sales@example.org", lead: "v@example.org w@example.org", backend: both,
			want: "250", events: "backend, commit ", sent: ": w@example.org in quarantine", log: "accepted",
		},
		{
			name: "and by PRDR, while another hears his own refusal", prdr: true, at: at, to: "sales@example.org x@example.org", lead: "v@example.org w@example.org",
			backend: []smtp.Reply{both[0], virus, virus},
			want:    "250", events: "backend, commit ", sent: ": w@example.org in quarantine", log: "accepted refused",
		},
		{
			name: "that cannot be kept, by LMTP", who: client{listener: "lmtp"}, at: at, to: "sales@example.org x@example.org", lead: "v@example.org w@example.org",
			backend: []smtp.Reply{both[0], virus, both[0]}, comm: full,
			want: "452", events: "backend, commit ", log: "deferred accepted",
		},
		{
			name: "the backend refuses all of an alias, by LMTP", who: client{listener: "lmtp"}, at: at, to: "sales@example.org x@example.org", lead: "v@example.org w@example.org",
			backend: []smtp.Reply{virus, virus, both[0]},
			want:    "554", events: "backend", log: "refused accepted",
		},
		{
			name: "one of an alias is refused, and another too early, by LMTP", who: client{listener: "lmtp"}, at: at, to: "sales@example.org", lead: "v@example.org w@example.org x@example.org",
			backend: []smtp.Reply{both[0], virus, full},
			want:    "452", events: "backend", log: "deferred",
		},
		{
			name: "the policy refuses an alias, by LMTP", who: client{listener: "lmtp"}, at: at, to: "reject@example.org v@example.org",
			want: "550", events: "backend", log: "refused accepted",
		},
		{
			name: "a user's own, by PRDR: the queue tells him", who: user, prdr: true, at: gateway.StageSubmission, to: "sales@example.org x@example.org", lead: "v@example.org w@example.org",
			backend: []smtp.Reply{both[0], virus, virus},
			want:    "250", events: "backend, prepare example.org, commit example.org", sent: "example.org: w@example.org", log: "accepted refused",
		},
		{
			name: "a user's own that cannot be queued, by PRDR", who: user, prdr: true, at: gateway.StageSubmission, to: "sales@example.org x@example.org", lead: "v@example.org w@example.org",
			backend: []smtp.Reply{both[0], virus, both[0]}, prep: full,
			want: "452", events: "backend, prepare example.org", log: "deferred accepted",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, q := newSubmission(t)
			e.oneIs, e.policy = &inSession{q: q, replies: c.backend}, byName(c.at)
			e.params.PRDR = c.prdr
			e.also(func(o *Options) { o.Aliases = aliases{"sales": c.lead} })
			e.filters = []pipeline.Step{{Filter: finding{facts: c.facts}}}
			q.prepErr, q.commErr, q.failOn = c.prep, c.comm, c.on
			who, from := c.who, "a@b.test"
			if who.listener == "" {
				who = stranger
			}
			if who.login {
				from = "u@example.org"
			}
			got := e.submit(who, from, own, strings.Fields(c.to)...)
			first := got[1+len(strings.Fields(c.to))]
			if !strings.HasPrefix(first.Error(), c.want) {
				t.Errorf("%v", got)
			}
			if events := inOrder(q.events); events != c.events {
				t.Errorf("events: %s\nwanted: %s", events, c.events)
			}
			if q.sent() != c.sent {
				t.Errorf("sent: %s\nwanted: %s", q.sent(), c.sent)
			}
			var outcomes []string
			for _, l := range e.lines("message") {
				outcomes = append(outcomes, l["outcome"].(string))
			}
			if got := strings.Join(outcomes, " "); got != c.log {
				t.Errorf("logged: %s", got)
			}
			for route, n := range q.prepared {
				if n != 0 {
					t.Errorf("%d copies for %q are left", n, route)
				}
			}
		})
	}
}

// TestWhatIsKept: the copy is what would be delivered, but for what marks it as
// junk and what its sender wanted of the time; and why it is kept is with it.
func TestWhatIsKept(t *testing.T) {
	e, q := newSubmission(t)
	e.policy = byName(gateway.StageMessage)
	e.filters = []pipeline.Step{{Filter: finding{facts: []gateway.Fact{{Name: "spam.score", Value: 7.25}, {Name: "spf.result", Value: "fail"}, {Name: "headers.list", Value: true}, {Name: "dkim.signed", Value: false}}}}}
	e.params.DeliverBy = smtp.DeliverBy{Set: true}
	msg := "From: =?utf-8?q?J=C3=B6rg?= <a@b.test>\r\nSubject: =?utf-8?q?=C3=A4?= b\r\nX-Spam-Flag: YES\r\n\r\nText.\r\n"
	got := e.submit(stranger, "a@b.test", msg, "quarantine-marked@example.org", "reject@example.org", "v@example.org")
	if last(got)[:3] != "250" || len(q.copies) != 2 {
		t.Fatalf("%v, %d copies", got, len(q.copies))
	}
	for i, c := range q.copies {
		k := c.Kept[0]
		refused := c.Rcpts[0].To.Local == "reject"
		if c.Params.DeliverBy.Set || c.Rcpts[0].Route != "example.org" || k.Rule != "p.yaml:1 rule" || k.Stage != "message" ||
			k.Author != "Jörg <a@b.test>" || k.Subject != "ä b" || (k.Reason != "") != refused {
			t.Errorf("%+v of %+v", k, c.Rcpts[0])
		}
		facts := ""
		for _, f := range k.Facts {
			facts += f.Name + "=" + f.Value + " "
		}
		if facts != "spam.score=7.25 spf.result=fail " {
			t.Errorf("facts: %s", facts)
		}
		text := q.texts[i]
		if strings.Contains(strings.ToLower(text), "x-spam-flag") || strings.Contains(text, "X-Mine: 1") == refused || !strings.Contains(text, "Received: ") {
			t.Errorf("%s", text)
		}
	}
	if v := e.one.texts; len(v) != 1 || !strings.Contains(v[0], "X-Spam-Flag: YES") {
		t.Errorf("the other's copy: %q", v)
	}
}

// TestNothingIsGivenToABackendWhileRefusedCopiesCannotBeKept: else the others would
// get the message again with each attempt. Who shares his reply with nobody does
// not wait for that.
func TestNothingIsGivenToABackendWhileRefusedCopiesCannotBeKept(t *testing.T) {
	lmtp := client{listener: "lmtp"}
	for _, c := range []struct {
		name   string
		who    client
		to     string
		lead   string
		want   string // beginnings of the replies
		got    string // whom the backend got
		events string
	}{
		{name: "several", who: stranger, to: "v@example.org w@example.org", want: "452 4.3.0"},
		{name: "an alias of several", who: stranger, to: "sales@example.org", lead: "v@example.org w@example.org", want: "452 4.3.0"},
		{name: "beside a discarded one", who: stranger, to: "v@example.org discard@example.org", want: "452 4.3.0"},
		{name: "a user's", who: user, to: "v@example.org w@example.org", want: "452 4.3.0"},
		{name: "one", who: stranger, to: "v@example.org", want: "250", got: "v@example.org", events: "backend"},
		{name: "an alias of one", who: stranger, to: "sales@example.org", lead: "v@example.org", want: "250", got: "v@example.org", events: "backend"},
		{name: "each has a reply", who: lmtp, to: "v@example.org w@example.org", want: "250; 250", got: "v@example.org w@example.org", events: "backend"},
		{name: "an alias of several beside one", who: lmtp, to: "sales@example.org w@example.org", lead: "u@example.org v@example.org", want: "452; 250", got: "w@example.org", events: "backend"},
		{name: "an alias of several, by LMTP", who: lmtp, to: "sales@example.org", lead: "u@example.org v@example.org", want: "452"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, q := newSubmission(t)
			e.oneIs, e.policy, q.unready = &inSession{q: q}, byName(gateway.StageMessage), true
			e.also(func(o *Options) { o.Aliases = aliases{"sales": c.lead} })
			from := "a@b.test"
			if c.who.login {
				from = "u@example.org"
			}
			got := e.submit(c.who, from, own, strings.Fields(c.to)...)[1+len(strings.Fields(c.to)):]
			for i, want := range strings.Split(c.want, "; ") {
				if !strings.HasPrefix(got[i].Error(), want) {
					t.Errorf("%v", got)
				}
			}
			if b := backendGot(&e.oneIs.(*inSession).backend); b != c.got || inOrder(q.events) != c.events || q.sent() != "" {
				t.Errorf("the backend got %q; %s; sent %s", b, inOrder(q.events), q.sent())
			}
		})
	}
}

// TestWhatIsReleasedIsNotFiledAsJunk: nothing in a kept copy says that it is spam,
// neither what came with it nor what the policy or our spam filter adds; others'
// copies say so.
func TestWhatIsReleasedIsNotFiledAsJunk(t *testing.T) {
	for _, ours := range []bool{true, false} {
		e, q := newSubmission(t)
		decide := byName(gateway.StageMessage)
		e.policy = func(stage gateway.Stage, tx *gateway.Transaction) []gateway.Disposition {
			ds := decide(stage, tx)
			for i := range ds {
				ds[i].Edits = append(ds[i].Edits, gateway.Edit{Kind: gateway.AddField, Name: "x-spam-level", Value: "*****"})
			}
			return ds
		}
		if ours {
			e.filters = []pipeline.Step{{Filter: finding{facts: []gateway.Fact{
				{Name: "spam.score", Value: 7.26}, {Name: "spam.threshold", Value: 5.0}, {Name: "spam.probability", Value: 0.9991}, {Name: "spam.class", Value: "spam"},
			}}}}
		}
		msg := "From: a@b.test\r\nX-Spam: Yes\r\nX-Spam-Status: Yes, score=9\r\nX-Spam-Score: 9\r\n\r\nText.\r\n"
		got := e.submit(stranger, "a@b.test", msg, "quarantine@example.org", "reject@example.org", "v@example.org")
		if last(got)[:3] != "250" || len(q.texts) != 2 {
			t.Fatalf("%v, %d copies", got, len(q.texts))
		}
		for _, text := range q.texts {
			var marks string
			for line := range strings.Lines(text) {
				if strings.HasPrefix(strings.ToLower(line), "x-spam") {
					marks += strings.TrimSpace(line) + "; "
				}
			}
			want := ""
			if ours {
				want = "X-Spam-Status: No, quarantined, score=7.26 required=5.00 probability=0.9991; X-Spam-Score: 0.00; " // the rest is on the next line
			}
			if strings.Join(strings.Fields(marks), " ") != strings.TrimSpace(want) {
				t.Errorf("ours %v: %s", ours, marks)
			}
		}
		if v := e.one.texts; len(v) != 1 || !strings.Contains(v[0], "X-Spam-Status: Yes") || !strings.Contains(v[0], "X-Spam: Yes") {
			t.Errorf("the other's copy: %q", v)
		}
	}
}
