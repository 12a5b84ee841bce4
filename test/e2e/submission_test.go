package e2e_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

const (
	submitter  = "ann@home.test"
	submitPass = "two words, and ümlauts"
)

// submission is a gateway for users, with a smart host beyond it and their own
// domain's server behind it.
type submission struct {
	*gapura
	submission  string // addresses of the listeners
	submissions string
	world, home *backend
}

// serveSubmission starts one; rest is more configuration.
func serveSubmission(t *testing.T, rest string) *submission {
	t.Helper()
	s := &submission{world: startBackend(t, nil), home: startBackend(t, nil)}
	dir := folder(t)
	config := strings.Replace(listenersYAML, "  - {protocol: lmtp", `  - {protocol: submission, address: "127.0.0.1:0"}
  - {protocol: submissions, address: "127.0.0.1:0"}
  - {protocol: lmtp`, 1)
	config = fmt.Sprintf(config, dir) + fmt.Sprintf(`domains:
  home.test: {deliver: proxy, backends: ["smtp://%[1]s"]}
  queued.test: {deliver: queue, backends: ["smtp://%[1]s"]}
outbound: {route: "smtp://%[2]s", allow: [127.0.0.0/8]}
queue: {retry: [1s]}
`, s.home.addr, s.world.addr) + rest
	if err := authorityFiles(dir, "gapura", gapuraName); err != nil {
		t.Fatal(err)
	}
	file, err := write(dir, "gapura.yaml", config)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := runTool(t, submitPass+"\n", program, "-c", file, "user", "add", "--force", "--password-stdin", submitter); err != nil {
		t.Fatalf("user add: %v: %s", err, out)
	}
	s.gapura = serveIn(t, dir, config)
	s.submission, s.submissions = s.listener("submission", ""), s.listener("submissions", "")
	return s
}

// submitters are programs of others that log in and submit to a recipient of
// each kind.
var submitters = []struct {
	name string
	send func(t *testing.T, s *submission, msg string)
}{
	{"curl, STARTTLS", func(t *testing.T, s *submission, msg string) {
		submitByCurl(t, s, msg, "smtp://", s.submission, "--ssl-reqd")
	}},
	{"curl, TLS", func(t *testing.T, s *submission, msg string) { submitByCurl(t, s, msg, "smtps://", s.submissions) }},
	{"swaks, STARTTLS and PLAIN", func(t *testing.T, s *submission, msg string) {
		submitBySwaks(t, s, msg, "--server", s.submission, "--tls", "--auth", "PLAIN")
	}},
	{"swaks, TLS and LOGIN", func(t *testing.T, s *submission, msg string) {
		submitBySwaks(t, s, msg, "--server", s.submissions, "--tls-on-connect", "--auth", "LOGIN")
	}},
	{"smtplib, STARTTLS", func(t *testing.T, s *submission, msg string) {
		pythonWith(t, msg, submitScript, "starttls", s.submission, filepath.Join(s.dir, "ca.pem"), submitter, submitPass)
	}},
	{"smtplib, TLS", func(t *testing.T, s *submission, msg string) {
		pythonWith(t, msg, submitScript, "tls", s.submissions, filepath.Join(s.dir, "ca.pem"), submitter, submitPass)
	}},
	{"msmtp, STARTTLS and PLAIN", func(t *testing.T, s *submission, msg string) { submitByMsmtp(t, s, msg, s.submission, "on", "plain") }},
	{"msmtp, TLS and LOGIN", func(t *testing.T, s *submission, msg string) { submitByMsmtp(t, s, msg, s.submissions, "off", "login") }},
	{"msmtp, TLS and SCRAM-SHA-256", func(t *testing.T, s *submission, msg string) {
		submitByMsmtp(t, s, msg, s.submissions, "off", "scram-sha-256")
	}},
	{"go-smtp, TLS and PLAIN", func(t *testing.T, s *submission, msg string) {
		c, err := gosmtp.DialTLS(s.submissions, trusting(gapuraName))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Auth(sasl.NewPlainClient("", submitter, submitPass)); err != nil {
			t.Fatal(err)
		}
		if err := c.SendMail(submitter, []string{"x@else.test", "bob@home.test", "eve@queued.test"}, strings.NewReader(msg)); err != nil {
			t.Fatal(err)
		}
	}},
}

// TestUsersProgramsSubmit: mail goes to the smart host, to our own domain in
// session, and to one that is queued.
func TestUsersProgramsSubmit(t *testing.T) {
	t.Parallel()
	s := serveSubmission(t, "")
	for _, p := range submitters {
		t.Run(p.name, func(t *testing.T) {
			l := newLetter()
			l.from, l.plainly = submitter, true
			l.body = "One line.\r\n.\r\n..\r\n.Dots.\r\n\r\n" + strings.Repeat("More text.\r\n", 1000)
			p.send(t, s, l.String())
			var beyond, behind []string
			eventually(t, "arrival", func() bool {
				beyond, behind = s.world.find(l.mark), s.home.find(l.mark)
				return len(beyond) > 0 && len(behind) > 1
			})
			if len(beyond) != 1 || len(behind) != 2 {
				t.Errorf("%d and %d copies", len(beyond), len(behind))
			}
			for _, got := range append(beyond, behind...) {
				if top := arrivedWhole(t, got, l.String()); !strings.Contains(top, " with ESMTPSA id ") || strings.Contains(top, "Authentication-Results") {
					t.Errorf("%q", top)
				}
			}
		})
	}
	if n := s.metric("gapura_auth_total", `result="ok"`); int(n) != len(submitters) {
		t.Errorf("%v logins", n)
	}
}

func submitByCurl(t *testing.T, s *submission, msg, scheme, addr string, args ...string) {
	_, port, _ := net.SplitHostPort(addr)
	args = append(args, "-sS", scheme+gapuraName+":"+port+"/client.test", "--resolve", gapuraName+":"+port+":127.0.0.1", "--cacert", filepath.Join(s.dir, "ca.pem"),
		"--user", submitter+":"+submitPass, "--mail-from", submitter, "--mail-rcpt", "x@else.test", "--mail-rcpt", "bob@home.test", "--mail-rcpt", "eve@queued.test",
		"-T", "-", "--max-time", "30")
	if out, err := runTool(t, msg, "curl", args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func submitBySwaks(t *testing.T, s *submission, msg string, args ...string) {
	args = append(args, "--from", submitter, "--to", "x@else.test,bob@home.test,eve@queued.test", "--auth-user", submitter, "--auth-password", submitPass,
		"--tls-verify", "--tls-ca-path", filepath.Join(s.dir, "ca.pem"), "--data", "-", "--no-data-fixup", "--timeout", "30")
	if out, err := runTool(t, stuffed(msg)+".", "swaks", args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const submitScript = `import sys, smtplib, ssl
kind, addr, ca, user, password = sys.argv[1:6]
host, _, port = addr.rpartition(':')
context = ssl.create_default_context(cafile=ca)
if kind == 'tls':
    context.check_hostname = False
    s = smtplib.SMTP_SSL(host, int(port), local_hostname='client.test', context=context)
else:
    s = smtplib.SMTP(host, int(port), local_hostname='client.test')
    s._host = '` + gapuraName + `'
    s.starttls(context=context)
s.ehlo()
s.esmtp_features['auth'] = 'PLAIN LOGIN'
# smtplib's login takes ASCII alone
import base64
s.auth('PLAIN', lambda challenge=None: '\0' + user + '\0' + password, initial_response_ok=False) if password.isascii() else \
    s.docmd('AUTH', 'PLAIN ' + base64.b64encode(('\0' + user + '\0' + password).encode()).decode())
bad = s.sendmail(user, ['x@else.test', 'bob@home.test', 'eve@queued.test'], sys.stdin.buffer.read())
s.quit()
if bad: sys.exit(repr(bad))
`

func submitByMsmtp(t *testing.T, s *submission, msg, addr, starttls, auth string) {
	host, port, _ := net.SplitHostPort(addr)
	dir := folder(t)
	file, err := write(dir, "msmtprc", fmt.Sprintf(`account default
host %s
port %s
domain client.test
from %s
tls on
tls_starttls %s
tls_trust_file %s
tls_host_override %s
auth %s
user %s
passwordeval cat %s/password
`, host, port, submitter, starttls, filepath.Join(s.dir, "ca.pem"), gapuraName, auth, submitter, dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(dir, "password", submitPass); err != nil {
		t.Fatal(err)
	}
	// msmtp makes CRLF of LF, and reads a message without Bcc as it is.
	if out, err := runTool(t, strings.ReplaceAll(msg, "\r\n", "\n"), "msmtp", "-C", file, "x@else.test", "bob@home.test", "eve@queued.test"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestStrangersDoNotRelay: each listener of the binary, without a login and
// with a wrong one.
func TestStrangersDoNotRelay(t *testing.T) {
	t.Parallel()
	s := serveSubmission(t, "accounts: {throttle: {answer: 0s}}\n")
	forms := []string{
		"x@else.test", "x@sub.home.test", "x@home.test.else.test", "@home.test:x@else.test", "x@[127.0.0.1]", "x@[IPv6:::1]", "x%home.test@else.test",
		"x@" + gapuraName, "x@localhost", `"x y"@else.test`, "x@outbound",
		"x%else.test@home.test", "else.test!x@home.test", `"x@else.test"@home.test`, // what is behind us might go on there
	}
	for name, open := range map[string]func() *client{
		"smtp":               func() *client { return dial(t, s.smtp) },
		"smtp in TLS":        func() *client { c := dial(t, s.smtp); c.startTLS(gapuraName); return c },
		"XCLIENT to a relay": func() *client { return dialAs(t, s.gapura, "192.0.2.1") },
		"lmtp":               func() *client { return dial(t, s.lmtp) },
	} {
		c := open()
		c.ok(250, "MAIL FROM:<"+submitter+">")
		for _, to := range forms {
			if r := c.cmd("RCPT TO:<" + to + ">"); r.code != 550 || !strings.Contains(r.text, "5.7.1 Relaying denied") {
				t.Errorf("%s: %s: %s", name, to, r)
			}
		}
	}
	for _, wrong := range []bool{false, true} {
		c := dial(t, s.submission)
		if r := c.cmd("MAIL FROM:<" + submitter + ">"); r.code != 530 {
			t.Errorf("submission without TLS: %s", r)
		}
		c.startTLS(gapuraName)
		if wrong {
			c.ok(535, "AUTH PLAIN AGFubkBob21lLnRlc3QAd3Jvbmc=")
		}
		for _, line := range []string{"MAIL FROM:<" + submitter + ">", "MAIL FROM:<>"} {
			if r := c.cmd(line); r.code != 530 {
				t.Errorf("submission: %s: %s", line, r)
			}
		}
		c.ok(503, "RCPT TO:<x@else.test>")
		c.ok(503, "DATA")
	}
	conn, err := tls.Dial("tcp", s.submissions, trusting(gapuraName))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if len(s.world.find("")) != 0 {
		t.Error("OPEN RELAY")
	}
}

// TestRelayNetworkSends without a login, and is told what is wrong at once.
func TestRelayNetworkSends(t *testing.T) {
	t.Parallel()
	s := serveSubmission(t, "networks: {relay: [192.0.2.0/24]}\n")
	c := dialAs(t, s.gapura, "192.0.2.7")
	mark := newMark()
	if r := c.mail("root@machine.test", "x@else.test", "Subject: "+mark+"\r\n\r\nx\r\n"); r.code != 250 {
		t.Fatal(r)
	}
	eventually(t, "arrival", func() bool { return len(s.world.find(mark)) == 1 })
	got := s.world.find(mark)[0]
	for _, field := range []string{"\r\nDate: ", "\r\nMessage-ID: <", "\r\nFrom: <root@machine.test>"} {
		if !strings.Contains(got, field) {
			t.Errorf("no %q in %s", field, got)
		}
	}
	if r := c.mail("root@machine.test", "x@intranet", "x"); r.code != 550 || !strings.Contains(r.text, "5.1.2") {
		t.Error(r)
	}
	if r := dialAs(t, s.gapura, "192.0.3.7").mail("root@machine.test", "x@else.test", "x"); r.code != 550 {
		t.Error(r)
	}
}

// TestABackendMayBeAway: mail for a queued domain waits, and so does mail of
// users for a domain whose server cannot take it now.
func TestABackendMayBeAway(t *testing.T) {
	t.Parallel()
	s := serveSubmission(t, "")
	s.home.set(nil, func() error { return says(451, [3]int{4, 3, 0}, "later") })
	marks := []string{newMark(), newMark()}
	if r := dial(t, s.smtp).mail("a@sender.test", "eve@queued.test", "Subject: "+marks[0]+"\r\n\r\nx\r\n"); r.code != 250 {
		t.Fatal(r)
	}
	c, err := gosmtp.DialTLS(s.submissions, trusting(gapuraName))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", submitter, submitPass)); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail(submitter, []string{"bob@home.test"}, strings.NewReader("From: "+submitter+"\r\nSubject: "+marks[1]+"\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	// A stranger's mail for that domain is the stranger's to keep.
	if r := dial(t, s.smtp).mail("a@sender.test", "bob@home.test", "Subject: x\r\n\r\nx\r\n"); r.code != 451 {
		t.Error(r)
	}
	s.home.set(nil, nil)
	eventually(t, "arrival", func() bool { return len(s.home.find(marks[0])) == 1 && len(s.home.find(marks[1])) == 1 })
}

// TestKilledInAMixedEnvelope: the gateway dies while the backend thinks about
// its copy and another is in the queue. Nothing was promised, so nothing may be
// sent on by itself; and when the sender comes again, everybody gets it.
func TestKilledInAMixedEnvelope(t *testing.T) {
	t.Parallel()
	s := serveSubmission(t, "")
	thinking, done := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.home.set(nil, func() error {
		once.Do(func() { close(thinking); <-done })
		return says(451, [3]int{4, 3, 0}, "later")
	})
	mark := newMark()
	msg := "Subject: " + mark + "\r\n\r\nx\r\n"
	c := dial(t, s.smtp)
	c.ok(250, "MAIL FROM:<a@sender.test>")
	c.ok(250, "RCPT TO:<eve@queued.test>")
	c.ok(250, "RCPT TO:<bob@home.test>")
	c.ok(354, "DATA")
	c.send(stuffed(msg) + ".\r\n")
	<-thinking
	s.kill()
	close(done)
	s.home.set(nil, nil)
	s.start()
	c = dial(t, s.smtp)
	for range 2 { // whatever was left in the queue would come before this
		if r := c.mail("a@sender.test", "eve@queued.test", "Subject: probe\r\n\r\nx\r\n"); r.code != 250 {
			t.Fatal(r)
		}
	}
	eventually(t, "the probes", func() bool { return len(s.home.find("Subject: probe")) == 2 })
	if n := len(s.home.find(mark)); n != 0 {
		t.Errorf("%d copies of what was never promised", n)
	}
	c.ok(250, "MAIL FROM:<a@sender.test>")
	c.ok(250, "RCPT TO:<eve@queued.test>")
	c.ok(250, "RCPT TO:<bob@home.test>")
	c.ok(354, "DATA")
	c.send(stuffed(msg) + ".\r\n")
	c.want(250)
	eventually(t, "both copies", func() bool { return len(s.home.find(mark)) == 2 })
}

// TestDisabledUsersSessionsEnd whomever they act for; others' go on.
func TestDisabledUsersSessionsEnd(t *testing.T) {
	t.Parallel()
	s := serveSubmission(t, "")
	const eve = "eve@home.test"
	for _, args := range [][]string{{"user", "add", "--force", "--password-stdin", eve}, {"user", "send-as", "add", eve, submitter}} {
		if out, err := runTool(t, submitPass+"\n", program, append([]string{"-c", s.file}, args...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	login := func(as, who string) *gosmtp.Client {
		c, err := gosmtp.DialTLS(s.submissions, trusting(gapuraName))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.Auth(sasl.NewPlainClient(as, who, submitPass)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	own, acting, other := login("", eve), login(submitter, eve), login("", submitter)
	if out, err := s.run("user", "disable", eve); err != nil {
		t.Fatal(err, out)
	}
	if own.Noop() == nil || acting.Noop() == nil {
		t.Error("sessions of a disabled user go on")
	}
	if err := other.Noop(); err != nil {
		t.Error("another's session:", err)
	}
}
