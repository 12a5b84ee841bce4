package spam

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// TestWhatMailHereHasShownCounts: a clue weighs what it is worth here, its
// reason says so, and what it weighs by itself is noted for those who learn
// later.
func TestWhatMailHereHasShownCounts(t *testing.T) {
	t.Parallel()
	facts := []any{"dnsbl.score", 5.0, "dnsbl.reason", "x is listed", "dmarc.result", "fail", "dmarc.policy", "none", "dmarc.domain", "a.test"}
	judge := func(l *taught) (score float64, reasons, noted string) {
		f := newFilter(t, DefaultOptions(), Deps{Learned: l, Explain: true})
		tx := transaction("ana")
		tx.Facts = filtertest.Facts(facts...)
		v, err := filtertest.Judge(t.Context(), f, tx, arrive(t, []byte(answer), 0))
		if err != nil {
			t.Fatal(err)
		}
		got := filtertest.Values(t, f, v)
		list, _ := got["spam.reasons"].([]string)
		known, _ := got["spam.evidence"].([]string)
		return got["spam.score"].(float64), strings.Join(list, "\n"), strings.Join(known, ",")
	}
	points := model.Empty().Points
	usual, why, noted := judge(&taught{})
	if strings.Contains(why, "weighs") || noted != "dmarc:0.70,dnsbl:3.00" {
		t.Errorf("untaught: %s, %s", why, noted)
	}
	for worth, text := range map[float64]string{0.4: "x is listed (weighs 40 % of the usual here)", 1.5: "x is listed (weighs 150 % of the usual here)", 1.01: "x is listed"} {
		score, why, noted := judge(&taught{worth: map[string]float64{clueListed: worth}})
		if math.Abs(score-usual-points(listedWeight*(worth-1))) > 1e-9 || noted != "dmarc:0.70,dnsbl:3.00" {
			t.Errorf("worth %g: score %g, usually %g; %s", worth, score, usual, noted)
		}
		if want := Reason(model.Reason{Weight: points(listedWeight * worth), Text: "block-listed: " + text}); !strings.Contains(why+"\n", want+"\n") {
			t.Errorf("worth %g: %s, want %s", worth, why, want)
		}
	}
	facts = append(facts, "antivirus.infected", true)
	most, _, _ := judge(&taught{worth: map[string]float64{clueListed: 2, clueInfected: 2}})
	least, _, _ := judge(&taught{worth: map[string]float64{clueListed: 0, clueInfected: 0, clueFailed: 0}})
	if most-least > points(learned.MaxEvidence)+1e-9 {
		t.Errorf("from %g to %g", least, most)
	}
}

// TestKeptMessagesTellTheirClues: what is learned of a message later is what
// was known when it came, of one that our header tells of.
func TestKeptMessagesTellTheirClues(t *testing.T) {
	t.Parallel()
	const top = "Received: from a.test (a.test [192.0.2.1])\r\n\tby mx.example.org (Gapura) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\r\n" +
		"Authentication-Results: mx.example.org; dmarc=fail header.from=a.test policy.dmarc=reject\r\n"
	const status = "X-Spam-Status: Yes, score=7.00 required=5.00 probability=0.9 class=spam"
	list := listClue("dbl.test")
	for name, c := range map[string]struct{ top, want string }{
		"noted":               {top + status + " evidence=dnsbl:2.40,address:-1.50," + list + ":3.20\r\n", "dnsbl=2.4/3 address=-1.5/2 " + list + "=3.2/6"},
		"nothing was":         {top + status + " evidence=none\r\n", ""},
		"before it was":       {top + status + "\r\n", "dmarc-policy=1.5/1.5"},
		"nobody asked":        {top, "dmarc-policy=1.5/1.5"},
		"others' mail":        {status + " evidence=dnsbl:3.00\r\n", ""},
		"beyond its bounds":   {top + status + " evidence=dnsbl:99,virus:-1e300,spf:NaN\r\n", "dnsbl=3/3 virus=-6/6"},
		"such as are unknown": {top + status + " evidence=x:1,list/:1,list/" + strings.Repeat("a", 99) + ":1,dnsbl,:,=\r\n", ""},
		"too many":            {top + status + " evidence=" + strings.Repeat("spf:0.70,", 99) + "\r\n", "spf=0.7/0.7"},
	} {
		got := ""
		for _, x := range CluesOf([]byte(c.top+answer), "mx.example.org") {
			got += fmt.Sprintf(" %s=%g/%g", x.Name, x.Odds, x.Full)
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAKeptMessageIsJudgedByWhatItsHeaderTells: of lists too, which are not
// asked again.
func TestAKeptMessageIsJudgedByWhatItsHeaderTells(t *testing.T) {
	t.Parallel()
	four := 4.0
	opt := DefaultOptions()
	opt.Lists = []urilist.List{{Zone: "dbl.test", Score: &four}}
	raw := strings.ReplaceAll(answer, ".test", "-sells.com")
	l := &taught{worth: map[string]float64{listClue("dbl.test"): 0.5}, rep: learned.Reputation{Address: learned.Counts{N: 9, Bad: 5}}}
	f := newFilter(t, opt, Deps{Learned: l, Resolver: dnstest.Parse(t, "{a-sells.com.dbl.test: [{A: 127.0.0.2}]}"), Explain: true})
	tx := transaction("ana")
	tx.Facts = filtertest.Facts("dnsbl.score", 4.0, "dmarc.result", "fail", "dmarc.domain", "a.test", "dmarc.list_mail", true)
	v, err := filtertest.Judge(t.Context(), f, tx, arrive(t, []byte(raw), 0))
	if err != nil {
		t.Fatal(err)
	}
	facts := gateway.Facts{}.With(v.Facts...)
	noted, _ := facts.Get("spam.evidence")
	score, _ := facts.Get("spam.score")
	top := "Received: from a.test (a.test [192.0.2.1])\r\n\tby mx.example.org (Gapura) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\r\n" +
		"Authentication-Results: mx.example.org; dmarc=fail header.from=a.test policy.dmarc=none\r\n" +
		"X-Spam-Status: Yes, score=7.00 required=5.00 probability=0.9 class=spam\r\n\tevidence=" + strings.Join(noted.([]string), ",") + "\r\n"
	o, err := f.Opinion(t.Context(), Kept{Raw: []byte(top + raw), Hostname: "mx.example.org"}, 8)
	if err != nil || math.Abs(o.Score.Score-score.(float64)) > 1e-9 || !strings.Contains(fmt.Sprint(o.Reasons), "dbl.test listed something in it when it came") {
		t.Errorf("%g, then %v: %v %v", o.Score.Score, score, o.Reasons, err)
	}
}

func FuzzReadClues(f *testing.F) {
	f.Add("Yes, score=7 evidence=dnsbl:3.00,list/00000000:-1.00")
	f.Add("evidence=none")
	f.Fuzz(func(t *testing.T, status string) {
		clues, ok := readClues(status)
		if !ok && clues != nil || len(clues) > learned.MaxClues {
			t.Fatal(clues)
		}
		for _, c := range clues {
			if !(math.Abs(c.Odds) <= c.Full && c.Full <= learned.MaxEvidence) {
				t.Errorf("%+v", c)
			}
		}
		again, _ := readClues(evidenceMark + strings.Join(written(clues), ","))
		a, b := strings.Join(written(clues), ","), strings.Join(written(again), ",")
		if a != b {
			t.Errorf("%s, again %s", a, b)
		}
	})
}

// TestReasonsObeyNoTerminal: what a DNS list or a scanner says is told, not
// obeyed.
func TestReasonsObeyNoTerminal(t *testing.T) {
	t.Parallel()
	var e evidence
	e.filters(filtertest.Facts("dnsbl.score", 5.0, "dnsbl.reason", "see \x1b]0;x\a", "antivirus.infected", true, "antivirus.virus", "a\u202eb"))
	e.settle(t.Context(), &Filter{})
	if len(e.reasons) != 2 {
		t.Fatal(e.reasons)
	}
	for _, r := range e.reasons {
		if strings.ContainsAny(r.Text, "\x1b\a\u202e") {
			t.Errorf("%q", r.Text)
		}
	}
}
