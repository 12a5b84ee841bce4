package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
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
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go srv.Serve(l)
	return srv, nil
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
	path := filepath.Join(cfg.Data, "control.sock")
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	resp, err := client.Post("http://gapura/reload", "", nil)
	if err != nil {
		return fmt.Errorf("no gateway answers on %s; is it running?", path)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}
