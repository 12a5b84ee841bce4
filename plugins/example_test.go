package plugins

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
)

// hello builds plugins/example.
func hello(t testing.TB) Options {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "hello")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./example").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return Options{Name: "hello", Command: []string{"./hello", "-word", "urgent"}, Dir: filepath.Dir(bin)}
}

func TestExample(t *testing.T) {
	t.Parallel()
	p, _ := start(t, hello(t), soon)
	f := p.Filter().(gateway.BodyFilter)
	if st := f.(gateway.Staged).Stages(); len(st) != 0 {
		t.Errorf("asked at %v, though it knows nothing before there is a message", st)
	}
	for subject, want := range map[string]bool{"An Urgent matter": true, "none": false} {
		r, err := f.Read(t.Context(), transaction("x"), whole(t, subject, 70_000))
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Conclude(t.Context(), transaction("x"))
		facts := gateway.Facts{}.With(v.Facts...)
		word, _ := facts.Get("hello.word")
		n, _ := facts.Get("hello.bytes")
		if err != nil || word != want || n != int64(70_000) {
			t.Errorf("%q: %v, %v", subject, v.Facts, err)
		}
	}
}

func TestManyMessagesAtOnce(t *testing.T) {
	t.Parallel()
	p, _ := start(t, hello(t), soon)
	f := p.Filter().(gateway.BodyFilter)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			m := newMail(t, "x")
			go func() {
				for range 20 {
					_, _ = m.b.Write(bytes.Repeat([]byte{'x'}, 1000*i))
				}
				m.b.Close()
			}()
			r, err := f.Read(t.Context(), transaction("x"), m)
			if err != nil {
				t.Error(err)
				return
			}
			v, err := r.Conclude(t.Context(), transaction("x"))
			if err != nil || v.Facts[1].Value != int64(20_000*i) {
				t.Errorf("%v, %v", v, err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkMessage50KiB(b *testing.B) {
	p, _ := start(b, hello(b), soon)
	f := p.Filter().(gateway.BodyFilter)
	m := whole(b, "urgent", 50<<10)
	tx := transaction("x")
	b.ReportAllocs()
	b.SetBytes(50 << 10)
	for b.Loop() {
		r, err := f.Read(b.Context(), tx, m)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Conclude(b.Context(), tx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	p, _ := start(b, options("any"), soon)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := check(p, b.Context(), "good"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	opt := hello(b)
	for b.Loop() {
		p, err := open(b.Context(), opt, (&logs{}).logger(), soon)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = p.Close()
		b.StartTimer()
	}
}
