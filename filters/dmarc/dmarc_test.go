package dmarc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
)

var zone = dnstest.Zone{
	"_dmarc.example.org": {dnstest.TXT("v=DMARC1; p=reject")},
	"_dmarc.test.org":    {dnstest.TXT("v=DMARC1; p=reject; t=y")},
}

func newFilter(t *testing.T, r dns.Resolver) *Filter {
	t.Helper()
	f, err := New(Options{}, r)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFactsCombineWhatOthersFound(t *testing.T) {
	t.Parallel()
	const plain = "From: Joe <joe@mail.example.org>\nSubject: x\n\nbody\n"
	for _, tt := range []struct {
		name, raw     string
		facts         gateway.Facts
		want, results string
	}{
		{
			"SPF", plain, filtertest.Facts("spf.result", "pass", "spf.domain", "example.org"),
			"pass none reject mail.example.org example.org example.org spf:true dkim:false list:false",
			"dmarc=pass header.from=mail.example.org policy.dmarc=reject",
		},
		{
			"DKIM", plain, filtertest.Facts("spf.result", "fail", "spf.domain", "example.org", "dkim.domains", []string{"other.test", "example.org"}),
			"pass none reject mail.example.org example.org example.org spf:false dkim:true list:false",
			"dmarc=pass header.from=mail.example.org policy.dmarc=reject",
		},
		{
			"neither", "List-Id: <l.test>\n" + plain, filtertest.Facts("spf.result", "pass", "spf.domain", "list.test", "dkim.domains", []string{"list.test"}),
			"fail reject reject mail.example.org example.org example.org spf:false dkim:false list:true",
			"dmarc=fail header.from=mail.example.org policy.dmarc=reject",
		},
		{
			"key not to be had", plain, filtertest.Facts("dkim.temperror", []string{"example.org"}),
			"temperror none reject mail.example.org example.org example.org spf:false dkim:false list:false",
			"dmarc=temperror reason header.from=mail.example.org policy.dmarc=reject",
		},
		{
			"testing", "Precedence: List\nFrom: a@test.org\n\n",
			gateway.Facts{},
			"fail quarantine quarantine test.org test.org test.org spf:false dkim:false list:true",
			"dmarc=fail header.from=test.org policy.dmarc=quarantine",
		},
		{
			"no policy", "From: a@elsewhere.test\n\n", filtertest.Facts("spf.result", "pass", "spf.domain", "elsewhere.test"),
			"none none none elsewhere.test elsewhere.test  spf:false dkim:false list:false",
			"dmarc=none header.from=elsewhere.test",
		},
		{
			"no From", "Subject: x\n\n",
			gateway.Facts{},
			"none none none    spf:false dkim:false list:false",
			"dmarc=none",
		},
		{
			"two From fields, one forged", "From: a@good.test\nFrom: joe@example.org\n\n", filtertest.Facts("spf.result", "pass", "spf.domain", "good.test"),
			"fail reject reject example.org example.org example.org spf:false dkim:false list:false",
			"dmarc=fail header.from=example.org policy.dmarc=reject",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFilter(t, zone)
			tx := filtertest.Transaction("192.0.2.1", "h.test")
			tx.Facts = tt.facts
			v, err := filtertest.Judge(context.Background(), f, tx, filtertest.New(t, tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			m := filtertest.Values(t, f, v)
			got := fmt.Sprintf("%s %s %s %s %s %s spf:%v dkim:%v list:%v", m["dmarc.result"], m["dmarc.disposition"], m["dmarc.policy"],
				m["dmarc.domain"], m["dmarc.org_domain"], m["dmarc.policy_domain"], m["dmarc.spf_aligned"], m["dmarc.dkim_aligned"], m["dmarc.list_mail"])
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := line(v.Results); got != tt.results {
				t.Errorf("results %s, want %s", got, tt.results)
			}
		})
	}
}

func line(results []message.AuthResult) (s string) {
	for _, r := range results {
		s += r.Method + "=" + r.Result
		if r.Reason != "" {
			s += " reason"
		}
		for _, p := range r.Props {
			s += " " + p.Type + "." + p.Name + "=" + p.Value
		}
	}
	return s
}

func TestOwnClientsAreNotEvaluated(t *testing.T) {
	t.Parallel()
	f := newFilter(t, zone)
	tx := filtertest.Transaction("192.0.2.1", "h.test")
	tx.Session.User = "joe"
	if _, err := filtertest.Judge(context.Background(), f, tx, filtertest.New(t, "From: joe@example.org\n\n")); !errors.Is(err, filtertest.ErrNoReading) {
		t.Error(err)
	}
}

// TestFailedFiltersAreTemporary: where SPF or DKIM could not be judged, nobody
// knows that they do not pass.
func TestFailedFiltersAreTemporary(t *testing.T) {
	t.Parallel()
	const raw = "From: joe@example.org\n\nbody\n"
	for _, c := range []struct{ failed, from, want string }{
		{"spf.error", "example.org", "temperror"},
		{"spf.error", "other.test", "fail"},
		{"dkim.error", "other.test", "temperror"},
	} {
		tx := filtertest.Transaction("192.0.2.1", "h.test")
		tx.From.Local, tx.From.Domain = "joe", c.from
		tx.Facts.Add(gateway.Fact{Name: c.failed, Value: "timeout"})
		v, err := filtertest.Judge(t.Context(), newFilter(t, zone), tx, filtertest.New(t, raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := (gateway.Facts{}).With(v.Facts...).String("dmarc.result"); got != c.want {
			t.Errorf("%s with sender at %s: %s, want %s", c.failed, c.from, got, c.want)
		}
	}
}

func TestSilentDNSIsTemporary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, dnstest.Hang())
		start := time.Now()
		v, err := filtertest.Judge(t.Context(), f, filtertest.Transaction("192.0.2.1", "h.test"), filtertest.New(t, "From: joe@example.org\n\n"))
		if got := filtertest.Values(t, f, v)["dmarc.result"]; got != "temperror" || err != nil || time.Since(start) > 2*defaultLookupTimeout {
			t.Errorf("%v, %v after %v", got, err, time.Since(start))
		}
	})
}

func TestSPFDomainIsLookedUpWhileTheBodyArrives(t *testing.T) {
	t.Parallel()
	r := dnstest.Record(zone)
	f := newFilter(t, r)
	tx := filtertest.Transaction("192.0.2.1", "h.test")
	tx.Facts = filtertest.Facts("spf.result", "pass", "spf.domain", "bounce.example.org")
	reading, err := f.Read(context.Background(), tx, filtertest.New(t, "From: joe@example.org\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	asked := len(r.Queries())
	v, err := reading.Conclude(context.Background(), tx)
	if got := filtertest.Values(t, f, v); got["dmarc.spf_aligned"] != true || err != nil || asked != 3 || len(r.Queries()) != asked {
		t.Errorf("%v, %v, %q", got, err, r.Queries())
	}
}

func TestOptionsAreBounded(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{LookupTimeout: time.Minute}, zone); err == nil {
		t.Error("a minute is taken")
	}
	if _, err := New(Options{}, nil); err == nil {
		t.Error("no resolver is taken")
	}
}
