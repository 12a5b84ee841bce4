package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func transaction(helo string) *gateway.Transaction {
	return &gateway.Transaction{
		ID:      "01J",
		Session: &gateway.Session{ID: "01H", Helo: helo},
		From:    smtp.ReversePath{Address: smtp.Address{Local: "s", Domain: "from.test"}},
		Rcpts: []gateway.Recipient{
			{To: smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "to.test"}}},
			{To: smtp.ForwardPath{Address: smtp.Address{Local: "b", Domain: "to.test"}}},
		},
	}
}

func check(p *Plugin, ctx context.Context, helo string) (gateway.Verdict, error) {
	return p.Filter().Check(ctx, gateway.StageMail, transaction(helo))
}

// pid of the running process; 0 when it is down.
func pid(p *Plugin) (n int) {
	_, _ = fmt.Sscan(p.Status().PID, &n)
	return n
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

func TestPluginIsAFilterLikeABuiltInOne(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	f := p.Filter().(gateway.BodyFilter)
	if f.Name() != "t" || len(f.Fields()) != 5 || f.Fields()[0].Zero() != "none" {
		t.Errorf("name %q, fields %+v", f.Name(), f.Fields())
	}
	if st := f.(gateway.Staged).Stages(); len(st) != 2 || st[0] != gateway.StageMail || st[1] != gateway.StageRcpt {
		t.Errorf("stages %v: no fact is declared before mail", st)
	}
	ctx := t.Context()
	v, err := f.Check(ctx, gateway.StageMail, transaction("x"))
	if err != nil || v.Facts[0] != (gateway.Fact{Name: "t.text", Value: "mail from.test"}) || v.Results[0].Method != "x-t" {
		t.Errorf("Check: %+v, %v", v, err)
	}
	if v, err := f.Check(ctx, gateway.StageHelo, transaction("error")); err != nil || v.Facts != nil {
		t.Errorf("Check at a stage that it did not want: %+v, %v", v, err)
	}
	r, err := f.Read(ctx, transaction("x"), whole(t, "s", 3_000_000))
	if err != nil {
		t.Fatal(err)
	}
	tx := transaction("x")
	tx.Facts = tx.Facts.With(gateway.Fact{Name: "spf.result", Value: "fail"})
	v, err = r.Conclude(ctx, tx)
	facts := gateway.Facts{}.With(v.Facts...)
	if n, _ := facts.Get("t.size"); err != nil || n != int64(3_000_000) || facts.String("t.text") != "fail" {
		t.Errorf("Conclude: %+v, %v", v, err)
	}
	if len(v.Rcpts) != 2 || v.Rcpts[0][0].Value != true || v.Rcpts[1][0].Value != false {
		t.Errorf("facts by recipient: %+v", v.Rcpts)
	}
}

func TestReadReturnsWhenThePluginHasEnough(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	m := newMail(t, "early")
	if _, err := m.b.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	f := p.Filter().(gateway.BodyFilter)
	done := make(chan error, 1)
	var r gateway.Reading
	go func() {
		var err error
		r, err = f.Read(t.Context(), transaction("x"), m)
		done <- err
	}()
	for { // it may need one more chunk to notice
		if _, err := m.b.Write(make([]byte, 1<<16)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			v, err := r.Conclude(t.Context(), transaction("x"))
			if err != nil || v.Facts[0].Value != int64(10) {
				t.Fatalf("%+v, %v", v, err)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestFilterWithNothingToConclude(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	r, err := p.Filter().(gateway.BodyFilter).Read(t.Context(), transaction("x"), whole(t, "nothing", 1<<20))
	if r != nil || err != nil {
		t.Errorf("%v, %v", r, err)
	}
}

func TestErrorsOfTheFilterComeBack(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	for range 2 * maxStrikes {
		if _, err := check(p, t.Context(), "error"); err == nil || err.Error() != "plugins: t: no luck today" {
			t.Fatalf("Check: %v", err)
		}
	}
	if _, err := check(p, t.Context(), "panic"); err == nil || !strings.Contains(err.Error(), "panic: on purpose") {
		t.Errorf("Check: %v", err)
	}
	f := p.Filter().(gateway.BodyFilter)
	if _, err := f.Read(t.Context(), transaction("x"), whole(t, "error", 1<<20)); err == nil || !strings.Contains(err.Error(), "cannot read") {
		t.Errorf("Read: %v", err)
	}
	if _, err := f.Read(t.Context(), transaction("x"), whole(t, "panic", 10)); err == nil || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("Read: %v", err)
	}
	r, err := f.Read(t.Context(), transaction("x"), whole(t, "conclude-error", 10))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Conclude(t.Context(), transaction("x")); err == nil || !strings.Contains(err.Error(), "cannot conclude") {
		t.Errorf("Conclude: %v", err)
	}
	if p.Status().Restarts != 0 {
		t.Error("a filter's own errors are no reason for a restart")
	}
}

func TestLiesAreErrors(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	for mode, want := range map[string]string{
		"undeclared": "not declared",
		"wrongtype":  "is int, declared as string",
		"early":      "declared from stage message on",
		"long":       "5000 octets",
		"huge":       "ResourceExhausted",
		"many":       "1000 facts",
		"rcpts":      "7 recipients of 2",
		"forge":      "the gateway's to give",
	} {
		if _, err := check(p, t.Context(), mode); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", mode, err, want)
		}
		if _, err := check(p, t.Context(), "good"); err != nil { // forgives
			t.Fatalf("after %s: %v", mode, err)
		}
	}
	r, err := p.Filter().(gateway.BodyFilter).Read(t.Context(), transaction("x"), whole(t, "conclude-lie", 10))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Conclude(t.Context(), transaction("x")); err == nil || !strings.Contains(err.Error(), "is string, declared as int") {
		t.Errorf("Conclude: %v", err)
	}
}

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

func TestHungCallsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	f := p.Filter().(gateway.BodyFilter)
	cause := errors.New("client went away")
	for name, call := range map[string]func(ctx context.Context) error{
		"Check": func(ctx context.Context) error { _, err := check(p, ctx, "hang"); return err },
		"Read": func(ctx context.Context) error {
			_, err := f.Read(ctx, transaction("x"), whole(t, "hang", 5<<20))
			return err
		},
		"Conclude": func(ctx context.Context) error {
			r, err := f.Read(t.Context(), transaction("x"), whole(t, "conclude-hang", 10))
			if err != nil {
				return err
			}
			_, err = r.Conclude(ctx, transaction("x"))
			return err
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- call(ctx) }()
		eventually(t, name+" is under way", func() bool { return len(p.calls)+len(p.messages) > 0 })
		if name == "Conclude" {
			eventually(t, name+" is asked", func() bool { return len(p.calls) > 0 })
		}
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("%s: %v", name, err)
		}
		eventually(t, "places given back", func() bool { return len(p.calls)+len(p.messages) == 0 })
	}
}

func TestOverdueAnswersLeadToARestart(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	for range maxStrikes {
		ctx, cancel := context.WithTimeout(t.Context(), patience+50*time.Millisecond)
		if _, err := check(p, ctx, "hang"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	eventually(t, "restart", func() bool { return p.Status().Restarts == 1 })
}

func TestAbortedMessageIsForgotten(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	m := newMail(t, "s")
	done := make(chan error, 1)
	go func() {
		_, err := p.Filter().(gateway.BodyFilter).Read(t.Context(), transaction("x"), m)
		done <- err
	}()
	if _, err := m.b.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("broken connection")
	m.b.Abort(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if _, err := check(p, t.Context(), "good"); err != nil {
		t.Error(err)
	}
}

// A stopped process does not answer go-plugin's own shutdown either.
func TestCloseEndsAHungProcess(t *testing.T) {
	t.Parallel()
	p, _ := start(t, options("any"), soon)
	first := pid(p)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _ = check(p, ctx, "stop") // it may be quicker than its own signal
	eventually(t, "stopped", func() bool { return state(first) == 'T' })
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

func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(self)
	sum[5]++
	wrong := options("any")
	wrong.SHA256 = hex.EncodeToString(sum[:])
	missing := options("any")
	missing.Command = []string{"/nonexistent/plugin"}
	renamed := options("any")
	renamed.Name = "other"
	slow := options("silent")
	slow.StartTimeout = 300 * time.Millisecond
	for want, opt := range map[string]Options{
		"exit status 3":               options("crash"),
		"timeout while waiting":       slow,
		"hello world":                 options("noise"),
		"":                            options("vanish"),
		"not in the folder":           options("elsewhere"),
		`declares field "spf.result"`: options("foreign"),
		`declares field "t.text"`:     renamed,
		"not the configured one":      wrong,
		"no such file":                missing,
	} {
		l := &logs{}
		p, err := open(t.Context(), opt, l.logger(), soon)
		if err == nil {
			_ = p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q\n%s", err, want, l)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("shutting down")
	cancel(cause)
	if _, err := open(ctx, options("silent"), nil, soon); !errors.Is(err, cause) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWhatRunsIsWhatWasChecked(t *testing.T) {
	t.Parallel()
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, self, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(self)
	opt := options("any")
	opt.Command, opt.SHA256 = []string{path}, hex.EncodeToString(sum[:])
	p, _ := start(t, opt, soon)
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid(p))); err != nil || !strings.Contains(exe, "memfd:") {
		t.Errorf("runs %s, %v", exe, err)
	}
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	_, _ = check(p, t.Context(), "exit")
	eventually(t, "the other program is refused", func() bool {
		return strings.Contains(p.Status().Error, "not the configured one")
	})
}

func TestRestartWithOtherFieldsIsRefused(t *testing.T) {
	t.Parallel()
	flag := filepath.Join(t.TempDir(), "flag")
	opt := options("moody")
	opt.Env["FLAG"] = flag
	p, _ := start(t, opt, soon)
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid(p), syscall.SIGKILL)
	eventually(t, "refusal", func() bool { return strings.Contains(p.Status().Error, "other fields") })
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return p.Status().State == "running" })
}

func TestNoEnvironmentButTheConfiguredOne(t *testing.T) {
	t.Parallel()
	opt := options("any")
	opt.Env = map[string]string{"MODE": "any", "GAPURA_PLUGIN": "overridden", "COLOUR": "red"}
	p, _ := start(t, opt, soon)
	v, err := check(p, t.Context(), "env")
	if err != nil {
		t.Fatal(err)
	}
	env := v.Facts[0].Value.([]string)
	seen := map[string]bool{}
	for _, e := range env {
		k, _, _ := strings.Cut(e, "=")
		seen[k] = true
		switch {
		case k == "PATH", k == "TMPDIR", k == "MODE", strings.HasPrefix(k, "PLUGIN_"):
		case e == "COLOUR=red", e == "GAPURA_PLUGIN=gateway.Filter":
		default:
			t.Errorf("environment has %s", e)
		}
	}
	if !seen["COLOUR"] || !seen["TMPDIR"] {
		t.Errorf("environment: %v", env)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	opt := options("any")
	opt.Limits = Limits{Memory: 300 << 20, Files: 50}
	if raceEnabled {
		opt.Limits.Memory = 0
	}
	p, _ := start(t, opt, soon)
	v, err := check(p, t.Context(), "files")
	if err != nil || !strings.Contains(v.Facts[0].Value.(string), "too many open files") {
		t.Errorf("files: %v, %v", v, err)
	}
	if raceEnabled {
		return
	}
	if v, err := check(p, t.Context(), "memory"); err == nil {
		t.Errorf("a plugin took %s of memory", v.Facts[0].Value)
	}
	eventually(t, "restart", func() bool { return p.Status().Restarts == 1 })
}

func TestConcurrencyIsLimited(t *testing.T) {
	t.Parallel()
	opt := options("any")
	opt.MaxConcurrent = 1
	p, _ := start(t, opt, soon)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := check(p, ctx, "hang")
		done <- err
	}()
	eventually(t, "the place is taken", func() bool { return len(p.calls) == 1 })
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := check(p, short, "good"); err == nil || !strings.Contains(err.Error(), "too many calls") {
		t.Errorf("%v", err)
	}
	cancel()
	<-done
}

func TestWhatItPrintsIsLoggedWithinBounds(t *testing.T) {
	t.Parallel()
	p, l := start(t, options("any"), soon)
	if _, err := check(p, t.Context(), "print"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "lines are logged", func() bool {
		return strings.Contains(l.String(), "printed line") && strings.Contains(l.String(), "error line")
	})
	began := time.Now()
	if _, err := check(p, t.Context(), "flood"); err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	// Each line that is let through may have a notice of those that were not.
	most := logBurst + 100 + int(2*logPerSecond*time.Since(began).Seconds())
	if n := strings.Count(l.String(), "\n"); n > most {
		t.Errorf("%d lines were logged, more than %d", n, most)
	}
}
