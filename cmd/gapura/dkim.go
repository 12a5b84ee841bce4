package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// dkimCmd is `gapura dkim`: the keys that our mail is signed with.
type dkimCmd struct {
	Generate dkimGenerate `cmd:"" help:"Make keys for a domain, or for one of its users."`
	Rotate   dkimRotate   `cmd:"" help:"Do the next step in replacing a domain's keys."`
	List     dkimList     `cmd:"" help:"List keys and their records."`
	Remove   dkimRemove   `cmd:"" help:"Delete a key."`
}

// withKeys calls f with the keys of the configuration; the gateway may run
// meanwhile.
func (a *app) withKeys(f func(k *signing.Keys) error) (err error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	return a.withKeysOf(cfg, f)
}

func (a *app) withKeysOf(cfg *config.Config, f func(k *signing.Keys) error) error {
	return a.withDatabaseOf(cfg, asCommand, func(db *sqldb.DB) error {
		k, err := signing.Open(a.ctx, cfg.Signing, db)
		if err != nil {
			return err
		}
		defer k.Close()
		err = f(k)
		switch {
		case errors.Is(err, signing.ErrName):
			return usageError{err}
		case errors.Is(err, signing.ErrNoKeys):
			return fmt.Errorf("%w; `gapura dkim list` tells which there are, `gapura dkim generate` makes them", err)
		}
		return err
	})
}

// keyRow is a key as it is printed.
type keyRow struct {
	Domain    string     `json:"domain"`
	Selector  string     `json:"selector"`
	User      string     `json:"user,omitempty"`
	Algorithm string     `json:"algorithm"`
	Bits      int        `json:"bits"`
	State     string     `json:"state"`
	File      string     `json:"file,omitempty"`
	Created   *time.Time `json:"created,omitempty"`
	Activated *time.Time `json:"activated,omitempty"`
	Retired   *time.Time `json:"retired,omitempty"`
	Name      string     `json:"name"` // of the TXT record
	TXT       string     `json:"txt"`
}

func newKeyRow(k signing.Key) keyRow {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return keyRow{
		Domain: k.Domain, Selector: k.Selector, User: k.User, Algorithm: string(k.Algorithm()), Bits: k.Bits(), State: string(k.State),
		File: k.File, Created: at(k.Created), Activated: at(k.Activated), Retired: at(k.Retired), Name: k.Name(), TXT: k.Record(),
	}
}

func newKeyRows(list []signing.Key) []keyRow {
	rows := make([]keyRow, len(list))
	for i, k := range list {
		rows[i] = newKeyRow(k)
	}
	return rows
}

// printRecords writes the records of keys as lines of a zone file.
func printRecords(w io.Writer, rows []keyRow) {
	for _, r := range rows {
		fmt.Fprintln(w, zoneLine(r.Name, "TXT", zoneText(r.TXT)))
	}
}

// zoneLine is a record as zone files have it (RFC 1035 section 5.1).
func zoneLine(name, kind, data string) string { return name + ". IN " + kind + " " + data }

// maxString is how long one string of a TXT record may be.
const maxString = 255

// zoneText writes the text of a TXT record as quoted strings.
func zoneText(s string) string {
	var b strings.Builder
	for first := true; first || s != ""; first = false {
		n := min(len(s), maxString)
		if !first {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for i := range n {
			switch c := s[i]; {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
		s = s[n:]
	}
	return b.String()
}
