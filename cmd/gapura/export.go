package main

import (
	"errors"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/transfer"
)

// exportCmd is `gapura export`.
type exportCmd struct {
	Form   string   `arg:"" enum:"maildir,mbox" help:"maildir or mbox."`
	Path   string   `arg:"" help:"A folder that is empty or does not exist."`
	User   string   `required:"" placeholder:"ADDRESS" help:"Whose mailbox."`
	Folder []string `help:"Only this folder; may be given again."`
}

// Help is printed below the flags.
func (*exportCmd) Help() string {
	return `Writes a copy of a mailbox: Maildir++ as Dovecot reads it, or a file in mboxrd
form for each folder as Thunderbird has them. Flags, keywords and dates are kept.
The gateway may run meanwhile.

Examples:
  gapura export maildir /srv/export/ana --user ana@example.org
  gapura export mbox ./ana --user ana@example.org --folder INBOX --folder Sent`
}

// Run implements the command.
func (c *exportCmd) Run(a *app) (err error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	user, err := account.Name(c.User)
	if err != nil {
		return plainError(err)
	}
	sink, err := c.sink()
	if err != nil {
		return err
	}
	conn, err := a.dialFerry(a.ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	began := time.Now()
	var b bar
	n, err := transfer.Export(a.ctx, conn, user, c.Folder, sink, func(t transfer.Total) { b = a.newBar("export", t.Octets) }, func(size int64, key, failed string) {
		b.add(size)
		if failed != "" {
			b.note(a.stderr, "gapura: %s: %s", key, failed)
		}
	})
	b.end()
	if err = errors.Join(err, sink.Close()); err != nil {
		return err
	}
	out := transferred{n, time.Since(began).Seconds()}
	if err := a.print(out, out.text("exported")); err != nil {
		return err
	}
	if n.Failed > 0 {
		return errNo
	}
	return nil
}

func (c *exportCmd) sink() (transfer.Sink, error) {
	if c.Form == "mbox" {
		return transfer.CreateMbox(c.Path)
	}
	return transfer.CreateMaildir(c.Path)
}
