package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/report"
)

type parseDSN struct {
	Message string `default:"-" placeholder:"FILE" help:"Message to read; - is standard input."`
}

// Help implements kong.HelpProvider.
func (parseDSN) Help() string {
	return `Reads notifications of RFC 3464, and what the many systems write that do not
keep to it. The exit code is 1 when the message reports on no delivery.

Example:
  gapura parse dsn --json --message bounce.eml`
}

// dsnReport is what the command prints.
type dsnReport struct {
	Kind         report.Kind    `json:"kind"`
	Standard     bool           `json:"standard"`
	ReportingMTA string         `json:"reporting_mta,omitempty"`
	EnvelopeID   string         `json:"envelope_id,omitempty"`
	Arrival      string         `json:"arrival_date,omitempty"`
	Recipients   []dsnRecipient `json:"recipients"`
	Original     *dsnOriginal   `json:"original,omitempty"`
}

// dsnRecipient is what happened to the message for one recipient.
type dsnRecipient struct {
	Address        string        `json:"address"`
	Original       string        `json:"original_recipient,omitempty"`
	Action         report.Action `json:"action"`
	Status         string        `json:"status"`
	Reply          string        `json:"reply"`
	Reason         report.Reason `json:"reason"`
	HardBounce     bool          `json:"hardbounce"`
	Text           string        `json:"text,omitempty"`
	RemoteMTA      string        `json:"remote_mta,omitempty"`
	LastAttempt    string        `json:"last_attempt_date,omitempty"`
	WillRetryUntil string        `json:"will_retry_until,omitempty"`
}

// dsnOriginal is what the report tells of the message it is about.
type dsnOriginal struct {
	MessageID  string `json:"message_id,omitempty"`
	From       string `json:"from,omitempty"`
	To         string `json:"to,omitempty"`
	Subject    string `json:"subject,omitempty"`
	ReturnPath string `json:"return_path,omitempty"`
}

func (c *parseDSN) Run(a *app) error {
	m, err := a.readMessage(c.Message)
	if err != nil {
		return err
	}
	defer m.Close()
	d, err := report.ReadDSN(m.header, m.body)
	out := dsnReport{Recipients: []dsnRecipient{}}
	if errors.Is(err, report.ErrNoDSN) {
		return errors.Join(a.print(out, func(w io.Writer) { fmt.Fprintln(w, "this message reports on no delivery") }), errNo)
	}
	if err != nil {
		return err
	}
	out.fill(d)
	return a.print(out, out.text)
}

// fill takes over what was read.
func (o *dsnReport) fill(d *report.DSN) {
	o.Kind, o.Standard, o.ReportingMTA, o.EnvelopeID, o.Arrival = d.Kind, d.Standard, d.ReportingMTA, d.EnvelopeID, reportDate(d.Arrival)
	o.Original = originalOf(d.Original)
	for i := range d.Recipients {
		r := &d.Recipients[i]
		out := dsnRecipient{
			Address: r.Address, Original: r.Original, Action: r.Action, Status: r.Status.String(), Reason: r.Reason, HardBounce: r.Hard,
			Text: r.Text, RemoteMTA: r.RemoteMTA, LastAttempt: reportDate(r.LastAttempt), WillRetryUntil: reportDate(r.WillRetryUntil),
		}
		if r.Reply != 0 {
			out.Reply = fmt.Sprint(r.Reply)
		}
		o.Recipients = append(o.Recipients, out)
	}
}

func originalOf(o report.Original) *dsnOriginal {
	out := dsnOriginal{MessageID: o.MessageID, From: o.From, To: o.To, Subject: o.Subject, ReturnPath: o.Return}
	if out == (dsnOriginal{}) {
		return nil
	}
	return &out
}

// reportDate returns a time as JSON has it, "" for none.
func reportDate(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// text prints the report for people.
func (o dsnReport) text(w io.Writer) {
	fmt.Fprintf(w, "%s", o.Kind)
	if o.ReportingMTA != "" {
		fmt.Fprintf(w, " from %s", o.ReportingMTA)
	}
	fmt.Fprintln(w)
	for _, r := range o.Recipients {
		kind := "soft"
		if r.HardBounce {
			kind = "hard"
		}
		fmt.Fprintf(w, "%s: %s %s (%s, %s)\n", r.Address, r.Action, r.Status, r.Reason, kind)
		if r.Text != "" {
			fmt.Fprintf(w, "  %s\n", r.Text)
		}
	}
	if o.Original != nil {
		fmt.Fprintf(w, "about %s from %s to %s\n", o.Original.MessageID, o.Original.From, o.Original.To)
	}
}
