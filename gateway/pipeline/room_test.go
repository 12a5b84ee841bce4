package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// cramped is a pipeline whose decoded parts have room for 64 KiB or so.
func cramped(t *testing.T, walk bool, steps ...Step) (*Pipeline, *body.Budget) {
	t.Helper()
	budget := body.NewBudget(128<<10, 0)
	p, err := New(Options{Steps: steps, Walk: walk, Parts: body.Options{Dir: t.TempDir(), Budget: budget}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p, budget
}

// TestNoRoomForPartsIs452, whatever on_error says: a message that could not be
// looked into for want of room is not taken, and the client comes back.
func TestNoRoomForPartsIs452(t *testing.T) {
	reads := &bodyFake{fake{name: "f", read: func(ctx context.Context, m gateway.Message) error {
		for _, err := range m.Parts(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}}}
	big := strings.Repeat("text\r\n", 50_000)
	for name, c := range map[string]struct {
		walk  bool
		steps []Step
	}{
		"the walk alone":     {true, nil},
		"a filter":           {false, []Step{{Filter: reads}}},
		"a filter's own":     {false, []Step{{Filter: &bodyFake{fake{name: "f", read: func(context.Context, gateway.Message) error { return fmt.Errorf("unpack: %w", body.ErrBudget) }}}}}},
		"both, then another": {true, []Step{{Filter: reads, Defer: true}, {Filter: &bodyFake{fake{name: "g"}}}}},
	} {
		p, budget := cramped(t, c.walk, c.steps...)
		e := newExchange(t, p, "a", "b")
		res := e.judge(big)
		for _, r := range res.Rulings {
			if r.Action != gateway.Defer || r.Reply.Code != 452 || r.Reply.Enhanced != (smtp.EnhancedCode{4, 3, 1}) {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if c.walk && res.Facts.String("message.error") != "no-room" {
			t.Errorf("%s: facts %v", name, res.Facts.All())
		}
		if len(c.steps) > 0 && res.Facts.String("f.error") != "no-room" {
			t.Errorf("%s: facts %v", name, res.Facts.All())
		}
		if budget.Memory() != 0 || budget.Spool() != 0 {
			t.Errorf("%s: left %d, %d", name, budget.Memory(), budget.Spool())
		}
		if ok := newExchange(t, p, "a").judge("small"); ok.Rulings[0].Refused() && name != "a filter's own" {
			t.Errorf("%s: small message after it: %+v", name, ok.Rulings[0])
		}
	}
}

// TestABrokenSpoolIs452 too.
func TestABrokenSpoolIs452(t *testing.T) {
	p, err := New(Options{Walk: true, Parts: body.Options{Dir: filepath.Join(t.TempDir(), "nonexistent")}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	res := newExchange(t, p, "a").judge(strings.Repeat("text\r\n", 200_000))
	if r := res.Rulings[0]; r.Reply.Code != 452 {
		t.Errorf("%+v, facts %v", r, res.Facts.All())
	}
}

// TestHalfAPartIsNoPart: where the walk failed, nobody takes what is there of
// a part for the whole.
func TestHalfAPartIsNoPart(t *testing.T) {
	var got error
	var n int64
	reads := &bodyFake{fake{name: "f", read: func(ctx context.Context, m gateway.Message) error {
		for p, err := range m.Parts(ctx) {
			if err != nil {
				return err
			}
			<-m.(*msg).walk.Done()
			r := p.Content.Open()
			defer r.Close()
			n, got = io.Copy(io.Discard, r)
			_, _, at := p.Content.ReaderAt(ctx)
			if at == nil {
				got = nil
			}
		}
		return nil
	}}}
	p, _ := cramped(t, false, Step{Filter: reads})
	newExchange(t, p, "a").judge(strings.Repeat("text\r\n", 50_000))
	if !errors.Is(got, body.ErrBudget) {
		t.Errorf("read %d octets, then %v", n, got)
	}
}

// TestPartsAfterTheEndLeakNothing: a filter that is overdue and begins to look
// at parts when the message is gone finds none, and no room is lost.
func TestPartsAfterTheEndLeakNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late error
		f := &bodyFake{fake{name: "f", read: func(_ context.Context, m gateway.Message) error {
			keep := m.Body() // holds the bytes
			defer keep.Close()
			time.Sleep(time.Hour) // deaf to ctx
			for _, err := range m.Parts(context.Background()) {
				late = err
			}
			return nil
		}}}
		p, budget := cramped(t, false, Step{Filter: f, Timeout: time.Second})
		newExchange(t, p, "a").judge(strings.Repeat("text\r\n", 100))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if late == nil {
			t.Error("parts of a message that is gone")
		}
		if budget.Memory() != 0 {
			t.Errorf("%d octets of the budget are lost", budget.Memory())
		}
	})
}

// TestALateWalkIsTold: without it nobody knows what the message hides.
func TestALateWalkIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchange(t, mustWalk(t), "a")
		h, _ := message.ParseHeader([]byte("Subject: x\r\n"), message.HeaderLimits{})
		b := body.New(body.Options{})
		defer b.Release()
		j := e.tx.Judge(t.Context(), h, b)
		defer j.Close()
		// The body is not closed, so that the walk waits for more.
		start := time.Now()
		if got := j.Conclude(t.Context(), 5).Facts.String("message.error"); got != "timeout" || time.Since(start) != DefaultTimeout {
			t.Errorf("message.error %q after %v", got, time.Since(start))
		}
	})
}

func mustWalk(t *testing.T) *Pipeline {
	p, err := New(Options{Walk: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
