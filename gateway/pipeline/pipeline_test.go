package pipeline

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// fake is a filter made of functions; nil ones say nothing.
type fake struct {
	name     string
	after    []string
	check    func(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error)
	read     func(ctx context.Context, m gateway.Message) error
	conclude func(ctx context.Context, tx *gateway.Transaction) (gateway.Verdict, error)
}

func (f *fake) Name() string            { return f.name }
func (f *fake) Fields() []gateway.Field { return nil }
func (f *fake) After() []string         { return f.after }

func (f *fake) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	if f.check == nil {
		return gateway.Verdict{}, nil
	}
	return f.check(ctx, stage, tx)
}

// bodyFake is a fake that reads bodies.
type bodyFake struct{ fake }

func (f *bodyFake) Read(ctx context.Context, _ *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	if f.read != nil {
		if err := f.read(ctx, m); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *bodyFake) Conclude(ctx context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
	if f.conclude == nil {
		return gateway.Verdict{}, nil
	}
	return f.conclude(ctx, tx)
}

func fact(name string, v any) gateway.Verdict {
	return gateway.Verdict{Facts: []gateway.Fact{{Name: name, Value: v}}}
}

// refuseIf is a policy that rejects where the fact is there.
func refuseIf(name string, at gateway.Stage) *fake {
	return &fake{name: "policy", check: func(_ context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
		if _, there := tx.Facts.Get(name); there && stage == at {
			return gateway.Verdict{Dispositions: []gateway.Disposition{{Action: gateway.Reject}}}, nil
		}
		return gateway.Verdict{}, nil
	}}
}

func rcpt(local string) gateway.Recipient {
	return gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: local, Domain: "example.org"}}}
}

// run takes one message to recipient a through a pipeline; the body arrives
// in two pieces with slow between them.
func run(t *testing.T, p *Pipeline, slow func()) (Ruling, Result) {
	t.Helper()
	ctx := t.Context()
	s := p.Connect(ctx, &gateway.Session{ID: "S"})
	defer s.Close()
	s.Helo(&gateway.Session{ID: "S", Helo: "h"})
	tx := s.Mail(gateway.Transaction{ID: "T"})
	defer tx.Close()
	r := tx.Rcpt(ctx, rcpt("a"), false)
	if r.Refused() {
		return r, Result{}
	}
	tx.Accept(rcpt("a"), r)
	h, err := message.ParseHeader([]byte("Subject: x\r\n"), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	b := body.New(body.Options{Dir: t.TempDir()})
	defer b.Release()
	j := tx.Judge(ctx, h, b)
	defer j.Close()
	b.Write([]byte("first "))
	if slow != nil {
		slow()
	}
	b.Write([]byte("second"))
	b.Close()
	return r, j.Conclude(ctx, 30)
}

func newPipeline(t *testing.T, policy gateway.Filter, steps ...Step) *Pipeline {
	t.Helper()
	p, err := New(Options{Steps: steps, Policy: policy, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOrderOfTheListIsChecked(t *testing.T) {
	dmarc := &fake{name: "dmarc", after: []string{"spf", "dkim"}}
	spf := &fake{name: "spf"}
	if _, err := New(Options{Steps: []Step{{Filter: dmarc}, {Filter: spf}}}); err == nil || !strings.Contains(err.Error(), `"dmarc" must be listed after "spf"`) {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{Steps: []Step{{Filter: spf}, {Filter: dmarc}}}); err != nil {
		t.Errorf("right order, dkim absent: %v", err)
	}
	if _, err := New(Options{Steps: []Step{{Filter: spf}, {Filter: spf}}}); err == nil {
		t.Error("the same filter twice: no error")
	}
}

// TestConclusionsComeInConfiguredOrder: the slow first filter's facts are
// there when the quick second one concludes.
func TestConclusionsComeInConfiguredOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saw any
		slow := &bodyFake{fake{name: "slow", read: func(_ context.Context, m gateway.Message) error {
			time.Sleep(time.Second)
			_, err := io.ReadAll(m.Body())
			return err
		}, conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
			return fact("slow.found", true), nil
		}}}
		quick := &bodyFake{fake{name: "quick", conclude: func(_ context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
			saw, _ = tx.Facts.Get("slow.found")
			return gateway.Verdict{}, nil
		}}}
		p := newPipeline(t, nil, Step{Filter: slow}, Step{Filter: quick})
		run(t, p, nil)
		if saw != true {
			t.Errorf("quick saw %v", saw)
		}
	})
}

// TestVerdictTimeIsTheSlowestFilters: five filters that each need a second
// after the end take a second together.
func TestVerdictTimeIsTheSlowestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps []Step
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			steps = append(steps, Step{Filter: &bodyFake{fake{name: n, read: func(_ context.Context, m gateway.Message) error {
				_, err := io.ReadAll(m.Body())
				time.Sleep(time.Second)
				return err
			}}}})
		}
		start := time.Now()
		run(t, newPipeline(t, nil, steps...), nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestBodyTimeoutCountsFromTheEnd: a body that takes an hour to arrive is no
// reason to give a filter up.
func TestBodyTimeoutCountsFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &bodyFake{fake{name: "f", read: func(_ context.Context, m gateway.Message) error {
			_, err := io.ReadAll(m.Body())
			return err
		}, conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) { return fact("f.done", true), nil }}}
		_, res := run(t, newPipeline(t, nil, Step{Filter: f, Timeout: time.Second}), func() { time.Sleep(time.Hour) })
		if v, _ := res.Facts.Get("f.done"); v != true {
			t.Errorf("facts %v", res.Facts.All())
		}
	})
}

// TestFailuresDoWhatOnErrorSays covers each way to fail, early and late.
func TestFailuresDoWhatOnErrorSays(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		fail       func(ctx context.Context) error
	}{
		{"error", "error", func(context.Context) error { return errors.New("broken") }},
		{"panic", "panic", func(context.Context) error { panic("broken") }},
		{"late", "timeout", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		{"hang", "timeout", func(ctx context.Context) error {
			time.Sleep(time.Hour) // deaf to ctx
			return nil
		}},
	} {
		for _, where := range []string{"check", "read", "conclude"} {
			for _, onDefer := range []bool{false, true} {
				t.Run(c.name+"/"+where, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := &bodyFake{fake{name: "f"}}
						switch where {
						case "check":
							f.check = func(ctx context.Context, stage gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
								if stage != gateway.StageMail {
									return gateway.Verdict{}, nil
								}
								return fact("f.x", 1), c.fail(ctx)
							}
						case "read":
							f.read = func(ctx context.Context, _ gateway.Message) error { return c.fail(ctx) }
						case "conclude":
							f.conclude = func(ctx context.Context, _ *gateway.Transaction) (gateway.Verdict, error) {
								return fact("f.x", 1), c.fail(ctx)
							}
						}
						start := time.Now()
						ruling, res := run(t, newPipeline(t, nil, Step{Filter: f, Timeout: 3 * time.Second, Defer: onDefer}), nil)
						if took := time.Since(start); took > 3*time.Second {
							t.Errorf("took %v", took)
						}
						if len(res.Rulings) > 0 {
							ruling = res.Rulings[0]
						}
						if ruling.Refused() != onDefer || onDefer && ruling.Reply.Code != 451 {
							t.Errorf("ruling %+v", ruling)
						}
						if kind := res.Facts.String("f.error"); !onDefer && kind != c.kind {
							t.Errorf("f.error %q, want %q", kind, c.kind)
						}
						if _, there := res.Facts.Get("f.x"); there {
							t.Error("a failed filter's facts count")
						}
						time.Sleep(2 * time.Hour) // let what hangs end
					})
				})
			}
		}
	}
}

// TestOverdueFilterIsPassedOver: a filter that keeps hanging stops costing
// its timeout, and is asked again when its calls have returned.
func TestOverdueFilterIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &bodyFake{fake{
			name: "f", read: func(context.Context, gateway.Message) error { <-free; return nil },
			conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) { return fact("f.ok", true), nil },
		}}
		p := newPipeline(t, nil, Step{Filter: f, Timeout: time.Second})
		for range maxOverdue {
			run(t, p, nil)
		}
		start := time.Now()
		if _, res := run(t, p, nil); res.Facts.String("f.error") != "passed-over" || time.Since(start) != 0 {
			t.Errorf("facts %v after %v", res.Facts.All(), time.Since(start))
		}
		close(free)
		synctest.Wait()
		if _, res := run(t, p, nil); res.Facts.String("f.error") != "" {
			t.Errorf("after it returned: %v", res.Facts.All())
		}
	})
}

// TestSessionsThatEndEarlyAreNotOverdue: a client that leaves at once makes
// no filter look slow, unless it does not return.
func TestSessionsThatEndEarlyAreNotOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := false
		f := &fake{name: "f", check: func(ctx context.Context, _ gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
			if deaf {
				time.Sleep(time.Hour)
			}
			<-ctx.Done()
			return gateway.Verdict{}, ctx.Err()
		}}
		p := newPipeline(t, nil, Step{Filter: f, Timeout: time.Second})
		leave := func() {
			for range 2 * maxOverdue {
				p.Connect(t.Context(), &gateway.Session{}).Close()
			}
			time.Sleep(2 * time.Second)
		}
		leave()
		if n := p.steps[0].overdue.Load(); n != 0 {
			t.Errorf("%d overdue", n)
		}
		deaf = true
		leave()
		if n := p.steps[0].overdue.Load(); n < maxOverdue {
			t.Errorf("deaf: %d overdue", n)
		}
		time.Sleep(2 * time.Hour)
		if n := p.steps[0].overdue.Load(); n != 0 {
			t.Errorf("after it returned: %d overdue", n)
		}
	})
}

// TestEarlyRefusalsWaitForRcpt and spare whom the caller exempts.
func TestEarlyRefusalsWaitForRcpt(t *testing.T) {
	dnsbl := &fake{name: "dnsbl", check: func(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
		if stage == gateway.StageConnect {
			return fact("dnsbl.listed", true), nil
		}
		return gateway.Verdict{}, nil
	}}
	p := newPipeline(t, refuseIf("dnsbl.listed", gateway.StageConnect), Step{Filter: dnsbl})
	s := p.Connect(t.Context(), &gateway.Session{})
	defer s.Close()
	tx := s.Mail(gateway.Transaction{})
	defer tx.Close()
	if r := tx.Rcpt(t.Context(), rcpt("a"), false); r.Action != gateway.Reject || r.Stage != gateway.StageConnect || r.Reply.Code != 550 {
		t.Errorf("a: %+v", r)
	}
	if r := tx.Rcpt(t.Context(), rcpt("postmaster"), true); r.Refused() {
		t.Errorf("postmaster: %+v", r)
	}
}

// TestRecipientsAreJudgedApart: facts and dispositions about one recipient
// stay with it.
func TestRecipientsAreJudgedApart(t *testing.T) {
	policy := &fake{name: "policy", check: func(_ context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
		if stage != gateway.StageMessage {
			return gateway.Verdict{}, nil
		}
		ds := make([]gateway.Disposition, len(tx.Rcpts))
		for i, r := range tx.Rcpts {
			if r.Facts.String("f.about") == "b" {
				ds[i] = gateway.Disposition{Action: gateway.Discard}
			}
		}
		return gateway.Verdict{Dispositions: ds}, nil
	}}
	f := &bodyFake{fake{name: "f", conclude: func(_ context.Context, tx *gateway.Transaction) (gateway.Verdict, error) {
		v := gateway.Verdict{Rcpts: make([][]gateway.Fact, len(tx.Rcpts))}
		for i, r := range tx.Rcpts {
			v.Rcpts[i] = []gateway.Fact{{Name: "f.about", Value: r.To.Local}}
		}
		return v, nil
	}}}
	p := newPipeline(t, policy, Step{Filter: f})
	s := p.Connect(t.Context(), &gateway.Session{})
	defer s.Close()
	tx := s.Mail(gateway.Transaction{})
	defer tx.Close()
	for _, l := range []string{"a", "b", "c"} {
		tx.Accept(rcpt(l), tx.Rcpt(t.Context(), rcpt(l), false))
	}
	h, _ := message.ParseHeader(nil, message.HeaderLimits{})
	b := body.New(body.Options{})
	defer b.Release()
	j := tx.Judge(t.Context(), h, b)
	defer j.Close()
	b.Close()
	var got []gateway.Action
	for _, r := range j.Conclude(t.Context(), 2).Rulings {
		got = append(got, r.Action)
	}
	if want := []gateway.Action{gateway.Continue, gateway.Discard, gateway.Continue}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestFailingPolicyDefers: without it nobody knows what the admin wants.
func TestFailingPolicyDefers(t *testing.T) {
	policy := &fake{name: "policy", check: func(context.Context, gateway.Stage, *gateway.Transaction) (gateway.Verdict, error) {
		panic("bug")
	}}
	if r, _ := run(t, newPipeline(t, policy), nil); r.Action != gateway.Defer {
		t.Errorf("got %+v", r)
	}
}
