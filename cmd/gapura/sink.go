package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// sinkCmd is `gapura sink`.
type sinkCmd struct {
	Address string `default:"127.0.0.1:2526" help:"HOST:PORT or unix:PATH to listen on."`
	LMTP    bool   `name:"lmtp" help:"Speak LMTP instead of SMTP."`
	Maildir string `placeholder:"DIR" help:"File each message here; without it messages are dropped and counted."`
	Unknown string `placeholder:"LOCAL" default:"unknown" help:"Local part that is refused as unknown."`
}

// Help is the long help.
func (*sinkCmd) Help() string {
	return `A server that files what it gets, or drops and counts it: something behind the
gateway for trying it out and for benchmarks. It takes every recipient but one.

Example:
  gapura sink --address 127.0.0.1:2526 --maildir ./mail`
}

// Run implements the command.
func (c *sinkCmd) Run(a *app) error {
	s := &sink{maildir: c.Maildir, unknown: c.Unknown}
	l, err := listen(c.Address, 0o666)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "sink listens on %s\n", l.Addr())
	err = s.serve(a.ctx, l, c.LMTP)
	count := s.messages.Load()
	if perr := a.print(map[string]int64{"messages": count, "bytes": s.bytes.Load()}, func(w io.Writer) {
		fmt.Fprintf(w, "%d messages, %d bytes\n", count, s.bytes.Load())
	}); perr != nil {
		return perr
	}
	return err
}

// sink is a mail server without meaning.
type sink struct {
	maildir, unknown string
	messages, bytes  atomic.Int64
}

// serve answers on l until ctx ends.
func (s *sink) serve(ctx context.Context, l net.Listener, lmtp bool) error {
	if s.maildir != "" {
		for _, d := range []string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(s.maildir, d), 0o700); err != nil {
				return err
			}
		}
	}
	opt := smtpd.Options{Protocol: "smtp", Hostname: "sink.localhost", Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Limits: smtpd.Limits{
		Connections: -1, ConnectionsPerIP: -1, Transactions: -1, Message: 1 << 30, Recipients: 1000, TextLine: -1,
	}}
	if lmtp {
		opt.Protocol = "lmtp"
	}
	srv, err := smtpd.New(opt, s)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		srv.Shutdown(grace)
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, smtpd.ErrServerClosed) {
		return err
	}
	return nil
}

// Connect implements smtpd.Handler.
func (s *sink) Connect(context.Context, smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	return &sinkSession{s: s}, smtp.Reply{}, nil
}

type sinkSession struct{ s *sink }

func (x *sinkSession) Helo(context.Context, smtpd.Info) (smtp.Reply, error) { return smtp.Reply{}, nil }
func (x *sinkSession) Close()                                               {}

func (x *sinkSession) Mail(_ context.Context, from smtp.ReversePath, _ smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	return &sinkTransaction{s: x.s, from: from}, smtp.Reply{}, nil
}

type sinkTransaction struct {
	s    *sink
	from smtp.ReversePath
	to   []smtp.ForwardPath
}

func (t *sinkTransaction) Rcpt(_ context.Context, to smtp.ForwardPath, _ smtp.RcptParams) (smtp.Reply, error) {
	if strings.EqualFold(to.Local, t.s.unknown) {
		return smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user here"), nil
	}
	t.to = append(t.to, to)
	return smtp.Reply{}, nil
}

func (t *sinkTransaction) Reset() {}

func (t *sinkTransaction) Data(_ context.Context, r io.Reader) ([]smtp.Reply, error) {
	n, err := t.take(r)
	if err != nil {
		return nil, err
	}
	t.s.messages.Add(1)
	t.s.bytes.Add(n)
	return nil, nil
}

// take files the message, or drops it.
func (t *sinkTransaction) take(r io.Reader) (int64, error) {
	if t.s.maildir == "" {
		return io.Copy(io.Discard, r)
	}
	name := ulid.Make().String() + ".gapura"
	tmp := filepath.Join(t.s.maildir, "tmp", name)
	n, err := t.write(tmp, r)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(t.s.maildir, "new", name))
	}
	if err != nil {
		os.Remove(tmp)
	}
	return n, err
}

func (t *sinkTransaction) write(name string, r io.Reader) (int64, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fmt.Fprintf(f, "Return-Path: %s\r\n", t.from.Path())
	for _, to := range t.to {
		fmt.Fprintf(f, "Delivered-To: %s\r\n", to.String())
	}
	n, err := io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return n, err
}

// listen opens HOST:PORT or unix:PATH; a socket left over from a crash is
// replaced. mode says who may connect to a socket, whatever the umask.
func listen(address string, mode os.FileMode) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		// No keep-alive: whoever serves has a deadline for every read, and each
		// option of a socket is a system call for each connection.
		lc := net.ListenConfig{KeepAlive: -1}
		return lc.Listen(context.Background(), "tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("%s is in use", path)
		}
		os.Remove(path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
