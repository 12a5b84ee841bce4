package mtasts_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

const policyText = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400\n"

// world is a policy host, a zone and a database.
type world struct {
	t       *testing.T
	db      *sqldb.DB
	opt     mtasts.Options
	fetched chan string // the Host of each request

	mu     sync.Mutex
	zone   dns.Zone
	answer http.HandlerFunc
}

// certificate makes one that signs itself.
func certificate(t *testing.T, from, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: names, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, fetched: make(chan string, 100)}
	cert := certificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "mta-sts.example.com")
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		answer := w.answer
		w.mu.Unlock()
		w.fetched <- r.Host + r.URL.Path
		answer(rw, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	host := dns.ZoneRecord{Type: dns.TypeA, Record: dns.Record{IP: netip.MustParseAddr("127.0.0.1")}}
	w.zone = dns.Zone{"mta-sts.example.com": {host}, "mta-sts.other.example": {host}}
	w.announce("one")
	w.publish(policyText)
	w.opt = mtasts.Options{AllowPrivate: true, Roots: x509.NewCertPool()}
	w.opt.Roots.AddCert(cert.Leaf)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	w.opt.Port, _ = strconv.Atoi(port)
	dir := t.TempDir()
	var err error
	if w.db, err = sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	return w
}

// announce changes the record; "" removes it, an error makes DNS fail.
func (w *world) announce(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone["_mta-sts.example.com"] = nil
	w.zone["_mta-sts.other.example"] = []dns.ZoneRecord{{Type: dns.TypeTXT, Record: dns.Record{Text: "v=STSv1; id=1"}}}
	if id != "" {
		w.zone["_mta-sts.example.com"] = []dns.ZoneRecord{{Type: dns.TypeTXT, Record: dns.Record{Text: "v=STSv1; id=" + id + ";"}}}
	}
}

func (w *world) failDNS() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone["_mta-sts.example.com"] = []dns.ZoneRecord{{Fail: dns.ErrTimeout}}
}

func (w *world) serve(f http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) publish(text string) {
	w.serve(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write([]byte(text))
	})
}

func (w *world) open() *mtasts.Cache {
	w.t.Helper()
	r := dnstest.Func(func(ctx context.Context, name string, t dns.Type) (dns.Answer, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.zone.Lookup(ctx, name, t)
	})
	c, err := mtasts.Open(w.t.Context(), w.opt, w.db, r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// fetches returns how often the policy was fetched since the last call.
func (w *world) fetches() int {
	n := 0
	for {
		select {
		case <-w.fetched:
			n++
		default:
			return n
		}
	}
}

// want asks for the policy; mode "" : none, result "" : no error.
func (w *world) want(c *mtasts.Cache, what string, mode mtasts.Mode, result string, fetches int) {
	w.t.Helper()
	r := c.Policy(w.t.Context(), "Example.com")
	got := mtasts.Mode("")
	if r.Policy != nil {
		got = r.Policy.Mode
	}
	var e *mtasts.Error
	word := ""
	if errors.As(r.Err, &e) {
		word = e.TLSResult()
	}
	if got != mode || word != result {
		w.t.Errorf("%s: mode %q, result %q, %v", what, got, word, r.Err)
	}
	if n := w.fetches(); n != fetches {
		w.t.Errorf("%s: fetched %d times, want %d", what, n, fetches)
	}
}

func TestPolicyIsFetchedOnceAndStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.want(c, "first", mtasts.Enforce, "", 1)
	w.want(c, "again", mtasts.Enforce, "", 0)
	c.Close()
	c = w.open()
	w.want(c, "after a restart", mtasts.Enforce, "", 0)
	w.announce("two")
	w.publish(strings.Replace(policyText, "enforce", "testing", 1))
	w.want(c, "another id", mtasts.Testing, "", 1)
	w.announce("three")
	w.publish("version: STSv1\nmode: none\nmax_age: 86400\n")
	w.want(c, "mode none", "", "", 1)
	w.want(c, "mode none again", "", "", 0)
}

func TestStoredPolicyHoldsWhileNoneCanBeHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.want(c, "first", mtasts.Enforce, "", 1)
	w.announce("")
	w.want(c, "record withdrawn", mtasts.Enforce, "", 0)
	w.failDNS()
	w.want(c, "DNS fails", mtasts.Enforce, "", 0)
	w.announce("two")
	w.serve(http.NotFound)
	w.want(c, "fetch fails", mtasts.Enforce, "sts-policy-fetch-error", 1)
	w.want(c, "not tried at once", mtasts.Enforce, "sts-policy-fetch-error", 0)
	w.announce("four")
	w.publish("nonsense")
	w.want(c, "invalid", mtasts.Enforce, "sts-policy-invalid", 1)
	w.announce("one")
	w.want(c, "old id", mtasts.Enforce, "", 0)
}

func TestDomainsWithoutPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.announce("")
	w.want(c, "no record", "", "", 0)
	w.failDNS()
	w.want(c, "DNS fails", "", "", 0)
	for _, name := range []string{"", "com", "a b.example", "x/y.example", "ex@mple.com", "example.com:1", strings.Repeat("a.", 200) + "b"} {
		if r := c.Policy(t.Context(), name); r.Policy != nil || r.Err != nil {
			t.Errorf("%q: %+v", name, r)
		}
	}
	if n := w.fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestFetchIsStrict(t *testing.T) {
	t.Parallel()
	text := func(kind, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", kind)
			_, _ = rw.Write([]byte(body))
		}
	}
	for name, f := range map[string]http.HandlerFunc{
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "else") {
				text("text/plain", policyText)(rw, r)
				return
			}
			http.Redirect(rw, r, "/else", http.StatusFound)
		},
		"300 with a policy": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain")
			rw.WriteHeader(http.StatusMultipleChoices)
			_, _ = rw.Write([]byte(policyText))
		},
		"no content": func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) },
		"HTML":       text("text/html", policyText),
		"large":      text("text/plain", policyText+strings.Repeat("a: b\n", mtasts.MaxPolicy/5)),
		"huge header": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("X", strings.Repeat("x", 64<<10))
			text("text/plain", policyText)(rw, r)
		},
		"cut short": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Length", "1000")
			text("text/plain", policyText)(rw, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve(f)
			w.want(w.open(), name, "", "sts-policy-fetch-error", 1)
		})
	}
}

func TestPolicyHostMustBeCertified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opt.Roots = x509.NewCertPool()
	w.want(w.open(), "unknown root", "", "sts-webpki-invalid", 0)
	w = newWorld(t)
	c := w.open()
	r := c.Policy(t.Context(), "other.example") // the certificate is for example.com
	var e *mtasts.Error
	if r.Policy != nil || !errors.As(r.Err, &e) || e.TLSResult() != "sts-webpki-invalid" {
		t.Errorf("%+v", r)
	}
}

func TestPolicyHostMustBePublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opt.AllowPrivate = false
	c := w.open()
	if r := c.Policy(t.Context(), "example.com"); r.Policy != nil || !errors.Is(r.Err, dns.ErrNotPublic) {
		t.Errorf("%+v", r)
	}
}

// TestHangingHost: who waits for a policy waits no longer than its ctx, and
// Close ends the fetch.
func TestHangingHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := w.open()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-w.fetched
		cancel()
	}()
	if r := c.Policy(ctx, "example.com"); r.Policy != nil || !errors.Is(r.Err, context.Canceled) {
		t.Errorf("%+v", r)
	}
	c.Close()
	if r := c.Policy(t.Context(), "example.com"); r.Err == nil {
		t.Error("a closed cache fetches")
	}
}

func TestManyAskOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	release := make(chan struct{})
	w.serve(func(rw http.ResponseWriter, _ *http.Request) {
		<-release
		rw.Header().Set("Content-Type", "text/plain")
		_, _ = rw.Write([]byte(policyText))
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r := c.Policy(t.Context(), "example.com"); r.Policy == nil {
				t.Error(r.Err)
			}
		})
	}
	<-w.fetched
	close(release)
	wg.Wait()
	if n := w.fetches(); n != 0 {
		t.Errorf("fetched %d times more", n)
	}
}

// set changes a column of the stored policy.
func (w *world) set(column string, at time.Time) {
	w.t.Helper()
	err := w.db.Write(w.t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE mtasts_policies SET `+column+` = ?`, at.Unix())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(column string) (at time.Time, found bool) {
	w.t.Helper()
	var n int64
	err := w.db.Read().QueryRow(w.t.Context(), `SELECT `+column+` FROM mtasts_policies`).Scan(&n)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		w.t.Fatal(err)
	}
	return time.Unix(n, 0), err == nil
}

func TestPoliciesAreFetchedAgainBeforeTheyExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.want(c, "first", mtasts.Enforce, "", 1)
	at, _ := w.get("refresh")
	if d := time.Until(at); d < 11*time.Hour || d > 12*time.Hour {
		t.Errorf("refresh of a policy for a day in %s", d)
	}
	soon := time.Now().Add(time.Hour)
	w.set("expires", soon)
	w.set("refresh", time.Now().Add(-time.Minute))
	c.Refresh()
	if w.fetches() != 1 {
		t.Error("not fetched")
	}
	if at, _ := w.get("expires"); at.Before(soon.Add(time.Hour)) {
		t.Errorf("expires at %s", at)
	}

	w.serve(http.NotFound)
	w.set("refresh", time.Now().Add(-time.Minute))
	c.Refresh()
	if at, _ := w.get("refresh"); w.fetches() != 1 || time.Until(at) < 50*time.Minute || time.Until(at) > 70*time.Minute {
		t.Errorf("refresh after a failure at %s", at)
	}
	w.want(c, "while it fails", mtasts.Enforce, "", 0)

	w.set("used", time.Now().Add(-40*24*time.Hour))
	w.set("refresh", time.Now().Add(-time.Minute))
	c.Refresh()
	at, _ = w.get("refresh")
	if end, _ := w.get("expires"); w.fetches() != 0 || !at.Equal(end) {
		t.Errorf("unused policy is to be fetched at %s", at)
	}

	w.set("refresh", time.Now().Add(-time.Minute))
	w.set("expires", time.Now().Add(-time.Minute))
	c.Refresh()
	if _, found := w.get("refresh"); found {
		t.Error("expired policy is kept")
	}
	w.announce("")
	w.want(c, "expired", "", "", 0)
}

func TestUseIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.want(c, "first", mtasts.Enforce, "", 1)
	c.Close()
	w.set("used", time.Now().Add(-48*time.Hour))
	c = w.open()
	w.want(c, "later", mtasts.Enforce, "", 0)
	c.Close()
	if at, _ := w.get("used"); time.Since(at) > time.Hour {
		t.Errorf("used at %s", at)
	}
}
