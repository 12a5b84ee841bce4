package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
)

type checkMTASTS struct {
	Record *string `placeholder:"TEXT" help:"TXT record of _mta-sts.DOMAIN."`
	Policy string  `placeholder:"FILE" help:"Policy, as https://mta-sts.DOMAIN/.well-known/mta-sts.txt has it; - is standard input."`
	Match  string  `placeholder:"MX" help:"With --policy: whether this host is one of the policy's."`
}

// Help is printed below the flags.
func (*checkMTASTS) Help() string {
	return `Exit code 0: valid, and a match where one is asked for; 1: not (RFC 8461).

Examples:
  gapura check mta-sts --record "v=STSv1; id=20160831085700Z;"
  gapura check mta-sts --policy mta-sts.txt
  gapura check mta-sts --policy mta-sts.txt --match mx1.example.org`
}

// stsRecordReport is the command's JSON for a record.
type stsRecordReport struct {
	Valid      bool              `json:"valid"`
	Version    string            `json:"version,omitempty"`
	ID         string            `json:"id"`
	Extensions map[string]string `json:"extensions,omitempty"`
	Reason     string            `json:"reason"`
}

// stsPolicyReport is the command's JSON for a policy.
type stsPolicyReport struct {
	Valid      bool              `json:"valid"`
	Version    string            `json:"version,omitempty"`
	Mode       mtasts.Mode       `json:"mode"`
	MX         []string          `json:"mx"`
	MaxAge     int64             `json:"max_age"` // seconds
	Extensions map[string]string `json:"extensions,omitempty"`
	Reason     string            `json:"reason"`
}

// matchReport is the command's JSON for --match.
type matchReport struct {
	Match  bool   `json:"match"`
	Reason string `json:"reason,omitempty"`
}

// Run runs `gapura check mta-sts`.
func (c *checkMTASTS) Run(a *app) error {
	switch {
	case (c.Record == nil) == (c.Policy == ""):
		return usageError{errors.New("say one of --record and --policy; `gapura check mta-sts --help`")}
	case c.Match != "" && c.Policy == "":
		return usageError{errors.New("--match needs --policy")}
	case c.Record != nil:
		return c.record(a)
	}
	f, err := a.openMessage(c.Policy)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mtasts.MaxPolicy+1))
	if err != nil {
		return err
	}
	p, err := mtasts.ParsePolicy(text)
	if c.Match != "" {
		return c.match(a, p, err)
	}
	return c.policy(a, p, err)
}

func (c *checkMTASTS) record(a *app) error {
	rec, err := mtasts.ParseRecord(*c.Record)
	r := stsRecordReport{Valid: err == nil, ID: rec.ID, Extensions: stsExtensions(rec.Extensions), Reason: reason(err)}
	if r.Valid {
		r.Version = "STSv1"
	}
	return a.answer(r, r.Valid, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n", validity(err))
		if r.Valid {
			fmt.Fprintf(w, "  id %s\n", r.ID)
		}
	})
}

func (c *checkMTASTS) policy(a *app, p *mtasts.Policy, err error) error {
	r := stsPolicyReport{Valid: err == nil, MX: []string{}, Reason: reason(err)}
	if err == nil {
		r.Version, r.Mode, r.MaxAge, r.Extensions = "STSv1", p.Mode, int64(p.MaxAge/time.Second), stsExtensions(p.Extensions)
		r.MX = append(r.MX, p.MX...)
	}
	return a.answer(r, r.Valid, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n", validity(err))
		if r.Valid {
			fmt.Fprintf(w, "  mode %s, to be kept for %s, mx %s\n", r.Mode, p.MaxAge, strings.Join(r.MX, " "))
		}
	})
}

func (c *checkMTASTS) match(a *app, p *mtasts.Policy, err error) error {
	r := matchReport{Match: err == nil && p.Match(c.Match), Reason: reason(err)}
	return a.answer(r, r.Match, func(w io.Writer) {
		switch {
		case err != nil:
			fmt.Fprintln(w, validity(err))
		case r.Match:
			fmt.Fprintf(w, "match: %s is one of the policy's hosts\n", c.Match)
		default:
			fmt.Fprintf(w, "no match: %s is not one of %s\n", c.Match, strings.Join(p.MX, " "))
		}
	})
}

// answer prints v and ends with the exit code of the answer.
func (a *app) answer(v any, yes bool, text func(io.Writer)) error {
	if err := a.print(v, text); err != nil {
		return err
	}
	if !yes {
		return errNo
	}
	return nil
}

// reason is an error's text, "" for none.
func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func validity(err error) string {
	if err == nil {
		return "valid"
	}
	return "not valid: " + err.Error()
}

func stsExtensions(list []mtasts.Pair) map[string]string {
	m := make(map[string]string, len(list))
	for _, p := range list {
		m[p.Name] = p.Value
	}
	return m
}
