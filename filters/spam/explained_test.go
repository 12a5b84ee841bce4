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
