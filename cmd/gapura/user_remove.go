package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

type userRemove struct {
	User    string `arg:"" help:"The user's name."`
	Mailbox bool   `help:"Remove the mailbox too, with all mail."`
}

// Help is printed below the flags.
func (*userRemove) Help() string {
	return `Its credentials, grants and places in aliases go too, and its sessions end; mail
that it has sent is still delivered. Its mailbox stays, and is there again for a
user of that name, unless --mailbox removes it. What it has taught the spam filter
stays too, until gapura spam unlearn --user ADDRESS --all takes it back.

Example:
  gapura user remove ana@example.org --mailbox`
}

// Run implements the command.
func (c *userRemove) Run(a *app) error {
	name, err := account.Name(c.User)
	if err != nil {
		return plainError(err)
	}
	if err := a.withAccounts(func(x *account.Accounts) error { return x.RemoveUser(a.ctx, name) }); err != nil {
		return err
	}
	done, err := a.mailboxAfter(name, c.Mailbox)
	return a.done(name, "removed"+done, err)
}

// mailboxAfter ends the sessions of a user who is gone, and removes its mailbox
// where that is asked for; done tells what became of it.
func (a *app) mailboxAfter(user string, remove bool) (done string, err error) {
	if err := a.endSessions(user); err != nil {
		return "", err
	}
	if remove {
		_, err = a.withMailboxes(mailboxAsk{Do: "remove", User: user})
		if isNoMailbox(err) {
			return "; there was no mailbox", nil
		}
		return ", with its mailbox", err
	}
	answer, err := a.withMailboxes(mailboxAsk{Do: "show", User: user})
	switch {
	case isNoMailbox(err):
		return "", nil
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("; its mailbox stays, with %d messages (gapura mailbox remove %s --yes)", answer.Details.Messages, user), nil
}

// isNoMailbox tells whether a user has no mailbox: over the control socket
// errors are texts.
func isNoMailbox(err error) bool {
	return err != nil && strings.Contains(err.Error(), mailbox.ErrNoUser.Error())
}

// endSessions ends the open sessions of a user, if a gateway runs.
func (a *app) endSessions(user string) error {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	return tellGateway(a.ctx, cfg, "/mailbox", mailboxAsk{Do: "end", User: user})
}

type userDisable struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*userDisable) Help() string {
	return `Mail to the user still arrives. Sessions that are open end.

Example:
  gapura user disable ana@example.org`
}

// Run implements the command.
func (c *userDisable) Run(a *app) error {
	name, err := account.Name(c.User)
	if err != nil {
		return plainError(err)
	}
	if err := a.withAccounts(func(x *account.Accounts) error { return x.SetDisabled(a.ctx, name, true) }); err != nil {
		return err
	}
	return a.done(name, "disabled", a.endSessions(name))
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
