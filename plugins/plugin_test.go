package plugins

import (
	"context"
	"errors"
	"fmt"
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
