package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// explainCmd is `gapura explain`.
type explainCmd struct {
	File     string     `arg:"" default:"-" help:"Message; - for standard input."`
	IP       netip.Addr `name:"ip" default:"127.0.0.1" help:"Address of the client."`
	Helo     string     `default:"localhost" help:"What the client calls itself."`
	MailFrom string     `name:"mail-from" help:"Envelope sender; default: <>."`
	Rcpt     []string   `help:"Envelope recipient; may be given several times."`
	User     string     `help:"Who has logged in: the message is submitted, and judged at that stage alone."`
	dnsFlags
	timeFlag
}

// Help is the long help.
func (*explainCmd) Help() string {
	return `Runs all filters and the policy of the configuration on one message and tells
every fact, rule and disposition. Nothing is delivered, no backend is asked.
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
	Recipients []rcptExplanation `json:"recipients"`
	names      []string          // of Facts, in order
}

// rcptExplanation is what becomes of one recipient's copy.
type rcptExplanation struct {
	To          string         `json:"to"`
	Route       string         `json:"route,omitempty"`
	Disposition string         `json:"disposition"`
	Stage       string         `json:"stage,omitempty"`
	Reply       string         `json:"reply,omitempty"`
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
	e, err := c.explain(a.ctx, cfg, j, m, bodies)
	if err != nil {
		return err
	}
	e.Spam = taught
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

func (c *explainCmd) explain(ctx context.Context, cfg *config.Config, j *judge, m *messageFile, opt body.Options) (*explanation, error) {
	from, to, err := c.envelope()
	if err != nil {
		return nil, err
	}
	routes, err := routesOf(cfg)
	if err != nil {
		return nil, err
	}
	sess := &gateway.Session{
		ID: ulid.Make().String(), Listener: "smtp", Remote: netip.AddrPortFrom(c.IP, 4242), User: c.User, Started: c.now(),
	}
	if c.User != "" {
		sess.Listener = "submission"
	}
	for _, p := range cfg.Networks.Relay {
		sess.Relay = sess.Relay || p.Contains(c.IP)
	}
	s := j.pipeline.Connect(ctx, sess)
	defer s.Close()
	greeted := *sess
	greeted.Helo, greeted.Extended = c.Helo, true
	s.Helo(&greeted)
	tx := s.Mail(gateway.Transaction{ID: sess.ID, Session: &greeted, From: from, Now: c.now()})
	defer tx.Close()
	e := &explanation{ID: sess.ID}
	var accepted []int
	for _, path := range to {
		key, ok := routes.For(path)
		if sess.Submitted() && path.Domain != "" && (!ok || key == route.Default) {
			key, ok = route.Outbound, true
		}
		if !ok {
			e.Recipients = append(e.Recipients, rcptExplanation{To: path.String(), Disposition: "reject", Stage: "rcpt", Reply: "550 5.7.1 Relaying denied", refused: true})
			continue
		}
		r := gateway.Recipient{To: path, Route: key}
		ruling := tx.Rcpt(ctx, r, path.IsPostmaster())
		r.Facts = tx.Asked()
		e.Recipients = append(e.Recipients, explainRcpt(r, ruling))
		if !ruling.Refused() {
			accepted = append(accepted, len(e.Recipients)-1)
			tx.Accept(r, ruling)
		}
	}
	facts := tx.Facts()
	if len(accepted) > 0 {
		res, err := judgeFile(ctx, tx, m, opt)
		if err != nil {
			return nil, err
		}
		for i, k := range accepted {
			e.Recipients[k] = explainRcpt(tx.Rcpts()[i], res.Rulings[i])
		}
		facts = res.Facts
		if len(res.Results) > 0 && !sess.Submitted() { // ours get no report on themselves
			ar := message.AuthResults{ID: cfg.Hostname, Results: res.Results}
			e.Results = ar.Value()
		}
	}
	e.Facts, e.names = factMap(facts)
	return e, nil
}

// envelope parses the flags' addresses; without --rcpt somebody is made up.
func (c *explainCmd) envelope() (from smtp.ReversePath, to []smtp.ForwardPath, err error) {
	if c.MailFrom != "" && c.MailFrom != "<>" {
		if from.Address, err = smtp.ParseMailbox(strings.Trim(c.MailFrom, "<>"), smtp.UTF8|smtp.Underscore); err != nil {
			return from, nil, usageError{fmt.Errorf("--mail-from: %w", err)}
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

func routesOf(cfg *config.Config) (*route.Table, error) {
	var keys []string
	for _, d := range cfg.Domains {
		keys = append(keys, d.Name)
	}
	return route.NewTable(keys)
}

// judgeFile runs the body filters on a message file.
func judgeFile(ctx context.Context, tx *pipeline.Transaction, m *messageFile, opt body.Options) (pipeline.Result, error) {
	b := body.New(opt)
	defer b.Release()
	j := tx.Judge(ctx, m.header, b)
	defer j.Close()
	n, err := io.Copy(b, m.body)
	if err != nil {
		return pipeline.Result{}, err
	}
	b.Close()
	return j.Conclude(ctx, int64(len(m.header.Raw()))+2+n), nil
}

func explainRcpt(r gateway.Recipient, ruling pipeline.Ruling) rcptExplanation {
	x := rcptExplanation{To: r.To.String(), Route: r.Route, Disposition: "deliver", Rules: ruling.Rules, refused: ruling.Refused()}
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
