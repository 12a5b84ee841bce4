package tlsrpt

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// outbox is a Mailer.
type outbox struct {
	mu   sync.Mutex
	sent []string // to
	msgs [][]byte
	err  error
}

func (o *outbox) Send(_ context.Context, from, to string, msg []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	if from != "tls@example.org" {
		return fmt.Errorf("from %q", from)
	}
	o.sent, o.msgs = append(o.sent, to), append(o.msgs, msg)
	return nil
}

func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// world is a database, a zone and where mail goes.
type world struct {
	t    *testing.T
	db   *sqldb.DB
	opt  Options
	box  outbox
	mu   sync.Mutex
	zone dns.Zone
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, zone: dns.Zone{}, opt: Options{Contact: "tls@example.org", Hostname: "mx.example.org"}}
	w.publish("example.com", "v=TLSRPTv1; rua=mailto:reports@example.com")
	dir := t.TempDir()
	var err error
	if w.db, err = sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	return w
}

func (w *world) publish(domain, txt string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone["_smtp._tls."+domain] = nil
	if txt != "" {
		w.zone["_smtp._tls."+domain] = []dns.ZoneRecord{{Type: dns.TypeTXT, Record: dns.Record{Text: txt}}}
	}
}

func (w *world) failDNS(domain string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone["_smtp._tls."+domain] = []dns.ZoneRecord{{Fail: dns.ErrTimeout}}
}

// open returns a Collector that works only when it is told to.
func (w *world) open() *Collector {
	w.t.Helper()
	r := dnstest.Func(func(ctx context.Context, name string, t dns.Type) (dns.Answer, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.zone.Lookup(ctx, name, t)
	})
	c, err := open(w.t.Context(), w.opt, w.db, r, &w.box)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) flush(c *Collector) {
	w.t.Helper()
	if err := c.flush(w.t.Context(), false); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rows(table string) (n int) {
	w.t.Helper()
	if err := w.db.Read().QueryRow(w.t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// tomorrow is when every report of today is due.
func (c *Collector) tomorrow() time.Time {
	return dayStart(dayOf(time.Now()) + 1).Add(settle + c.opt.Spread)
}

// report returns the only report that was mailed.
func (w *world) report() *Report {
	w.t.Helper()
	if len(w.box.msgs) != 1 {
		w.t.Fatalf("%d reports were mailed", len(w.box.msgs))
	}
	r, err := readMail(w.box.msgs[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func session(domain string, result ResultType) Session {
	return Session{
		Policy: Policy{Type: STS, Domain: domain, Strings: []string{"version: STSv1", "mode: enforce", "mx: *.example.com", "max_age: 86400"}, MXHosts: []string{"*.example.com"}},
		Result: result, MX: "mx1.example.com", Sending: netip.MustParseAddr("192.0.2.1"), Receiving: netip.MustParseAddr("::ffff:198.51.100.7"),
	}
}

func TestReportOfADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // or midnight comes meanwhile
		w := newWorld(t)
		c := w.open()
		day := dayOf(time.Now())
		for range 5 {
			c.Add(session("Example.com.", Success))
		}
		for range 3 {
			c.Add(session("example.com", Expired))
		}
		w.flush(c)
		c.Add(session("example.com", Expired))
		c.Add(session("example.com", HostMismatch))
		c.Add(Session{Policy: Policy{Type: TLSA, Domain: "example.com", Strings: []string{"3 1 1 AB"}}})
		c.Add(session("quiet.example", Success)) // wants no reports
		if err := c.Close(); err != nil {        // as a restart does
			t.Fatal(err)
		}
		c = w.open()
		c.round(time.Now())
		if len(w.box.sent) != 0 {
			t.Fatal("sent before the day was over")
		}
		c.round(c.tomorrow())
		c.round(c.tomorrow().Add(48 * time.Hour))
		if len(w.box.sent) != 1 || w.box.sent[0] != "reports@example.com" {
			t.Fatalf("sent to %q", w.box.sent)
		}
		r := w.report()
		if r.Organization != "mx.example.org" || r.Contact != "tls@example.org" || !r.DateRange.Start.Equal(dayStart(day)) || r.DateRange.End.Sub(r.DateRange.Start.Time) != 24*time.Hour-time.Second {
			t.Errorf("%+v", r)
		}
		if len(r.Policies) != 2 {
			t.Fatalf("%+v", r.Policies)
		}
		for _, p := range r.Policies {
			if p.Policy.Domain != "example.com" {
				t.Errorf("%+v", p)
			}
			if p.Policy.Type == "tlsa" {
				if p.Summary != (Summary{1, 0}) || p.Failures != nil {
					t.Errorf("%+v", p)
				}
				continue
			}
			want := Detail{Result: "certificate-expired", SendingIP: "192.0.2.1", ReceivingIP: "198.51.100.7", ReceivingMX: "mx1.example.com", Sessions: 4}
			if p.Summary != (Summary{5, 5}) || len(p.Failures) != 2 || p.Failures[0] != want || p.Failures[1].Sessions != 1 || len(p.Policy.Strings) != 4 || p.Policy.MXHosts[0] != "*.example.com" {
				t.Errorf("%+v", p)
			}
		}
		for _, table := range []string{"tlsrpt_days", "tlsrpt_counts", "tlsrpt_outbox"} {
			if n := w.rows(table); n != 0 {
				t.Errorf("%s has %d rows", table, n)
			}
		}
	})
}

func TestDomainsThatWantNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.publish("bad.example", "v=TLSRPTv1; nonsense")
	w.failDNS("slow.example")
	c.Add(session("quiet.example", Success))
	c.Add(session("bad.example", Success))
	c.Add(session("slow.example", Success))
	c.Add(session("gone.example", Success))
	w.publish("gone.example", "v=TLSRPTv1; rua=mailto:a@gone.example")
	w.flush(c)
	if n := w.rows("tlsrpt_days"); n != 2 {
		t.Fatalf("%d domains are stored", n)
	}
	w.publish("gone.example", "")
	c.round(c.tomorrow())
	if n := w.rows("tlsrpt_days"); n != 1 || len(w.box.sent) != 0 {
		t.Fatalf("%d domains are stored, sent to %q", n, w.box.sent)
	}
	w.publish("slow.example", "v=TLSRPTv1; rua=mailto:a@slow.example")
	c.round(c.tomorrow().Add(firstRetry))
	if len(w.box.sent) != 1 || w.box.sent[0] != "a@slow.example" {
		t.Errorf("sent to %q", w.box.sent)
	}
}

func TestDNSThatNeverAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	w.failDNS("example.com")
	c.Add(session("example.com", Success))
	w.flush(c)
	c.round(c.tomorrow())
	if n := w.rows("tlsrpt_days"); n != 1 {
		t.Errorf("%d domains are stored", n)
	}
	c.round(c.tomorrow().Add(2 * keepTrying))
	if n := w.rows("tlsrpt_days"); n != 0 {
		t.Errorf("%d domains are stored in the end", n)
	}
}

func TestMailThatCannotBeQueued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	c.Add(session("example.com", Success))
	w.flush(c)
	w.box.fail(errors.New("disk full"))
	now := c.tomorrow()
	c.round(now)
	c.round(now)
	w.box.fail(nil)
	c.round(now.Add(time.Minute))
	if len(w.box.sent) != 0 {
		t.Fatal("tried again at once")
	}
	c.round(now.Add(firstRetry))
	c.round(now.Add(5 * time.Hour))
	if w.report().Policies[0].Summary.Successful != 1 {
		t.Error("another report")
	}
}

func TestReportsAreGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	c.Add(session("example.com", Success))
	w.flush(c)
	w.box.fail(errors.New("disk full"))
	c.round(c.tomorrow())
	c.round(c.tomorrow().Add(keepTrying + time.Minute))
	if n := w.rows("tlsrpt_outbox"); n != 0 {
		t.Errorf("%d reports are kept", n)
	}
}

// TestTwoProcesses: of two that share a database each report is sent by one.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // or midnight comes meanwhile
		w := newWorld(t)
		a, b := w.open(), w.open()
		for range 10 {
			a.Add(session("example.com", Success))
			b.Add(session("example.com", Success))
		}
		w.flush(a)
		w.flush(b)
		var wg sync.WaitGroup
		for _, c := range []*Collector{a, b} {
			wg.Go(func() { c.round(c.tomorrow()) })
		}
		wg.Wait()
		if n := w.report().Policies[0].Summary.Successful; n != 20 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestKindsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // or midnight comes meanwhile
		w := newWorld(t)
		c := w.open()
		const many = 3 * maxKinds
		for i := range many {
			s := session("example.com", Failure)
			s.Info = fmt.Sprint("way ", i)
			c.Add(s)
			s.Policy.Strings = []string{fmt.Sprint(i)}
			s.Result = Success
			c.Add(s)
		}
		w.flush(c)
		if n := w.rows("tlsrpt_counts"); n > maxKinds+5 {
			t.Errorf("%d rows", n)
		}
		c.round(c.tomorrow())
		var sum Summary
		for _, p := range w.report().Policies {
			sum.Successful += p.Summary.Successful
			sum.Failed += p.Summary.Failed
		}
		if sum != (Summary{many, many}) {
			t.Errorf("%+v", sum)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	for i := range maxTallies + 100 {
		c.Add(session(fmt.Sprintf("d%d.example", i), Success))
	}
	if len(c.tallies) != maxTallies || c.lost != 100 {
		t.Errorf("%d tallies, %d lost", len(c.tallies), c.lost)
	}
}

func TestStrangersTextIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open()
	s := session("example.com", Failure)
	s.Info, s.Reason, s.Helo = strings.Repeat("\x00\xff\r\n", 1000), strings.Repeat("ä", 1000), strings.Repeat("h", 1000)
	s.Policy.Strings = []string{"a\x00b", strings.Repeat("x", maxStrings), "rest"}
	c.Add(s)
	w.flush(c)
	c.round(c.tomorrow())
	p := w.report().Policies[0]
	d := p.Failures[0]
	if strings.ContainsAny(d.Info, "\x00\r\n") || len(d.Info) > 2*maxInfo || len(d.Reason) > maxReason+3 || len(d.ReceivingHelo) != maxHost {
		t.Errorf("%+v", d)
	}
	if len(p.Policy.Strings) != 2 || p.Policy.Strings[0] != "a b" || p.Policy.Strings[1] != "..." {
		t.Errorf("%.200q", p.Policy.Strings)
	}
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // or midnight comes meanwhile
		w := newWorld(t)
		var bodies [][]byte
		status := make(chan int, 3)
		srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if r.Method == http.MethodPost && r.URL.Path == "/v1" && r.Header.Get("Content-Type") == "application/tlsrpt+gzip" {
				bodies = append(bodies, b)
			}
			rw.Header().Set("Location", "/v1")
			rw.WriteHeader(<-status)
		}))
		t.Cleanup(srv.Close)
		w.opt.Roots = x509.NewCertPool()
		w.opt.Roots.AddCert(srv.Certificate())
		w.publish("example.com", "v=TLSRPTv1; rua="+srv.URL+"/v1")
		c := w.open() // 127.0.0.1 is not public
		c.Add(session("example.com", Success))
		w.flush(c)
		now := c.tomorrow()
		c.round(now)
		if len(bodies) != 0 || w.rows("tlsrpt_outbox") != 1 {
			t.Fatal("a private address was posted to")
		}
		w.opt.AllowPrivate = true
		c = w.open()
		for i, code := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			status <- code
			c.round(now.Add(time.Duration(i+1) * time.Hour))
			if w.rows("tlsrpt_outbox") != 1 {
				t.Fatalf("not kept after %d", code)
			}
		}
		status <- http.StatusCreated
		c.round(now.Add(5 * time.Hour))
		if w.rows("tlsrpt_outbox") != 0 || len(bodies) != 3 || !bytes.Equal(bodies[0], bodies[1]) {
			t.Fatalf("%d bodies", len(bodies))
		}
		if r, err := ParseReport(bytes.NewReader(bodies[1])); err != nil || r.Policies[0].Summary.Successful != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		for i, code := range []int{http.StatusForbidden, http.StatusTemporaryRedirect} {
			c.Add(session("example.com", Success))
			w.flush(c)
			status <- code
			c.round(now)
			if w.rows("tlsrpt_outbox") != 0 || len(bodies) != 4+i {
				t.Errorf("after %d: %d bodies", code, len(bodies))
			}
		}
	})
}

// TestItWorksByItself: the goroutines do what the other tests do by hand.
func TestItWorksByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := make(chan struct{})
	w.opt.Spread = time.Nanosecond
	c := w.open()
	c.Add(session("example.com", Success))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	err := w.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE tlsrpt_days SET due = 1`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	started, err := Open(t.Context(), w.opt, w.db, w.zone, mailerFunc(func() { close(sent) }))
	if err != nil {
		t.Fatal(err)
	}
	<-sent
	if err := started.Close(); err != nil {
		t.Fatal(err)
	}
}

type mailerFunc func()

func (f mailerFunc) Send(context.Context, string, string, []byte) error { f(); return nil }

func TestNoContactNoCollector(t *testing.T) {
	t.Parallel()
	c, err := Open(t.Context(), Options{}, nil, nil, nil)
	if c != nil || err != nil {
		t.Error(c, err)
	}
	c.Add(session("example.com", Success))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	_, noMatch := dane.Check{}.Verify(nil)
	for _, c := range []struct {
		err  error
		want ResultType
	}{
		{nil, Success},
		{errors.New("other"), Failure},
		{fmt.Errorf("x: %w", noMatch), Failure},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, NotTrusted},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}}}, HostMismatch},
		{x509.CertificateInvalidError{Reason: x509.Expired}, Expired},
		{x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}, NotTrusted},
	} {
		if got := Classify(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	c := &Collector{tallies: map[tally]int64{}}
	s := session("example.com", Expired)
	b.ReportAllocs()
	for b.Loop() {
		c.Add(s)
	}
}
