package main

import "github.com/gapura-mail/gapura/gateway/account"

type userPasswd struct {
	User string `arg:"" help:"The user's name."`
	passwordFlags
}

// Help is printed below the flags.
func (*userPasswd) Help() string {
	return `The password is read or made as by user add. The old one ends at once, and so do
the sessions that are open: whoever has stolen a password is out.

Example:
  gapura user passwd ana@example.org --generate`
}

// Run implements the command.
func (c *userPasswd) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		u, err := x.User(a.ctx, c.User)
		if err != nil {
			return err
		}
		out, password, err := c.password(a, u.Name)
		if err != nil {
			return err
		}
		if err := x.SetPassword(a.ctx, u.Name, password); err != nil {
			return err
		}
		if err := a.endSessions(u.Name); err != nil {
			return err
		}
		return a.print(out, out.text("the password is changed"))
	})
}
