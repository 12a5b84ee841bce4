package model

import (
	"fmt"
	"sort"
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/specimen"
)

// Per view: area of hard_ham against sa spam, of easy ham.
func TestZViews(t *testing.T) {
	sa, modern := labLoad(t, "sa"), labLoad(t, "modern-2022-2024")
	n := 4000
	g := labGen(t, specimen.Train, 1, n)
	m := ztrain(modern, g)
	for k := range int(Views) + 1 {
		var hard, easy Measure
		var h, e, s []float64
		for _, x := range sa {
			sc := m.Score(x.Vector)
			v := sc.Joined
			if k < int(Views) {
				v = sc.Views[k]
			}
			switch {
			case x.Spam:
				hard.Add(true, v)
				easy.Add(true, v)
				s = append(s, v)
			case x.Source == "hard-ham-1":
				hard.Add(false, v)
				h = append(h, v)
			default:
				easy.Add(false, v)
				e = append(e, v)
			}
		}
		q := func(l []float64) string {
			sort.Float64s(l)
			return fmt.Sprintf("%6.2f %6.2f %6.2f", l[len(l)/10], l[len(l)/2], l[len(l)*9/10])
		}
		name := "joined"
		if k < int(Views) {
			name = View(k).String()
		}
		fmt.Printf("%-11s hard area %.2f easy area %.3f   hard %s | easy %s | spam %s\n", name, hard.Area(), easy.Area(), q(h), q(e), q(s))
	}
}
