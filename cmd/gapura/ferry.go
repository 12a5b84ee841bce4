package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/transfer"
)

// ferryProtocol is what the control socket's connection becomes.
const ferryProtocol = "gapura-ferry"

// ferry serves a command that brings mail to the mailboxes of the running
// gateway, or takes a copy of it away.
func (s *server) ferry(ctx context.Context, w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", ferryProtocol)
	if rw.Flush() != nil {
		return
	}
	if err := s.mail.ferries.Serve(ctx, readWriter{rw.Reader, conn}); err != nil {
		s.log.Warn("transfer", "error", err.Error())
	}
}

// readWriter reads what a buffer has of a connection first.
type readWriter struct {
	io.Reader
	net.Conn
}

// Read implements io.Reader.
func (c readWriter) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// dialFerry connects to the mailboxes: to those of the running gateway, or to
// its own where none runs. Close waits until all of it is closed.
func (a *app) dialFerry(ctx context.Context, cfg *config.Config) (io.ReadWriteCloser, error) {
	if err := checkOwner(cfg.Data); err != nil {
		return nil, err
	}
	path := controlPath(cfg)
	conn, err := dialControl(ctx, path)
	if err != nil {
		if err = controlError(ctx, path, err); errors.Is(err, errNoGateway) {
			return a.ownFerry(ctx, cfg)
		}
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(controlConnect))
	fmt.Fprintf(conn, "POST /mail HTTP/1.1\r\nHost: gapura\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", ferryProtocol)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		err = controlError(ctx, path, err)
	} else if resp.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("the gateway answers %s", resp.Status)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	conn.SetDeadline(time.Time{})
	return readWriter{r, conn}, nil
}

// ownFerry opens the mailboxes in this process.
func (a *app) ownFerry(ctx context.Context, cfg *config.Config) (io.ReadWriteCloser, error) {
	store, closeStore, err := openMailStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	here, there, err := socketPair()
	if err != nil {
		return nil, errors.Join(err, closeStore())
	}
	f := &ownFerry{Conn: here}
	f.wait.Go(func() {
		transfer.NewServer(store).Serve(ctx, there) // its error has been told over the ferry
		f.err = errors.Join(there.Close(), closeStore())
	})
	return f, nil
}

// ownFerry is the end of a ferry whose other end is in this process.
type ownFerry struct {
	net.Conn
	wait sync.WaitGroup
	err  error
}

// Close implements io.Closer.
func (f *ownFerry) Close() error {
	err := f.Conn.Close()
	f.wait.Wait()
	return errors.Join(err, f.err)
}

// socketPair makes two connected sockets: unlike net.Pipe they buffer.
func socketPair() (a, b net.Conn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	open := func(fd int) (net.Conn, error) {
		f := os.NewFile(uintptr(fd), "ferry")
		defer f.Close()
		return net.FileConn(f)
	}
	if a, err = open(fds[0]); err != nil {
		return nil, nil, errors.Join(err, syscall.Close(fds[1]))
	}
	if b, err = open(fds[1]); err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	return a, b, nil
}

// openMailStore opens the mailboxes beside no running gateway.
func openMailStore(ctx context.Context, cfg *config.Config) (*mailbox.Store, func() error, error) {
	db, err := openDatabase(ctx, cfg, asGateway)
	if err != nil {
		return nil, nil, err
	}
	m, err := openMailboxes(ctx, cfg, db, slog.New(slog.DiscardHandler), nil, nil, nil)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return m.Store, func() error { return errors.Join(m.close(), db.Close()) }, nil
}
