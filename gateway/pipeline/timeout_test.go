package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
)

// TestAHangingFilterCostsOnlyItsOwnTimeout: the time for which a filter waits
// until it may conclude is not its own. Whoever makes a look-up of one filter
// slow would otherwise switch off those that are listed behind it.
func TestAHangingFilterCostsOnlyItsOwnTimeout(t *testing.T) {
	for _, where := range []string{"read", "conclude"} {
		for _, timeout := range []time.Duration{time.Second, 3 * time.Second, 9 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
				dkim, dmarc := &bodyFake{fake{name: "dkim"}}, &bodyFake{fake{name: "dmarc"}}
				if where == "read" {
					dkim.read = func(ctx context.Context, _ gateway.Message) error { return hang(ctx) }
				} else {
					dkim.conclude = func(ctx context.Context, _ *gateway.Transaction) (gateway.Verdict, error) {
						return gateway.Verdict{}, hang(ctx)
					}
				}
				dmarc.conclude = func(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
					time.Sleep(timeout / 2) // a look-up
					return fact("dmarc.fail", true), nil
				}
				p := newPipeline(t, refuseIf("dmarc.fail", gateway.StageMessage),
					Step{Filter: dkim, Timeout: 3 * time.Second}, Step{Filter: dmarc, Timeout: timeout})
				start := time.Now()
				_, res := run(t, p, nil)
				if res.Rulings[0].Action != gateway.Reject {
					t.Errorf("%s, %v: dkim hung and dmarc was not heard: %v", where, timeout, res.Facts.All())
				}
				if took := time.Since(start).Round(time.Millisecond); took != 3*time.Second+timeout/2 {
					t.Errorf("%s, %v: took %v", where, timeout, took)
				}
			})
		}
	}
}

// TestTimeoutIsTheFiltersOwnTime: what Read needs after the end counts, what
// it waits for others does not, and Conclude has the rest.
func TestTimeoutIsTheFiltersOwnTime(t *testing.T) {
	for _, c := range []struct {
		first, read, conclude time.Duration // what each sleeps
		ok                    bool
	}{
		{2 * time.Second, time.Second, 1900 * time.Millisecond, true},
		{2 * time.Second, time.Second, 2100 * time.Millisecond, false},
		{0, time.Second, 1900 * time.Millisecond, true},
		{0, time.Second, 2100 * time.Millisecond, false},
		{2 * time.Second, 2900 * time.Millisecond, 0, true},
		{2 * time.Second, 3100 * time.Millisecond, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &bodyFake{fake{name: "a", conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
				time.Sleep(c.first)
				return gateway.Verdict{}, nil
			}}}
			b := &bodyFake{fake{name: "b", read: func(context.Context, gateway.Message) error {
				time.Sleep(c.read)
				return nil
			}, conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
				time.Sleep(c.conclude)
				return fact("b.ok", true), nil
			}}}
			_, res := run(t, newPipeline(t, nil, Step{Filter: a}, Step{Filter: b, Timeout: 3 * time.Second}), nil)
			if _, ok := res.Facts.Get("b.ok"); ok != c.ok {
				t.Errorf("%+v: %v", c, res.Facts.All())
			}
			time.Sleep(time.Minute)
		})
	}
}

// TestASecondTransactionDoesNotWaitForAHangingFilter of the session.
func TestASecondTransactionDoesNotWaitForAHangingFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{name: "f", check: func(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
			if stage == gateway.StageConnect {
				time.Sleep(time.Hour) // deaf to ctx
			}
			return gateway.Verdict{}, nil
		}}
		p := newPipeline(t, nil, Step{Filter: f, Timeout: time.Second})
		s := p.Connect(t.Context(), &gateway.Session{})
		defer s.Close()
		start := time.Now()
		for range 3 {
			tx := s.Mail(gateway.Transaction{})
			if r := tx.Rcpt(t.Context(), rcpt("a"), false); r.Refused() || tx.Facts().String("f.error") != "timeout" {
				t.Errorf("ruling %+v, facts %v", r, tx.Facts().All())
			}
			tx.Close()
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		if n := p.steps[0].overdue.Load(); n != 1 {
			t.Errorf("%d overdue", n)
		}
		time.Sleep(2 * time.Hour)
		if n := p.steps[0].overdue.Load(); n != 0 {
			t.Errorf("%d overdue after it returned", n)
		}
	})
}
