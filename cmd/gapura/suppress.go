package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/suppress"
)

// suppressCmd is `gapura suppress`.
type suppressCmd struct {
	Add    suppressAdd    `cmd:"" help:"Put an address, or a whole domain, on the list."`
	Remove suppressRemove `cmd:"" help:"Take an address off the list."`
	List   suppressList   `cmd:"" help:"List the addresses, or show one."`
	Import suppressImport `cmd:"" help:"Put the addresses of a CSV file on the list."`
	Export suppressExport `cmd:"" help:"Write the list as CSV."`
}

type suppressAdd struct {
	Address string        `arg:"" help:"An address, or @DOMAIN for all of a domain."`
	Domain  string        `help:"Only for mail of this sending domain." placeholder:"DOMAIN"`
	Detail  string        `help:"Why; senders are told." placeholder:"TEXT"`
	For     time.Duration `help:"How long, as 720h; default: for ever." placeholder:"TIME"`
}

// Help is printed below the flags.
func (*suppressAdd) Help() string {
	return `Mail of our own users to an address on the list is refused, unless it is in one
of our domains, whose server tells. What comes back puts addresses there by
itself: see the section suppression of the configuration.

Examples:
  gapura suppress add bob@example.net --detail 'asked us to'
  gapura suppress add @gone.example --domain example.org`
}

// Run implements the command.
func (c *suppressAdd) Run(a *app) error {
	e := suppress.Entry{Address: c.Address, Domain: c.Domain, Detail: c.Detail, Reason: suppress.Manual, Source: "admin"}
	if c.For < 0 {
		return usageError{errors.New("--for is below 0")}
	}
	if c.For > 0 {
		e.Until = time.Now().Add(c.For)
	}
	return a.withSuppression(func(l *suppress.List) error {
		return a.done(c.Address, "on the list", l.Add(a.ctx, e))
	})
}

type suppressRemove struct {
	Address string `arg:"" help:"The address, or @DOMAIN as it was added."`
	Domain  string `help:"Only the entry for mail of this sending domain; default: all its entries." placeholder:"DOMAIN"`
}

// Help is printed below the flags.
func (*suppressRemove) Help() string {
	return `Examples:
  gapura suppress remove bob@example.net
  gapura suppress remove bob@example.net --domain example.org`
}

// Run implements the command.
func (c *suppressRemove) Run(a *app) error {
	domain := c.Domain
	if domain == "" {
		domain = "*"
	}
	return a.withSuppression(func(l *suppress.List) error {
		n, err := l.Remove(a.ctx, domain, c.Address)
		if err == nil && n == 0 {
			err = fmt.Errorf("%s is not on the list", c.Address)
		}
		return a.done(c.Address, "removed", err)
	})
}

// suppressFilter chooses entries.
type suppressFilter struct {
	Address string `arg:"" optional:"" help:"Only this address; @DOMAIN: all addresses of the domain."`
	Domain  string `help:"Only entries for this sending domain." placeholder:"DOMAIN"`
	Reason  string `help:"Only entries with this reason: bounce, complaint, manual or imported." enum:",bounce,complaint,manual,imported" default:"" placeholder:"REASON"`
}

func (f suppressFilter) filter() suppress.Filter {
	return suppress.Filter{Address: f.Address, Domain: f.Domain, Reason: suppress.Reason(f.Reason)}
}

type suppressList struct {
	suppressFilter
}

// Help is printed below the flags.
func (*suppressList) Help() string {
	return `Examples:
  gapura suppress list
  gapura suppress list @example.net --reason bounce --json`
}

// suppressRow is an entry as it is printed.
type suppressRow struct {
	Address string `json:"address"`
	Domain  string `json:"domain"`
	Reason  string `json:"reason"`
	Source  string `json:"source"`
	Detail  string `json:"detail"`
	Since   string `json:"since"`
	Until   string `json:"until,omitempty"`
}

// Run implements the command.
func (c *suppressList) Run(a *app) error {
	rows := []suppressRow{}
	return a.withSuppression(func(l *suppress.List) error {
		err := l.Each(a.ctx, c.filter(), func(e suppress.Entry) error {
			rows = append(rows, suppressRow{e.Address, e.Domain, string(e.Reason), e.Source, e.Detail, e.Since.UTC().Format(time.RFC3339), reportDate(e.Until.UTC())})
			return nil
		})
		if err != nil {
			return err
		}
		return a.print(rows, func(w io.Writer) {
			for _, r := range rows {
				fmt.Fprintln(w, r.line())
			}
		})
	})
}

// line is the entry for people.
func (r suppressRow) line() string {
	s := r.Address
	if r.Domain != "" {
		s += " for " + r.Domain
	}
	s += ": " + r.Reason + " since " + r.Since
	if r.Until != "" {
		s += ", until " + r.Until
	}
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	return s
}

type suppressImport struct {
	File   string `arg:"" help:"The file; - is standard input."`
	Domain string `help:"For mail of this sending domain, where the file says nothing." placeholder:"DOMAIN"`
	Detail string `help:"Why, where the file says nothing." placeholder:"TEXT"`
}

// suppressImported is what became of a file.
type suppressImported struct {
	File       string   `json:"file"`
	Added      int      `json:"added"`
	PassedOver int      `json:"passed_over"`
	Mistakes   []string `json:"mistakes"` // of the first few that were passed over
}

// Help is printed below the flags.
func (*suppressImport) Help() string {
	return `The first line may name the columns: address (or email), domain, reason, detail,
since, until, source; without, the first column is the address. The exit code
is 1 where lines were passed over; the first twenty of them are told.

Example:
  gapura suppress import bounced.csv --domain example.org`
}

// Run implements the command.
func (c *suppressImport) Run(a *app) (err error) {
	in := io.NopCloser(a.stdin)
	if c.File != "-" {
		if in, err = os.Open(c.File); err != nil {
			return err
		}
	}
	defer in.Close()
	base := suppress.Entry{Domain: c.Domain, Detail: c.Detail, Reason: suppress.Imported, Source: strings.TrimPrefix(filepath.Base(c.File), "-")}
	return a.withSuppression(func(l *suppress.List) error {
		n, bad, err := l.Import(a.ctx, in, base)
		if err != nil {
			return fmt.Errorf("%s, after %d addresses: %w", c.File, n, err)
		}
		out := suppressImported{c.File, n, bad.Count, append([]string{}, bad.First...)}
		if err := a.print(out, func(w io.Writer) { fmt.Fprintf(w, "%s: %d addresses on the list\n", c.File, n) }); err != nil {
			return err
		}
		more := ""
		if left := bad.Count - len(bad.First); left > 0 {
			more = fmt.Sprintf("\n  and %d more", left)
		}
		if bad.Count > 0 {
			return fmt.Errorf("passed over:\n  %s%s", strings.Join(bad.First, "\n  "), more)
		}
		return nil
	})
}

type suppressExport struct {
	suppressFilter
}

// Help is printed below the flags.
func (*suppressExport) Help() string {
	return `Writes what import reads to standard output.

Example:
  gapura suppress export --reason bounce > bounced.csv`
}

// Run implements the command.
func (c *suppressExport) Run(a *app) error {
	return a.withSuppression(func(l *suppress.List) error {
		_, err := l.Export(a.ctx, c.filter(), a.stdout)
		return err
	})
}
