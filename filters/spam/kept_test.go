package spam

import (
	"math"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/specimen"
	"github.com/gapura-mail/gapura/gateway"
)

// TestAKeptMessageIsJudgedAsItCame: who asks later has the score that the
// gateway gave, for everybody and for one.
func TestAKeptMessageIsJudgedAsItCame(t *testing.T) {
	t.Parallel()
	common := teach(t, mail(t, specimen.Train, 100))
	own := teach(t, mail(t, specimen.Train, 20), common)
	bad := learned.Counts{N: 90, Bad: 50}
	l := &taught{all: common, own: own, rep: learned.Reputation{Address: bad}, contact: "taught@example.org bob@a.test"}
	f := newFilter(t, DefaultOptions(), Deps{Learned: l, Explain: true})
	const top = "Return-Path: <bob@a.test>\r\nReceived: from a.test (a.test [192.0.2.1])\r\n\tby mx.example.org (Gapura) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
	const marks = "X-Spam-Status: No, score=1.00 required=5.00 probability=0.6 class=unsure\r\nX-Spam-Score: 1.00\r\n"
	for results, facts := range map[string][]any{
		"dmarc=pass header.from=a.test policy.dmarc=reject":                                       {"dmarc.result", "pass", "dmarc.domain", "a.test", "dmarc.policy", "reject"},
		"spf=fail smtp.mailfrom=x@b.test; dmarc=fail header.from=a.test policy.dmarc=reject":      {"spf.result", "fail", "dmarc.result", "fail", "dmarc.domain", "a.test", "dmarc.policy", "reject"},
		"spf=fail smtp.mailfrom=x@b.test; dmarc=none header.from=a.test; dkim=none; arc=none (a)": {"spf.result", "fail", "spf.domain", "b.test", "dmarc.result", "none"},
	} {
		tx := transaction("ana", "taught")
		tx.Facts = filtertest.Facts(facts...)
		v, err := filtertest.Judge(t.Context(), f, tx, arrive(t, []byte(answer), 0))
		if err != nil {
			t.Fatal(err)
		}
		n := len(l.seen)
		for i, user := range []string{"", "taught@example.org"} {
			want := gateway.Facts{}.With(v.Facts...)
			if i > 0 {
				want = want.With(v.Rcpts[1]...)
			}
			kept := Kept{Raw: []byte(top + "Authentication-Results: mx.example.org; " + results + "\r\n" + marks + answer), Hostname: "mx.example.org", User: user}
			o, err := f.Opinion(t.Context(), kept, 8)
			if err != nil {
				t.Fatal(err)
			}
			score, _ := want.Get("spam.score")
			reasons, _ := want.Get("spam.reasons")
			var got []string
			for _, r := range o.Reasons {
				got = append(got, Reason(r))
			}
			if math.Abs(o.Score.Score-score.(float64)) > 1e-9 || o.Class != want.String("spam.class") || strings.Join(got, "\n") != strings.Join(reasons.([]string), "\n") {
				t.Errorf("%s, %q: %g %s %q, then %v %s %q", results, user, o.Score.Score, o.Class, got, score, want.String("spam.class"), reasons)
			}
			if !strings.HasPrefix(o.Came, "No, score=1.00") || o.Threshold != model.SpamScore {
				t.Errorf("came %q, threshold %g", o.Came, o.Threshold)
			}
			kept.Hostname = "other.test" // whose fields these are not
			if o, err = f.Opinion(t.Context(), kept, 8); err != nil || o.Came != "" {
				t.Errorf("fields of another: %+v, %v", o, err)
			}
		}
		if len(l.seen) != n {
			t.Error("who asks is counted as mail that came")
		}
	}
}

func TestClientOf(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		" from a (b [192.0.2.1])\r\n\tby c; x":       "192.0.2.1",
		" from a ([IPv6:2001:db8::1])\r\n\tby c; x":  "2001:db8::1",
		" from a by c [192.0.2.9]; x":                "invalid IP",
		" from a ([::1]) by c; x":                    "::1",
		" from a ([x]) by c; x":                      "invalid IP",
		" from [192.0.2.2] (a [192.0.2.1]) by c; x ": "192.0.2.1",
	} {
		if got := clientOf(value).String(); got != want {
			t.Errorf("%q: %s", value, got)
		}
	}
}
