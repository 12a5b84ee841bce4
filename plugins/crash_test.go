package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
)

func TestAnIncorrigibleLiarIsRestarted(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	first := pid(p)
	for range maxStrikes {
		_, _ = check(p, t.Context(), "wrongtype")
	}
	eventually(t, "restart", func() bool { return p.Status().Restarts == 1 })
	if !gone(first) {
		t.Error("the first process is still there")
	}
	if _, err := check(p, t.Context(), "good"); err != nil {
		t.Error(err)
	}
}

func TestKilledDuringACall(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), backoff{time.Hour, time.Hour})
	done := make(chan error)
	f := p.Filter().(gateway.BodyFilter)
	go func() {
		_, err := check(p, t.Context(), "hang")
		done <- err
	}()
	m := newMail(t, "s")
	go func() {
		_, err := f.Read(t.Context(), transaction("x"), m)
		done <- err
	}()
	r, err := f.Read(t.Context(), transaction("x"), whole(t, "s", 10)) // waits to conclude
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "calls under way", func() bool { return len(p.calls) == 1 && len(p.messages) == 2 })
	if err := syscall.Kill(pid(p), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "down", func() bool { return p.Status().State == "down" })
	m.b.Abort(nil)
	for range 2 {
		if err := <-done; err == nil {
			t.Error("a call succeeded")
		}
	}
	if _, err := r.Conclude(t.Context(), transaction("x")); err == nil {
		t.Error("Conclude succeeded")
	}
	// Down, and the next start is an hour away: calls fail at once.
	_, err = check(p, t.Context(), "good")
	if !errors.Is(err, ErrDown) || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("while down: %v", err)
	}
	if _, err := f.Read(t.Context(), transaction("x"), m); !errors.Is(err, ErrDown) {
		t.Errorf("while down: %v", err)
	}
	eventually(t, "next start is known", func() bool { return time.Until(p.Status().Next) > 20*time.Minute })
	eventually(t, "places given back", func() bool { return len(p.calls)+len(p.messages) == 0 })
}

func TestItIsRestartedAfterACrash(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	for n := range 3 {
		if _, err := check(p, t.Context(), "exit"); err == nil {
			t.Fatal("a call to a process that exits succeeded")
		}
		eventually(t, "restart", func() bool { return p.Status().Restarts == n+1 })
		if _, err := check(p, t.Context(), "good"); err != nil {
			t.Fatalf("after restart %d: %v", n+1, err)
		}
	}
	f := p.Filter().(gateway.BodyFilter)
	if _, err := f.Read(t.Context(), transaction("x"), whole(t, "exit", 1<<20)); err == nil {
		t.Error("Read of a process that exits succeeded")
	}
	eventually(t, "restart", func() bool { return p.Status().Restarts == 4 })
	r, err := f.Read(t.Context(), transaction("x"), whole(t, "conclude-exit", 10))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Conclude(t.Context(), transaction("x")); err == nil {
		t.Error("Conclude of a process that exits succeeded")
	}
}

func TestOverdueAnswersLeadToARestart(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	for range maxStrikes {
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // it is asked some time after this begins
		if _, err := check(p, ctx, "hang"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	eventually(t, "restart", func() bool { return p.Status().Restarts == 1 })
}

// A stopped process does not answer go-plugin's own shutdown either.
func TestCloseEndsAHungProcess(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	first := pid(p)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = check(p, ctx, "stop") // it may be quicker than its own signal
	}()
	eventually(t, "stopped", func() bool { return state(first) == 'T' })
	cancel()
	<-asked
	inst, _ := p.running()
	if err := inst.alive(t.Context(), 50*time.Millisecond); err == nil {
		t.Error("a stopped process seems alive")
	}
	_ = p.Close()
	if !gone(first) {
		t.Error("it is still there")
	}
	if _, err := check(p, t.Context(), "good"); !errors.Is(err, ErrDown) {
		t.Errorf("after Close: %v", err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	p, l := start(t, options("orphan"), soon)
	var child int
	eventually(t, "child is told", func() bool {
		_, after, _ := strings.Cut(l.String(), "child ")
		_, err := fmt.Sscan(strings.TrimRight(after, "\"\n"), &child)
		return err == nil
	})
	inst, _ := p.running()
	parent, dir := pid(p), inst.dir
	if gone(child) {
		t.Fatal("no child")
	}
	_ = p.Close()
	// A child of an ended process is reaped by init, in its own time.
	eventually(t, "child is gone", func() bool { return gone(child) || state(child) == 'Z' })
	if !gone(parent) {
		t.Error("the process is still there")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is still there: %v", err)
	}
}

func TestPluginDiesWithAKilledHost(t *testing.T) {
	t.Parallel()
	host := exec.CommandContext(t.Context(), os.Args[0])
	host.Env = append(os.Environ(), "MODE=host", "TMPDIR="+short(t))
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	var plugin int
	if _, err := fmt.Fscan(out, &plugin); err != nil || gone(plugin) {
		t.Fatalf("no plugin: %v", err)
	}
	_ = host.Process.Kill()
	_ = host.Wait()
	eventually(t, "plugin is gone", func() bool { return gone(plugin) || state(plugin) == 'Z' })
}

// short makes a temporary folder with a path short enough for sockets.
func short(t *testing.T) string {
	dir, err := os.MkdirTemp("/tmp", "t-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// state of a process: R, S, T (stopped), Z, ...; 0 when there is none.
func state(pid int) byte {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if _, rest, ok := strings.Cut(string(stat), ") "); ok {
		return rest[0]
	}
	return 0
}
