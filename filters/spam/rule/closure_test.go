package rule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/specimen"
	stext "github.com/gapura-mail/gapura/filters/spam/text"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// messages are some of every kind, with facts of other filters in turn.
func messages(t testing.TB, n int) ([]*anatomy.Message, []gateway.Facts) {
	t.Helper()
	mails, err := specimen.Generate(specimen.Train, 3, n)
	if err != nil {
		t.Fatal(err)
	}
	var list []*anatomy.Message
	var facts []gateway.Facts
	for i, mail := range mails {
		m := new(anatomy.Message)
		if err := m.Parse(mail.Raw); err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
		var f gateway.Facts
		if i%2 == 0 {
			f.Add(gateway.Fact{Name: "spf.result", Value: "fail"}, gateway.Fact{Name: "dmarc.dkim_aligned", Value: true},
				gateway.Fact{Name: "dnsbl.zones", Value: []string{"a", "b"}}, gateway.Fact{Name: "x.score", Value: 2.5})
		}
		facts = append(facts, f)
	}
	return list, facts
}

// TestClosuresSayWhatCELSays compares both ways to ask a condition: all
// shipped ones, and one for every operator that a closure is made of.
func TestClosuresSayWhatCELSays(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("rules:\n")
	conditions := []string{
		`true`, `!(links.count > 0)`, `links.count == 2 || links.count != 3 && links.count <= 9`, `links.count + links.mail >= 2`,
		`size(links.hosts) < 3`, `size(subject) > 12`, `"text/html" in parts.types`, `from.domain in ["gmail.com", "example.org"]`,
		`from.domain < "m"`, `from.domain >= "m" && from.name != ""`, `thread == list.id`, `thread != (links.count > 1)`,
		`subject.contains("e")`, `subject.startsWith("re")`, `subject.endsWith("s")`, `subject.matches("[0-9]{2}")`, `text.contains("the")`,
		`header("X-Mailer") == ""`, `header("Subject").contains("e")`, `subject_raw.lowerAscii() == subject`, `from.name.lowerAscii().contains("a")`,
		`spf.result == "fail"`, `x.score > 2`, `x.score >= 2.5`, `2 < x.score`, `"b" in dnsbl.zones`, `links.count + 1 == 2`, `links.count < 1.5`,
		`language == "en" || language in ["de", "fr"]`,
	}
	for i, c := range conditions {
		fmt.Fprintf(&b, "  - name: c%d\n    when: '%s'\n    describe: x\n    weight: 1\n", i, c)
	}
	sources, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	sources = append(sources, expr.Source{Name: "c.yaml", Data: []byte(b.String())})
	s, err := Parse(sources, []gateway.Field{{Name: "x.score", Type: gateway.Float, Stage: gateway.StageMessage}})
	if err != nil {
		t.Fatal(err)
	}
	mails, facts := messages(t, 150)
	l := s.pool.Get().(*look)
	said := map[bool]int{}
	for i, m := range mails {
		l.reset(m, facts[i])
		for _, r := range s.rules {
			if r.quick == nil {
				t.Fatalf("%s: %s is not quick: %s", r.Place, r.Name, r.When)
			}
			l.over, l.work = false, maxWork
			quick := r.quick(l)
			if slow := r.slow(s, l); quick != slow || l.over {
				t.Fatalf("%s: %s: %v, and CEL says %v of message %d, over %v", r.Place, r.When, quick, slow, i, l.over)
			}
			said[quick]++
		}
	}
	if said[true] < 1000 || said[false] < 1000 {
		t.Errorf("the conditions are one-sided: %v", said)
	}
}

// TestWhatNoClosureCanDoIsAskedOfCEL has loops and functions that may fail.
func TestWhatNoClosureCanDoIsAskedOfCEL(t *testing.T) {
	t.Parallel()
	src := `rules:
  - {name: loop, when: 'links.hosts.exists(h, h.endsWith(".test"))', describe: a host below test, weight: 1}
  - {name: number, when: 'int(header("X-Level")) > 3', describe: level, weight: 1}
  - {name: fields, when: 'headers("X-Level").exists(v, v == "5")', describe: level five, weight: 1}
  - {name: braces, when: 'true', describe: 'hosts {links.hosts} of {from.domain}', weight: 1}
`
	s, err := Parse([]expr.Source{{Name: "a.yaml", Data: []byte(src)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"X-Level: 5\n\nhttps://a.test/ https://b.example/": "loop number fields braces(hosts a.test, b.example of example.org)",
		"\nhttps://b.example/":                             "braces(hosts b.example of example.org)",
	} {
		raw, facts, err := s.expand(body)
		if err != nil {
			t.Fatal(err)
		}
		var m anatomy.Message
		if err := m.Parse(raw); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range s.Match(&m, facts) {
			if h.Rule == "braces" {
				h.Rule += "(" + h.Text + ")"
			}
			got = append(got, h.Rule)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", body, got, want)
		}
	}
}

// TestWorkIsBounded asks many expensive rules about a long text: the first are
// answered, the last are not met, and nothing takes long.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  - {name: r%d, when: 'text.matches(\"(?:w|o)+r[a-z]*d %d|word\")', describe: x, weight: 1}\n", i, i)
		fmt.Fprintf(&b, "  - {name: c%d, when: 'text.split(\"o\").exists(t, t == \"w\")', describe: x, weight: 1}\n", i)
	}
	s, err := Parse([]expr.Source{{Name: "a.yaml", Data: []byte(b.String())}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var m anatomy.Message
	if err := m.Parse([]byte("Subject: x\r\n\r\n" + strings.Repeat("word ", 10_000))); err != nil {
		t.Fatal(err)
	}
	hits := s.Match(&m, gateway.Facts{})
	if len(hits) == 0 || len(hits) > 100 || hits[0].Rule != "r0" {
		t.Errorf("%d hits", len(hits))
	}
}

// TestPhrases finds words in all scripts, each once.
func TestPhrases(t *testing.T) {
	t.Parallel()
	table, err := tables()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(table.lists) {
		t.Error("lists are not sorted")
	}
	for text, want := range map[string]string{
		"act now, act  now; urgent": "urgency=2",
		"tact now":                  "",
		"i masturbated":             "extortion=1",
		"dringend! последнее предупреждение. срочно": "urgency=3",
		"您的账户已被冻结":                         "account=1",
		"من فضلك عاجل، خلال 24 ساعة":       "urgency=2",
		"your\naccount has been suspended": "account=1 title=1",
		"":                                 "",
		"act":                              "",
		"gift":                             "",
		"gift cards":                       "gift=1",
		"gift ...... cards":                "",
		"toll ...... free":                 "",
	} {
		w := wordCount{t: table}
		w.reset()
		w.scan(stext.Fold(nil, []byte(text), nil), inText)
		var got []string
		for i, n := range w.total[:len(table.lists)] {
			if n > 0 {
				got = append(got, fmt.Sprintf("%s=%d", table.lists[i], n))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}

// TestWallets knows the forms of wallets from other long words.
func TestWallets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"send to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT today":                       true,
		"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq":                             true,
		"0x52908400098527886E0F7030069857D2E4169EE7":                             true,
		"https://x.test/1BoatSLRHtKNngkdXEeobR76b53LETtpyT":                      false,
		"1234567890123456789012345678901":                                        false,
		"3da541559918a808c2402bba5012f6c60b27661c":                               false,
		strings.Repeat("a", 25) + " 1BoatSLRHtKNngkdXEeobR76b53LETtpyT" + " end": true,
		strings.Repeat("a", 4000):                                                false,
	} {
		if wallet([]byte(text)) != want {
			t.Errorf("%q", text)
		}
	}
}

// FuzzWords scans any text: no octet may make it fail, and no phrase is found
// twice.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"act now", "您的账户已被冻结", "خلال 24 ساعة،", "\xe3\x80", "\xd8", "a\xd8\x8cb", "\xf0\x9f"} {
		f.Add([]byte(s))
	}
	table, err := tables()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		w := wordCount{t: table}
		w.reset()
		w.scan(s, inSubject)
		w.scan(s, inText)
		if w.total != w.subject {
			t.Errorf("%q: found again in the text", s)
		}
		if text := string(s); (mixedScripts(text) || pictures(text)) && !slices.ContainsFunc(s, func(c byte) bool { return c >= 0x80 }) {
			t.Errorf("%q is ASCII", s)
		}
		if wallet(s) && len(s) < minWallet || endsInID(string(s)) && len(s) < 8 {
			t.Errorf("%q is short", s)
		}
	})
}
