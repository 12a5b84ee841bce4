package model

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestVectorIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	v := &Vector{}
	for i := range v.ids {
		for j := range uint32(100 * i) {
			v.ids[i] = append(v.ids[i], j*37&View(i).mask())
		}
		slices.Reverse(v.ids[i])
	}
	v.trace, v.plain = 7, 20
	received := slices.Sorted(slices.Values(v.ids[Tokens][:7]))
	text := slices.Sorted(slices.Values(v.ids[Tokens][7:20]))
	b, err := v.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := &Vector{}
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if got.trace != 7 || !slices.Equal(got.ids[Tokens][:7], received) {
		t.Error("words of Received fields are no longer the first")
	}
	if got.plain != 20 || !slices.Equal(got.ids[Tokens][7:20], text) {
		t.Error("words of the text are no longer the next")
	}
	for i := range v.ids {
		slices.Sort(v.ids[i])
		slices.Sort(got.ids[i])
		if !slices.Equal(v.ids[i], got.Of(View(i))) {
			t.Errorf("%s: %d features, not %d", View(i), len(got.ids[i]), len(v.ids[i]))
		}
	}
	s := Step{Spam: true, Counts: true}
	s.Error[1] = -0.25
	b, _ = s.AppendBinary(nil)
	var again Step
	if err := again.UnmarshalBinary(b); err != nil || again != s {
		t.Errorf("%+v: %v", again, err)
	}
}

func TestASparseLayerForgetsWhatSaysLeast(t *testing.T) {
	t.Parallel()
	l := NewSparse()
	for i := range uint32(1000) {
		*l.linear[0].sparse.put(i) = cell{w: float32(i)}
		*l.tokens.sparse.put(i) = [2]uint16{uint16(i), 0}
	}
	l.Shrink(2000)
	if l.Size() != 2000 {
		t.Fatal(l.Size())
	}
	l.Shrink(900)
	if l.Size() != 900 || l.linear[0].sparse.get(999) == nil || l.linear[0].sparse.get(1) != nil || l.tokens.sparse.get(2) != nil {
		t.Errorf("%d are left", l.Size())
	}
	l.Shrink(0)
	if l.Size() != 0 {
		t.Error(l.Size())
	}
}

func TestALimitedLayerMovesAViewNoFurther(t *testing.T) {
	t.Parallel()
	m, l, v := Empty(), NewSparse(), &Vector{}
	for i := range v.ids {
		v.ids[i] = []uint32{1, 2, 3}
	}
	l.Limit(0.5)
	for range 50 {
		l.Learn(m, nil, v, true, 1)
	}
	for i, x := range m.Sum(v, l).logits() {
		if x != 0.5 {
			t.Errorf("%s says %g", View(i), x)
		}
	}
	l.Limit(0)
	if x := m.Sum(v, l).logits()[0]; x <= 0.5 {
		t.Errorf("without it %g", x)
	}
}

func FuzzVector(f *testing.F) {
	v := &Vector{}
	v.ids[0], v.ids[Tokens] = []uint32{1, 5, 9}, []uint32{0, 1 << 19}
	b, _ := v.AppendBinary(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := &Vector{}
		if v.UnmarshalBinary(b) != nil {
			return
		}
		out, err := v.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		again := &Vector{}
		if err := again.UnmarshalBinary(out); err != nil {
			t.Fatal(err)
		}
		if more, _ := again.AppendBinary(nil); !bytes.Equal(more, out) {
			t.Error("it is written in two ways")
		}
	})
}

// TestOrderedVectorsAreTheSame to the order of their features, and what is no such
// vector is refused.
func TestOrderedVectorsAreTheSame(t *testing.T) {
	t.Parallel()
	var room Vector
	for _, e := range examples(t, 5) {
		b := e.Vector.Ordered(nil)
		if err := room.SetOrdered(b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(room.Ordered(nil), b) || trained(t).Score(&room) != trained(t).Score(e.Vector) {
			t.Error("read otherwise than it was written")
		}
		for n := range b {
			if n < 64 || n%997 == 0 {
				if err := new(Vector).SetOrdered(b[:n]); err == nil {
					t.Fatalf("%d of %d octets are taken", n, len(b))
				}
			}
		}
	}
}

// TestExamplesMayBeKeptElsewhere: the model is the same.
func TestExamplesMayBeKeptElsewhere(t *testing.T) {
	t.Parallel()
	set := examples(t, 60)
	kept := slices.Clone(set)
	for i := range kept {
		b := kept[i].Vector.Ordered(nil)
		kept[i].Vector, kept[i].Read = nil, func(v *Vector) error { return v.SetOrdered(b) }
	}
	var want, got bytes.Buffer
	for b, list := range map[*bytes.Buffer][]Example{&want: set, &got: kept} {
		m, _, err := Train(t.Context(), list, TrainOptions{Jobs: 2})
		if err == nil {
			_, err = m.WriteTo(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Error("another model")
	}
	lost := errors.New("lost")
	kept[7].Read = func(*Vector) error { return lost }
	if _, _, err := Train(t.Context(), kept, TrainOptions{}); !errors.Is(err, lost) {
		t.Errorf("%v, want %v", err, lost)
	}
}
