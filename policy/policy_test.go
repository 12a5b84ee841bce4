package policy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy"
	"github.com/gapura-mail/gapura/policy/expr"
	"github.com/gapura-mail/gapura/test/cputime"
)

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]policy.Source{{Name: "test.yaml", Data: []byte(text)}}, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// problems returns what is wrong with a policy.
func problems(t testing.TB, text string) policy.Errors {
	t.Helper()
	_, err := policy.Parse([]policy.Source{{Name: "test.yaml", Data: []byte(text)}}, testEnv())
	var errs policy.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want Errors", err)
	}
	return errs
}

func TestBoundsAreErrors(t *testing.T) {
	rules := func(n int) string {
		var b strings.Builder
		b.WriteString("rules:\n")
		for i := range n {
			fmt.Fprintf(&b, "- {name: r%d, at: rcpt, tag: x}\n", i)
		}
		return b.String()
	}
	one := "rules:\n- {name: a, at: helo, if: %s, then: reject}\n"
	for name, c := range map[string]struct{ text, want string }{
		"file":      {"#" + strings.Repeat(strings.Repeat("x", 100)+"\n#", expr.MaxFile/100), "octets"},
		"line":      {"#" + strings.Repeat("x", expr.MaxLine), "the line has more than"},
		"nesting":   {strings.Repeat("[", expr.MaxNesting+1), "nested too deeply"},
		"rules":     {rules(policy.MaxRules + 1), "more than 2000 rules"},
		"condition": {fmt.Sprintf(one, "\"client.ip == '"+strings.Repeat("x", expr.MaxCondition)+"'\""), "characters"},
		"depth":     {fmt.Sprintf(one, strings.Repeat("(", 150)+"true"+strings.Repeat(")", 150)), "recursion"},
		"edits":     {"rules:\n- {name: a, at: rcpt, remove: [" + strings.Repeat("X-A, ", policy.MaxEdits) + "X-B]}", "more than 20 header fields"},
		"utf8":      {"rules: \xff", "UTF-8"},
		"reply":     {"rules:\n- {name: a, at: rcpt, then: reject, reply: " + strings.Repeat("x", 500) + "}", "more than 400 characters"},
	} {
		errs := problems(t, c.text)
		if !strings.Contains(errs.Error(), c.want) {
			t.Errorf("%s: got %s", name, errs.Error()[:min(300, len(errs.Error()))])
		}
	}
	if p := parse(t, rules(policy.MaxRules)); p.Len() != policy.MaxRules {
		t.Errorf("%d rules", p.Len())
	}
	many := strings.Repeat("- 5\n", 3*expr.MaxProblems)
	if n := len(problems(t, "rules:\n"+many)); n != expr.MaxProblems {
		t.Errorf("%d problems told", n)
	}
}

func TestRepliesAndFieldsAreBoundedAndClean(t *testing.T) {
	p := parse(t, `
rules:
  - {name: mark, at: message, add: {X-A: "{dmarc.domain} {dmarc.domain} {dmarc.domain} {dmarc.domain} {dmarc.domain}"}, tag: "{dmarc.domain}"}
  - {name: no, at: message, then: reject, reply: "{dmarc.domain} {dkim.domains} {dmarc.domain} {dmarc.domain}"}
`)
	for _, domain := range []string{
		strings.Repeat("x", 100_000), strings.Repeat("ü", 5000), strings.Repeat("\r\n", 5000), strings.Repeat("\xff", 3000), "\u2028\u0085\x00\x7f",
	} {
		tx := &gateway.Transaction{Facts: gateway.Facts{}.With(
			gateway.Fact{Name: "dmarc.domain", Value: domain},
			gateway.Fact{Name: "dkim.domains", Value: strings.Split(strings.Repeat("d ", 10_000), " ")},
		)}
		v, err := p.Check(context.Background(), gateway.StageMessage, tx)
		if err != nil || len(v.Dispositions) != 1 {
			t.Fatal(v, err)
		}
		d := v.Dispositions[0]
		if n := len(d.Reply.Text); n > 400 || strings.ContainsFunc(d.Reply.Text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("reply of %d octets: %.80q", n, d.Reply.Text)
		}
		for _, e := range d.Edits {
			if len(e.Value) > 900 || strings.ContainsAny(e.Value, "\r\n\x00\u2028\u0085") {
				t.Errorf("value of %d octets: %.80q", len(e.Value), e.Value)
			}
		}
	}
}

func TestOneFactIsShortened(t *testing.T) {
	p := parse(t, `rules: [{name: mark, at: message, tag: "{dmarc.domain}"}]`)
	tx := &gateway.Transaction{Facts: gateway.Facts{}.With(gateway.Fact{Name: "dmarc.domain", Value: strings.Repeat("ü", 150)})}
	v, _ := p.Check(context.Background(), gateway.StageMessage, tx)
	if got := v.Dispositions[0].Edits[0].Value; got != strings.Repeat("ü", 98)+"..." {
		t.Errorf("%d octets: %s", len(got), got)
	}
}

func TestLoopsOverHostileHeadersEnd(t *testing.T) {
	p := parse(t, `
rules:
  - {name: quadratic, at: header, if: 'headers("X").exists(a, headers("X").exists(b, a.contains("zz" + b)))', then: reject}
`)
	h, err := message.ParseHeader(bytes.Repeat([]byte("X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), 2000), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	var v gateway.Verdict
	took := cputime.Of(func() {
		v, err = p.Check(context.Background(), gateway.StageHeader, &gateway.Transaction{Header: h})
	})
	if err != nil {
		t.Fatal(err)
	}
	d := v.Dispositions[0]
	if d.Action != gateway.Defer || !strings.Contains(d.Rules[0], "cost limit") {
		t.Errorf("got %s", told(d))
	}
	if took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	p := parse(t, `rules: [{name: a, at: message, if: 'rcpt.local == "x"', tag: x}]`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Check(ctx, gateway.StageMessage, &gateway.Transaction{Rcpts: make([]gateway.Recipient, 3)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPolicyIsAskedByManyAtOnce(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: fixed, at: message, add: {X-Fixed: a}}
  - {name: other, at: message, if: 'rcpt.local == "r1"', add: {X-R: "{rcpt.local}"}}
  - {name: infected, at: message, if: antivirus.infected, then: reject, reply: "{antivirus.virus}"}
`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			virus := fmt.Sprint("virus", i)
			tx := &gateway.Transaction{Facts: gateway.Facts{}.With(
				gateway.Fact{Name: "antivirus.infected", Value: true}, gateway.Fact{Name: "antivirus.virus", Value: virus})}
			for j := range 3 {
				tx.Rcpts = append(tx.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: fmt.Sprint("r", j)}}})
			}
			for range 200 {
				v, err := p.Check(context.Background(), gateway.StageMessage, tx)
				if err != nil || len(v.Dispositions) != 3 {
					t.Error(v, err)
					return
				}
				for j, d := range v.Dispositions {
					if d.Reply.Text != virus || (len(d.Edits) == 2) != (j == 1) {
						t.Errorf("recipient %d: %s", j, told(d))
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestOneRecipientsChangesLeaveOthersAlone(t *testing.T) {
	p := parse(t, `
rules:
  - {name: all, at: message, add: {X-A: a}}
  - {name: each, at: message, if: 'rcpt.local == "none"', add: {X-B: b}}
`)
	tx := &gateway.Transaction{Rcpts: []gateway.Recipient{
		{To: smtp.ForwardPath{Address: smtp.Address{Local: "a"}}}, {To: smtp.ForwardPath{Address: smtp.Address{Local: "b"}}},
	}}
	v, _ := p.Check(context.Background(), gateway.StageMessage, tx)
	v.Dispositions[0].Edits[0].Value = "changed"
	v.Dispositions[0].Rules[0] = "changed"
	if d := v.Dispositions[1]; d.Edits[0].Value != "a" || d.Rules[0] == "changed" {
		t.Errorf("the second recipient got %s", told(d))
	}
	v, _ = p.Check(context.Background(), gateway.StageMessage, tx)
	if d := v.Dispositions[0]; d.Edits[0].Value != "a" || d.Rules[0] == "changed" {
		t.Errorf("the next message got %s", told(d))
	}
}

func TestUses(t *testing.T) {
	p := parse(t, `
rules:
  - {name: a, at: message, if: 'spam.score > 5', add: {X: "{antivirus.virus}"}}
  - {name: b, at: rcpt, if: 'rcpt.local == "x"', then: defer, reply: "{spf.result}"}
`)
	if got := fmt.Sprint(p.Used()); got != "[antivirus.virus rcpt.local spam.score spf.result]" {
		t.Error(got)
	}
	if !p.Uses("spam.score") || p.Uses("dmarc.result") {
		t.Error("Uses")
	}
	if got := fmt.Sprint(p.Stages()); got != "[rcpt message]" {
		t.Error(got)
	}
}

func TestWrongFieldsAreTheProgramsFault(t *testing.T) {
	const at = gateway.StageMail
	if _, err := policy.Parse(nil, policy.Env{Fields: []gateway.Field{{Name: "x.y", Type: gateway.String, Stage: at}}}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []gateway.Field{
		{Name: "spf", Type: gateway.String, Stage: at},
		{Name: "Spf.result", Type: gateway.String, Stage: at},
		{Name: "my-filter.x", Type: gateway.String, Stage: at},
		{Name: "x.in", Type: gateway.String, Stage: at},
		{Name: "client.ip", Type: gateway.String, Stage: at},
		{Name: "x.y", Stage: at},
		{Name: "x.y", Type: 77, Stage: at},
		{Name: "x.y", Type: gateway.String},
	} {
		_, err := policy.Parse(nil, policy.Env{Fields: []gateway.Field{f}})
		var errs policy.Errors
		if err == nil || errors.As(err, &errs) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	if _, err := policy.Load([]string{"testdata/none.yaml"}, testEnv()); err == nil || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Error(err)
	}
	src := policy.Source{Name: "a.yaml", Data: []byte("rules: []")}
	if _, err := policy.Parse([]policy.Source{src, src}, testEnv()); err == nil || err.Error() != "a.yaml: the file is listed twice" {
		t.Error(err)
	}
}

func TestEveryFunctionsExampleIsRight(t *testing.T) {
	for _, f := range policy.Functions() {
		if !strings.Contains(f.Usage, f.Name+"(") {
			t.Errorf("%s is not in %s", f.Name, f.Usage)
		}
		parse(t, "rules:\n- name: a\n  at: message\n  if: |\n    ("+f.Usage+") == ("+f.Usage+")\n  tag: x\n")
	}
}
