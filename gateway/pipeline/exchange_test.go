package pipeline

import (
	"cmp"
	"context"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// exchange is a transaction with accepted recipients.
type exchange struct {
	t  *testing.T
	s  *Session
	tx *Transaction

	header string // "" : a Subject
}

func newExchange(t *testing.T, p *Pipeline, to ...string) *exchange {
	e := &exchange{t: t, s: p.Connect(t.Context(), &gateway.Session{ID: "S"})}
	t.Cleanup(e.s.Close)
	e.s.Helo(&gateway.Session{ID: "S", Helo: "h"})
	e.tx = e.s.Mail(gateway.Transaction{ID: "T"})
	t.Cleanup(e.tx.Close)
	for _, local := range to {
		if r := e.tx.Rcpt(t.Context(), rcpt(local), false); !r.Refused() {
			e.tx.Accept(rcpt(local), r)
		}
	}
	return e
}

// judge takes a message of that body through the pipeline.
func (e *exchange) judge(text string) Result {
	e.t.Helper()
	h, err := message.ParseHeader([]byte(cmp.Or(e.header, "Subject: x\r\n")), message.HeaderLimits{})
	if err != nil {
		e.t.Fatal(err)
	}
	b := body.New(body.Options{Dir: e.t.TempDir()})
	defer b.Release()
	j := e.tx.Judge(e.t.Context(), h, b)
	defer j.Close()
	b.Write([]byte(text))
	b.Close()
	return j.Conclude(e.t.Context(), int64(len(text)))
}

// TestFactsFoundAtRcptStayWithTheRecipient: they are there at later stages,
// for that recipient alone.
func TestFactsFoundAtRcptStayWithTheRecipient(t *testing.T) {
	greylist := &fake{name: "greylist", check: func(_ context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
		if stage != gateway.StageRcpt {
			return gateway.Verdict{}, nil
		}
		return fact("greylist.who", tx.Rcpts[len(tx.Rcpts)-1].To.Local), nil
	}}
	var saw []string
	policy := &fake{name: "policy", check: func(_ context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
		if stage == gateway.StageMessage {
			for _, r := range tx.Rcpts {
				saw = append(saw, r.To.Local+"="+r.Facts.String("greylist.who"))
			}
		}
		return gateway.Verdict{}, nil
	}}
	e := newExchange(t, newPipeline(t, policy, Step{Filter: greylist}), "a", "b")
	e.judge("body")
	if len(saw) != 2 || saw[0] != "a=a" || saw[1] != "b=b" {
		t.Errorf("the policy saw %v", saw)
	}
}
