package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
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

// startDemo starts a sink behind the gateway.
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
	return nil
}

// demoUser is the user that the first start makes.
const demoUser = "demo@example.test"

// tellDemo makes the user, where it is not there, and says what to try.
func (s *server) tellDemo(a *app, cfg *config.Config) error {
	password := account.GeneratePassword()
	err := s.accounts.AddUser(a.ctx, account.User{Name: demoUser, Display: "Demo"}, password)
	switch {
	case errors.Is(err, account.ErrTaken):
		password = "PASSWORD" // the first start has printed it
	case err != nil:
		return err
	default:
		fmt.Fprintf(a.stdout, "The user %s has the password %s (shown only now; rm -r %s starts anew)\n", demoUser, password, cfg.Data)
	}
	fmt.Fprintf(a.stdout, `Gapura listens on 127.0.0.1:2525 and hands mail for example.test to a sink. Try:

  printf 'From: me@example.com\r\nSubject: hello\r\n\r\nHi!\r\n' | curl -v smtp://127.0.0.1:2525 --mail-from me@example.com --mail-rcpt demo@example.test -T -
`)
	for _, l := range cfg.Listeners {
		if l.Protocol == "submission" {
			fmt.Fprintf(a.stdout, `  printf 'From: %[1]s\r\nSubject: hello\r\n\r\nHi!\r\n' | curl -v -k --ssl-reqd smtp://%[2]s --user '%[1]s:%[3]s' --mail-from %[1]s --mail-rcpt %[1]s -T -
`, demoUser, l.Address, password)
		}
	}
	fmt.Fprintf(a.stdout, `  ls %s/new
  curl http://127.0.0.1:8080/metrics

`, filepath.Join(cfg.Data, "mail"))
	return nil
}
