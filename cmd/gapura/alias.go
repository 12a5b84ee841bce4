package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
)

// aliasCmd is `gapura alias`.
type aliasCmd struct {
	Add    aliasAdd    `cmd:"" help:"Add an alias, or targets to one."`
	List   aliasList   `cmd:"" help:"List the aliases."`
	Remove aliasRemove `cmd:"" help:"Remove an alias, or targets of one."`
}

type aliasAdd struct {
	Address string   `arg:"" help:"The alias: an address, or *@DOMAIN for all that are nobody's."`
	Targets []string `arg:"" help:"Where mail to it goes: users, or addresses elsewhere."`
}

// Help is printed below the flags.
func (*aliasAdd) Help() string {
	return `A user who is the only target may send from the alias. An alias that lists its
own address among others keeps a copy for the user of that name.

Examples:
  gapura alias add info@example.org ana@example.org
  gapura alias add team@example.org ana@example.org bob@example.org guest@example.com`
}

// Run implements the command.
func (c *aliasAdd) Run(a *app) error {
	return a.changeAccounts(func(cfg *config.Config, x *account.Accounts) error {
		err := x.AddAlias(a.ctx, account.Alias{Address: c.Address, Targets: c.Targets})
		if err == nil {
			a.warnForeign(cfg, c.Address)
			if _, loop := x.Resolve(a.ctx, c.Address); errors.Is(loop, account.ErrAliasLoop) {
				fmt.Fprintf(a.stderr, "gapura: warning: no mail is taken for %s: its aliases lead in a circle, or to too many\n", c.Address)
			}
		}
		return a.done(c.Address, "leads to "+strings.Join(c.Targets, ", "), err)
	})
}

type aliasList struct {
	Target string `arg:"" optional:"" help:"Only those that lead to this user or address."`
}

// Help is printed below the flags.
func (*aliasList) Help() string {
	return `Examples:
  gapura alias list
  gapura alias list ana@example.org --json`
}

// aliasRow is an alias as it is printed.
type aliasRow struct {
	Address string   `json:"address"`
	Targets []string `json:"targets"`
}

// Run implements the command.
func (c *aliasList) Run(a *app) error {
	target := c.Target
	if target != "" {
		n, err := account.Name(target)
		if err != nil {
			return plainError(err)
		}
		target = n
	}
	return a.withAccounts(func(x *account.Accounts) error {
		rows := []aliasRow{}
		for after := ""; ; {
			page, err := x.Aliases(a.ctx, target, after, pageSize)
			if err != nil {
				return err
			}
			for _, al := range page {
				rows = append(rows, aliasRow(al))
			}
			if len(page) < pageSize {
				break
			}
			after = page[len(page)-1].Address
		}
		return a.print(rows, func(w io.Writer) {
			for _, r := range rows {
				fmt.Fprintf(w, "%s: %s\n", r.Address, strings.Join(r.Targets, ", "))
			}
		})
	})
}

type aliasRemove struct {
	Address string   `arg:"" help:"The alias."`
	Targets []string `arg:"" optional:"" help:"Only these targets of it."`
}

// Help is printed below the flags.
func (*aliasRemove) Help() string {
	return `Examples:
  gapura alias remove info@example.org
  gapura alias remove team@example.org bob@example.org`
}

// Run implements the command.
func (c *aliasRemove) Run(a *app) error {
	return a.changeAccounts(func(_ *config.Config, x *account.Accounts) error {
		return a.done(c.Address, "removed", x.RemoveAlias(a.ctx, account.Alias{Address: c.Address, Targets: c.Targets}))
	})
}
