package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/plugins"
)

type pluginTest struct {
	Message  string            `placeholder:"FILE" help:"Message to try it on; - is standard input."`
	Name     string            `placeholder:"NAME" help:"Name that the configuration will give it; default: its own."`
	SHA256   string            `name:"sha256" placeholder:"HEX" help:"Expected hash of the program."`
	Dir      string            `placeholder:"DIR" help:"Working directory."`
	Env      map[string]string `placeholder:"K=V" help:"Environment; it gets none of ours."`
	IP       string            `name:"ip" default:"192.0.2.1" placeholder:"ADDR" help:"Address of the client."`
	Helo     string            `default:"client.example" placeholder:"NAME" help:"What the client says in EHLO."`
	MailFrom string            `name:"mail-from" placeholder:"ADDRESS" help:"The sender, without brackets; empty for the null sender."`
	Rcpt     []string          `default:"postmaster@example.org" placeholder:"ADDRESS" help:"Recipients."`
	Timeout  time.Duration     `default:"10s" help:"For each question."`
	Command  []string          `arg:"" passthrough:"" help:"The plugin's program and its arguments."`
}

// Help is printed below the flags.
func (*pluginTest) Help() string {
	return `Our flags come before the program; what follows it is the plugin's.

Examples:
  gapura plugin test ./hello
  gapura plugin test --message mail.eml ./hello -word urgent
  gapura plugin test --json --message - ./hello < mail.eml`
}

// pluginReport is the command's JSON.
type pluginReport struct {
	plugins.Status
	Declared []pluginField  `json:"declared"`
	Answers  []pluginAnswer `json:"answers"`
}

type pluginField struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Stage   string `json:"stage"`
	Rcpt    bool   `json:"rcpt"`
	Default any    `json:"default"`
	Doc     string `json:"doc"`
}

type pluginAnswer struct {
	Stage   string           `json:"stage"`
	Facts   map[string]any   `json:"facts"`
	Rcpts   []map[string]any `json:"rcpts,omitempty"`
	Results []string         `json:"results,omitempty"` // for Authentication-Results
	Millis  float64          `json:"ms"`
	Error   string           `json:"error,omitempty"`
}

// Run implements the command.
func (c *pluginTest) Run(a *app) error {
	tx, err := c.transaction()
	if err != nil {
		return usageError{err}
	}
	p, err := plugins.OpenAny(a.ctx, plugins.Options{
		Name: c.Name, Command: c.Command, SHA256: c.SHA256, Dir: c.Dir, Env: c.Env,
	}, slog.New(slog.NewTextHandler(a.stderr, nil)))
	if err != nil {
		return err
	}
	defer p.Close()
	r := pluginReport{Status: p.Status(), Answers: []pluginAnswer{}}
	f := p.Filter()
	for _, d := range f.Fields() {
		r.Declared = append(r.Declared, pluginField{d.Name, d.Type.String(), d.Stage.String(), d.Rcpt, d.Zero(), d.Doc})
	}
	c.early(a.ctx, f, tx, &r)
	if b, ok := f.(gateway.BodyFilter); ok && c.Message != "" {
		if err := c.judge(a, b, tx, &r); err != nil {
			return err
		}
	}
	if err := a.print(r, r.text); err != nil {
		return err
	}
	for _, x := range r.Answers {
		if x.Error != "" {
			return errNo
		}
	}
	return nil
}

func (c *pluginTest) transaction() (*gateway.Transaction, error) {
	ip, err := netip.ParseAddr(c.IP)
	if err != nil {
		return nil, fmt.Errorf("--ip %s is no address", c.IP)
	}
	now := time.Now()
	tx := &gateway.Transaction{
		ID: "test", Now: now,
		Session: &gateway.Session{
			ID: "test", Listener: "smtp", Remote: netip.AddrPortFrom(ip, 12345),
			Helo: c.Helo, Extended: true, Started: now,
		},
	}
	if c.MailFrom != "" {
		if tx.From.Address, err = smtp.ParseMailbox(c.MailFrom, smtp.UTF8); err != nil {
			return nil, fmt.Errorf("--mail-from %s: %w", c.MailFrom, err)
		}
	}
	for _, rcpt := range c.Rcpt {
		addr, err := smtp.ParseMailbox(rcpt, smtp.UTF8)
		if err != nil {
			return nil, fmt.Errorf("--rcpt %s: %w", rcpt, err)
		}
		tx.Rcpts = append(tx.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: addr}})
	}
	return tx, nil
}

// early asks at the stages before there is a message.
func (c *pluginTest) early(ctx context.Context, f gateway.Filter, tx *gateway.Transaction, r *pluginReport) {
	for _, s := range f.(gateway.Staged).Stages() {
		c.ask(ctx, s, r, func(ctx context.Context) (gateway.Verdict, error) { return f.Check(ctx, s, tx) })
	}
}

func (c *pluginTest) ask(ctx context.Context, s gateway.Stage, r *pluginReport, f func(ctx context.Context) (gateway.Verdict, error)) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	began := time.Now()
	v, err := f(ctx)
	x := pluginAnswer{
		Stage: s.String(), Facts: pluginFacts(v.Facts),
		Millis: float64(time.Since(began).Microseconds()) / 1000,
	}
	for _, facts := range v.Rcpts {
		x.Rcpts = append(x.Rcpts, pluginFacts(facts))
	}
	for _, res := range v.Results {
		x.Results = append(x.Results, authResult(res))
	}
	if err != nil {
		x.Error = err.Error()
	}
	r.Answers = append(r.Answers, x)
}

func pluginFacts(facts []gateway.Fact) map[string]any {
	m := make(map[string]any, len(facts))
	for _, f := range facts {
		m[f.Name] = f.Value
	}
	return m
}

// judge shows it the message.
func (c *pluginTest) judge(a *app, f gateway.BodyFilter, tx *gateway.Transaction, r *pluginReport) error {
	m, err := a.readMessage(c.Message)
	if err != nil {
		return err
	}
	defer m.Close()
	b := body.New(body.Options{})
	defer b.Release()
	n, err := io.Copy(b, m.body)
	if err != nil {
		return err
	}
	_ = b.Close()
	tx.Header = m.header
	c.ask(a.ctx, gateway.StageMessage, r, func(ctx context.Context) (gateway.Verdict, error) {
		reading, err := f.Read(ctx, tx, wholeMessage{m.header, b})
		if err != nil || reading == nil {
			return gateway.Verdict{}, err
		}
		tx.Size = int64(len(m.header.Raw())) + 2 + n
		return reading.Conclude(ctx, tx)
	})
	return nil
}

func (r pluginReport) text(w io.Writer) {
	fmt.Fprintf(w, "%s %s, started in %s\n\nfacts that it may return:\n", r.Name, r.Version, r.StartTime.Round(100*time.Microsecond))
	for _, f := range r.Declared {
		rcpt := ""
		if f.Rcpt {
			rcpt = ", by recipient"
		}
		fmt.Fprintf(w, "  %s (%s, from %s on%s) %s\n", f.Name, f.Type, f.Stage, rcpt, f.Doc)
	}
	for _, x := range r.Answers {
		fmt.Fprintf(w, "\nat %s, after %.1f ms:\n", x.Stage, x.Millis)
		x.text(w, r.Declared)
	}
}

func (x pluginAnswer) text(w io.Writer, declared []pluginField) {
	if x.Error != "" {
		fmt.Fprintf(w, "  error: %s\n", x.Error)
		return
	}
	if len(x.Facts)+len(x.Rcpts)+len(x.Results) == 0 {
		fmt.Fprintln(w, "  nothing")
	}
	for _, f := range declared { // in their order
		if v, ok := x.Facts[f.Name]; ok {
			fmt.Fprintf(w, "  %s = %#v\n", f.Name, v)
		}
		for i, facts := range x.Rcpts {
			if v, ok := facts[f.Name]; ok {
				fmt.Fprintf(w, "  %s = %#v for recipient %d\n", f.Name, v, i+1)
			}
		}
	}
	for _, res := range x.Results {
		fmt.Fprintf(w, "  result %s\n", res)
	}
}

func authResult(r message.AuthResult) string {
	s := r.Method + "=" + r.Result
	for _, p := range r.Props {
		s += " " + p.Type + "." + p.Name + "=" + p.Value
	}
	return s
}

// wholeMessage is a message that has arrived, for a filter that decodes no
// parts.
type wholeMessage struct {
	header *message.Header
	body   *body.Body
}

func (m wholeMessage) Header() *message.Header { return m.header }
func (m wholeMessage) Body() io.ReadCloser     { return m.body.Open() }

func (wholeMessage) Parts(context.Context) iter.Seq2[*gateway.Part, error] {
	return func(yield func(*gateway.Part, error) bool) {
		yield(nil, errors.New("plugins get no decoded parts"))
	}
}
