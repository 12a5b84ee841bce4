package rule_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// TestMistakesHaveTheirPlace tells what is wrong with a file, where, and what
// was probably meant.
func TestMistakesHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ src, want string }{
		{"rules:\n  - name: a\n    when: form.name == \"x\"\n    describe: x\n    weight: 1\n", `r.yaml:3:11: unknown fact "form.name" (did you mean "from.name"?)`},
		{"rules:\n  - name: a\n    when: links.count\n    describe: x\n    weight: 1\n", `r.yaml:3:11: the condition is a int, not true or false (compare it: > 0)`},
		{"rules:\n  - name: A rule\n    when: thread\n    describe: x\n    weight: 1\n", `r.yaml:2:11: "A rule" cannot be the name of a rule (small letters, digits and hyphens, 48 at most: reply-elsewhere)`},
		{"rules:\n  - name: a\n    if: thread\n    describe: x\n    weight: 1\n", "r.yaml:2:5: the rule has no \"when\" (the condition, CEL)\nr.yaml:3:5: unknown key \"if\" in a rule (did you mean \"when\"?)"},
		{"rules:\n  - name: a\n    when: thread\n    describe: by {from.nam}\n    weight: 1\n", `r.yaml:4:19: unknown fact "from.nam" (did you mean "from.name"?)`},
		{"rules:\n  - name: a\n    when: thread\n    describe: x\n    weight: 11\n", `r.yaml:5:13: the weight cannot be "11" (a number from -10 to 10)`},
		{"rules:\n  - {name: a, when: thread, describe: x, weight: NaN}\n", `r.yaml:2:50: the weight cannot be "NaN" (a number from -10 to 10)`},
		{"rules:\n  - {name: a, when: thread, describe: x, weight: 1}\n  - {name: a, when: thread, describe: x, weight: 1}\n", `r.yaml:3:12: the name "a" is taken (by the rule at r.yaml:2)`},
		{"- name: a\n", `r.yaml:1:1: a rule file is a mapping, and this is a list (put "rules:" before it)`},
		{"", `r.yaml:1:1: the file has no rules (a rule file begins with "rules:")`},
		{"rules:\n  - {name: a, when: '', describe: x, weight: 1}\n", `r.yaml:2:21: the condition is empty (a rule without "when" would find every message)`},
	} {
		_, err := rule.Parse([]expr.Source{{Name: "r.yaml", Data: []byte(test.src)}}, nil)
		var problems expr.Errors
		if !errors.As(err, &problems) || problems.Error() != test.want {
			t.Errorf("%s\ngot  %v\nwant %s", test.src, err, test.want)
		}
	}
}

// TestALaterFileReplacesRules lets an administrator change a shipped rule, or
// be rid of it.
func TestALaterFileReplacesRules(t *testing.T) {
	t.Parallel()
	own := `rules:
  - {name: no-message-id, when: 'false'}
  - {name: friday, group: mine, when: 'subject == "friday"', describe: 'it is {subject}', weight: -0.5}
`
	before, after := load(t), load(t, expr.Source{Name: "own.yaml", Data: []byte(own)})
	if after.Len() != before.Len()+1 {
		t.Errorf("%d rules, %d with one more", before.Len(), after.Len())
	}
	var m anatomy.Message
	if err := m.Parse([]byte("From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nDate: Tue, 4 Jun 2024 09:30:00 +0200\r\nSubject: Friday\r\n\r\nHello\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := told(before.Match(&m, gateway.Facts{})); got != "no-message-id: there is no Message-ID" {
		t.Error(got)
	}
	if got := told(after.Match(&m, gateway.Facts{})); got != "friday: it is friday" {
		t.Error(got)
	}
}

func told(hits []rule.Hit) string {
	var list []string
	for _, h := range hits {
		list = append(list, h.Rule+": "+h.Text)
	}
	return strings.Join(list, "\n")
}

// TestRulesThatFailTheirMessagesAreTold has one mistake of each kind.
func TestRulesThatFailTheirMessagesAreTold(t *testing.T) {
	t.Parallel()
	src := `rules:
  - {name: never, when: 'false', describe: x, weight: 1, hits: "Subject: a", misses: "Subject: b"}
  - {name: ever, when: 'true', describe: x, weight: 1, hits: "Subject: a", misses: ["Subject: b"]}
  - {name: untested, when: 'true', describe: x, weight: 1}
  - {name: odd, when: 'true', describe: x, weight: 1, hits: "Fact: from.name=x", misses: "Fact: nothing"}
  - {name: gone, when: 'false'}
`
	s, err := rule.Parse([]expr.Source{{Name: "r.yaml", Data: []byte(src)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range s.Test() {
		got = append(got, f.Place+" "+f.Rule+": "+f.Text)
	}
	want := `r.yaml:2 never: message 1 under hits: the rule does not find it
r.yaml:3 ever: message 1 under misses: the rule finds it
r.yaml:4 untested: the rule has no message under hits
r.yaml:4 untested: the rule has no message under misses
r.yaml:5 odd: message 1 under hits: "from.name=x" is no fact of another filter with its value
r.yaml:5 odd: message 1 under misses: "nothing" is no fact of another filter with its value`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// FuzzRules loads any text as a file of rules; what is one is asked.
func FuzzRules(f *testing.F) {
	f.Add("rules:\n  - {name: a, when: 'links.hosts.exists(h, h == \"x\")', describe: 'x {text}', weight: 1}\n")
	f.Add("rules:\n  - name: a\n    when: |\n      text.matches(\"a+\") && size(subject) > 1\n    describe: x\n    weight: -1\n    hits: |\n      Fact: spf.result=fail\n\n      body\n")
	var m anatomy.Message
	if err := m.Parse([]byte("From: a <a@example.org>\r\nSubject: x\r\n\r\nhttps://x.test/ text\r\n")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		s, err := rule.Parse([]expr.Source{{Name: "f", Data: []byte(src)}}, nil)
		if err != nil {
			var problems expr.Errors
			if !errors.As(err, &problems) {
				t.Error(err)
			}
			return
		}
		for _, h := range s.Match(&m, gateway.Facts{}) {
			if strings.ContainsAny(h.Text, "\r\n") || len(h.Text) > 400 {
				t.Errorf("%q", h.Text)
			}
		}
		s.Test()
	})
}
