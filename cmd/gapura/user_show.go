package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
)

type userShow struct {
	User string `arg:"" help:"The user's name."`
}

// Help is printed below the flags.
func (*userShow) Help() string {
	return `Of a user of a directory, it tells what is there too.

Example:
  gapura user show ana@example.org --json`
}

// userDetails is a user with all that belongs to it.
type userDetails struct {
	userRow
	Password     bool            `json:"password"` // it has one here
	AppPasswords []credentialRow `json:"app_passwords"`
	Aliases      []string        `json:"aliases"`
	SendAs       []string        `json:"send_as"`
	Directory    []string        `json:"directory,omitempty"` // addresses that the directory lists
	Mailbox      *mailboxRow     `json:"mailbox,omitempty"`
}

// credentialRow is an app password as it is printed.
type credentialRow struct {
	Name    string     `json:"name"`
	Scope   []string   `json:"scope"` // none: all
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires"` // null: never
}

func credentialRows(list []account.Credential) (password bool, rows []credentialRow) {
	rows = []credentialRow{}
	for _, c := range list {
		if c.Name == "" {
			password = true
			continue
		}
		r := credentialRow{Name: c.Name, Scope: append([]string{}, c.Scope...), Created: c.Created.UTC()}
		if !c.Expires.IsZero() {
			t := c.Expires.UTC()
			r.Expires = &t
		}
		rows = append(rows, r)
	}
	return password, rows
}

func (r credentialRow) String() string {
	s := r.Name
	if len(r.Scope) > 0 {
		s += ", for " + strings.Join(r.Scope, " ")
	}
	if r.Expires != nil {
		s += ", until " + r.Expires.Format(time.RFC3339)
	}
	return s
}

// Run implements the command.
func (c *userShow) Run(a *app) error {
	var d userDetails
	err := a.withAccounts(func(x *account.Accounts) error {
		u, err := c.user(a, x, &d)
		if err != nil {
			return err
		}
		creds, err := x.Credentials(a.ctx, u.Name)
		if err != nil && (d.Directory == nil || !errors.Is(err, account.ErrUnknown)) {
			return err
		}
		d.userRow, d.Aliases, d.SendAs = rowOf(u), []string{}, []string{}
		d.Password, d.AppPasswords = credentialRows(creds)
		aliases, err := x.Aliases(a.ctx, u.Name, "", pageSize)
		if err != nil {
			return err
		}
		for _, al := range aliases {
			d.Aliases = append(d.Aliases, al.Address)
		}
		grants, err := x.Grants(a.ctx, u.Name)
		if err != nil {
			return err
		}
		d.SendAs = append(d.SendAs, grants...)
		return nil
	})
	if err == nil {
		d.Mailbox, err = a.usageOf(d.Name)
	}
	if err != nil {
		return err
	}
	return a.print(d, d.text)
}

// user finds the user here, else in the directory, and what that has of it.
func (c *userShow) user(a *app, x *account.Accounts, d *userDetails) (account.User, error) {
	u, err := x.User(a.ctx, c.User)
	listed, addresses, away := x.Listed(a.ctx, c.User)
	switch here := err == nil; {
	case away == nil:
		if d.Directory = addresses; !here {
			return listed, nil
		}
	case errors.Is(away, account.ErrUnknown):
	case here:
		fmt.Fprintf(a.stderr, "gapura: warning: %v\n", away)
	case errors.Is(err, account.ErrUnknown):
		err = away
	}
	return u, err
}

func (d userDetails) text(w io.Writer) {
	state := map[bool]string{true: ", disabled", false: ""}[d.Disabled]
	password := map[bool]string{true: "", false: ", without a password here"}[d.Password]
	fmt.Fprintf(w, "%s%s%s\n", strings.TrimRight(d.Name+" "+d.Display, " "), state, password)
	if m := d.Mailbox; m != nil {
		fmt.Fprintf(w, "mailbox: %d messages, %s, limit %s\n", m.Messages, sizeText(m.Octets), m.limit())
	}
	for _, s := range d.Directory {
		fmt.Fprintf(w, "in the directory: %s\n", s)
	}
	for _, r := range d.AppPasswords {
		fmt.Fprintf(w, "app password: %s\n", r)
	}
	for _, s := range d.Aliases {
		fmt.Fprintf(w, "alias: %s\n", s)
	}
	for _, s := range d.SendAs {
		fmt.Fprintf(w, "may send as: %s\n", s)
	}
}

// usageOf returns what a user's mailbox takes; nil: it has none, or no mail is
// kept here.
func (a *app) usageOf(user string) (*mailboxRow, error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil || len(cfg.Local()) == 0 {
		return nil, err
	}
	answer, err := a.askMailboxes(cfg, mailboxAsk{Do: "show", User: user})
	if isNoMailbox(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &answer.Details.mailboxRow, nil
}
