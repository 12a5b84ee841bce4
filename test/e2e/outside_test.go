package e2e_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// farPostfix starts a Postfix that is the mail exchanger of several domains and
// files mail for bob there.
func farPostfix(t *testing.T, o *outside, more string, names ...string) (*mailboxes, *postfix) {
	t.Helper()
	dir := folder(t)
	mail := filepath.Join(dir, "mail")
	if err := ownedDir(mail, "nobody"); err != nil {
		missing(t, "a folder of another user: %v", err)
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	services, boxes := "", ""
	for _, name := range names {
		d := o.of(name)
		options := " -o smtpd_tls_security_level=none"
		if d.cert.PrivateKey != nil && name != "plain.test" {
			pair, err := d.pem()
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name+".pem"), []byte(pair), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			options = fmt.Sprintf(" -o smtpd_tls_chain_files=%s/%s.pem -o smtpd_tls_cert_file= -o smtpd_tls_key_file=", dir, name)
		}
		services += d.addr + " inet n - n - - smtpd" + options + "\n"
		boxes += "bob@" + name + "=bob@" + name + "/,"
	}
	p, err := newPostfixWith(dir, "mail.far.test", "virtual_mailbox_domains = "+strings.Join(names, " ")+"\nvirtual_mailbox_base = "+mail+
		"\nvirtual_mailbox_maps = inline:{"+strings.TrimSuffix(boxes, ",")+"}"+
		"\nvirtual_uid_maps = static:"+nobody.Uid+"\nvirtual_gid_maps = static:"+nobody.Gid+"\nvirtual_minimum_uid = 1\nsmtpd_tls_received_header = yes\n"+more, services)
	if err != nil {
		missing(t, "%v", err)
	}
	p.showOnFailure(t)
	t.Cleanup(p.stop)
	for _, name := range names {
		if err := p.awaitPort(o.of(name).addr); err != nil {
			t.Fatal(err)
		}
	}
	return &mailboxes{process: p.process, addr: p.addr, dir: mail, lf: true}, p
}

// TestSubmittedMailArrivesByMX: users' mail arrives in a Postfix that is found
// by MX through a validating resolver, over as much TLS as its domain demands,
// with both signatures.
func TestSubmittedMailArrivesByMX(t *testing.T) {
	t.Parallel()
	s := serveSender(t, "retry: [1h]", "", "")
	domains := []string{"plain.test", "tls.test", "dane.test", "sts.test"}
	far, _ := farPostfix(t, s.o, "", domains...)
	for name, c := range map[string]struct {
		swaks    bool
		received string // what Postfix notes of TLS
		secured  string // what we count
	}{
		"plain.test": {false, "", "none"},
		"tls.test":   {true, "using TLSv1.3", "unverified"},
		"dane.test":  {false, "using TLSv1.3", "dane"},
		"sts.test":   {true, "using TLSv1.3", "mta-sts"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLetter()
			l.body = "One line.\r\n.\r\n.Dots.\r\n" + filler(20_000)
			if c.swaks {
				out, err := runTool(t, stuffed(l.String())+".", "swaks", "--server", s.submits, "--tls", "--auth", "PLAIN", "--auth-user", annAddress, "--auth-password", annPass,
					"--tls-verify", "--tls-ca-path", filepath.Join(s.dir, "ca.pem"), "--from", annAddress, "--to", "bob@"+name, "--data", "-", "--no-data-fixup", "--timeout", "30")
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			} else {
				pythonWith(t, l.String(), loginScript, s.submits, filepath.Join(s.dir, "ca.pem"), annAddress, annPass, "bob@"+name)
			}
			got := far.one(t, "bob@"+name, l.mark)
			if !strings.HasSuffix(got, l.String()) {
				t.Error("changed on its way")
			}
			top, _, _ := strings.Cut(got, "\r\n\tby mail.far.test")
			if tls := strings.Contains(top, "using TLS"); tls != (c.received != "") || !strings.Contains(top, c.received) {
				t.Errorf("Postfix got it so: %s", top)
			}
			if s.metric("gapura_outbound_tls_total", fmt.Sprintf("%q", c.secured)) == 0 {
				t.Errorf("no connection is counted as %s", c.secured)
			}
			_, msg, _ := strings.Cut(got, "\r\nDKIM-Signature:")
			msg = "DKIM-Signature:" + msg
			s.w.verifies(t, msg, 2)
			if out := pythonWith(t, msg, verifyScript, s.w.dns.addr); strings.TrimSpace(out) != "[True, True]" {
				t.Errorf("dkimpy: %s", out)
			}
		})
	}
}

// loginScript logs in with STARTTLS and submits.
const loginScript = `import sys, smtplib, ssl
addr, ca, user, password = sys.argv[1:5]
host, _, port = addr.rpartition(':')
s = smtplib.SMTP(host, int(port), local_hostname='client.test')
s._host = '` + gapuraName + `'
s.starttls(context=ssl.create_default_context(cafile=ca))
s.login(user, password)
bad = s.sendmail(user, sys.argv[5:], sys.stdin.buffer.read())
s.quit()
if bad: sys.exit(repr(bad))
`

// verifyScript verifies all signatures with dkimpy, the keys from a resolver.
const verifyScript = `import sys, dkim, dns.resolver
host, _, port = sys.argv[1].rpartition(':')
r = dns.resolver.Resolver(configure=False)
r.nameservers, r.port = [host], int(port)
def txt(name, timeout=5):
    return b''.join(r.resolve(name.decode(), 'TXT')[0].strings)
msg = sys.stdin.buffer.read()
n = msg.split(b'\r\n\r\n')[0].count(b'DKIM-Signature:')
print([dkim.DKIM(msg).verify(idx=i, dnsfunc=txt) for i in range(n)])
`
