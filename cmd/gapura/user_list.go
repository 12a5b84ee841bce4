package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/gapura-mail/gapura/gateway/account"
)

type userList struct{}

// Help is printed below the flags.
func (*userList) Help() string {
	return `Users of a directory are not listed.

Examples:
  gapura user list
  gapura user list --json`
}

// pageSize is how many rows are read at a time.
const pageSize = 500

// userRow is one user as it is printed.
type userRow struct {
	Name     string    `json:"name"`
	Display  string    `json:"display"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created,omitzero"` // zero: of a user of the directory alone
}

func rowOf(u account.User) userRow {
	return userRow{u.Name, u.Display, u.Disabled, u.Created.UTC()}
}

// Run implements the command.
func (*userList) Run(a *app) error {
	return a.withAccounts(func(x *account.Accounts) error {
		list := []userRow{}
		for after := ""; ; {
			page, err := x.Users(a.ctx, after, pageSize)
			if err != nil {
				return err
			}
			for _, u := range page {
				list = append(list, rowOf(u))
			}
			if len(page) < pageSize {
				break
			}
			after = page[len(page)-1].Name
		}
		return a.print(list, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			for _, u := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\n", u.Name, map[bool]string{true: "disabled", false: "enabled"}[u.Disabled], u.Display)
			}
			t.Flush()
		})
	})
}
