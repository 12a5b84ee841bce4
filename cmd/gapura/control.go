package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/config"
)

// maxSocketPath is how long the path of a unix socket may be (unix(7)).
const maxSocketPath = 107

// openControl opens the socket by which other commands reach the running
// gateway; only its user may.
func (s *server) openControl(path string) (io.Closer, error) {
	if len(path) > maxSocketPath {
		s.log.Warn("the data folder's path is too long for a control socket; reload by SIGHUP", "path", path)
		return io.NopCloser(nil), nil
	}
	l, err := listen("unix:"+path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w (is another gapura running on this data folder?)", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.reload(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("POST /queue", s.actOnQueue)
	mux.HandleFunc("POST /quarantine", s.actOnQuarantine)
	mux.HandleFunc("POST /quota", s.syncQuota)
	mux.HandleFunc("POST /suppress", func(http.ResponseWriter, *http.Request) { s.suppress.Refresh() })
	mux.HandleFunc("POST /mail/check", s.checkMail)
	mux.HandleFunc("POST /mailbox", s.actOnMailbox)
	mux.HandleFunc("POST /spam/learn", s.learnTaught)
	mux.HandleFunc("POST /outbound/status", s.showOutbound)
	mux.HandleFunc("POST /outbound/resume", s.resumeOutbound)
	c := &control{Server: http.Server{Handler: heard(mux), ReadHeaderTimeout: 5 * time.Second}}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	mux.HandleFunc("POST /mail", func(w http.ResponseWriter, _ *http.Request) {
		c.ferries.Add(1)
		defer c.ferries.Done()
		s.ferry(ctx, w)
	})
	go c.Serve(l)
	return c, nil
}

// heard tells at once that a command has arrived, however long it takes: who asks
// can tell a gateway that is busy from one that hangs.
func heard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" { // which is answered at once
			w.WriteHeader(http.StatusProcessing)
		}
		h.ServeHTTP(w, r)
	})
}

// control serves other commands.
type control struct {
	http.Server
	cancel  func() // ends what carries mail
	ferries sync.WaitGroup
}

// Close implements io.Closer.
func (c *control) Close() error {
	err := c.Server.Close()
	c.cancel()
	c.ferries.Wait()
	return err
}

// reloadCmd is `gapura reload`.
type reloadCmd struct{}

// Help is the long help.
func (*reloadCmd) Help() string {
	return `Makes the running gateway read its configuration and policy again. It takes them
whole, or keeps the old ones; then this tells why and exits with 1.

Example:
  gapura -c /etc/gapura/gapura.yaml reload`
}

// Run implements the command.
func (*reloadCmd) Run(a *app) error {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	resp, err := callControl(a.ctx, cfg, "/reload", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// errNoGateway says that no gateway runs on the configuration's data folder.
var errNoGateway = errors.New("no gateway answers")

// errHangs says that one does, and does not read what it is asked.
var errHangs = errors.New("the gateway hangs")

// errNameTooLong says that a gateway cannot listen there.
var errNameTooLong = errors.New("the path is too long for a socket")

const (
	// controlConnect bounds the wait for a gateway that takes no connection, or
	// does not say that it has heard.
	controlConnect = 10 * time.Second
	// controlAnswer bounds the wait for the beginning of an answer: plugins may
	// have to start, or many messages to be removed.
	controlAnswer = 10 * time.Minute
)

// controlPath is where a gateway with this configuration listens for commands.
func controlPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "control.sock") }

// dialControl connects to the running gateway.
func dialControl(ctx context.Context, path string) (net.Conn, error) {
	if len(path) > maxSocketPath {
		return nil, errNameTooLong
	}
	ctx, cancel := context.WithTimeout(ctx, controlConnect)
	defer cancel()
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

// controlError says what it means for people that the gateway was not reached,
// or did not answer: an errNoGateway where none runs.
func controlError(ctx context.Context, path string, err error) error {
	var late net.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // who asked has left
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w on %s; is it running?", errNoGateway, path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: the one that listened there was killed, or the machine went down; start it again", errNoGateway, path)
	case errors.Is(err, errNameTooLong):
		return fmt.Errorf("%w on %s: %w; give `data` a shorter one, or reload by SIGHUP", errNoGateway, path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; run this as the user that the gateway runs as (sudo -u %s gapura ...)", path, ownerOf(filepath.Dir(path)))
	case errors.Is(err, errHangs):
		return fmt.Errorf("the gateway on %s hangs; if it goes on, it may still do what was asked", path)
	case errors.Is(err, syscall.EAGAIN), errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("the gateway on %s does not answer; it hangs, or has very much to do: its log may tell", path)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("the gateway on %s ended before it answered; its log tells why", path)
	}
	return fmt.Errorf("the gateway on %s was not reached: %w", path, err)
}

// ownerOf is whose a file is, for sudo.
func ownerOf(path string) string {
	info, err := os.Stat(path)
	if err == nil {
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			return fmt.Sprintf("\\#%d", s.Uid)
		}
	}
	return "gapura"
}

// callControl asks the running gateway for something.
func callControl(ctx context.Context, cfg *config.Config, what string, ask any) (*http.Response, error) {
	return callSocket(ctx, controlPath(cfg), what, ask, controlConnect)
}

// callSocket asks a gateway that is to say within patience that it has heard.
func callSocket(ctx context.Context, path, what string, ask any, patience time.Duration) (*http.Response, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dialControl(ctx, path) },
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: controlAnswer,
	}}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	asking, hangs := context.WithCancelCause(ctx)
	hung := time.AfterFunc(patience, func() { hangs(errHangs) })
	defer hung.Stop()
	asking = httptrace.WithClientTrace(asking, &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
		hung.Stop()
		return nil
	}})
	req, err := http.NewRequestWithContext(asking, http.MethodPost, "http://gapura"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if context.Cause(asking) == errHangs {
		err = errHangs
	}
	if err != nil {
		return nil, controlError(ctx, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return resp, nil
}
