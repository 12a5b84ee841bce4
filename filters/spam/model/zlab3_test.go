package model

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
)

func TestZRules(t *testing.T) {
	rules, err := rule.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	hits, tot := map[string]map[string]int{}, map[string]int{}
	for _, c := range []string{"sa", "modern-2022-2024", "made"} {
		f, _ := os.Open(filepath.Join("/tmp/spam", c, "index"))
		s := bufio.NewScanner(f)
		var m anatomy.Message
		for s.Scan() {
			a := strings.Fields(s.Text())
			src, _, _ := strings.Cut(a[3], "/")
			raw, _ := os.ReadFile(filepath.Join("/tmp/spam", c, a[1]))
			m.Parse(raw)
			tot[src]++
			for _, h := range rules.Match(&m, gateway.Facts{}) {
				k := fmt.Sprintf("%-32s %5.2f", h.Rule, h.Weight)
				if hits[k] == nil {
					hits[k] = map[string]int{}
				}
				hits[k][src]++
			}
		}
	}
	cols := []string{"easy-ham-1", "easy-ham-2", "kasan-dev", "usrp-users", "ham", "hard-ham-1", "spam-1", "spam-2", "pot", "lure"}
	fmt.Println("rule", cols, tot)
	var names []string
	for k := range hits {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		fmt.Printf("%s", k)
		for _, c := range cols {
			fmt.Printf(" %6.2f", 100*float64(hits[k][c])/float64(max(1, tot[c])))
		}
		fmt.Println()
	}
}
