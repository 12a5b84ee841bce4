package cert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// shake does a handshake and returns the server's certificate.
func shake(t *testing.T, s *Store, conf *tls.Config) *x509.Certificate {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	srv := tls.Server(b, &tls.Config{GetCertificate: s.GetCertificate})
	done := make(chan error, 1)
	go func() { done <- srv.Handshake() }()
	conf = conf.Clone()
	conf.InsecureSkipVerify = conf.RootCAs == nil
	c := tls.Client(a, conf)
	if err := errors.Join(c.Handshake(), <-done); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return c.ConnectionState().PeerCertificates[0]
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair writes a certificate for names into dir and returns its files.
func pair(t *testing.T, dir string, names ...string) Pair {
	t.Helper()
	s := newSelfSigned(Options{Names: names})
	data, err := s.make()
	if err != nil {
		t.Fatal(err)
	}
	c, k := pem.Decode(data)
	p := Pair{filepath.Join(dir, names[0]+".crt"), filepath.Join(dir, names[0]+".key")}
	write(t, p.Certificate, pem.EncodeToMemory(c))
	write(t, p.Key, k)
	return p
}

func open(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSelfSignedIsMadeOnceAndVerifies(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "tls")
	o := Options{Hostname: "mx1.example.org", Names: []string{"localhost", "127.0.0.1"}, Dir: dir}
	s := open(t, o)
	first := s.Leaves()[0]
	roots := x509.NewCertPool()
	roots.AddCert(first)
	for _, name := range []string{"mx1.example.org", "localhost", "127.0.0.1"} {
		shake(t, s, &tls.Config{ServerName: name, RootCAs: roots})
	}
	fi, err := os.Stat(filepath.Join(dir, selfSignedFile))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v; want mode 0600", fi.Mode(), err)
	}
	if again := open(t, o).Leaves()[0]; !again.Equal(first) {
		t.Error("a second Open made another certificate")
	}
	o.Hostname = "mx2.example.org"
	if other := open(t, o).Leaves()[0]; other.DNSNames[0] != "mx2.example.org" {
		t.Errorf("after a change of the host name: %v", other.DNSNames)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestSelfSignedIsRenewedInTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Hostname: "mx.example.org", Dir: dir})
		first := s.Leaves()[0]
		time.Sleep(validity - renewBefore - time.Hour)
		if got := shake(t, s, &tls.Config{}); !got.Equal(first) {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Hour)
		got := shake(t, s, &tls.Config{})
		if got.Equal(first) || time.Until(got.NotAfter) < validity-time.Minute {
			t.Errorf("not renewed: ends %v", got.NotAfter)
		}
		if s.Shown("mx.example.org", time.Now().Add(-time.Hour)) != nil {
			t.Error("who connected before was not shown the new one")
		}
		time.Sleep(time.Second)
		if got := s.Shown("MX.example.org.", time.Now()); string(got) != string(s.Leaves()[0].Raw) {
			t.Errorf("shown %x", got)
		}
	})
}

func TestRenewalIsTriedUntilItWorks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Hostname: "mx.example.org", Dir: dir})
		first := s.Leaves()[0]
		if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(validity)
			if got := shake(t, s, &tls.Config{}); !got.Equal(first) {
				t.Fatal("there is no folder to keep a new certificate in")
			}
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := shake(t, s, &tls.Config{}); got.Equal(first) {
			t.Error("not renewed")
		}
	})
}

func TestSelfSignedReplacesWhatIsBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, selfSignedFile), []byte("half a certif"))
	open(t, Options{Hostname: "mx.example.org", Dir: dir})
}

func TestSNIChoosesTheCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := pair(t, dir, "a.example.org"), pair(t, dir, "*.example.net", "example.net")
	s := open(t, Options{Mode: ModeFiles, Certificate: a.Certificate, Key: a.Key, Certificates: []Pair{b}})
	for name, want := range map[string]string{
		"a.example.org":        "a.example.org",
		"A.Example.ORG":        "a.example.org",
		"mx.example.net":       "*.example.net",
		"example.net":          "*.example.net",
		"too.deep.example.net": "a.example.org",
		"unknown.test":         "a.example.org",
		"":                     "a.example.org",
	} {
		if got := shake(t, s, &tls.Config{ServerName: name}).DNSNames[0]; got != want {
			t.Errorf("SNI %q: certificate of %s, want %s", name, got, want)
		}
	}
}

func TestChangedFilesAreSeenAtMostEveryInterval(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := pair(t, dir, "mx.example.org")
		s := open(t, Options{Mode: ModeFiles, Certificates: []Pair{p}, CheckEvery: time.Minute})
		first := s.Leaves()[0]
		pair(t, dir, "mx.example.org")
		time.Sleep(59 * time.Second)
		if got := shake(t, s, &tls.Config{}); !got.Equal(first) {
			t.Error("looked before the interval was over")
		}
		time.Sleep(2 * time.Second)
		if got := shake(t, s, &tls.Config{}); got.Equal(first) {
			t.Error("the new certificate was not seen")
		}
	})
}

func TestHalfAnUpdateKeepsTheOldPair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := pair(t, dir, "mx.example.org")
		s := open(t, Options{
			Mode: ModeFiles, Certificates: []Pair{p}, CheckEvery: time.Minute,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		first := s.Leaves()[0]
		oldKey, _ := os.ReadFile(p.Key)
		pair(t, dir, "mx.example.org")
		newKey, _ := os.ReadFile(p.Key)
		write(t, p.Key, oldKey)
		for range 3 {
			time.Sleep(2 * time.Minute)
			if got := shake(t, s, &tls.Config{}); !got.Equal(first) {
				t.Fatal("a certificate without its key is in use")
			}
		}
		if n := bytes.Count(log.Bytes(), []byte("cannot be used")); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, log.String())
		}
		if err := s.Reload(); err == nil {
			t.Error("Reload says that all is well")
		}
		if err := os.Remove(p.Key); err != nil {
			t.Fatal(err)
		}
		write(t, p.Key, newKey)
		time.Sleep(2 * time.Minute)
		if got := shake(t, s, &tls.Config{}); got.Equal(first) {
			t.Error("the completed pair is not in use")
		}
	})
}

func TestReloadIsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := pair(t, dir, "mx.example.org")
	s := open(t, Options{Mode: ModeFiles, Certificates: []Pair{p}})
	first := s.Leaves()[0]
	pair(t, dir, "mx.example.org")
	if err := s.Reload(); err != nil || s.Leaves()[0].Equal(first) {
		t.Errorf("Reload: %v; changed: %v", err, !s.Leaves()[0].Equal(first))
	}
}

func TestImpossibleOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := pair(t, dir, "mx.example.org")
	big := filepath.Join(dir, "big")
	write(t, big, make([]byte, maxFileSize+1))
	for name, o := range map[string]Options{
		"unknown mode":         {Mode: "acne"},
		"files without files":  {Mode: ModeFiles},
		"no key":               {Mode: ModeFiles, Certificate: p.Certificate},
		"no certificate":       {Mode: ModeFiles, Key: p.Key},
		"files in self-signed": {Certificate: p.Certificate, Key: p.Key, Hostname: "a.test", Dir: dir},
		"no host name":         {Dir: filepath.Join(dir, "x")},
		"missing file":         {Mode: ModeFiles, Certificate: filepath.Join(dir, "none"), Key: p.Key},
		"no PEM":               {Mode: ModeFiles, Certificate: p.Key, Key: p.Certificate},
		"too large":            {Mode: ModeFiles, Certificate: big, Key: p.Key},
		"too many":             {Mode: ModeFiles, Certificates: make([]Pair, maxPairs+1)},
	} {
		o.Log = quiet
		if _, err := Open(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHandshakesWhileReloading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := pair(t, dir, "mx.example.org")
	s := open(t, Options{Mode: ModeFiles, Certificates: []Pair{p}, CheckEvery: time.Nanosecond})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if c, err := s.GetCertificate(&tls.ClientHelloInfo{}); c == nil || err != nil {
					t.Error(c, err)
				}
				if err := s.Reload(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkGetCertificate(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Options{Hostname: "mx.example.org", Dir: dir, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	hello := &tls.ClientHelloInfo{ServerName: "mx.example.org"}
	for b.Loop() {
		if _, err := s.GetCertificate(hello); err != nil {
			b.Fatal(err)
		}
	}
}
