package main

import (
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/account"
)

type appPasswordCmd struct {
	Add    appPasswordAdd    `cmd:"" help:"Add an app password."`
	List   appPasswordList   `cmd:"" help:"List a user's app passwords."`
	Remove appPasswordRemove `cmd:"" help:"Revoke an app password."`
}

type appPasswordAdd struct {
	User    string        `arg:"" help:"The user's name."`
	Name    string        `arg:"" help:"What the password is for: phone."`
	Scope   []string      `help:"Services that it is good for: smtp, imap, pop3, sieve. Default: all." enum:"smtp,imap,pop3,sieve"`
	Expires time.Duration `help:"How long it is good for: 720h. Default: for ever."`
	passwordFlags
}

// Help is printed below the flags.
func (*appPasswordAdd) Help() string {
	return `The password is read or made as by user add; one that is made is best.

Example:
  gapura user app-password add ana@example.org phone --scope smtp,imap --generate`
}

// Run implements the command.
func (c *appPasswordAdd) Run(a *app) error {
	if c.Expires < 0 {
		return usageError{fmt.Errorf("--expires: %s is in the past", c.Expires)}
	}
	return a.withAccounts(func(x *account.Accounts) error {
		u, err := x.User(a.ctx, c.User)
		if err != nil {
			return err
		}
		out, password, err := c.password(a, u.Name)
		if err != nil {
			return err
		}
		cred := account.Credential{Name: c.Name, Scope: c.Scope}
		if c.Expires > 0 {
			cred.Expires = time.Now().Add(c.Expires)
		}
		if err := x.AddAppPassword(a.ctx, u.Name, cred, password); err != nil {
			return err
		}
		return a.print(out, out.text("app password "+c.Name+" is added"))
	})
}

type appPasswordList struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*appPasswordList) Help() string {
	return `Example:
  gapura user app-password list ana@example.org`
}

// Run implements the command.
func (c *appPasswordList) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		list, err := x.Credentials(a.ctx, c.User)
		if err != nil {
			return err
		}
		_, rows := credentialRows(list)
		return a.print(rows, func(w io.Writer) {
			for _, r := range rows {
				fmt.Fprintln(w, r)
			}
		})
	})
}

type appPasswordRemove struct {
	User string `arg:"" help:"The user's name."`
	Name string `arg:"" help:"The password's name."`
}

// Help is printed below the flags.
func (*appPasswordRemove) Help() string {
	return `It ends at once.

Example:
  gapura user app-password remove ana@example.org phone`
}

// Run implements the command.
func (c *appPasswordRemove) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		if c.Name == "" {
			return usageError{fmt.Errorf("an app password has a name")}
		}
		u, err := x.User(a.ctx, c.User)
		if err != nil {
			return err
		}
		if err := x.RemoveCredential(a.ctx, u.Name, c.Name); err != nil {
			return err
		}
		return a.done(c.Name, "revoked", a.endSessions(u.Name)) // who has it may be in
	})
}
