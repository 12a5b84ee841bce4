package pipeline

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// TestAnHourOfUploadIsNoTimeToConclude: who needs none of the body has its
// timeout from the end all the same, not more.
func TestAnHourOfUploadIsNoTimeToConclude(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &bodyFake{fake{name: "f", conclude: func(ctx context.Context, _ *gateway.Transaction) (gateway.Verdict, error) {
			<-ctx.Done()
			return gateway.Verdict{}, ctx.Err()
		}}}
		start := time.Now()
		_, res := run(t, newPipeline(t, nil, Step{Filter: f, Timeout: time.Second}), func() { time.Sleep(time.Hour) })
		if took := time.Since(start); took != time.Hour+time.Second || res.Facts.String("f.error") != "timeout" {
			t.Errorf("took %v, facts %v", took, res.Facts.All())
		}
	})
}

// TestResultsComeInConfiguredOrder, whoever found his first and at whatever
// stage.
func TestResultsComeInConfiguredOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := func(name string) (gateway.Verdict, error) {
			return gateway.Verdict{Results: []message.AuthResult{{Method: name, Result: "pass"}}}, nil
		}
		slow := &bodyFake{fake{name: "dkim", conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
			time.Sleep(time.Second)
			return says("dkim")
		}}}
		early := &bodyFake{fake{name: "spf", check: func(_ context.Context, stage gateway.Stage, _ *gateway.Transaction) (gateway.Verdict, error) {
			if stage == gateway.StageMail {
				return says("spf")
			}
			return gateway.Verdict{}, nil
		}, conclude: func(context.Context, *gateway.Transaction) (gateway.Verdict, error) { return says("spf-late") }}}
		_, res := run(t, newPipeline(t, nil, Step{Filter: slow}, Step{Filter: early}), nil)
		var got []string
		for _, r := range res.Results {
			got = append(got, r.Method)
		}
		if strings.Join(got, " ") != "dkim spf spf-late" {
			t.Errorf("got %v", got)
		}
	})
}

// TestDefectsOfTheFormAreFacts, each once.
func TestDefectsOfTheFormAreFacts(t *testing.T) {
	e := newExchange(t, mustWalk(t), "a")
	e.header = "Content-Type: multipart/mixed; boundary=A\r\n"
	res := e.judge("--A\r\nContent-Transfer-Encoding: odd\r\n\r\nx\r\n--A\r\nContent-Transfer-Encoding: odd\r\n\r\ny\r\n")
	v, _ := res.Facts.Get("message.defects")
	defects, _ := v.([]string)
	if !slices.Contains(defects, "bad-encoding") || len(slices.Compact(slices.Sorted(slices.Values(defects)))) != len(defects) {
		t.Errorf("defects %v", defects)
	}
}
