package inbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// judging is a spam filter that thinks of mail what its recipients' names say.
type judging struct {
	gateway.BodyOnly
	fail     bool
	evidence []string
}

func (judging) Name() string            { return "spam" }
func (judging) Fields() []gateway.Field { return nil }
func (f judging) Read(context.Context, *gateway.Transaction, gateway.Message) (gateway.Reading, error) {
	if f.fail {
		return nil, errors.New("broken")
	}
	return f, nil
}

func (f judging) Conclude(_ context.Context, tx *gateway.Transaction) (v gateway.Verdict, _ error) {
	v.Facts = []gateway.Fact{
		{Name: "spam.score", Value: 7.256}, {Name: "spam.probability", Value: 0.99912}, {Name: "spam.class", Value: "spam"}, {Name: "spam.threshold", Value: 5.0},
	}
	if f.evidence != nil {
		v.Facts = append(v.Facts, gateway.Fact{Name: "spam.evidence", Value: f.evidence})
	}
	for _, r := range tx.Rcpts {
		var own []gateway.Fact
		if r.To.Local == "taught" {
			own = []gateway.Fact{{Name: "spam.score", Value: -2.0}, {Name: "spam.probability", Value: 0.01}, {Name: "spam.class", Value: "ham"}}
		}
		v.Rcpts = append(v.Rcpts, own)
	}
	return v, nil
}

// TestSpamFields are on top where the filter was asked, and those that came
// are not; each recipient has the score that is his.
func TestSpamFields(t *testing.T) {
	const forged = "X-Spam-Score: -99\r\nx-spam-status: No, score=-99\r\nX-Spam-Level: *\r\n"
	const yes, no = "X-Spam-Status: Yes, score=7.26 required=5.00 probability=0.9991 class=spam\r\nX-Spam-Score: 7.26\r\n",
		"X-Spam-Status: No, score=-2.00 required=5.00 probability=0.0100 class=ham\r\nX-Spam-Score: -2.00\r\n"
	for _, c := range []struct {
		name    string
		filters []pipeline.Step
		to      []string
		want    []string // of each copy
	}{
		{"asked", []pipeline.Step{{Filter: judging{}}}, []string{"u@example.org"}, []string{yes}},
		{"taught", []pipeline.Step{{Filter: judging{}}}, []string{"u@example.org", "taught@example.org", "v@example.org"}, []string{yes, no}},
		{"with evidence", []pipeline.Step{{Filter: judging{evidence: []string{"dnsbl:3.00", "spf:0.70"}}}}, []string{"u@example.org"}, []string{strings.Replace(yes, "=spam", "=spam evidence=dnsbl:3.00,spf:0.70", 1)}},
		{"without any", []pipeline.Step{{Filter: judging{evidence: []string{}}}}, []string{"u@example.org"}, []string{strings.Replace(yes, "=spam", "=spam evidence=none", 1)}},
		{"broken", []pipeline.Step{{Filter: judging{fail: true}}}, []string{"u@example.org"}, []string{""}},
		{"not asked", nil, []string{"u@example.org"}, []string{"X-Spam-Score: -99\r\nx-spam-status: No, score=-99\r\n"}},
	} {
		e := newEnv(t)
		e.filters = c.filters
		e.send(forged+simple, c.to...)
		if len(e.one.texts) != len(c.want) {
			t.Fatalf("%s: %d copies", c.name, len(e.one.texts))
		}
		for i, text := range e.one.texts {
			got, text := "", strings.NewReplacer("\r\n\t", " ", "\r\n ", " ").Replace(text)
			for line := range strings.SplitAfterSeq(text, "\r\n") {
				if low := strings.ToLower(line); strings.HasPrefix(low, "x-spam-s") {
					got += line
				}
			}
			if got != c.want[i] || !strings.Contains(text, "X-Spam-Level: *") {
				t.Errorf("%s: copy %d has %q, want %q", c.name, i, got, c.want[i])
			}
			score, _ := e.one.copies[i].Facts.Get("spam.score")
			for _, r := range e.one.copies[i].Rcpts {
				if taught := r.To.Local == "taught"; taught != (score == -2.0) {
					t.Errorf("%s: %s: score %v", c.name, r.To.Local, score)
				}
			}
		}
	}
}

// TestWhatUsersSendIsNotMarked: how our own mail is judged is nobody else's
// business.
func TestWhatUsersSendIsNotMarked(t *testing.T) {
	e, q := newSubmission(t)
	e.filters = []pipeline.Step{{Filter: judging{}}}
	told := ""
	e.also(func(o *Options) {
		o.Sent = func(user string, to []smtp.Address, id string) { told += fmt.Sprint(user, to, id) }
	})
	e.submit(user, "u@example.org", own, "v@example.com")
	if !strings.HasPrefix(told, "u@example.org[v@example.com]<") {
		t.Errorf("told %q", told)
	}
	told = ""
	if e.submit(stranger, "a@b.test", simple, "u@example.org"); told != "" {
		t.Errorf("of a stranger: %q", told)
	}
	for _, answer := range []string{"Auto-Submitted: auto-replied\r\n", "Content-Type: multipart/report; boundary=b\r\n"} {
		if e.submit(user, "u@example.org", answer+own, "v@example.com"); told != "" {
			t.Errorf("of an answer that nobody wrote: %q", told)
		}
	}
	e.submit(user, "u@example.org", "Auto-Submitted: no\r\n"+own, "v@example.com")
	if told == "" {
		t.Error("a person's is not told")
	}
	if s := q.sent(); s == "" || strings.Contains(s, "X-Spam") {
		t.Errorf("%q", s)
	}
}
