package spam

import (
	"testing"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// TestAMessageIsExplainedAFewTimes: a hundred recipients with lessons of their
// own do not cost a hundred explanations, and nobody gets another's.
func TestAMessageIsExplainedAFewTimes(t *testing.T) {
	t.Parallel()
	r := newReading(&Filter{deps: Deps{Model: model.Empty()}})
	if err := r.m.Parse([]byte("From: a@b.example\r\nSubject: win\r\n\r\nwin a prize\r\n")); err != nil {
		t.Fatal(err)
	}
	model.Features(&r.m, r.v)
	for i := range 3 * maxExplained {
		own := model.NewSparse()
		own.Learn(r.f.deps.Model, nil, r.v, true, 1)
		layers := []*model.Layer{own}
		got := r.explain(layers, 5)
		if want := i < maxExplained; len(got) > 0 != want {
			t.Errorf("user %d has %d reasons", i, len(got))
		}
		for range min(len(got), 1) {
			text := got[0].Text
			got[0] = model.Reason{}
			if again := r.explain(layers, 5); again[0].Text != text {
				t.Errorf("changed: %v", again)
			}
		}
	}
	if len(r.explained) != maxExplained {
		t.Error(len(r.explained))
	}
}

// TestALongMessageIsExplainedFewerTimes: each of them takes as long as it has words.
func TestALongMessageIsExplainedFewerTimes(t *testing.T) {
	t.Parallel()
	r := newReading(&Filter{deps: Deps{Model: model.Empty()}})
	body := make([]byte, 0, 64<<10)
	for i := range 4000 {
		body = append(body, "word"...)
		body = append(body, byte('a'+i%26), byte('a'+i/26%26), byte('a'+i/676), ' ')
	}
	if err := r.m.Parse(append([]byte("From: a@b.example\r\n\r\n"), body...)); err != nil {
		t.Fatal(err)
	}
	model.Features(&r.m, r.v)
	n := 0
	for range maxExplained {
		own := model.NewSparse()
		own.Learn(r.f.deps.Model, nil, r.v, true, 1)
		if len(r.explain([]*model.Layer{own}, 5)) > 0 {
			n++
		}
	}
	if n == 0 || n*r.v.Len() > maxNamed {
		t.Errorf("%d explanations of %d features", n, r.v.Len())
	}
}
