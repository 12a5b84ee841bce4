package plugins

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/wire"
	"google.golang.org/protobuf/proto"
)

// FuzzAnswers feeds what a plugin may send: whatever passes keeps the bounds.
func FuzzAnswers(f *testing.F) {
	fields, err := wire.NewFields(tester{}.Fields())
	if err != nil {
		f.Fatal(err)
	}
	d := &wire.Description{Name: "t", Fields: fields, Stages: []uint32{3, 4}, After: []string{"spf"}}
	v, err := tester{}.Check(f.Context(), gateway.StageMail, transaction("x"))
	if err != nil {
		f.Fatal(err)
	}
	w, err := wire.NewVerdict(v)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []proto.Message{d, w} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	desc, err := newDescription("t", d)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d wire.Description
		if proto.Unmarshal(data, &d) == nil {
			if got, err := newDescription("t", &d); err == nil && (len(got.fields) > wire.MaxFields || !got.same(got)) {
				t.Errorf("%+v", got)
			}
		}
		var w wire.Verdict
		if proto.Unmarshal(data, &w) != nil {
			return
		}
		v, err := desc.verdict(&w, gateway.StageMessage, 2)
		if err != nil {
			return
		}
		for _, facts := range append(v.Rcpts, v.Facts) {
			for _, f := range facts {
				honest(t, desc, f)
			}
		}
		for _, r := range v.Results {
			for _, p := range r.Props {
				for _, c := range p.Value {
					if c < ' ' {
						t.Errorf("control character in %q", p.Value)
					}
				}
			}
		}
	})
}

func honest(t *testing.T, d *description, f gateway.Fact) {
	field, ok := d.byName[f.Name]
	if !ok {
		t.Fatalf("%q was not declared", f.Name)
	}
	var typ gateway.FactType
	switch v := f.Value.(type) {
	case string:
		typ = gateway.String
		ok = len(v) <= wire.MaxText && utf8.ValidString(v)
	case bool:
		typ = gateway.Bool
	case int64:
		typ = gateway.Int
	case float64:
		typ = gateway.Float
		ok = !math.IsNaN(v)
	case []string:
		typ = gateway.Strings
	}
	if typ != field.Type || !ok {
		t.Errorf("%s = %v", f.Name, f.Value)
	}
}

func TestImpossibleOptions(t *testing.T) {
	t.Parallel()
	good := options("any")
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(o *Options){
		"no name":       func(o *Options) { o.Name = "" },
		"name":          func(o *Options) { o.Name = "a.b" },
		"no command":    func(o *Options) { o.Command = nil },
		"short sum":     func(o *Options) { o.SHA256 = "abcd" },
		"no hex":        func(o *Options) { o.SHA256 = string(make([]byte, 64)) },
		"environment":   func(o *Options) { o.Env = map[string]string{"A=B": ""} },
		"negative":      func(o *Options) { o.Limits.Memory = -1 },
		"negative time": func(o *Options) { o.StartTimeout = -1 },
	} {
		o := good
		change(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPausesGrowWithinBounds(t *testing.T) {
	t.Parallel()
	for n := 1; n < 100; n++ {
		full := defaultBackoff.most
		if n < 7 {
			full = defaultBackoff.first << (n - 1)
		}
		if got := defaultBackoff.pause(n); got < full/2 || got > full {
			t.Errorf("after %d failures: %s, want %s to %s", n, got, full/2, full)
		}
	}
}
