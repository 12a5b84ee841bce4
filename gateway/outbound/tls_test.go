package outbound

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// authority signs certificates that are valid in synctest's time and in ours.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{key: newKey(t)}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue returns a certificate for names; expired: of long ago.
func (a *authority) issue(t testing.TB, expired bool, names ...string) *tls.Certificate {
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
	}
	if expired {
		tmpl.NotAfter = tmpl.NotBefore.AddDate(1, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// ee is a DANE-EE record for a certificate.
func ee(c *tls.Certificate) dns.ZoneRecord {
	sum := sha256.Sum256(c.Leaf.RawSubjectPublicKeyInfo)
	return TLSA(3, 1, 1, hex.EncodeToString(sum[:]))
}

// sts is a domain's MTA-STS policy.
type sts struct{ mtasts.Result }

func (s sts) Policy(context.Context, string) mtasts.Result { return s.Result }

func policy(mode mtasts.Mode, mx ...string) Policies {
	return sts{mtasts.Result{Policy: &mtasts.Policy{Mode: mode, MX: mx}}}
}

// heard is what TLS-RPT was told.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) Add(s tlsrpt.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.Policy.Domain != "d.test" {
		panic("reported for " + s.Policy.Domain)
	}
	r := s.Result
	if r == tlsrpt.Success {
		r = "ok"
	}
	h.list = append(h.list, fmt.Sprintf("%s %s", s.Policy.Type, r))
}

// Which TLS a destination gets by what it publishes and what its server shows:
// the outcome, what TLS-RPT hears, and what is said of the connection.
func TestTLSPolicy(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	good, wrong := ca.issue(t, false, "mx.d.test"), ca.issue(t, false, "else.test")
	expired, unknown := ca.issue(t, true, "mx.d.test"), other.issue(t, false, "mx.d.test")
	signed := func(records ...dns.ZoneRecord) Zone {
		z := one()
		z["$authentic"] = []dns.ZoneRecord{{Record: dns.Record{Host: "test"}}}
		if records != nil {
			z["_25._tcp.mx.d.test"] = records
		}
		return z
	}
	implicit := func(tlsa dns.ZoneRecord) Zone {
		return Zone{"d.test": {A("192.0.2.1")}, "_25._tcp.d.test": {tlsa}, "$authentic": {{Record: dns.Record{Host: "test"}}}}
	}
	const ok, no = "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1", "deferred 451 4.7.5 local dest mx.d.test 192.0.2.1"
	const noHost = "deferred 451 4.7.5 local dest mx.d.test"
	for name, c := range map[string]struct {
		cert   *tls.Certificate // nil: no STARTTLS
		zone   Zone
		sts    Policies
		opt    func(*Options)
		how    string // Outcome.TLS ends in it
		want   string
		report string
		broken bool // the handshake fails
	}{
		"nothing offered":                  {want: ok, report: "no-policy-found starttls-not-supported"},
		"any certificate will do":          {cert: unknown, want: ok, how: "unverified", report: "no-policy-found ok"},
		"an expired one too":               {cert: expired, want: ok, how: "unverified", report: "no-policy-found ok"},
		"plaintext when TLS breaks":        {cert: good, broken: true, want: ok, report: "no-policy-found validation-failure"},
		"none":                             {cert: good, opt: func(o *Options) { o.TLS = "none" }, want: ok},
		"encrypt":                          {cert: unknown, opt: func(o *Options) { o.TLS = "encrypt" }, want: ok, how: "unverified", report: "no-policy-found ok"},
		"encrypt, nothing offered":         {opt: func(o *Options) { o.TLS = "encrypt" }, want: no, report: "no-policy-found starttls-not-supported"},
		"encrypt, TLS breaks":              {cert: good, broken: true, opt: func(o *Options) { o.TLS = "encrypt" }, want: no, report: "no-policy-found validation-failure"},
		"verify":                           {cert: good, opt: func(o *Options) { o.TLS = "verify" }, want: ok, how: "pkix", report: "no-policy-found ok"},
		"verify, another name":             {cert: wrong, opt: func(o *Options) { o.TLS = "verify" }, want: no, report: "no-policy-found certificate-host-mismatch"},
		"verify, a name that is allowed":   {cert: wrong, opt: rule("verify", "mx.d.test", "else.test"), want: ok, how: "pkix", report: "no-policy-found ok"},
		"verify, one that is not":          {cert: wrong, opt: rule("verify", "a.test", "b.test"), want: no, report: "no-policy-found certificate-host-mismatch"},
		"STS":                              {cert: good, sts: policy(mtasts.Enforce, "*.d.test"), want: ok, how: "mta-sts", report: "sts ok"},
		"STS, another name":                {cert: wrong, sts: policy(mtasts.Enforce, "*.d.test"), want: no, report: "sts certificate-host-mismatch"},
		"STS, expired":                     {cert: expired, sts: policy(mtasts.Enforce, "*.d.test"), want: no, report: "sts certificate-expired"},
		"STS, unknown authority":           {cert: unknown, sts: policy(mtasts.Enforce, "*.d.test"), want: no, report: "sts certificate-not-trusted"},
		"STS, STARTTLS stripped":           {sts: policy(mtasts.Enforce, "*.d.test"), want: no, report: "sts starttls-not-supported"},
		"STS, another host":                {cert: good, sts: policy(mtasts.Enforce, "mx.e.test"), want: noHost, report: "sts validation-failure"},
		"STS switched off":                 {cert: wrong, sts: policy(mtasts.Enforce, "*.d.test"), opt: func(o *Options) { o.STS = new(bool) }, want: ok, how: "unverified", report: "no-policy-found ok"},
		"STS mode none":                    {cert: wrong, sts: policy(mtasts.Off), want: ok, how: "unverified", report: "no-policy-found ok"},
		"STS testing":                      {cert: good, sts: policy(mtasts.Testing, "*.d.test"), want: ok, how: "unverified", report: "sts ok"},
		"STS testing, another name":        {cert: wrong, sts: policy(mtasts.Testing, "*.d.test"), want: ok, how: "unverified", report: "sts certificate-host-mismatch"},
		"STS testing, STARTTLS stripped":   {sts: policy(mtasts.Testing, "*.d.test"), want: ok, report: "sts starttls-not-supported"},
		"STS testing, another host":        {cert: good, sts: policy(mtasts.Testing, "mx.e.test"), want: ok, how: "unverified", report: "sts validation-failure"},
		"STS cannot be fetched":            {cert: unknown, sts: sts{mtasts.Result{Err: errors.New("x")}}, want: ok, how: "unverified", report: "sts validation-failure"},
		"DANE":                             {cert: unknown, zone: signed(ee(unknown)), want: ok, how: "dane", report: "tlsa ok"},
		"DANE, another key":                {cert: good, zone: signed(ee(unknown)), want: no, report: "tlsa certificate-not-trusted"},
		"DANE, STARTTLS stripped":          {zone: signed(ee(good)), want: no, report: "tlsa starttls-not-supported"},
		"DANE, TLS breaks":                 {cert: good, broken: true, zone: signed(ee(good)), want: no, report: "tlsa validation-failure"},
		"DANE before STS":                  {cert: unknown, zone: signed(ee(unknown)), sts: policy(mtasts.Enforce, "mx.e.test"), want: ok, how: "dane", report: "tlsa ok"},
		"DANE unusable: encrypted":         {cert: unknown, zone: signed(TLSA(0, 0, 1, strings.Repeat("00", 32))), want: ok, how: "unverified", report: "tlsa tlsa-invalid"},
		"DANE unusable: not in plaintext":  {zone: signed(TLSA(0, 0, 1, strings.Repeat("00", 32))), want: no, report: "tlsa starttls-not-supported"},
		"DANE cannot be found out":         {cert: good, zone: signed(ServFail), want: noHost, report: "tlsa dnssec-invalid"},
		"DANE switched off":                {cert: good, zone: signed(ee(unknown)), opt: func(o *Options) { o.DANE = new(bool) }, want: ok, how: "unverified", report: "no-policy-found ok"},
		"DANE unproved":                    {cert: good, zone: unsigned(ee(unknown)), want: ok, how: "unverified", report: "no-policy-found ok"},
		"dane-only":                        {cert: unknown, zone: signed(ee(unknown)), opt: func(o *Options) { o.TLS = "dane-only" }, want: ok, how: "dane", report: "tlsa ok"},
		"dane-only, unusable":              {cert: good, zone: signed(TLSA(0, 0, 1, strings.Repeat("00", 32))), opt: func(o *Options) { o.TLS = "dane-only" }, want: noHost, report: "tlsa dane-required"},
		"DANE without MX":                  {cert: unknown, zone: implicit(ee(unknown)), want: "delivered 250 2.0.0 relayed d.test 192.0.2.1", how: "dane", report: "tlsa ok"},
		"dane-only, without":               {cert: good, zone: signed(), opt: func(o *Options) { o.TLS = "dane-only" }, want: noHost, report: "tlsa dane-required"},
		"opportunistic where verify is so": {cert: unknown, opt: rule("opportunistic", ""), want: ok, how: "unverified", report: "no-policy-found ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if c.zone == nil {
					c.zone = one()
				}
				w, h := newWorld(t, c.zone), &heard{}
				w.opt.CA = ca.file
				if c.opt != nil {
					c.opt(&w.opt)
				}
				w.deps.Policies, w.deps.Reports = c.sts, h
				s := &sink{cert: c.cert}
				if c.broken {
					s.replies = map[string]string{"STARTTLS": "220 go\nnothing of TLS!"}
				}
				w.hosts["192.0.2.1"] = func(conn net.Conn) {
					if c.broken && s.opened() == 0 {
						s.mu.Lock()
						s.conns++
						s.mu.Unlock()
						brokenTLS(conn)
						return
					}
					(&sink{cert: s.cert}).serve(conn)
				}
				out := w.transport().Deliver(t.Context(), job("b@d.test"))
				wantOutcome(t, out, c.want)
				if got := strings.Join(h.list, ", "); got != c.report {
					t.Errorf("reported %q, want %q", got, c.report)
				}
				if !strings.HasSuffix(out[0].TLS, c.how) || c.how == "" && out[0].TLS != "" {
					t.Errorf("TLS is %q, want %q", out[0].TLS, c.how)
				}
			})
		})
	}
}

// TestRollOver: a server's key is replaced as RFC 7671 section 8.1 says, the new
// record beside the old one first; no mail waits, nothing fails; who forgets
// the new record, or takes the old one away too early, gets no mail meanwhile.
func TestRollOver(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	before, after := ca.issue(t, false, "mx.d.test"), ca.issue(t, false, "mx.d.test")
	hash := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	for name, rec := range map[string]func(*tls.Certificate) dns.ZoneRecord{
		"3 1 1": ee,
		"3 0 1": func(c *tls.Certificate) dns.ZoneRecord { return TLSA(3, 0, 1, hash(c.Leaf.Raw)) },
		"3 1 0": func(c *tls.Certificate) dns.ZoneRecord {
			return TLSA(3, 1, 0, hex.EncodeToString(c.Leaf.RawSubjectPublicKeyInfo))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				zone := one()
				zone["$authentic"] = []dns.ZoneRecord{{Record: dns.Record{Host: "test"}}}
				publish := func(list ...*tls.Certificate) {
					zone["_25._tcp.mx.d.test"] = nil
					for _, c := range list {
						zone["_25._tcp.mx.d.test"] = append(zone["_25._tcp.mx.d.test"], rec(c))
					}
				}
				publish(before)
				w, h := newWorld(t, zone), &heard{}
				// What the policy says beside it is of no account.
				w.deps.Policies, w.deps.Reports = policy(mtasts.Enforce, "mx.e.test"), h
				show := before
				w.hosts["192.0.2.1"] = func(conn net.Conn) { (&sink{cert: show}).serve(conn) }
				tr := w.transport()
				deliver := func(step string, ok bool) {
					t.Helper()
					want, report := "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1", "tlsa ok"
					if !ok {
						want, report = "deferred 451 4.7.5 local dest mx.d.test 192.0.2.1", "tlsa certificate-not-trusted"
					}
					time.Sleep(10 * time.Minute) // no answer of the DNS is used for that long
					h.list = nil
					out := tr.Deliver(t.Context(), job("b@d.test"))
					if got := shows(out); got != want {
						t.Errorf("%s: %s, want %s", step, got, want)
					}
					if got := strings.Join(h.list, ", "); got != report {
						t.Errorf("%s: reported %q, want %q", step, got, report)
					}
				}
				deliver("before", true)
				publish(before, after)
				deliver("both records", true)
				publish(after, before)
				deliver("both records, the other way round", true)
				show = after
				deliver("the new certificate", true)
				publish(after)
				deliver("the old record is gone", true)
				publish(before)
				deliver("the wrong record stayed", false)
				publish(before, after)
				deliver("mended", true)
			})
		})
	}
}

// TestReportsAreNotReportedOn: else two sites that send each other reports
// would go on for ever. A connection that is kept after a report counts for the
// next mail.
func TestReportsAreNotReportedOn(t *testing.T) {
	const ok = "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1"
	t.Parallel()
	ca := newAuthority(t)
	good := ca.issue(t, false, "mx.d.test")
	synctest.Test(t, func(t *testing.T) {
		w, h := newWorld(t, one()), &heard{}
		w.opt.CA, w.deps.Reports = ca.file, h
		s := &sink{cert: good}
		w.hosts["192.0.2.1"] = s.serve
		tr := w.transport()
		report := job("reports@d.test")
		report.Queue.Report = true
		for range 2 {
			wantOutcome(t, tr.Deliver(t.Context(), report), ok)
		}
		if len(h.list) > 0 {
			t.Errorf("reported on a report: %q", h.list)
		}
		for range 2 {
			wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), ok)
		}
		if got := strings.Join(h.list, ", "); got != "no-policy-found ok" || s.opened() != 1 {
			t.Errorf("%q over %d connections", got, s.opened())
		}
		wantOutcome(t, tr.Deliver(t.Context(), report), ok)
		if len(h.list) != 1 {
			t.Errorf("%q", h.list)
		}
	})
	t.Run("blocked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, h := newWorld(t, one()), &heard{}
			w.opt.CA, w.deps.Reports, w.deps.Policies = ca.file, h, policy(mtasts.Enforce, "mx.else.test")
			w.hosts["192.0.2.1"] = (&sink{cert: good}).serve
			report := job("reports@d.test")
			report.Queue.Report = true
			w.transport().Deliver(t.Context(), report)
			if len(h.list) > 0 {
				t.Errorf("reported on a report: %q", h.list)
			}
		})
	})
}

func rule(level string, names ...string) func(*Options) {
	return func(o *Options) {
		o.TLS = "verify"
		o.TLSPolicy = []TLSPolicy{{Domains: []string{"other.test"}, Level: "none"}, {MX: []string{"*.d.test"}, Level: level, Names: names}}
	}
}

func unsigned(records ...dns.ZoneRecord) Zone {
	z := one()
	z["_25._tcp.mx.d.test"] = records
	return z
}

// brokenTLS accepts STARTTLS and answers the handshake with nonsense.
func brokenTLS(conn net.Conn) {
	fmt.Fprint(conn, "220 x\r\n")
	b := make([]byte, 4096)
	conn.Read(b)
	fmt.Fprint(conn, "250-x\r\n250 STARTTLS\r\n")
	conn.Read(b)
	fmt.Fprint(conn, "220 go\r\n")
	conn.Read(b)
	fmt.Fprint(conn, "no TLS at all\r\n")
}

// REQUIRETLS goes only where the host is known to be right and offers it. That
// it does not says nothing of the destination: other mail goes there.
func TestRequireTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good, wrong := ca.issue(t, false, "mx.d.test"), ca.issue(t, false, "else.test")
	signed := one()
	signed["$authentic"] = []dns.ZoneRecord{{Record: dns.Record{Host: "test"}}}
	for name, c := range map[string]struct {
		cert *tls.Certificate
		zone Zone
		sts  Policies
		ext  []string
		want string
	}{
		"DNSSEC":                 {good, signed, nil, []string{"REQUIRETLS"}, "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1"},
		"MTA-STS testing":        {good, one(), policy(mtasts.Testing, "mx.d.test"), []string{"REQUIRETLS"}, "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1"},
		"neither":                {good, one(), nil, []string{"REQUIRETLS"}, "failed 550 5.7.30 local mx.d.test"},
		"not offered":            {good, signed, nil, nil, "failed 550 5.7.30 local mx.d.test 192.0.2.1"},
		"another name":           {wrong, signed, nil, []string{"REQUIRETLS"}, "deferred 451 4.7.5 local mx.d.test 192.0.2.1"},
		"no STARTTLS":            {nil, signed, nil, []string{"REQUIRETLS"}, "deferred 451 4.7.5 local mx.d.test 192.0.2.1"},
		"MTA-STS, another host":  {good, signed, policy(mtasts.Enforce, "x.test"), []string{"REQUIRETLS"}, "deferred 451 4.7.5 local dest mx.d.test"},
		"another host, no DANE.": {good, one(), policy(mtasts.Testing, "x.test"), []string{"REQUIRETLS"}, "failed 550 5.7.30 local mx.d.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.zone)
				w.opt.CA, w.deps.Policies = ca.file, c.sts
				w.hosts["192.0.2.1"] = (&sink{cert: c.cert, ext: c.ext}).serve
				j := job("b@d.test")
				j.Params.RequireTLS = true
				wantOutcome(t, w.transport().Deliver(t.Context(), j), c.want)
			})
		})
	}
}

// A bounce of mail with REQUIRETLS asks for it too, and goes nevertheless where
// that is not to be had (RFC 8689 section 5).
func TestRequireTLSOfBounces(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good, wrong := ca.issue(t, false, "mx.d.test"), ca.issue(t, false, "else.test")
	signed := one()
	signed["$authentic"] = []dns.ZoneRecord{{Record: dns.Record{Host: "test"}}}
	enforced, asked := policy(mtasts.Enforce, "mx.d.test"), []string{"REQUIRETLS"}
	for name, c := range map[string]struct {
		zone Zone
		sts  Policies
		s    *sink
		want string // how TLS was
	}{
		"not offered":                       {one(), nil, &sink{cert: good}, "unverified"},
		"offered by who knows whom":         {one(), nil, &sink{cert: good, ext: asked}, "unverified"},
		"no TLS":                            {one(), nil, &sink{}, ""},
		"offered":                           {signed, nil, &sink{cert: good, ext: asked}, "pkix"},
		"another name":                      {signed, nil, &sink{cert: wrong, ext: asked}, "unverified"},
		"no TLS by DNSSEC":                  {signed, nil, &sink{}, ""},
		"another name, MTA-STS":             {signed, enforced, &sink{cert: wrong, ext: asked}, "none"},
		"another name, MTA-STS for a while": {signed, policy(mtasts.Testing, "mx.d.test"), &sink{cert: wrong, ext: asked}, "unverified"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, c.zone)
			w.opt.CA, w.deps.Policies = ca.file, c.sts
			w.hosts["192.0.2.1"] = c.s.serve
			j := job("b@d.test")
			j.Params.RequireTLS, j.From = true, smtp.ReversePath{}
			out := w.transport().Deliver(t.Context(), j)
			if (out[0].Result == queue.Delivered) != (c.want != "none") || c.want != "none" && !strings.HasSuffix(out[0].TLS, c.want) || c.want == "" && out[0].TLS != "" {
				t.Errorf("%s: %+v", name, out[0])
			}
		})
	}
}

// A host with whom TLS failed is spoken to in plaintext for a while, unless
// somebody wants TLS there.
func TestBrokenTLSIsRemembered(t *testing.T) {
	t.Parallel()
	cert := newAuthority(t).issue(t, false, "x")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		n := 0
		w.hosts["192.0.2.1"] = func(conn net.Conn) {
			if n++; n == 1 {
				brokenTLS(conn)
			} else {
				(&sink{cert: cert}).serve(conn)
			}
		}
		tr := w.transport()
		for i, want := range []string{"", "", "unverified"} {
			out := tr.Deliver(t.Context(), job("b@d.test"))
			if !strings.HasSuffix(out[0].TLS, want) || (want == "") != (out[0].TLS == "") {
				t.Errorf("%d: %q", i, out[0].TLS)
			}
			time.Sleep([]time.Duration{time.Minute, badTLSTime, 0}[i]) // the connection has ended
		}
		if n != 4 {
			t.Errorf("%d connections", n)
		}
	})
}
