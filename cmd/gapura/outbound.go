package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/outbound"
)

// outboundCmd is `gapura outbound`.
type outboundCmd struct {
	Status outboundStatus `cmd:"" help:"Show connections, destinations that are slowed down, and our addresses."`
	Resume outboundResume `cmd:"" help:"Send at full speed again to destinations that are slowed down."`
}

type outboundStatus struct{}

// Help is printed below the flags.
func (*outboundStatus) Help() string {
	return `Shows how mail leaves at this moment: the destinations that there are connections
to, those that have asked us to slow down and until when, and the addresses that
mail leaves from, with what they may still send today while they are warmed up and
the block lists that they are on. It asks the running gateway.

Examples:
  gapura outbound status
  gapura outbound status --json`
}

// Run implements the command.
func (*outboundStatus) Run(a *app) error {
	var s outbound.Status
	if err := askOutbound(a, "/outbound/status", nil, &s); err != nil {
		return err
	}
	return a.print(s, func(w io.Writer) { printOutbound(w, &s) })
}

type outboundResume struct {
	Site string `arg:"" optional:"" help:"Its name in the list of outbound status."`
	All  bool   `help:"All destinations."`
}

// Help is printed below the flags.
func (*outboundResume) Help() string {
	return `Forgets that a destination has asked us to slow down: nothing is paused there any
more, and connections and rates are those of the configuration. It will ask again if
it still minds. Prints how many there were.

Examples:
  gapura outbound resume google
  gapura outbound resume --all`
}

// Run implements the command.
func (c *outboundResume) Run(a *app) error {
	if (c.Site == "") != c.All {
		return usageError{fmt.Errorf("which destination? give its name, or --all")}
	}
	var n map[string]int
	if err := askOutbound(a, "/outbound/resume", c.Site, &n); err != nil {
		return err
	}
	if err := a.print(n, func(w io.Writer) { fmt.Fprintln(w, n["resumed"]) }); err != nil {
		return err
	}
	if n["resumed"] == 0 {
		return errors.New("no such destination is slowed down; `gapura outbound status` tells which are")
	}
	return nil
}

// askOutbound asks the running gateway.
func askOutbound(a *app, what string, ask, answer any) error {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	resp, err := callControl(a.ctx, cfg, what, ask)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(answer)
}

// showOutbound answers `gapura outbound status`.
func (s *server) showOutbound(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(s.gen.Load().outbound().Status())
}

// resumeOutbound answers `gapura outbound resume`.
func (s *server) resumeOutbound(w http.ResponseWriter, r *http.Request) {
	var site string
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&site); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n := s.gen.Load().outbound().Resume(site)
	s.log.Info("outbound resume", "site", site, "resumed", n)
	_ = json.NewEncoder(w).Encode(map[string]int{"resumed": n})
}

// outbound is the way to other servers.
func (g *generation) outbound() *outbound.Transport {
	return g.out
}

func printOutbound(w io.Writer, s *outbound.Status) {
	fmt.Fprintf(w, "%d connections of %d at most, %d of them idle\n", s.Connections, s.Limit, s.Idle)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(s.Sites) > 0 {
		fmt.Fprintln(t, "\nDESTINATION\tFROM\tOPEN\tIDLE\tWAITING\tSLOWED DOWN")
	}
	for _, x := range s.Sites {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\n", x.Site, orDash(x.Source), x.Connections, x.Idle, x.Waiting, slowed(&x))
	}
	if len(s.Sources) > 0 {
		fmt.Fprintln(t, "\nPOOL\tADDRESS\tHELLO\tLEFT TODAY\tLISTED")
	}
	for _, x := range s.Sources {
		left := "-"
		if x.Left != nil {
			left = fmt.Sprint(*x.Left)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.Pool, x.Address, x.Hello, left, orDash(fmt.Sprint(x.Listed)))
	}
	_ = t.Flush()
}

// slowed says how a destination is slowed down.
func slowed(x *outbound.SiteStatus) string {
	text := ""
	if x.PausedUntil != nil {
		text += "paused until " + x.PausedUntil.Local().Format(time.DateTime) + "; "
	}
	if x.Limit > 0 {
		text += fmt.Sprintf("%d connections; ", x.Limit)
	}
	if x.Interval > 0 {
		text += fmt.Sprintf("a message every %gs; ", x.Interval)
	}
	return orDash(text + x.Reason)
}

func orDash(s string) string {
	if s == "" || s == "[]" {
		return "-"
	}
	return s
}
