package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/account"
)

type userBans struct {
	Clear string `help:"Lift the ban of this address, network or user." placeholder:"ADDR"`
}

// Help is printed below the flags.
func (*userBans) Help() string {
	return `After wrong guesses a client's address is banned for a while, and an account
closed to addresses that its user has not logged in from before. A running
gateway learns within seconds that a ban was lifted.

Examples:
  gapura user bans
  gapura user bans --clear 192.0.2.1`
}

// banRow is a ban as it is printed.
type banRow struct {
	Subject string    `json:"subject"`
	Until   time.Time `json:"until"`
	Count   int       `json:"count"`
}

// Run implements the command.
func (c *userBans) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		if c.Clear != "" {
			err := x.ClearBan(a.ctx, c.Clear)
			if errors.Is(err, account.ErrUnknown) {
				return fmt.Errorf("there is no ban of %s; `gapura user bans` lists them", c.Clear)
			}
			return a.done(c.Clear, "the ban is lifted", err)
		}
		list, err := x.Bans(a.ctx)
		if err != nil {
			return err
		}
		rows := []banRow{}
		for _, b := range list {
			if time.Now().Before(b.Until) {
				rows = append(rows, banRow{b.Subject, b.Until.UTC(), b.Count})
			}
		}
		return a.print(rows, func(w io.Writer) {
			for _, b := range rows {
				fmt.Fprintf(w, "%s until %s (%d in a row)\n", b.Subject, b.Until.Format(time.RFC3339), b.Count)
			}
		})
	})
}
