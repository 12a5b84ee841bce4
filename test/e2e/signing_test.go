package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
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
