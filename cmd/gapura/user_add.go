package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
)

type userAdd struct {
	User       string   `arg:"" help:"The user's name, an address."`
	Display    string   `help:"Name for people."`
	Address    []string `help:"A further address of the user (an alias); may be given again."`
	NoPassword bool     `name:"no-password" help:"Set none: the directory, OAuth, a certificate or app passwords let the user in."`
	passwordFlags
}

// Help is printed below the flags.
func (*userAdd) Help() string {
	return `Without --password-stdin the password is asked for; where standard input is no
terminal one is made and printed, this once. A running gateway knows the user
at once. A domain that the configuration does not have is warned of: users there
may log in and send, but get no mail here.

Examples:
  gapura user add ana@example.org --display "Ana Example" --address info@example.org
  gapura user add bob@example.org --password-stdin < password.txt`
}

// userAdded is what user add and passwd print.
type userAdded struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"` // where it was generated
}

func (u userAdded) text(done string) func(w io.Writer) {
	return func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", u.Name, done)
		if u.Password != "" {
			fmt.Fprintf(w, "password, shown only now: %s\n", u.Password)
		}
	}
}

// Run implements the command.
func (c *userAdd) Run(a *app) error {
	name, err := account.Name(c.User)
	if err != nil {
		return plainError(err)
	}
	out := userAdded{Name: name}
	var password string
	if !c.NoPassword {
		if out, password, err = c.password(a, name); err != nil {
			return plainError(err)
		}
	}
	return a.changeAccounts(func(cfg *config.Config, x *account.Accounts) error {
		if err := x.AddUser(a.ctx, account.User{Name: name, Display: c.Display}, password); err != nil {
			return err
		}
		for _, s := range c.Address {
			if err := x.AddAlias(a.ctx, account.Alias{Address: s, Targets: []string{name}}); err != nil {
				return err
			}
		}
		a.warnForeign(cfg, append([]string{name}, c.Address...)...)
		return a.print(out, out.text("added"))
	})
}
