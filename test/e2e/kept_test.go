package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestMailComesIn by each protocol, for addresses of each kind.
func TestMailComesIn(t *testing.T) {
	t.Parallel()
	k := startKeeper(t, "mailboxes: {only: {small@keep.test: {octets: 4000}}, postmaster: boss@keep.test}\n", "ann", "boss", "small")
	ann, boss, small := k.boxOf(t, "ann"), k.boxOf(t, "boss"), k.boxOf(t, "small")
	for _, args := range [][]string{{"info@keep.test", "ann@keep.test", "boss@keep.test"}, {"*@keep.test", "boss@keep.test"}} {
		if out, err := k.run(append([]string{"alias", "add"}, args...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	c := ann.login(nil)
	if err := c.Create("lists", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	deliver := func(c *client, to string, code int) letter {
		t.Helper()
		l := newLetter()
		if r := c.mail("ann@sender.test", to, l.String()); r.code != code {
			t.Errorf("%s: %s", to, r)
		}
		return l
	}
	smtp, lmtp := dial(t, k.smtp), dial(t, k.lmtp)

	for name, c := range map[string]*client{"SMTP": smtp, "LMTP": lmtp} {
		l := deliver(c, "ann@keep.test", 250)
		if text := ann.arrives("INBOX", l.mark); !strings.HasSuffix(text, l.String()) || !strings.HasPrefix(text, "Return-Path: <ann@sender.test>\r\n") {
			t.Errorf("%s: %q", name, text)
		}
	}
	l := deliver(smtp, "Ann+lists@KEEP.test", 250)
	ann.arrives("lists", l.mark)
	l = deliver(smtp, "ann+nothing@keep.test", 250)
	ann.arrives("INBOX", l.mark)
	l = deliver(smtp, "info@keep.test", 250) // one copy of the octets, two users
	ann.arrives("INBOX", l.mark)
	boss.arrives("INBOX", l.mark)
	l = deliver(lmtp, "whoever@keep.test", 250)
	boss.arrives("INBOX", l.mark)
	for _, to := range []string{"postmaster@keep.test", "PostMaster"} {
		l = deliver(smtp, to, 250)
		boss.arrives("INBOX", l.mark)
	}

	// a user sends to another, and keeps a copy in Sent by APPEND as programs do
	sent := newLetter()
	sent.from = ann.user
	submitted := ann.write("sent", sent.String())
	ann.tool("", "curl", "-sS", "--max-time", "30", "--cacert", "{ca}", "--user", "{user}:{pass}", "smtps://localhost:{submissions}/client.test", "--mail-from", "{user}",
		"--mail-rcpt", boss.user, "-T", submitted)
	ann.tool("", "curl", "-sS", "--max-time", "30", "--cacert", "{ca}", "--user", "{user}:{pass}", "imaps://localhost:{imaps}/Sent", "-T", submitted)
	if text := boss.arrives("INBOX", sent.mark); !strings.HasSuffix(text, sent.String()) || !strings.Contains(text, "with ESMTPSA id") {
		t.Errorf("%q", text)
	}
	if got := ann.folder("Sent"); len(got) != 1 || got[0].text != sent.String() {
		t.Errorf("Sent: %+v", got)
	}

	// what a full mailbox does not take is refused before it is sent
	big := newLetter()
	big.body = filler(3900)
	if r := smtp.mail("ann@sender.test", small.user, big.String()); r.code != 552 && r.code != 452 {
		t.Errorf("above the quota: %s", r)
	}
	smtp.ok(250, "MAIL FROM:<ann@sender.test> SIZE=5000")
	if r := smtp.cmd("RCPT TO:<" + small.user + ">"); r.code != 452 {
		t.Errorf("RCPT of more than there is room for: %s", r)
	}
	smtp.ok(250, "RSET")
	for range 10 { // until it is full
		c := newLetter()
		c.body = filler(1000)
		if r := smtp.mail("ann@sender.test", small.user, c.String()); r.code == 452 {
			break
		}
	}
	if n := len(small.folder("INBOX")); n < 1 || n > 3 {
		t.Errorf("%d messages in 4000 octets", n)
	}
	cmd := small.login(nil).Append("INBOX", int64(len(big.String())), nil)
	io.WriteString(cmd, big.String())
	cmd.Close()
	if _, err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "OVERQUOTA") {
		t.Errorf("APPEND above the quota: %v", err)
	}
}

// TestJunkGoesWhereThePolicySays: what a rule marks goes to Junk, and no
// stranger's mark counts.
func TestJunkGoesWhereThePolicySays(t *testing.T) {
	t.Parallel()
	rules, err := write(folder(t), "main.yaml", `rules:
  - {name: strangers, at: message, if: 'size(headers("X-Spam-Flag")) > 0', remove: [X-Spam-Flag]}
  - {name: junk, at: message, if: 'header("Subject").contains("pills")', add: {X-Spam-Flag: "YES"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	k := startKeeper(t, "policy: ["+rules+"]\n", "ann")
	b := k.boxOf(t, "ann")
	c := dial(t, k.smtp)
	for subject, where := range map[string]string{"cheap pills": "Junk", "hello": "INBOX"} {
		mark := newMark()
		text := strings.Replace(slip(subject), "\r\n\r\n", "\r\nX-Spam-Flag: YES\r\n\r\n"+mark, 1)
		if r := c.mail("ann@sender.test", b.user, text); r.code != 250 {
			t.Fatal(r)
		}
		b.arrives(where, mark)
	}
	// an IMAP program moves it out again
	s := b.login(nil)
	if _, err := s.Select("Junk", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Move(imap.SeqSetNum(1), "INBOX").Wait(); err != nil {
		t.Error(err)
	}
	b.holds("INBOX", "hello", "cheap pills")
	b.holds("Junk")
}

// page asks for a page in the name of a host.
func (k *keeper) page(t *testing.T, method, host, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+k.http+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestProgramsConfigureThemselves: Python's parsers of XML and property lists
// read what is published, and find the ports that listen.
func TestProgramsConfigureThemselves(t *testing.T) {
	t.Parallel()
	k := startKeeper(t, "", "ann")
	b := k.boxOf(t, "ann")
	ask := `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>` +
		`<EMailAddress>ann@keep.test</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
	for name, p := range map[string]struct{ method, host, path, body string }{
		"thunderbird": {"GET", "autoconfig.keep.test", "/mail/config-v1.1.xml?emailaddress=ann%40keep.test", ""},
		"host":        {"GET", "autoconfig.keep.test", "/mail/config-v1.1.xml", ""},
		"wellknown":   {"GET", "keep.test", "/.well-known/autoconfig/mail/config-v1.1.xml", ""},
		"outlook":     {"POST", "autodiscover.keep.test", "/autodiscover/autodiscover.xml", ask},
		"apple":       {"GET", "mail.keep.test", "/mail.mobileconfig?email=ann@keep.test", ""},
	} {
		code, text := k.page(t, p.method, p.host, p.path, p.body)
		if code != 200 {
			t.Errorf("%s: %d %s", name, code, text)
		}
		b.write(name, text)
	}
	if code, _ := k.page(t, "GET", "autoconfig.other.test", "/mail/config-v1.1.xml", ""); code != 404 {
		t.Errorf("another domain: %d", code)
	}
	if out := b.python(publishedScript); out != "well\n" {
		t.Error(out)
	}
}

const publishedScript = `import xml.etree.ElementTree as E, plistlib
for name in 'thunderbird', 'host', 'wellknown':
    p = E.parse('{dir}/' + name).getroot().find('emailProvider')
    assert p.find('domain').text == 'keep.test'
    got = [(s.get('type'), s.find('hostname').text, s.find('port').text, s.find('socketType').text) for s in list(p.findall('incomingServer')) + list(p.findall('outgoingServer'))]
    host = '` + gapuraName + `'
    assert got == [('imap', host, '{imaps}', 'SSL'), ('imap', host, '{imap}', 'STARTTLS'), ('pop3', host, '{pop3s}', 'SSL'), ('pop3', host, '{pop3}', 'STARTTLS'),
        ('smtp', host, '{submissions}', 'SSL'), ('smtp', host, '{submission}', 'STARTTLS')], got
    assert p.find('incomingServer/username').text in ('%EMAILADDRESS%', '{user}')
ns = '{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}'
a = E.parse('{dir}/outlook').getroot().find(ns + 'Response/' + ns + 'Account')
got = {(p.find(ns + 'Type').text, p.find(ns + 'Port').text, p.find(ns + 'SSL').text) for p in a.findall(ns + 'Protocol')}
assert {('IMAP', '{imaps}', 'on'), ('SMTP', '{submissions}', 'on')} <= got, got
assert all(p.find(ns + 'LoginName').text == '{user}' for p in a.findall(ns + 'Protocol'))
m = plistlib.load(open('{dir}/apple', 'rb'))
c = [x for x in m['PayloadContent'] if x['PayloadType'] == 'com.apple.mail.managed'][0]
assert (c['IncomingMailServerPortNumber'], c['IncomingMailServerUseSSL'], c['EmailAccountType']) == ({imaps}, True, 'EmailTypeIMAP'), c
assert (c['OutgoingMailServerPortNumber'], c['OutgoingMailServerUseSSL']) == ({submissions}, True) and c['EmailAddress'] == '{user}'
print('well')
`
