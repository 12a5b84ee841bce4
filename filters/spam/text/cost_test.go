package text

import (
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/cputime"
)

// TestDeclarationsWithoutValue say nothing.
func TestDeclarationsWithoutValue(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Fields("display color font font-size opacity filter transform scale rotate clip clip-path inset background width zoom margin position overflow") {
		p := new(Page)
		if p.HTML([]byte(`<i style="` + name + `:!important">x</i>`)); string(p.Text) != "x" {
			t.Errorf("%s: %q", name, p.Text)
		}
	}
}

// TestWorkOfRulesIsOfTheMessage: many parts do no more than one.
func TestWorkOfRulesIsOfTheMessage(t *testing.T) {
	t.Parallel()
	part := []byte("<style>" + strings.Repeat(`[x*="zz"]{color:red}`, 16) + "</style>" + strings.Repeat(`<i x="`+strings.Repeat("a", 1000)+`">`, 200))
	p := new(Page)
	for range 3 {
		p.HTML(part)
	}
	if p.r.work > maxRuleWork+MaxSource || p.r.work < maxRuleWork {
		t.Errorf("%d comparisons", p.r.work)
	}
	if p.Reset(); p.r.work != 0 {
		t.Errorf("%d after Reset", p.r.work)
	}
}

// TestColoursWithinColoursAreReadOnce: 200 KiB of light-dark() within each other
// took nine seconds.
func TestColoursWithinColoursAreReadOnce(t *testing.T) {
	t.Parallel()
	const n = 15000
	src := []byte(`<p style="color:` + strings.Repeat("light-dark(", n) + "red" + strings.Repeat(",x)", n) + `">x</p>`)
	p := new(Page)
	if took := cputime.Of(func() { p.HTML(src) }); string(p.Text) != "x" || took > 2*time.Second {
		t.Errorf("%q after %v", p.Text, took)
	}
}

func TestSelectorsNestALittle(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int]bool{maxNested: true, maxNested + 2: false} {
		var list [maxConditions]condition
		if _, _, ok := parseSelector(&list, []byte(strings.Repeat(":is(", depth)+"b"+strings.Repeat(")", depth))); ok != want {
			t.Errorf("%d deep: %v", depth, ok)
		}
	}
}
