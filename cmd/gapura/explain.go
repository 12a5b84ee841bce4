package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// explainCmd is `gapura explain`.
type explainCmd struct {
	File     string     `arg:"" default:"-" help:"Message; - for standard input."`
	IP       netip.Addr `name:"ip" default:"127.0.0.1" help:"Address of the client."`
	Helo     string     `default:"localhost" help:"What the client calls itself."`
	MailFrom string     `name:"mail-from" help:"Envelope sender, <> for none; default: who has logged in, else none."`
	Rcpt     []string   `help:"Envelope recipient; may be given several times."`
	User     string     `help:"Who has logged in: the message is submitted, and judged at that stage alone."`
	dnsFlags
	timeFlag
}

// Help is the long help.
func (*explainCmd) Help() string {
	return `Runs all filters and the policy of the configuration on one message and tells
every fact, rule and disposition, and what the client would hear: from users,
aliases, limits and the suppression list too. Nothing is delivered or counted, no
backend is asked.
The spam filter asks what was learned here for each recipient, and learns nothing.
Without a configuration file, the filters that need no options are asked.
Exit code 1: the message would be refused.

Example:
  gapura explain --ip 192.0.2.1 --mail-from a@example.com --rcpt b@example.org message.eml`
}

// explanation is what the command prints.
type explanation struct {
	ID         string            `json:"id"`
	Facts      map[string]any    `json:"facts"`
	Results    string            `json:"authentication_results,omitempty"`
	Spam       string            `json:"spam_by,omitempty"` // what the filter spam has asked
	Unasked    string            `json:"unasked,omitempty"` // why users and lists were not
	Recipients []rcptExplanation `json:"recipients"`
	names      []string          // of Facts, in order
}

// rcptExplanation is what becomes of one recipient's copy.
type rcptExplanation struct {
	To          string         `json:"to"`
	Route       string         `json:"route,omitempty"`
	LeadsTo     []string       `json:"leads_to,omitempty"` // whom copies go to in its place
	Disposition string         `json:"disposition"`
	Stage       string         `json:"stage,omitempty"`
	Reply       string         `json:"reply,omitempty"`
	Kept        bool           `json:"kept,omitempty"` // the refused copy: in quarantine
	Rules       []string       `json:"rules,omitempty"`
	Edits       []string       `json:"edits,omitempty"`
	Facts       map[string]any `json:"facts,omitempty"` // of this recipient alone
	Lane        string         `json:"lane,omitempty"`
	Pool        string         `json:"pool,omitempty"`
	Priority    int            `json:"priority,omitempty"`
	Hold        string         `json:"hold,omitempty"`
	refused     bool
	names       []string // of Facts, in order
}

// Run implements the command.
func (c *explainCmd) Run(a *app) error {
	cfg, err := explainConfig(a.config)
	if err != nil {
		return err
	}
	resolver, done, err := c.openFor(cfg)
	if err != nil {
		return err
	}
	defer done()
	bodies := body.Options{Memory: cfg.Limits.BodyMemory}
	log := a.warnings()
	srv := &server{log: log, spam: spamState{explain: true}}
	taught, forget := srv.askLearned(a, cfg, log)
	defer forget()
	j, err := newJudge(cfg, resolver, bodies, srv)
	if err != nil {
		return err
	}
	defer j.close()
	if err := srv.spam.configure(a.ctx, cfg); err != nil {
		return err
	}
	m, err := a.readMessage(c.File)
	if err != nil {
		return err
	}
	defer m.Close()
	if delivered(m, cfg.Hostname) {
		fmt.Fprintln(a.stderr, "gapura: the message has the fields that this gateway put on top of it when it came, and is judged with them; gapura spam explain leaves them out")
	}
	h, unasked, end, err := c.handler(a, cfg, srv, inbound.Options{Pipeline: j.pipeline, Body: bodies, Log: log})
	if err != nil {
		return err
	}
	defer end()
	e, err := c.explain(a.ctx, h, cfg.Hostname, m)
	if err != nil {
		return err
	}
	e.Spam, e.Unasked = taught, unasked
	if err := a.print(e, e.text); err != nil {
		return err
	}
	for _, r := range e.Recipients {
		if r.refused {
			return errNo
		}
	}
	return nil
}

// delivered tells whether the gateway called hostname has put fields on top of
// a message.
func delivered(m *messageFile, hostname string) bool {
	var raw bytes.Buffer
	for _, f := range m.header.Fields() {
		raw.Write(f.Raw)
	}
	raw.WriteString("\r\n")
	return len(spam.AsArrived(raw.Bytes(), hostname)) < raw.Len()
}

// explainConfig is the configuration, or where there is none, the filters that
// need no options.
func explainConfig(file string) (*config.Config, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && file == defaultConfig {
		return config.Parse("built-in", []byte("filters: [spf, dkim, arc, dmarc, headers, attachment, spam]\ndomains: {default: {deliver: proxy, backends: [\"smtp://127.0.0.1:25\"]}}\n"))
	}
	return config.Load(file)
}

// openFor opens the resolver of the flags, or of the configuration.
func (f dnsFlags) openFor(cfg *config.Config) (dns.Resolver, func(), error) {
	if f.Resolver == "" && f.Zone == "" {
		return openResolver(cfg, nil)
	}
	r, err := f.open()
	return r, func() {}, err
}

// explain asks what the gateway asks, in its order.
func (c *explainCmd) explain(ctx context.Context, h *inbound.Handler, hostname string, m *messageFile) (*explanation, error) {
	from, to, err := c.envelope()
	if err != nil {
		return nil, err
	}
	info := smtpd.Info{
		Listener: "smtp", Remote: netip.AddrPortFrom(c.IP, 4242), Helo: c.Helo, Extended: true, User: c.User, Started: c.now(),
	}
	if c.User != "" {
		info.Listener = "submission"
	}
	e := &explanation{Facts: map[string]any{}}
	x, err := h.Try(ctx, info, from, c.now())
	if r, is := smtp.AsReply(err); is {
		for _, path := range to {
			e.Recipients = append(e.Recipients, rcptExplanation{To: path.String()}.refusedAt(gateway.StageMail, r))
		}
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	defer x.Close()
	e.ID = x.ID()
	var taken []int // of e.Recipients
	var tried []inbound.Tried
	for _, path := range to {
		y, err := x.Rcpt(ctx, path)
		if err != nil {
			return nil, err
		}
		r := explainRcpt(y, y.Ruling)
		switch {
		case y.Reply.IsZero():
			taken, tried = append(taken, len(e.Recipients)), append(tried, y)
		case !y.Ruling.Refused():
			r = r.refusedAt(gateway.StageRcpt, y.Reply)
		}
		e.Recipients = append(e.Recipients, r)
	}
	facts := x.Facts()
	if len(taken) > 0 {
		raw := io.MultiReader(bytes.NewReader(m.header.Raw()), strings.NewReader("\r\n"), m.body)
		res, err := x.Data(ctx, raw)
		if err != nil {
			return nil, err
		}
		for i, k := range taken {
			r := &e.Recipients[k]
			if !res.Refusal.IsZero() {
				*r = r.refusedAt(gateway.StageHeader, res.Refusal)
				continue
			}
			tried[i].Recipient = x.Rcpts()[i]
			*r = explainRcpt(tried[i], res.Rulings[i])
			r.Kept = r.refused && res.Kept
			if !r.refused && !res.Replies[i].IsZero() { // for another
				*r = r.refusedAt(gateway.StageMessage, res.Replies[i])
			}
		}
		if res.Refusal.IsZero() {
			facts = res.Facts
		}
		if len(res.Results) > 0 && !x.Submitted() { // ours get no report on themselves
			ar := message.AuthResults{ID: hostname, Results: res.Results}
			e.Results = ar.Value()
		}
	}
	e.Facts, e.names = factMap(facts)
	return e, nil
}

// envelope parses the flags' addresses; without --rcpt somebody is made up.
func (c *explainCmd) envelope() (from smtp.ReversePath, to []smtp.ForwardPath, err error) {
	flag, sender := "--mail-from", cmp.Or(c.MailFrom, c.User, "<>")
	if c.MailFrom == "" {
		flag = "--user"
	}
	if sender != "<>" {
		if from.Address, err = smtp.ParseMailbox(strings.Trim(sender, "<>"), smtp.UTF8|smtp.Underscore); err != nil {
			return from, nil, usageError{fmt.Errorf("%s: %w", flag, err)}
		}
	}
	for _, r := range c.Rcpt {
		addr, err := smtp.ParseMailbox(strings.Trim(r, "<>"), smtp.UTF8|smtp.Underscore)
		if err != nil {
			return from, nil, usageError{fmt.Errorf("--rcpt: %w", err)}
		}
		to = append(to, smtp.ForwardPath{Address: addr})
	}
	if len(to) == 0 {
		to = []smtp.ForwardPath{{Address: smtp.Address{Local: "postmaster"}}}
	}
	return from, to, nil
}

// explainRcpt tells what the rulings of filters and policy say of a recipient.
func explainRcpt(y inbound.Tried, ruling pipeline.Ruling) rcptExplanation {
	r := y.Recipient
	x := rcptExplanation{To: y.Asked.String(), Route: r.Route, Disposition: "deliver", Rules: ruling.Rules, refused: ruling.Refused()}
	if ruling.Route != "" {
		x.Route = ruling.Route
	}
	if ruling.Action != gateway.Continue && ruling.Action != gateway.Accept {
		x.Disposition, x.Stage = ruling.Action.String(), ruling.Stage.String()
	}
	if ruling.Refused() {
		x.Reply = ruling.Reply.Error()
	}
	for _, ed := range ruling.Edits {
		switch ed.Kind {
		case gateway.AddField:
			x.Edits = append(x.Edits, "add "+ed.Name+": "+ed.Value)
		case gateway.RemoveField:
			x.Edits = append(x.Edits, "remove "+ed.Name)
		case gateway.TagSubject:
			x.Edits = append(x.Edits, "tag the subject "+ed.Value)
		}
	}
	x.Facts, x.names = factMap(r.Facts)
	x.Lane, x.Pool, x.Priority, x.Hold = ruling.Queue.Lane, ruling.Queue.Pool, ruling.Queue.Priority, ruling.Queue.Hold
	for _, to := range y.To {
		if len(y.To) > 1 || to.To != y.Asked {
			x.LeadsTo = append(x.LeadsTo, to.To.String())
		}
	}
	return x
}

// refusedAt is x where the gateway itself refuses.
func (x rcptExplanation) refusedAt(stage gateway.Stage, r smtp.Reply) rcptExplanation {
	action := gateway.Reject
	if r.Temporary() {
		action = gateway.Defer
	}
	x.Disposition, x.Stage, x.Reply, x.refused = action.String(), stage.String(), r.Error(), true
	return x
}

// factMap returns the facts by name, and the names in order.
func factMap(f gateway.Facts) (map[string]any, []string) {
	m := map[string]any{}
	var names []string
	for _, x := range f.All() {
		if _, there := m[x.Name]; !there {
			names = append(names, x.Name)
		}
		m[x.Name] = x.Value
	}
	return m, names
}

// text prints the explanation for people.
func (e *explanation) text(w io.Writer) {
	fmt.Fprintln(w, "facts")
	for _, name := range e.names {
		printFact(w, name, e.Facts[name])
	}
	if e.Spam != "" {
		fmt.Fprintf(w, "\nspam is judged by %s\n", e.Spam)
	}
	if e.Unasked != "" {
		fmt.Fprintf(w, "\nusers, aliases, limits and suppressed addresses are not asked: %s\n", e.Unasked)
	}
	if e.Results != "" {
		fmt.Fprintf(w, "\nAuthentication-Results: %s\n", strings.ReplaceAll(e.Results, "\r\n", "\n"))
	}
	for _, r := range e.Recipients {
		fmt.Fprintf(w, "\n%s: %s", r.To, r.Disposition)
		if r.Stage != "" {
			fmt.Fprintf(w, " at %s", r.Stage)
		}
		if r.Route != "" && !r.refused {
			fmt.Fprintf(w, " to %s", r.Route)
		}
		fmt.Fprintln(w)
		if r.Reply != "" {
			fmt.Fprintf(w, "  reply  %s\n", r.Reply)
		}
		if r.Kept {
			fmt.Fprintln(w, "  kept   in quarantine, while there is room: the client hears 250, for others")
		}
		for _, to := range r.LeadsTo {
			fmt.Fprintf(w, "  to     %s\n", to)
		}
		for _, rule := range r.Rules {
			fmt.Fprintf(w, "  rule   %s\n", rule)
		}
		for _, ed := range r.Edits {
			fmt.Fprintf(w, "  edit   %s\n", ed)
		}
		r.queueing(w)
		for _, name := range r.names {
			printFact(w, name, r.Facts[name])
		}
	}
}

// printFact prints a fact; reasons have a line each.
func printFact(w io.Writer, name string, value any) {
	lines, ok := value.([]string)
	if !ok || !strings.HasSuffix(name, ".reasons") {
		fmt.Fprintf(w, "  %-28s %v\n", name, value)
		return
	}
	for i, line := range lines {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(w, "  %-28s %s\n", name, line)
	}
}

// queueing prints how the copy waits in the queue, where the policy says so.
func (r *rcptExplanation) queueing(w io.Writer) {
	for _, x := range []struct{ name, value string }{{"lane", r.Lane}, {"pool", r.Pool}, {"hold", r.Hold}} {
		if x.value != "" {
			fmt.Fprintf(w, "  %-6s %s\n", x.name, x.value)
		}
	}
	if r.Priority != 0 {
		fmt.Fprintf(w, "  priority %d\n", r.Priority)
	}
}
