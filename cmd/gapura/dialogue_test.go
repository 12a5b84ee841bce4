package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// TestDialogues runs testdata/dialogues against the binary, in front of a
// go-smtp server. Those with an option that the configuration cannot say are
// passed over; gateway/smtpd runs them all.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/dialogues/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	groups := make(map[string][]*smtpdtest.Dialogue) // by configuration
	run := 0
	for _, f := range files {
		d, err := smtpdtest.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := dialogueConfig(d); ok {
			groups[text] = append(groups[text], d)
			run++
		}
	}
	t.Logf("%d of %d dialogues, %d configurations", run, len(files), len(groups))
	if run < 150 {
		t.Errorf("only %d dialogues can be run", run)
	}
	for _, text := range slices.Sorted(maps.Keys(groups)) {
		t.Run(groups[text][0].Name, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t)
			g := startGateway(t, fmt.Sprintf(text, b.addr))
			for _, d := range groups[text] {
				t.Run(d.Name, func(t *testing.T) {
					b.reset()
					d.Run(t, smtpdtest.Target{
						Dial:     func() (net.Conn, error) { return net.Dial("tcp", g.smtp) },
						Messages: b.messages,
						Wait:     func() { g.idle(t) },
					})
					g.idle(t)
				})
			}
		})
	}
}

// dialogueConfig returns the configuration for a dialogue, with %s for the
// backend's address.
func dialogueConfig(d *smtpdtest.Dialogue) (string, bool) {
	protocol, peers := "smtp", ""
	limits := map[string]string{"connections_per_ip": "1000"}
	smtp := map[string]string{}
	for name, value := range d.Options {
		short := strings.TrimPrefix(name, "limits.")
		switch name {
		case "protocol":
			protocol = value
		case "proxy":
			peers += ", proxy_protocol: [127.0.0.0/8]"
		case "xclient":
			peers += ", xclient: [127.0.0.0/8]"
		case "limits.message":
			limits[short] = value
		case "disable_extensions":
			smtp[name] = "[" + strings.Join(strings.Fields(value), ", ") + "]"
		case "auth": // required is what submission does
			if value == "true" {
				peers += ", auth: true"
			}
		case "tls":
			if value != "implicit" || d.Options["protocol"] != "submissions" {
				return "", false
			}
		case "handler", "dsn", "requiretls", "priority", "deliver_by", "future_release", "limits.recipients":
			return "", false
		default:
			smtp[short] = value
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "hostname: mx.example.test\nlisteners:\n  - {protocol: %s, address: \"127.0.0.1:0\"%s}\n  - {protocol: http, address: \"127.0.0.1:0\"}\n", protocol, peers)
	b.WriteString("domains:\n  example.test: {deliver: proxy, backends: [\"smtp://%s\"]}\npolicy: [policy.yaml]\n")
	b.WriteString("accounts: {throttle: {answer: 0s, free: 1000, ban: 1000, close: 1000}}\n")
	writeSection(&b, "limits", limits)
	writeSection(&b, "smtp", smtp)
	return b.String(), true
}

func writeSection(b *strings.Builder, name string, m map[string]string) {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k+": "+m[k])
	}
	fmt.Fprintf(b, "%s: {%s}\n", name, strings.Join(pairs, ", "))
}

// gatewayProcess is a running gapura serve.
type gatewayProcess struct{ smtp, http string }

func startGateway(t *testing.T, config string) *gatewayProcess {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"gapura.yaml": config, "policy.yaml": "rules: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(config, "auth: true") || strings.Contains(config, "protocol: submission") {
		add := exec.Command(exe)
		add.Args = []string{"gapura", "-c", filepath.Join(dir, "gapura.yaml"), "user", "add", "--force", "--password-stdin", "user@example.test"}
		add.Stdin = strings.NewReader("secret\n")
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("user add: %v: %s", err, out)
		}
	}
	cmd := exec.Command(exe)
	cmd.Args = []string{"gapura", "-c", filepath.Join(dir, "gapura.yaml"), "serve"}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g := &gatewayProcess{}
	ready := make(chan string, 1)
	var wg sync.WaitGroup
	wg.Go(func() { g.read(stderr, ready) })
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		wg.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("gapura serve: %v", err)
		}
	})
	if said := <-ready; g.smtp == "" || g.http == "" {
		t.Fatalf("gapura serve with\n%s\nsaid\n%s", config, said)
	}
	return g
}

// read follows the log until it ends.
func (g *gatewayProcess) read(stderr io.Reader, ready chan<- string) {
	var said strings.Builder
	defer func() {
		select {
		case ready <- said.String():
		default:
		}
	}()
	for s := bufio.NewScanner(stderr); s.Scan(); {
		var line struct{ Msg, Protocol, Address string }
		json.Unmarshal(s.Bytes(), &line)
		said.WriteString(s.Text() + "\n")
		switch {
		case line.Msg == "listening" && line.Protocol == "http":
			g.http = line.Address
		case line.Msg == "listening":
			g.smtp = line.Address
		case line.Msg == "ready":
			ready <- ""
		}
	}
}

var openConnections = regexp.MustCompile(`(?m)^gapura_smtp_connections_open\{.*\} ([0-9]+)$`)

// idle waits until no client is connected.
func (g *gatewayProcess) idle(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		r, err := http.Get("http://" + g.http + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if m := openConnections.FindSubmatch(text); m != nil && string(m[1]) == "0" {
			return
		}
		<-tick.C
	}
	t.Fatal("connections stay open")
}

// backend is a go-smtp server that knows everybody but unknown.
type backend struct {
	addr string
	mu   sync.Mutex
	got  []string
}

func startBackend(t *testing.T) *backend {
	b := &backend{}
	s := gosmtp.NewServer(b)
	s.EnableSMTPUTF8, s.MaxLineLength, s.ErrorLog = true, 1<<20, log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return b
}

func (b *backend) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = nil
}

func (b *backend) messages() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func (b *backend) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return backendSession{b}, nil }

type backendSession struct{ b *backend }

func (backendSession) Reset()                                 {}
func (backendSession) Logout() error                          { return nil }
func (backendSession) Mail(string, *gosmtp.MailOptions) error { return nil }

func (backendSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "unknown@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (s backendSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err == nil {
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		s.b.got = append(s.b.got, string(text))
	}
	return err
}
