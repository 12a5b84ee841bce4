package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/config"
)

// TestWhyNoGatewayAnswers: only where none runs may a command do by itself what
// it would ask the gateway for; everything else has a text of its own.
func TestWhyNoGatewayAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		none bool
		want string
	}{
		"nothing there": {func(*testing.T, string) {}, true, "no gateway answers on DATA/control.sock; is it running?"},
		"killed": {func(t *testing.T, path string) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
		}, true, "no gateway answers on DATA/control.sock: the one that listened there was killed"},
		"hangs up": {func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Read(make([]byte, 1<<10))
					c.Close()
				}
			}()
		}, false, "the gateway on DATA/control.sock ended before it answered"},
		"a folder above is a file": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, false, "the gateway on DATA/control.sock was not reached: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "g") // short enough for a socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			data := filepath.Join(dir, "d")
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			c.make(t, filepath.Join(data, "control.sock"))
			_, err = callControl(t.Context(), &config.Config{Data: data}, "/reload", nil)
			if err == nil || errors.Is(err, errNoGateway) != c.none || !strings.HasPrefix(err.Error(), strings.ReplaceAll(c.want, "DATA", data)) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestGatewayThatHangs: one that takes the connection and no more is told from
// one that has much to do.
func TestGatewayThatHangs(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "g") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	hangs, busy := filepath.Join(dir, "h"), filepath.Join(dir, "b")
	l, err := net.Listen("unix", hangs)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := callSocket(t.Context(), hangs, "/queue", nil, time.Millisecond); err == nil || !strings.HasPrefix(err.Error(), "the gateway on "+hangs+" hangs") {
		t.Errorf("one that hangs: %v", err)
	}
	if l, err = net.Listen("unix", busy); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	srv := &http.Server{Handler: heard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))}
	go srv.Serve(l)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := callSocket(ctx, busy, "/queue", nil, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("one that is busy: %v", err)
	}
}

// TestControlErrors: what cannot be made here.
func TestControlErrors(t *testing.T) {
	t.Parallel()
	op := func(err error) error {
		return &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", err)}
	}
	for _, c := range []struct {
		err  error
		none bool
		want string
	}{
		{op(syscall.EACCES), false, `/var/none/control.sock: permission denied; run this as the user that the gateway runs as (sudo -u gapura gapura ...)`},
		{op(syscall.EAGAIN), false, "the gateway on /var/none/control.sock does not answer"},
		{context.DeadlineExceeded, false, "the gateway on /var/none/control.sock does not answer"},
		{os.ErrDeadlineExceeded, false, "the gateway on /var/none/control.sock does not answer"},
		{op(syscall.ECONNRESET), false, "the gateway on /var/none/control.sock ended"},
		{errNameTooLong, true, "no gateway answers on /var/none/control.sock: the path is too long"},
	} {
		err := controlError(t.Context(), "/var/none/control.sock", c.err)
		if errors.Is(err, errNoGateway) != c.none || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.err, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := controlError(ctx, "x", op(syscall.ECONNREFUSED)); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	_, err := callControl(t.Context(), &config.Config{Data: "/" + strings.Repeat("x", 200)}, "/reload", nil)
	if !errors.Is(err, errNoGateway) || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}
