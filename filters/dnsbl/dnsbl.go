package dnsbl

import (
	"cmp"
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dnslist"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// identity is what of a session or transaction is looked up.
type identity int

const (
	client identity = iota
	helo
	sender
)

func (i identity) String() string { return [...]string{"client", "helo", "sender"}[i] }

// Filter asks DNS lists.
type Filter struct {
	zones    []*zone
	resolver dns.Resolver
	opt      Options
	stages   []gateway.Stage
}

// New returns the filter. r should remember answers: each stage asks again
// what the earlier ones did, so that its facts replace theirs whole.
func New(opt Options, r dns.Resolver) (*Filter, error) {
	zones, err := compile(opt)
	if err != nil {
		return nil, err
	}
	opt.Wait = cmp.Or(opt.Wait, defaultWait)
	f := &Filter{zones: zones, resolver: r, opt: opt}
	for i, stage := range []gateway.Stage{gateway.StageConnect, gateway.StageHelo, gateway.StageMail} {
		for _, z := range zones {
			if z.on[i] {
				f.stages = append(f.stages, stage)
				break
			}
		}
	}
	return f, nil
}

// Name implements gateway.Filter.
func (f *Filter) Name() string { return "dnsbl" }

// Stages implements gateway.Staged: those at which a list has something new.
func (f *Filter) Stages() []gateway.Stage { return f.stages }

// Check asks the lists about all that is known at the stage. It fails when no
// list answers.
func (f *Filter) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	questions := f.questions(stage, tx)
	if len(questions) == 0 {
		return gateway.Verdict{}, nil
	}
	within := deadline.After(ctx, f.wait(ctx))
	defer within.Cancel()
	found := make([]listing, len(questions))
	known := make([]int, 0, len(questions))
	var wg sync.WaitGroup
	for i, q := range questions {
		if dns.Known(f.resolver, q.name, dns.TypeA) {
			known = append(known, i)
			continue
		}
		wg.Go(func() { found[i] = f.ask(within, q) })
	}
	for _, i := range known {
		found[i] = f.ask(within, questions[i])
	}
	wg.Wait()
	return verdict(stage, found)
}

// wait leaves a tenth of the filter's own time to tell what was found.
func (f *Filter) wait(ctx context.Context) time.Duration {
	if t, ok := ctx.Deadline(); ok {
		return min(f.opt.Wait, time.Until(t)*9/10)
	}
	return f.opt.Wait
}

// question is one look-up in one list.
type question struct {
	zone    *zone
	who     identity
	subject string // as it is told: an address or domain
	name    string // as it is asked
}

// questions lists what is to be asked at stage, the lists in configured order.
func (f *Filter) questions(stage gateway.Stage, tx *gateway.Transaction) []question {
	s := tx.Session
	if s.User != "" || strings.HasPrefix(s.Listener, "submission") {
		return nil
	}
	ip := s.Remote.Addr().Unmap().WithZone("")
	subjects := [3]string{client: f.address(ip, s.Relay)}
	if stage >= gateway.StageHelo {
		subjects[helo] = domain(s.Helo)
	}
	if stage >= gateway.StageMail {
		subjects[sender] = domain(tx.From.Domain)
	}
	var list []question
	for _, z := range f.zones {
		for who, subject := range subjects {
			who := identity(who)
			switch {
			case !z.on[who] || subject == "", who == client && ip.Is6() && !z.six:
				continue
			case who == sender && z.on[helo] && subject == subjects[helo]: // counts once
				continue
			}
			key := subject
			if who == client {
				key = dns.ReverseLabels(ip)
			}
			list = append(list, question{z, who, subject, key + "." + z.name})
		}
	}
	return list
}

// address returns the client's address if it is to be looked up.
func (f *Filter) address(ip netip.Addr, relay bool) string {
	if !ip.IsValid() || relay || !f.opt.Private && !public(ip) {
		return ""
	}
	return ip.String()
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared.Contains(ip)
}

// domain returns a name that a list may have: of two labels or more and no
// address, for which many lists answer that they were asked in the wrong way.
func domain(s string) string {
	s, err := smtp.ASCIIDomain(s)
	if err != nil {
		return ""
	}
	name, ok := dns.Normal(s)
	if !ok || !strings.Contains(name, ".") || strings.ContainsAny(name, "[]: ") {
		return ""
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return ""
	}
	return name
}

// ask looks one subject up in one list.
func (f *Filter) ask(ctx context.Context, q question) listing {
	l := listing{question: q}
	ips, _, err := dns.LookupA(ctx, f.resolver, q.name)
	switch {
	case dns.IsNotFound(err):
		return l
	case err != nil:
		l.err = dnslist.Reason(err)
		return l
	}
	l.judge(ips)
	if l.listed() && !f.opt.NoText {
		if texts, _, err := dns.LookupTXT(ctx, f.resolver, q.name); err == nil {
			l.text = dnslist.Clean(texts[0])
		}
	}
	return l
}
