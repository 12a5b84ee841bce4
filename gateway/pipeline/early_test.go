package pipeline

import (
	"context"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
)

// byStage is a policy with one disposition a stage.
func byStage(ds map[gateway.Stage]gateway.Disposition) *fake {
	return &fake{name: "policy", check: func(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
		if d, there := ds[stage]; there {
			return gateway.Verdict{Dispositions: []gateway.Disposition{d}}, nil
		}
		return gateway.Verdict{}, nil
	}}
}

// TestDecisionsAreFinal: what is refused or discarded stays so, at whatever
// stage it was decided; what is kept apart can only fare worse; accept ends its
// own stage alone.
func TestDecisionsAreFinal(t *testing.T) {
	const connect, helo, mail, rcpt, header, msg = gateway.StageConnect, gateway.StageHelo, gateway.StageMail, gateway.StageRcpt, gateway.StageHeader, gateway.StageMessage
	for _, c := range []struct {
		first, then       gateway.Stage
		decided, overrule gateway.Action
		want              gateway.Action
		at                gateway.Stage
	}{
		{connect, mail, gateway.Discard, gateway.Accept, gateway.Discard, connect},
		{connect, mail, gateway.Discard, gateway.Reject, gateway.Discard, connect},
		{mail, rcpt, gateway.Discard, gateway.Accept, gateway.Discard, mail},
		{mail, rcpt, gateway.Discard, gateway.Reject, gateway.Discard, mail},
		{mail, header, gateway.Discard, gateway.Accept, gateway.Discard, mail},
		{rcpt, msg, gateway.Discard, gateway.Reject, gateway.Discard, rcpt},
		{header, msg, gateway.Reject, gateway.Accept, gateway.Reject, header},
		{header, msg, gateway.Defer, gateway.Discard, gateway.Defer, header},
		{mail, msg, gateway.Quarantine, gateway.Accept, gateway.Quarantine, mail},
		{mail, rcpt, gateway.Quarantine, gateway.Quarantine, gateway.Quarantine, mail},
		{connect, header, gateway.Quarantine, gateway.Reject, gateway.Reject, header},
		{rcpt, msg, gateway.Quarantine, gateway.Discard, gateway.Discard, msg},
		{helo, msg, gateway.Discard, gateway.Quarantine, gateway.Discard, helo},
		{connect, msg, gateway.Accept, gateway.Reject, gateway.Reject, msg},
		{mail, rcpt, gateway.Accept, gateway.Defer, gateway.Defer, rcpt},
	} {
		p := newPipeline(t, byStage(map[gateway.Stage]gateway.Disposition{c.first: {Action: c.decided}, c.then: {Action: c.overrule}}))
		ruling, res := run(t, p, nil)
		if len(res.Rulings) > 0 {
			ruling = res.Rulings[0]
		}
		if ruling.Action != c.want || ruling.Stage != c.at {
			t.Errorf("%v at %v, then %v at %v: %v at %v", c.decided, c.first, c.overrule, c.then, ruling.Action, ruling.Stage)
		}
	}
}

// TestEditsOfEveryStageCountOnce, in the order of the stages, for each
// recipient its own.
func TestEditsOfEveryStageCountOnce(t *testing.T) {
	ds := map[gateway.Stage]gateway.Disposition{}
	for _, s := range gateway.Stages {
		if s != gateway.StageRcpt {
			ds[s] = gateway.Disposition{Edits: []gateway.Edit{{Kind: gateway.AddField, Name: "X", Value: s.String()}}, Rules: []string{s.String()}}
		}
	}
	stages := byStage(ds)
	policy := &fake{name: "policy", check: func(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
		if stage == gateway.StageRcpt {
			local := tx.Rcpts[len(tx.Rcpts)-1].To.Local
			return gateway.Verdict{Dispositions: []gateway.Disposition{{Edits: []gateway.Edit{{Kind: gateway.AddField, Name: "X", Value: local}}}}}, nil
		}
		return stages.check(ctx, stage, tx)
	}}
	e := newExchange(t, newPipeline(t, policy), "a", "b", "c")
	for i, r := range e.judge("body").Rulings {
		var got string
		for _, x := range r.Edits {
			got += x.Value + " "
		}
		if want := "connect helo mail " + string(rune('a'+i)) + " header message "; got != want {
			t.Errorf("recipient %d: %s, want %s", i, got, want)
		}
		if len(r.Rules) != 5 {
			t.Errorf("rules %v", r.Rules)
		}
	}
}

// TestExemptionIsFromEarlyRefusalsAlone: the edits made before stay, and a
// rule about the recipient still counts.
func TestExemptionIsFromEarlyRefusalsAlone(t *testing.T) {
	add := []gateway.Edit{{Kind: gateway.AddField, Name: "X", Value: "1"}}
	for _, early := range []gateway.Action{gateway.Reject, gateway.Defer} {
		p := newPipeline(t, byStage(map[gateway.Stage]gateway.Disposition{gateway.StageConnect: {Edits: add}, gateway.StageMail: {Action: early}}))
		e := newExchange(t, p)
		if r := e.tx.Rcpt(t.Context(), rcpt("postmaster"), true); r.Action != gateway.Continue || len(r.Edits) != 1 || !r.Reply.IsZero() {
			t.Errorf("%v: %+v", early, r)
		}
		if r := e.tx.Rcpt(t.Context(), rcpt("a"), false); r.Action != early || r.Stage != gateway.StageMail {
			t.Errorf("%v: a: %+v", early, r)
		}
	}
	e := newExchange(t, newPipeline(t, byStage(map[gateway.Stage]gateway.Disposition{gateway.StageRcpt: {Action: gateway.Reject}})))
	if r := e.tx.Rcpt(t.Context(), rcpt("postmaster"), true); r.Action != gateway.Reject {
		t.Errorf("rule about postmaster: %+v", r)
	}
}
