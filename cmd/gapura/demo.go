package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gapura-mail/gapura/config"
)

//go:embed demo.yaml
var demoYAML []byte

// demoConfig is the configuration of `make run`.
func demoConfig() (*config.Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return config.Parse(filepath.Join(dir, "demo.yaml"), demoYAML)
}

// startDemo starts a sink behind the gateway and says what to try.
func (s *server) startDemo(a *app, cfg *config.Config) error {
	maildir := filepath.Join(cfg.Data, "mail")
	k := &sink{maildir: maildir, unknown: "unknown"}
	l, err := listen("127.0.0.1:2526", 0)
	if err != nil {
		return err
	}
	go func() {
		if err := k.serve(a.ctx, l, false); err != nil {
			s.fatal <- err
		}
	}()
	fmt.Fprintf(a.stdout, `Gapura listens on 127.0.0.1:2525 and hands mail for example.test to a sink. Try:

  printf 'From: me@example.com\r\nSubject: hello\r\n\r\nHi!\r\n' | curl -v smtp://127.0.0.1:2525 --mail-from me@example.com --mail-rcpt demo@example.test -T -
  ls %s/new
  curl http://127.0.0.1:8080/metrics

`, maildir)
	return nil
}
