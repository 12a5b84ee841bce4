package rule_test

import (
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/filters/spam/specimen"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

func load(t testing.TB, files ...expr.Source) *rule.Set {
	t.Helper()
	sources, err := rule.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s, err := rule.Parse(append(sources, files...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestShippedRulesDoAsTheirMessagesSay asks every shipped rule about its own
// messages.
func TestShippedRulesDoAsTheirMessagesSay(t *testing.T) {
	s := load(t)
	for _, f := range s.Test() {
		t.Errorf("%s: %s: %s", f.Place, f.Rule, f.Text)
	}
	for _, r := range s.Rules() {
		if r.Group == "" || r.Weight == 0 {
			t.Errorf("%s: %s has no group or weight", r.Place, r.Name)
		}
	}
	t.Logf("%d rules", s.Len())
}

func BenchmarkMatch(b *testing.B) {
	s := load(b)
	for _, class := range []specimen.Class{specimen.Ham, specimen.Lure} {
		b.Run(string(class), func(b *testing.B) {
			mails, err := specimen.Generate(specimen.Test, 7, 200)
			if err != nil {
				b.Fatal(err)
			}
			var parsed []*anatomy.Message
			size := 0
			for _, m := range mails {
				if m.Class == class {
					a := new(anatomy.Message)
					if err := a.Parse(m.Raw); err != nil {
						b.Fatal(err)
					}
					parsed = append(parsed, a)
					size += len(a.Text)
				}
			}
			b.ReportAllocs()
			b.ReportMetric(float64(size/len(parsed)), "text-octets")
			for i := 0; b.Loop(); i++ {
				s.Match(parsed[i%len(parsed)], gateway.Facts{})
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rule.Load(nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}
