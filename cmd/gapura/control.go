package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
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
	mux.HandleFunc("POST /mail/check", s.checkMail)
	mux.HandleFunc("POST /mailbox", s.actOnMailbox)
	mux.HandleFunc("POST /spam/learn", s.learnTaught)
	mux.HandleFunc("POST /outbound/status", s.showOutbound)
	mux.HandleFunc("POST /outbound/resume", s.resumeOutbound)
	c := &control{Server: http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
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
	cfg, err := config.Load(a.config)
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

// callControl asks the running gateway for something.
func callControl(ctx context.Context, cfg *config.Config, what string, ask any) (*http.Response, error) {
	path := filepath.Join(cfg.Data, "control.sock")
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gapura"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w on %s; is it running?", errNoGateway, path)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return resp, nil
}
