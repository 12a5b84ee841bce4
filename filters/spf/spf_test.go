package spf

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

var zone = dnstest.Zone{
	"ok.test":    {dnstest.TXT("v=spf1 ip4:192.0.2.0/24 a:x.test -all exp=why.test")},
	"why.test":   {dnstest.TXT("%{i} is not ours, says %{r}")},
	"mx.ok.test": {dnstest.TXT("v=spf1 a -all"), dnstest.A("192.0.2.1")},
	"bad.test":   {dnstest.TXT("v=spf1 nonsense")},
}

func newFilter(t *testing.T, opt Options, r dns.Resolver) *Filter {
	t.Helper()
	f, err := New(opt, r, "gw.test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestHeloAndMailFromAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, ip, helo, from, want, results string
	}{
		{
			"pass", "192.0.2.1", "mx.ok.test", "a@ok.test",
			"pass ok.test ip4:192.0.2.0/24 0 pass mx.ok.test",
			"spf=pass smtp.helo=mx.ok.test; spf=pass smtp.mailfrom=a@ok.test",
		},
		{
			"fail", "203.0.113.1", "mx.ok.test", "a@ok.test",
			"fail ok.test -all 1 fail mx.ok.test 203.0.113.1 is not ours, says gw.test",
			"spf=fail smtp.helo=mx.ok.test; spf=fail smtp.mailfrom=a@ok.test",
		},
		{
			"null sender", "192.0.2.1", "mx.ok.test", "",
			"pass mx.ok.test a 1 pass mx.ok.test",
			"spf=pass smtp.helo=mx.ok.test",
		},
		{
			"HELO without a name", "192.0.2.1", "[192.0.2.1]", "a@bad.test",
			"permerror bad.test  0 none ",
			"spf=permerror reason smtp.mailfrom=a@bad.test",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFilter(t, Options{}, zone)
			tx := filtertest.Transaction(tt.ip, tt.helo)
			if local, domain, ok := strings.Cut(tt.from, "@"); ok {
				tx.From.Address = smtp.Address{Local: local, Domain: domain}
			}
			var all gateway.Verdict
			for _, stage := range f.Stages() {
				v, err := f.Check(context.Background(), stage, tx)
				if err != nil {
					t.Fatal(err)
				}
				all.Facts, all.Results = append(all.Facts, v.Facts...), append(all.Results, v.Results...)
			}
			m := filtertest.Values(t, f, all)
			got := strings.TrimRight(fmt.Sprint(m["spf.result"], " ", m["spf.domain"], " ", m["spf.mechanism"], " ", m["spf.lookups"], " ",
				m["spf.helo_result"], " ", m["spf.helo_domain"], " ", m["spf.explanation"]), " ")
			if got != strings.TrimRight(tt.want, " ") {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := line(all.Results); got != tt.results {
				t.Errorf("results %s, want %s", got, tt.results)
			}
		})
	}
}

func line(results []message.AuthResult) string {
	var list []string
	for _, r := range results {
		s := r.Method + "=" + r.Result
		if r.Reason != "" {
			s += " reason"
		}
		for _, p := range r.Props {
			s += " " + p.Type + "." + p.Name + "=" + p.Value
		}
		list = append(list, s)
	}
	return strings.Join(list, "; ")
}

func TestOwnClientsAreNotChecked(t *testing.T) {
	t.Parallel()
	f := newFilter(t, Options{}, dnstest.Func(func(context.Context, string, dns.Type) (dns.Answer, error) {
		t.Error("a query")
		return dns.Answer{}, dns.ErrServFail
	}))
	for i := range 3 {
		tx := filtertest.Transaction("192.0.2.1", "mx.ok.test")
		switch i {
		case 0:
			tx.Session.User = "joe"
		case 1:
			tx.Session.Relay = true
		case 2:
			tx.Session.Remote = (&gateway.Session{}).Remote
		}
		for _, stage := range gateway.Stages {
			if v, err := f.Check(context.Background(), stage, tx); len(v.Facts)+len(v.Results) > 0 || err != nil {
				t.Errorf("%d: %+v, %v", i, v, err)
			}
		}
	}
}

func TestNoAnswerIsTemporaryBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, Options{}, dnstest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		v, err := f.Check(ctx, gateway.StageHelo, filtertest.Transaction("192.0.2.1", "mx.ok.test"))
		if got := filtertest.Values(t, f, v)["spf.helo_result"]; got != "temperror" || err != nil || ctx.Err() != nil {
			t.Errorf("%v, %v, %v", got, err, ctx.Err())
		}
	})
}

func TestHeloCanBeSkipped(t *testing.T) {
	t.Parallel()
	f := newFilter(t, Options{SkipHelo: true}, zone)
	v, _ := f.Check(context.Background(), gateway.StageMail, filtertest.Transaction("192.0.2.1", "mx.ok.test"))
	if got := line(v.Results); len(f.Stages()) != 1 || got != "spf=pass smtp.helo=mx.ok.test" {
		t.Errorf("%v, %s", f.Stages(), got)
	}
}

func TestOptionsAreBounded(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{VoidLookups: 11}, zone, ""); err == nil {
		t.Error("11 void look-ups are taken")
	}
	if _, err := New(Options{}, nil, ""); err == nil {
		t.Error("no resolver is taken")
	}
}
