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
	fmt.Fprintf(a.stdout, demoText, demoUser, password)
	return nil
}

// demoText has lines that work as they stand: %[1]s is the user, %[2]s the
// password.
const demoText = `Gapura is a whole mail system for example.test on 127.0.0.1: SMTP 2525, submission 2587 and 2465, IMAP 2143 and
2993, POP3 2110 and 2995, ManageSieve 4190, HTTP 8080. Send a message from outside, send one as the user, read the newest:

  printf 'From: me@example.com\r\nSubject: hello\r\n\r\nHi!\r\n' | curl smtp://127.0.0.1:2525 --mail-from me@example.com --mail-rcpt %[1]s -T -
  printf 'From: %[1]s\r\nSubject: to myself\r\n\r\nHi!\r\n' | curl -k --ssl-reqd smtp://127.0.0.1:2587 --user '%[1]s:%[2]s' --mail-from %[1]s --mail-rcpt %[1]s -T -
  curl -k 'imaps://127.0.0.1:2993/INBOX;MAILINDEX=*' --user '%[1]s:%[2]s'

`
