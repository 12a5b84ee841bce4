package antivirus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/filtertest"
)

func TestAnotherDaemonStandsIn(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(s *session){
		"closes at once":         func(*session) {},
		"closes in the middle":   func(s *session) { s.chunk() },
		"closes without a reply": func(s *session) { s.all() },
		"has no memory":          func(s *session) { s.all(); s.say("stream: Can't allocate memory ERROR") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := startFake(t, broken), startFake(t, nil)
			f := newFilter(t, Options{Clamd: Addresses{a.addr(), b.addr()}})
			raw := plain + strings.Repeat("x", 1<<20) + "VIRUS"
			for range 3 {
				if got, err := judge(t, f, filtertest.New(t, raw)); got != "infected Test.Virus" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			}
			if commands, _ := a.seen(); len(commands) != 1 {
				t.Errorf("the broken one was asked %q", commands)
			}
		})
	}
}

func TestOneDaemonIsTriedTwiceAndProvesItself(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	d := startFake(t, func(s *session) {
		if broken.CompareAndSwap(false, true) {
			return
		}
		s.judge()
	})
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain)); got != "clean" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if commands, _ := d.seen(); !slices.Equal(commands, []string{"INSTREAM", "VERSION", "INSTREAM"}) {
		t.Errorf("asked %q", commands)
	}
}

func TestADeadDaemonIsAnError(t *testing.T) {
	t.Parallel()
	d := startFake(t, nil)
	d.Close()
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	for range 2 {
		if got, err := judge(t, f, filtertest.New(t, plain)); err == nil {
			t.Errorf("%q", got)
		}
	}
	if _, err := judge(t, f, filtertest.New(t, plain)); !errors.Is(err, errDown) {
		t.Errorf("it is asked again at once: %v", err)
	}
}

func TestAHangingDaemonEndsWithTheContext(t *testing.T) {
	t.Parallel()
	got, release := make(chan struct{}), make(chan struct{})
	d := startFake(t, func(s *session) {
		s.all()
		close(got)
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-got
		cancel(errCut)
	}()
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	_, err := filtertest.Judge(ctx, f, filtertest.Transaction("192.0.2.1", "h"), filtertest.New(t, plain))
	if !errors.Is(err, errCut) {
		t.Error(err)
	}
	if rank, ok := f.pool.daemons[0].rank(time.Now()); !ok || rank != 1<<10 {
		t.Errorf("rank %d, %v; want a suspect that may be asked", rank, ok)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clamd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d := &fake{Listener: l}
	d.wg.Add(1)
	go d.serve(func(s *session) { s.judge() })
	t.Cleanup(func() { l.Close(); d.wg.Wait() })
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{path}}), filtertest.New(t, plain+"VIRUS")); got != "infected Test.Virus" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestBackOffDoublesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("127.0.0.1:1")
		p := &pool{daemons: []*daemon{d}}
		wait := firstBackOff
		for range 8 {
			d.begin()
			d.end(failed)
			if p.pick(nil) != nil {
				t.Fatal("asked at once")
			}
			time.Sleep(wait - 1)
			if p.pick(nil) != nil {
				t.Fatalf("asked before %v", wait)
			}
			time.Sleep(time.Nanosecond)
			if p.pick(nil) != d || !d.begin() {
				t.Fatalf("not asked, or not suspect, after %v", wait)
			}
			d.end(same)
			wait = min(2*wait, maxBackOff)
		}
		d.begin()
		d.end(well)
		if rank, ok := d.rank(time.Now()); rank != 0 || !ok {
			t.Errorf("rank %d, %v", rank, ok)
		}
		for range 100 { // clients that go away
			d.begin()
			d.end(unsure)
		}
		if p.pick(nil) != d {
			t.Error("clients that go away make a daemon unreachable")
		}
	})
}

func TestTheLeastBusyDaemonIsAsked(t *testing.T) {
	t.Parallel()
	a, b := newDaemon("a:1"), newDaemon("b:1")
	p := &pool{daemons: []*daemon{a, b}}
	for _, want := range []*daemon{a, b, a, b} {
		d := p.pick(nil)
		if d != want {
			t.Errorf("asked %s", d.addr)
		}
		d.begin()
	}
	a.end(unsure)
	if p.pick(nil) != b {
		t.Error("the suspect one is preferred")
	}
}

func TestADaemonNotTriedYetIsAskedFirst(t *testing.T) {
	t.Parallel()
	a, b := newDaemon("a:1"), newDaemon("b:1")
	p := &pool{daemons: []*daemon{a, b}}
	b.begin()
	if p.pick(map[*daemon]int{a: 1}) != b || p.pick(map[*daemon]int{a: 2, b: 2}) != nil {
		t.Error("wrong daemon")
	}
}

func TestClientsThatGoAwayAreNoFailures(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want outlook
	}{
		{context.Background(), nil, well},
		{context.Background(), errNoReply, broke},
		{context.Background(), &net.OpError{Op: "dial", Err: errors.New("refused")}, failed},
		{context.Background(), fmt.Errorf("x: %w", &sourceError{errCut}), same},
		{gone, context.Canceled, unsure},
		{gone, &net.OpError{Op: "dial", Err: context.Canceled}, unsure},
	} {
		if got := score(c.ctx, c.err, broke); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}
