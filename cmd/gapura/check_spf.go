package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/gapura-mail/gapura/gateway/mailauth"
)

type checkSPF struct {
	IP       string `name:"ip" required:"" placeholder:"ADDR" help:"Address of the client."`
	Helo     string `placeholder:"NAME" help:"What it said in HELO or EHLO; checked when the sender is null."`
	MailFrom string `name:"mail-from" placeholder:"ADDRESS" help:"The sender, without brackets; empty for the null sender."`
	Receiver string `placeholder:"NAME" help:"Our host name, for %{r} in explanations; default: this host's."`
	dnsFlags
	timeFlag
}

// Help is printed below the flags.
func (*checkSPF) Help() string {
	return `Exit code 0: pass, neutral or none; 1: anything else.

Examples:
  gapura check spf --ip 192.0.2.1 --mail-from someone@example.org
  gapura check spf --ip 2001:db8::1 --helo mx.example.org --zone zone.yaml --json`
}

// spfReport is the command's JSON.
type spfReport struct {
	Result      mailauth.Result `json:"result"`
	Identity    string          `json:"identity"`
	Domain      string          `json:"domain"`
	Mechanism   string          `json:"mechanism"`
	Explanation string          `json:"explanation"`
	Reason      string          `json:"reason,omitempty"`
	Lookups     int             `json:"lookups"`
	VoidLookups int             `json:"void_lookups"`
}

func newSPFReport(r mailauth.SPFResult) spfReport {
	return spfReport(r)
}

func (r spfReport) text(w io.Writer) {
	fmt.Fprintf(w, "spf=%s %s=%s", r.Result, r.Identity, r.Domain)
	if r.Mechanism != "" {
		fmt.Fprintf(w, " by %s", r.Mechanism)
	}
	fmt.Fprintf(w, " (%d look-ups, %d void)\n", r.Lookups, r.VoidLookups)
	if r.Reason != "" {
		fmt.Fprintf(w, "  %s\n", r.Reason)
	}
	if r.Explanation != "" {
		fmt.Fprintf(w, "  the domain explains: %s\n", r.Explanation)
	}
}

// Run runs `gapura check spf`.
func (c *checkSPF) Run(a *app) error {
	ip, err := netip.ParseAddr(c.IP)
	if err != nil {
		return usageError{fmt.Errorf("--ip %s is no address", c.IP)}
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	in := mailauth.SPFInput{IP: ip, Helo: c.Helo, MailFrom: c.MailFrom, Receiver: receiver(c.Receiver), Now: c.now()}
	res := newSPFReport(mailauth.CheckSPF(a.ctx, r, in, mailauth.SPFOptions{}))
	if err := a.print(res, res.text); err != nil {
		return err
	}
	return verdict(res.Result)
}

// receiver returns the name given, or this host's.
func receiver(name string) string {
	if name == "" {
		name, _ = os.Hostname()
	}
	return name
}

// verdict is the exit code for a result.
func verdict(r mailauth.Result) error {
	switch r {
	case mailauth.Pass, mailauth.Neutral, mailauth.None:
		return nil
	}
	return errNo
}
