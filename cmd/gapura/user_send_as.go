package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
)

type sendAsCmd struct {
	Add    sendAsAdd    `cmd:"" help:"Let a user send from an address."`
	List   sendAsList   `cmd:"" help:"List what a user may send from."`
	Remove sendAsRemove `cmd:"" help:"Take it back."`
}

type sendAsAdd struct {
	User    string `arg:"" help:"The user's name."`
	Address string `arg:"" help:"An address, *@DOMAIN for all of a domain, or * for any."`
}

// Help is printed below the flags.
func (*sendAsAdd) Help() string {
	return `Users may send from their own name and from aliases that lead to them alone,
without this. Where the address is another user's name, the user may act for
that one too (the authorization identity of SASL).

Examples:
  gapura user send-as add ana@example.org team@example.org
  gapura user send-as add shop@example.org '*@example.org'`
}

// Run implements the command.
func (c *sendAsAdd) Run(a *app) error {
	return a.changeAccounts(func(_ *config.Config, x *account.Accounts) error {
		return a.done(c.User, "may send as "+c.Address, x.Grant(a.ctx, c.User, c.Address))
	})
}

type sendAsList struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*sendAsList) Help() string {
	return `Example:
  gapura user send-as list ana@example.org`
}

// Run implements the command.
func (c *sendAsList) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		list, err := x.Grants(a.ctx, c.User)
		if err != nil {
			return err
		}
		return a.print(append([]string{}, list...), func(w io.Writer) {
			for _, s := range list {
				fmt.Fprintln(w, s)
			}
		})
	})
}

type sendAsRemove struct {
	User    string `arg:"" help:"The user's name."`
	Address string `arg:"" help:"What was given to send-as add."`
}

// Help is printed below the flags.
func (*sendAsRemove) Help() string {
	return `Example:
  gapura user send-as remove ana@example.org team@example.org`
}

// Run implements the command.
func (c *sendAsRemove) Run(a *app) error {
	return a.changeAccounts(func(_ *config.Config, x *account.Accounts) error {
		return a.done(c.User, "may not send as "+c.Address, x.Revoke(a.ctx, c.User, c.Address))
	})
}
