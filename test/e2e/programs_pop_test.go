package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// byGetmail takes mail over POP3 in TLS, and over IMAP, moving it away.
func byGetmail(b *box) {
	texts := b.put("INBOX", "one", "two", "three")
	for _, sub := range []string{"pop", "pop/cur", "pop/new", "pop/tmp", "imap", "imap/cur", "imap/new", "imap/tmp"} {
		if err := ownedDir(filepath.Join(b.dir, sub), "nobody"); err != nil { // it does not deliver as root
			b.t.Fatal(err)
		}
	}
	options := "[options]\nread_all = false\ndelivered_to = false\nreceived = false\nverbose = 1\n"
	server := "server = localhost\nusername = {user}\npassword = {pass}\nca_certs = {ca}\ntimeout = 30\n"
	pop := b.write("pop.rc", "[retriever]\ntype = SimplePOP3SSLRetriever\nport = {pop3s}\n"+server+
		"[destination]\ntype = Maildir\npath = {dir}/pop/\nuser = nobody\n"+options+"delete = false\n")
	get := func(rc string) { b.t.Helper(); b.tool("", "getmail", "--getmaildir", b.dir, "--rcfile", rc) }
	get(pop)
	get(pop) // knows all by UIDL
	got := maildir(b.t, filepath.Join(b.dir, "pop"))
	if len(got) != 3 {
		b.t.Errorf("%d messages", len(got))
	}
	for _, text := range texts {
		if !slices.ContainsFunc(got, func(k kept) bool { return strings.HasSuffix(k.text, text) }) {
			b.t.Errorf("%q did not come as it was sent", subject(text))
		}
	}
	b.put("INBOX", "four")
	get(b.write("imap.rc", "[retriever]\ntype = SimpleIMAPSSLRetriever\nport = {imaps}\nmailboxes = (\"INBOX\",)\nmove_on_delete = Archive\n"+server+
		"[destination]\ntype = Maildir\npath = {dir}/imap/\nuser = nobody\n"+options+"delete = true\n"))
	if n := len(maildir(b.t, filepath.Join(b.dir, "imap"))); n != 4 {
		b.t.Errorf("%d messages by IMAP", n)
	}
	b.holds("INBOX")
	b.holds("Archive", `one \seen`, `two \seen`, `three \seen`, "four")
}

// byFetchmail takes mail over POP3 with STLS and keeps it, then over IMAP with
// STARTTLS, and deletes it.
func byFetchmail(b *box) {
	texts := b.put("INBOX", "one", "two", "three")
	mda := b.write("mda", "#!/bin/sh\nexec cat >>{dir}/got\n")
	if err := os.Chmod(mda, 0o700); err != nil {
		b.t.Fatal(err)
	}
	fetch := func(name, conf string) string {
		b.t.Helper()
		rc := b.write(name, "set no bouncemail\nset idfile {dir}/ids\n"+conf)
		out, err := runTool(b.t, "", "fetchmail", "-f", rc, "--pidfile", filepath.Join(b.dir, name+".pid"), "--mda", mda, "--nosyslog", "-v", "--timeout", "30")
		if err != nil && !strings.Contains(err.Error(), "exit status 1") { // 1: no new mail
			b.t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	pop := `poll localhost protocol pop3 service {pop3} uidl user "{user}" password "{pass}" keep sslproto "TLS1.2+" sslcertck sslcertfile "{ca}"` + "\n"
	fetch("pop", pop)
	b.put("INBOX", "four")
	fetch("pop", pop)
	raw, _ := os.ReadFile(filepath.Join(b.dir, "got"))
	if n := strings.Count(string(raw), "Text of "); n != 4 {
		b.t.Errorf("%d messages by POP3", n)
	}
	for _, text := range texts {
		if _, body, _ := strings.Cut(text, "\r\n\r\n"); !strings.Contains(string(raw), strings.TrimSpace(body)) {
			b.t.Errorf("no %q", subject(text))
		}
	}
	b.holds("INBOX", "one", "two", "three", "four") // it reads by TOP what it keeps
	fetch("imap", `poll localhost protocol imap service {imap} user "{user}" password "{pass}" fetchall no keep sslproto "TLS1.2+" sslcertck sslcertfile "{ca}"`+"\n")
	raw, _ = os.ReadFile(filepath.Join(b.dir, "got"))
	if n := strings.Count(string(raw), "Text of "); n != 8 {
		b.t.Errorf("%d messages in all", n)
	}
	b.holds("INBOX")
}

// byMpop takes new mail with pipelining and deletes it.
func byMpop(b *box) {
	texts := b.put("INBOX", "one", "two", "three")
	for _, sub := range []string{"mail/cur", "mail/new", "mail/tmp"} {
		if err := os.MkdirAll(filepath.Join(b.dir, sub), 0o700); err != nil {
			b.t.Fatal(err)
		}
	}
	rc := b.write("mpoprc", `defaults
host localhost
tls on
tls_trust_file {ca}
timeout 30
user {user}
password {pass}
delivery maildir {dir}/mail
uidls_file {dir}/uidls
received_header off
pipelining on
account look
port {pop3}
tls_starttls on
auth plain
keep on
account take
port {pop3s}
tls_starttls off
auth user
keep off
`)
	b.tool("", "mpop", "-C", rc, "look")
	b.tool("", "mpop", "-C", rc, "look") // all known by UIDL
	got := maildir(b.t, filepath.Join(b.dir, "mail"))
	if len(got) != 3 {
		b.t.Errorf("%d messages", len(got))
	}
	for _, text := range texts {
		if !slices.ContainsFunc(got, func(k kept) bool { return k.text == text }) {
			b.t.Errorf("%q did not come as it was sent", subject(text))
		}
	}
	b.holds("INBOX", `one \seen`, `two \seen`, `three \seen`) // as Dovecot marks what is read by POP3
	b.put("INBOX", "four")
	b.tool("", "mpop", "-C", rc, "take")
	b.holds("INBOX")
}

// byPoplib is the script below, beside an IMAP session that sees what it
// deletes.
func byPoplib(b *box) {
	b.put("INBOX", "one", "two", "three")
	if out := b.python(poplibScript); out != "well\n" {
		b.t.Error(out)
	}
	b.holds("INBOX", "one", "three")
}

const poplibScript = `import poplib, ssl
context = ssl.create_default_context(cafile='{ca}')
p = poplib.POP3('localhost', {pop3}, timeout=30)
assert 'STLS' in p.capa() and 'SASL' not in p.capa(), p.capa()
p.stls(context)
assert {'UIDL', 'TOP', 'PIPELINING', 'RESP-CODES', 'SASL'} <= set(p.capa()), p.capa()
p.user('{user}'); p.pass_('{pass}')
n, size = p.stat()
assert n == 3 and size == sum(int(x.split()[1]) for x in p.list()[1])
ids = [x.split()[1] for x in p.uidl()[1]]
assert len(set(ids)) == 3
q = poplib.POP3_SSL('localhost', {pop3s}, context=context, timeout=30)
q.user('{user}')
try:
    q.pass_('{pass}'); raise SystemExit('two sessions')
except poplib.error_proto as e: assert b'IN-USE' in e.args[0], e
q.close()
assert b'Text of two.' in p.retr(2)[1]
top = p.top(2, 0)[1]
assert b'Subject: two' in top and b'Text of two.' not in top
p.dele(1); p.rset(); assert p.stat()[0] == 3
p.dele(1); p.close() # without QUIT nothing is deleted
def again():
    # the server may notice a little later that the first has gone
    for _ in range(200):
        p = poplib.POP3_SSL('localhost', {pop3s}, context=context, timeout=30)
        try:
            p.user('{user}'); p.pass_('{pass}')
            return p
        except poplib.error_proto as e: assert b'IN-USE' in e.args[0], e
        p.close()
p = again()
assert [x.split()[1] for x in p.uidl()[1]] == ids
p.dele(2); p.quit()
p = again()
assert [x.split()[1] for x in p.uidl()[1]] == [ids[0], ids[2]]
p.quit()
print('well')
`
