package pipeline

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// recorder is a filter that notes when it is asked.
func recorder(name string, mu *sync.Mutex, asked *[]string) *bodyFake {
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		*asked = append(*asked, name+" "+what)
	}
	return &bodyFake{fake{
		name: name,
		check: func(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
			note(stage.String())
			return fact(name+"."+stage.String(), true), nil
		},
		conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
			note("body")
			return fact(name+".body", true), nil
		},
	}}
}

// TestSubmittedMailHasItsOwnFilters, and its own stage of the policy.
func TestSubmittedMailHasItsOwnFilters(t *testing.T) {
	for _, c := range []struct {
		name  string
		first gateway.Session // as it connects
		then  gateway.Session // after AUTH, where it has a User
		want  []string
		stage []string
	}{
		{
			"a stranger",
			gateway.Session{Listener: "smtp"},
			gateway.Session{},
			[]string{"both body", "both connect", "both helo", "both mail", "both rcpt", "in body", "in connect", "in helo", "in mail", "in rcpt"},
			[]string{"connect", "helo", "mail", "rcpt", "header", "message"},
		},
		{
			"a network that may relay",
			gateway.Session{Listener: "smtp", Relay: true},
			gateway.Session{},
			[]string{"both body", "both connect", "both helo", "both mail", "both rcpt", "out body", "out connect", "out helo", "out mail", "out rcpt"},
			[]string{"submission"},
		},
		{
			"a user",
			gateway.Session{Listener: "submission"},
			gateway.Session{Listener: "submission", User: "u"},
			[]string{"both body", "both connect", "both helo", "both mail", "both rcpt", "out body", "out connect", "out helo", "out mail", "out rcpt"},
			[]string{"submission"},
		},
		{
			"a user on port 25",
			gateway.Session{Listener: "smtp"},
			gateway.Session{Listener: "smtp", User: "u"},
			[]string{"both body", "both connect", "both helo", "both mail", "both rcpt", "in connect", "in helo", "out body", "out mail", "out rcpt"},
			[]string{"submission"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked, stages []string
			policy := &fake{name: "policy", check: func(_ context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
				stages = append(stages, stage.String())
				return gateway.Verdict{}, nil
			}}
			p := newPipeline(t, policy,
				Step{Filter: recorder("in", &mu, &asked), Mail: Inbound},
				Step{Filter: recorder("out", &mu, &asked), Mail: Submission},
				Step{Filter: recorder("both", &mu, &asked)})
			first := c.first
			s := p.Connect(t.Context(), &first)
			defer s.Close()
			s.Helo(&first)
			sess := &first
			if c.then.User != "" {
				sess = &c.then
				waitFor(s.connect)
				waitFor(s.helo)
				s.Authenticated(sess)
			}
			tx := s.Mail(gateway.Transaction{ID: "T", Session: sess})
			defer tx.Close()
			tx.Accept(rcpt("a"), tx.Rcpt(t.Context(), rcpt("a"), false))
			h, _ := message.ParseHeader([]byte("Subject: x\r\n"), message.HeaderLimits{})
			b := body.New(body.Options{Dir: t.TempDir()})
			defer b.Release()
			j := tx.Judge(t.Context(), h, b)
			defer j.Close()
			b.Close()
			res := j.Conclude(t.Context(), 30)
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(asked)
			if !slices.Equal(asked, c.want) {
				t.Errorf("asked %q", asked)
			}
			if !slices.Equal(stages, c.stage) {
				t.Errorf("policy at %q", stages)
			}
			if _, heard := res.Facts.Get("in.connect"); heard && sess.Submitted() {
				t.Error("a filter that has no say was listened to")
			}
		})
	}
}

func waitFor(calls []*call) {
	for _, c := range calls {
		<-c.done
	}
}

// TestQueueingIsMerged over the stages: the later rule wins.
func TestQueueingIsMerged(t *testing.T) {
	p := newPipeline(t, byStage(map[gateway.Stage]gateway.Disposition{
		gateway.StageRcpt:    {Queue: gateway.Queueing{Lane: "bulk", Pool: "p", Priority: 3}},
		gateway.StageMessage: {Queue: gateway.Queueing{Lane: "fast", Hold: "why"}},
	}))
	_, res := run(t, p, nil)
	if got, want := res.Rulings[0].Queue, (gateway.Queueing{Lane: "fast", Pool: "p", Priority: 3, Hold: "why"}); got != want {
		t.Errorf("%+v", got)
	}
}
