package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/account"
)

type userRemove struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*userRemove) Help() string {
	return `Its credentials, grants and places in aliases go too; mail that it has sent is
still delivered.

Example:
  gapura user remove ana@example.org`
}

// Run implements the command.
func (c *userRemove) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		return a.done(c.User, "removed", x.RemoveUser(a.ctx, c.User))
	})
}

type userDisable struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*userDisable) Help() string {
	return `Mail to the user still arrives. Sessions that are open stay so.

Example:
  gapura user disable ana@example.org`
}

// Run implements the command.
func (c *userDisable) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		return a.done(c.User, "disabled", x.SetDisabled(a.ctx, c.User, true))
	})
}

type userEnable struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*userEnable) Help() string {
	return `Example:
  gapura user enable ana@example.org`
}

// Run implements the command.
func (c *userEnable) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		return a.done(c.User, "enabled", x.SetDisabled(a.ctx, c.User, false))
	})
}

// done prints what was done, unless it failed.
func (a *app) done(name, what string, err error) error {
	if err != nil {
		return err
	}
	out := struct {
		Name string `json:"name"`
		Done string `json:"done"`
	}{name, what}
	return a.print(out, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", name, what) })
}
