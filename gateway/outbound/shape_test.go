package outbound

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// What is made of refusals as they are seen in the world.
func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	list, _, err := readRules(nil)
	if err != nil {
		t.Fatal(err)
	}
	const google, outlook, yahoo = "gmail-smtp-in.l.google.com", "d-test.mail.protection.outlook.com", "mta7.am0.yahoodns.net"
	for _, c := range []struct{ host, line, want string }{
		{google, "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address", "slow fewer pause=10m0s retry=15m0s"},
		{google, "421 4.7.0 Our system has detected an unusual rate of unsolicited mail", "slow fewer pause=5m0s retry=10m0s"},
		{google, "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", "retry=1h0m0s"},
		{google, "452 4.2.2 The recipient's inbox is out of storage space.", "retry=4h0m0s"},
		{google, "550 5.7.26 Unauthenticated email from d.test is not accepted", ""},
		{"mx.d.test", "421 4.7.28 Whatever", ""},
		{outlook, "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. (S775)", "slow fewer pause=15m0s retry=30m0s"},
		{outlook, "451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections.", "fewer pause=1m0s retry=5m0s"},
		{outlook, "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", "slow fewer pause=5m0s retry=10m0s"},
		{outlook, "432 4.3.2 Concurrent connections limit exceeded", "retry=10m0s"},
		{yahoo, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", "slow fewer pause=30m0s retry=1h0m0s"},
		{yahoo, "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred", "slow fewer pause=4h0m0s retry=4h0m0s"},
		{yahoo, "451 4.7.0 [GL01] Message from (192.0.2.1) temporarily deferred", "retry=15m0s"},
		{"smtp-in.orange.fr", "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104", "slow fewer pause=5m0s retry=15m0s"},
		{"mx00.t-online.de", "554 IP=192.0.2.1 - A problem occurred. Ask for assistance via postmaster", "pause=1h0m0s retry=4h0m0s temporary"},
		{"mx1.qq.com", "550 Connection frequency limited", "slow fewer pause=30m0s retry=1h0m0s temporary"},
		{"mx.d.test", "450 4.2.0 <b@d.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/d.test.html", "retry=5m0s"},
		{"mx.d.test", "451 4.7.1 Please try again in 300 seconds", "retry=5m31s"},
		{"mx.d.test", "450 4.7.1 come back in 12 minutes", "retry=13m13s"},
		{"mx.d.test", "451 4.7.1 try again in 99999 seconds", "retry=4h24m1s"},
		{"mx.d.test", "421 4.7.0 mx.d.test Error: too many connections from 192.0.2.1", "fewer retry=1m0s temporary"},
		{"mx.d.test", "421 Too many concurrent SMTP connections; please try again later.", "fewer retry=1m0s temporary"},
		{"mx.d.test", "450 4.7.1 Error: too much mail from 192.0.2.1", "slow retry=10m0s"},
		{"mx.d.test", "451 4.3.0 Temporary lookup failure", ""},
		{"mx.d.test", "550 5.7.1 too much mail from you, ever", ""},
		{"mx.d.test", "250 2.0.0 too many connections", ""},
	} {
		var p smtp.ReplyParser
		r, _, err := p.Add([]byte(c.line))
		if err != nil {
			t.Fatal(c.line)
		}
		if got := does(means(list, c.host, r)); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.host, c.line, got, c.want)
		}
	}
}

func does(a *action) string {
	if a == nil {
		return ""
	}
	var s []string
	for _, x := range []struct {
		on   bool
		word string
	}{{a.slow, "slow"}, {a.fewer, "fewer"}, {a.pause > 0, "pause=" + a.pause.String()}, {a.retry > 0, "retry=" + a.retry.String()}, {a.result != "", a.result}} {
		if x.on {
			s = append(s, x.word)
		}
	}
	return strings.Join(s, " ")
}

// An administrator's file comes before what is built in, and its mistakes are
// told.
func TestOwnRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(text string) []string {
		name := filepath.Join(dir, fmt.Sprintf("%x.yaml", text[:min(len(text), 30)]))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{name}
	}
	list, shapes, err := readRules(file("shapes:\n  - {name: d, mx: [mx.d.test], rate: 60/1h}\nanswers:\n  - {codes: [5xx], text: 'full moon', result: temporary, retry: 1h, pause: 2h}\n"))
	if err != nil || shapes[0].Rate != (Rate{60, time.Hour}) {
		t.Fatal(err, shapes)
	}
	if got := does(means(list, "x.test", smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "It is FULL MOON"))); got != "pause=2h0m0s retry=1h0m0s temporary" {
		t.Error(got)
	}
	for want, text := range map[string]string{
		`codes: "6xx" is not`:       "answers: [{codes: [6xx]}]",
		`enhanced: "4.7" is not`:    "answers: [{enhanced: ['4.7']}]",
		"needs codes":               "answers: [{name: x}]",
		"text: error parsing":       "answers: [{text: '('}]",
		`result: "bounce"`:          "answers: [{text: x, result: bounce}]",
		`unknown field "anwsers"`:   "anwsers: []",
		`"5" is no rate`:            "shapes: [{mx: [a.test], rate: '5'}]",
		"shapes[0]: needs mx":       "shapes: [{rate: 5/s}]",
		"shapes[1]: is negative":    "shapes: [{mx: [a.test]}, {mx: [b.test], connections: -1}]",
		`"a b" is neither a domain`: "answers: [{text: x, mx: ['a b']}]",
	} {
		if _, _, err := readRules(file(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, _, err := readRules([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a missing file is no mistake")
	}
}

// A destination that says "slow down" gets a pause, then less than before, and
// in the end as much as before.
func TestBackOffAndRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Zone{"d.test": {MX(10, "a.mx.google.com")}, "e.test": {MX(10, "b.mx.google.com")}, "a.mx.google.com": {A("192.0.2.1")}, "b.mx.google.com": {A("192.0.2.2")}})
		s := &sink{replies: map[string]string{"MAIL": "421 4.7.28 unusual rate!"}}
		w.hosts["192.0.2.1"], w.hosts["192.0.2.2"] = s.serve, s.serve
		tr := w.transport()
		out := tr.Deliver(t.Context(), job("b@d.test"))
		wantOutcome(t, out, "deferred 421 4.7.28 a.mx.google.com 192.0.2.1")
		if out[0].Retry != 15*time.Minute || out[0].Untried {
			t.Errorf("retry after %s", out[0].Retry)
		}
		// It holds for the operator, not for the domain.
		out = tr.Deliver(t.Context(), job("b@e.test"))
		wantOutcome(t, out, "deferred 451 4.4.5 local dest b.mx.google.com 192.0.2.2")
		if out[0].Retry != 10*time.Minute || !out[0].Untried || s.opened() != 1 {
			t.Errorf("retry after %s", out[0].Retry)
		}
		time.Sleep(10 * time.Minute)
		s.set("MAIL", "250 ok")
		if out = tr.Deliver(t.Context(), job("b@e.test")); out[0].Result != queue.Delivered {
			t.Error(shows(out))
		}
		st := &siteState{limit: 1, interval: maxInterval, changed: time.Now()}
		for range 20 {
			time.Sleep(recoverTime)
			st.recover(time.Now(), &Shape{Connections: 20})
		}
		if st.limit != 0 || st.interval != 0 {
			t.Errorf("after 20 minutes: %+v", st)
		}
	})
}

// Slower is slower than the rate that a shape already has, and one step back from
// it is that rate.
func TestSlowerThanTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for rate, want := range map[Rate]time.Duration{
			{600, time.Hour}: 12 * time.Second, {4, time.Hour}: 30 * time.Minute, {50, time.Second}: firstInterval,
		} {
			var s sites
			k, x := siteKey{name: "d.test"}, &Shape{Connections: 20, Rate: rate}
			s.obey(k, &action{slow: true}, x, "slow down")
			s.admit(k, x)
			if _, wait, _ := s.admit(k, x); wait != want {
				t.Errorf("%+v: the second one waits %s, not %s", rate, wait, want)
			}
			time.Sleep(3 * recoverTime)
			if s.m[k].recover(time.Now(), x); s.m[k].interval != 0 {
				t.Errorf("%+v: still %s", rate, s.m[k].interval)
			}
		}
	})
}

// Complaints that arrive at once count once; later ones add up.
func TestComplaintsAddUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s sites
		k, x := siteKey{name: "d.test"}, &Shape{Connections: 20}
		a := &action{slow: true, fewer: true}
		for range 10 {
			s.obey(k, a, x, "slow down")
		}
		if limit, wait, _ := s.admit(k, x); limit != 10 || wait != 0 {
			t.Errorf("%d connections, %s", limit, wait)
		}
		if _, wait, why := s.admit(k, x); wait != firstInterval || why != "slow down" {
			t.Errorf("the second one waits %s: %s", wait, why)
		}
		for range 20 {
			time.Sleep(troubleTime)
			s.obey(k, a, x, "slow down")
		}
		if st := s.m[k]; st.limit != 1 || st.interval != maxInterval {
			t.Errorf("%+v", st)
		}
		for range 30 {
			time.Sleep(recoverTime)
			s.admit(k, x)
		}
		if len(s.m) != 0 {
			t.Errorf("something is still known: %+v", s.m[k])
		}
	})
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.opt.Shapes = []Shape{{Domains: []string{"d.test"}, Rate: Rate{60, time.Minute}, Messages: 2}}
		s := &sink{}
		w.hosts["192.0.2.1"] = s.serve
		tr := w.transport()
		took := 0
		for range 600 { // of 100 ms
			if out := tr.Deliver(t.Context(), job("b@d.test")); out[0].Result == queue.Delivered {
				took++
			} else if !out[0].Untried || out[0].Retry <= 0 || out[0].Retry > time.Second {
				t.Fatalf("%s after %s", shows(out), out[0].Retry)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took != 65 { // a tenth at once
			t.Errorf("%d messages in a minute", took)
		}
		if s.opened() < 30 {
			t.Errorf("%d connections for %d messages, two each", s.opened(), took)
		}
	})
}

func TestRateIsReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"100/1m": "100/1m", "20/s": "20/1s", "1/h": "1/1h", "5/ 90s": "5/1m30s", "": ""} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r.String() != want {
			t.Errorf("%q: %s, %v", text, r, err)
		}
	}
	for _, text := range []string{"100", "0/s", "-1/s", "1/0s", "1/25h", "x/s", "1/x"} {
		if new(Rate).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// One operator's hosts are one site, under whatever domains.
func TestSites(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"aspmx.l.google.com": "google.com", "mx.d.test": "d.test", "d.test": "d.test", "mx.d.co.uk": "d.co.uk", "192.0.2.1": "192.0.2.1", "localhost": "localhost",
	} {
		if got := site(host); got != want {
			t.Errorf("%s is of %s", host, got)
		}
	}
	var s sites
	for i := range maxSites + 10 {
		s.obey(siteKey{name: fmt.Sprint(i)}, &action{pause: time.Hour}, &Shape{Connections: 1}, "")
	}
	if len(s.m) > maxSites {
		t.Errorf("%d sites are known", len(s.m))
	}
}
