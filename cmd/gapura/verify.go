package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/filters/dkim"
	"github.com/gapura-mail/gapura/filters/dmarc"
	"github.com/gapura-mail/gapura/filters/spf"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
)

// clientFlags say where a message came from.
type clientFlags struct {
	IP       string `name:"ip" placeholder:"ADDR" help:"Address of the client; without it SPF is not checked."`
	Helo     string `placeholder:"NAME" help:"What it said in HELO or EHLO."`
	MailFrom string `name:"mail-from" placeholder:"ADDRESS" help:"The envelope's sender, without brackets; empty for the null sender."`
}

// addr parses --ip; the zero Addr without it.
func (f clientFlags) addr() (netip.Addr, error) {
	if f.IP == "" {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(f.IP)
	if err != nil {
		return ip, usageError{fmt.Errorf("--ip %s is no address", f.IP)}
	}
	return ip, nil
}

type verifyCmd struct {
	clientFlags
	AuthservID string `name:"authserv-id" placeholder:"NAME" help:"Our name in Authentication-Results; default: this host's."`
	dnsFlags
	timeFlag
	Message string `arg:"" default:"-" help:"Message to verify; - is standard input."`
}

// Help is printed below the flags.
func (*verifyCmd) Help() string {
	return `Exit code 0: DMARC passes or does not apply; 1: anything else.

Examples:
  gapura verify mail.eml
  gapura verify --ip 192.0.2.1 --helo mx.example.org --mail-from someone@example.org --json - < mail.eml`
}

// verifyReport is the command's JSON.
type verifyReport struct {
	SPF     *spfReport          `json:"spf"`  // of MAIL FROM, or of HELO for the null sender; null without --ip
	Helo    *spfReport          `json:"helo"` // of HELO
	DKIM    mailauth.DKIMReport `json:"dkim"`
	ARC     mailauth.ARCChain   `json:"arc"`
	DMARC   dmarcReport         `json:"dmarc"`
	Results string              `json:"authentication_results"` // the field that we would add, unfolded
	field   []byte
}

func (r *verifyReport) text(w io.Writer) {
	if r.SPF != nil {
		r.Helo.text(w)
		r.SPF.text(w)
	}
	fmt.Fprint(w, "dkim: ")
	printDKIM(w, r.DKIM)
	fmt.Fprint(w, "arc: ")
	printARC(w, r.ARC)
	r.DMARC.text(w)
	fmt.Fprintf(w, "\n%s", strings.ReplaceAll(string(r.field), "\r\n", "\n"))
}

// Run runs `gapura verify`.
func (c *verifyCmd) Run(a *app) error {
	ip, err := c.addr()
	if err != nil {
		return err
	}
	asked, err := c.open()
	if err != nil {
		return err
	}
	cache := dns.NewCache(asked, dns.CacheOptions{}) // every answer serves twice
	defer cache.Close()
	m, err := a.readMessage(c.Message)
	if err != nil {
		return err
	}
	defer m.Close()
	b := body.New(body.Options{})
	defer b.Release()
	if _, err := io.Copy(b, m.body); err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	v := &verification{a.ctx, cache, receiver(c.AuthservID), c.clientFlags, ip, c.now(), m.header, b}
	report, err := v.run()
	if err != nil {
		return err
	}
	if err := a.print(report, report.text); err != nil {
		return err
	}
	return verdict(report.DMARC.Result)
}

// verification is one message and where it came from.
type verification struct {
	ctx      context.Context
	resolver dns.Resolver
	hostname string
	client   clientFlags
	ip       netip.Addr
	now      time.Time
	header   *message.Header
	body     *body.Body
}

// run makes the report.
func (v *verification) run() (*verifyReport, error) {
	var r verifyReport
	opt := mailauth.VerifyOptions{Now: v.now, MaxSignatures: checkedSignatures}
	read := func(f func(io.Reader) error) error {
		b := v.body.Open()
		defer b.Close()
		return f(b)
	}
	err := read(func(b io.Reader) (err error) {
		r.DKIM, err = mailauth.VerifyDKIM(v.ctx, v.header, b, v.resolver, opt)
		return err
	})
	if err == nil {
		err = read(func(b io.Reader) (err error) {
			r.ARC, err = mailauth.VerifyARC(v.ctx, v.header, b, v.resolver, opt)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if v.ip.IsValid() {
		in := mailauth.SPFInput{IP: v.ip, Helo: v.client.Helo, MailFrom: v.client.MailFrom, Receiver: v.hostname, Now: v.now}
		mail := newSPFReport(mailauth.CheckSPF(v.ctx, v.resolver, in, mailauth.SPFOptions{}))
		helo := newSPFReport(mailauth.CheckSPFHelo(v.ctx, v.resolver, in, mailauth.SPFOptions{}))
		r.SPF, r.Helo = &mail, &helo
	}
	r.DMARC = newDMARCReport(mailauth.EvaluateDMARC(v.ctx, v.resolver, r.dmarcInput(v.header)))
	results, err := v.results()
	if err != nil {
		return nil, err
	}
	ar := message.AuthResults{ID: v.hostname, Results: results}
	r.field = ar.Field()
	r.Results = unfold(ar.Value())
	return &r, nil
}

// dmarcInput combines the author with what was found.
func (r *verifyReport) dmarcInput(h *message.Header) (in mailauth.DMARCInput) {
	in.HeaderFrom, _ = message.AuthorDomains(h)
	if r.SPF != nil {
		in.SPF = mailauth.AuthIdentifier{Result: r.SPF.Result, Domain: r.SPF.Domain}
	}
	for _, s := range r.DKIM.Signatures {
		in.DKIM = append(in.DKIM, mailauth.AuthIdentifier{Result: s.Result, Domain: s.Domain})
	}
	return in
}

// unfold takes the line ends out of a field's value.
func unfold(s string) string { return strings.ReplaceAll(s, "\r\n\t", " ") }

// verifyTimeout is for each filter.
const verifyTimeout = mailauth.SPFTimeout

// results asks the gateway's own filters, so that the field is the one that
// they would add.
func (v *verification) results() ([]message.AuthResult, error) {
	p, err := v.pipeline()
	if err != nil {
		return nil, err
	}
	sess := &gateway.Session{ID: "verify", Listener: "smtp", Helo: v.client.Helo, Extended: true, Started: v.now}
	if v.ip.IsValid() {
		sess.Remote = netip.AddrPortFrom(v.ip, 0)
	}
	tx := gateway.Transaction{ID: "verify", Session: sess, Now: v.now}
	if at := strings.LastIndexByte(v.client.MailFrom, '@'); v.client.MailFrom != "" {
		tx.From.Local, tx.From.Domain = v.client.MailFrom[:max(at, 0)], v.client.MailFrom[at+1:]
	}
	s := p.Connect(v.ctx, sess)
	defer s.Close()
	s.Helo(sess)
	t := s.Mail(tx)
	defer t.Close()
	rcpt := gateway.Recipient{}
	t.Accept(rcpt, t.Rcpt(v.ctx, rcpt, false))
	j := t.Judge(v.ctx, v.header, v.body)
	defer j.Close()
	return j.Conclude(v.ctx, v.body.Size()).Results, nil
}

// pipeline is the filters that authenticate, without a policy.
func (v *verification) pipeline() (*pipeline.Pipeline, error) {
	s, err := spf.New(spf.Options{}, v.resolver, v.hostname)
	if err != nil {
		return nil, err
	}
	d, err := dkim.New(dkim.Options{}, v.resolver)
	if err != nil {
		return nil, err
	}
	c, err := arc.New(arc.Options{}, v.resolver)
	if err != nil {
		return nil, err
	}
	m, err := dmarc.New(dmarc.Options{LookupTimeout: mailauth.DMARCTimeout}, v.resolver)
	if err != nil {
		return nil, err
	}
	var steps []pipeline.Step
	for _, f := range []gateway.Filter{s, d, c, m} {
		steps = append(steps, pipeline.Step{Filter: f, Timeout: verifyTimeout})
	}
	return pipeline.New(pipeline.Options{Steps: steps, Log: slog.New(slog.DiscardHandler)})
}
