package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestSubmittedMailIsSigned with both keys of its domain, which a command made
// while the gateway was running.
func TestSubmittedMailIsSigned(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, fmt.Sprintf("networks: {relay: [127.0.0.0/8]}\ndomains:\n  dest.test: {deliver: proxy, backends: [\"smtp://%s\"]}\n", b.addr))
	out, err := g.run("dkim", "generate", "sender.test", "--selector", "s", "--json")
	if err != nil {
		t.Fatal(err, out)
	}
	var keys struct {
		Publish []struct{ Name, TXT string }
	}
	if err := json.Unmarshal([]byte(out), &keys); err != nil || len(keys.Publish) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	records := map[string]string{}
	for _, k := range keys.Publish {
		records[k.Name] = k.TXT
	}
	lookup := func(name string) ([]string, error) { return []string{records[strings.TrimSuffix(name, ".")]}, nil }
	eventually(t, "the gateway signs", func() bool {
		l := newLetter()
		if r := dial(t, g.smtp).mail("ann@sender.test", "bob@dest.test", l.String()); r.code != 250 {
			t.Fatal(r)
		}
		got := b.find(l.mark)
		if len(got) != 1 {
			t.Fatalf("%d messages arrived", len(got))
		}
		if !strings.HasPrefix(got[0], "DKIM-Signature:") {
			return false // it has not seen the keys yet
		}
		list, err := dkim.VerifyWithOptions(strings.NewReader(got[0]), &dkim.VerifyOptions{LookupTXT: lookup})
		if err != nil || len(list) != 2 {
			t.Fatalf("%d signatures, %v", len(list), err)
		}
		for _, v := range list {
			if v.Err != nil || v.Domain != "sender.test" {
				t.Errorf("%s: %v", v.Domain, v.Err)
			}
		}
		return true
	})
}

// TestPolicyOfOursIsServed to whoever asks as its host.
func TestPolicyOfOursIsServed(t *testing.T) {
	t.Parallel()
	b := startBackend(t, nil)
	g := serve(t, fmt.Sprintf("domains:\n  dest.test: {deliver: proxy, backends: [\"smtp://%s\"]}\nmta_sts: {policies: [{domain: dest.test, mode: testing, mx: [mx.gapura.test]}]}\n", b.addr))
	for host, status := range map[string]int{"mta-sts.dest.test": 200, "MTA-STS.Dest.Test:8080": 200, "mta-sts.other.test": 404, "dest.test": 404} {
		req, err := http.NewRequest(http.MethodGet, "http://"+g.http+"/.well-known/mta-sts.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status || status == 200 && resp.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s: %s, %s", host, resp.Status, resp.Header.Get("Content-Type"))
		}
	}
	if out, err := g.run("domain", "dns", "dest.test"); err != nil || !strings.Contains(out, "_mta-sts.dest.test. IN TXT") {
		t.Errorf("%v: %s", err, out)
	}
	// What is private stays so.
	info, err := os.Stat(filepath.Join(g.dir, "data", "gapura.db"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("gapura.db: %v, %v", info.Mode(), err)
	}
}

// TestReportsAboutTLSAreMailed: what was counted before the gateway was
// stopped goes out after it has started again, signed.
func TestReportsAboutTLSAreMailed(t *testing.T) {
	t.Parallel()
	zone := dnstest.Parse(t, `_smtp._tls.far.test: [{TXT: "v=TLSRPTv1; rua=mailto:reports@dest.test"}]`)
	dir := folder(t)
	keys := yesterday(t, filepath.Join(dir, "data"), zone)
	b := startBackend(t, nil)
	serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+fmt.Sprintf(`dns: {resolvers: [%q]}
tls_rpt: {contact: tls@sender.test}
domains:
  dest.test: {deliver: proxy, backends: ["smtp://%s"]}
`, dnstest.Serve(t, zone).Addr, b.addr))
	eventually(t, "a report arrives", func() bool { return len(b.find("TLS-Report-Domain: far.test")) > 0 })
	msg := b.find("TLS-Report-Domain: far.test")[0]
	list, err := dkim.VerifyWithOptions(strings.NewReader(msg), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		for _, k := range keys {
			if k.Name() == strings.TrimSuffix(name, ".") {
				return []string{k.Record()}, nil
			}
		}
		return nil, fmt.Errorf("no %s", name)
	}})
	if err != nil || len(list) != 2 || list[0].Err != nil || list[1].Err != nil || list[0].Domain != "sender.test" {
		t.Errorf("%+v, %v", list, err)
	}
	head, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := tlsrpt.ReadMail(h, strings.NewReader(string(body)))
	if err != nil || r.Policies[0].Summary.Failed != 3 || r.Policies[0].Failures[0].Result != "certificate-expired" {
		t.Errorf("%+v, %v", r, err)
	}
}

// yesterday leaves a data folder with counted sessions, whose report is due,
// and with keys.
func yesterday(t *testing.T, data string, zone dns.Zone) []signing.Key {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(data, 0o700))
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: data})
	must(err)
	defer db.Close()
	k, err := signing.Open(ctx, signing.Options{}, db)
	must(err)
	defer k.Close()
	keys, err := k.Generate(ctx, signing.Request{Domain: "sender.test", Now: time.Now()})
	must(err)
	c, err := tlsrpt.Open(ctx, tlsrpt.Options{Contact: "tls@sender.test", Hostname: gapuraName}, db, zone, nil)
	must(err)
	for range 3 {
		c.Add(tlsrpt.Session{Policy: tlsrpt.Policy{Type: tlsrpt.STS, Domain: "far.test"}, Result: tlsrpt.Expired, MX: "mx.far.test"})
	}
	must(c.Close())
	must(db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE tlsrpt_days SET due = 1`)
		return err
	}))
	return keys
}
