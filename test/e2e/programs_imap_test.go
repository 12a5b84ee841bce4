package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// byMbsync synchronises both ways with a Maildir, in STARTTLS.
func byMbsync(b *box) {
	texts := b.put("INBOX", "one", "two", "three", "four")
	b.put("Archive", "old")
	rc := b.write("mbsyncrc", `IMAPAccount us
Host localhost
Port {imap}
User {user}
Pass {pass}
SSLType STARTTLS
CertificateFile {ca}

IMAPStore far
Account us

MaildirStore near
Path {dir}/mail/
Inbox {dir}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
`)
	if err := os.MkdirAll(filepath.Join(b.dir, "mail"), 0o700); err != nil {
		b.t.Fatal(err)
	}
	sync := func() { b.t.Helper(); b.tool("", "mbsync", "-c", rc, "-a") }
	sync()
	inbox, archive := filepath.Join(b.dir, "mail/INBOX"), filepath.Join(b.dir, "mail/Archive")
	for _, text := range texts {
		if !slices.ContainsFunc(maildir(b.t, inbox), func(k kept) bool { return tuid.ReplaceAllString(k.text, "") == text }) {
			b.t.Errorf("%q is not in the Maildir as it was sent", subject(text))
		}
	}
	if n := len(maildir(b.t, archive)); n != 1 {
		b.t.Errorf("%d messages in Archive", n)
	}

	flagFile(b.t, inbox, "Subject: one", "FS")
	flagFile(b.t, inbox, "Subject: two", "T")
	flagFile(b.t, inbox, "Subject: three", "") // moved
	for name, text := range map[string]string{"Archive/new/1.a.host": texts[2], "INBOX/new/2.b.host": slip("five"), "Work/new/3.c.host": slip("six")} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			os.MkdirAll(filepath.Join(b.dir, "mail", filepath.Dir(filepath.Dir(name)), sub), 0o700)
		}
		if _, err := write(filepath.Join(b.dir, "mail"), name, strings.ReplaceAll(text, "\r\n", "\n")); err != nil {
			b.t.Fatal(err)
		}
	}
	sync()
	b.holds("INBOX", `one \flagged \seen`, "four", "five")
	b.holds("Archive", "old", "three")
	b.holds("Work", "six")

	c := b.login(nil) // and what others do comes back
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		b.t.Fatal(err)
	}
	b.mark(c, "four", imap.FlagAnswered)
	b.mark(c, "one", imap.FlagDeleted)
	if err := c.Expunge().Close(); err != nil {
		b.t.Fatal(err)
	}
	if err := c.Delete("Work").Wait(); err != nil {
		b.t.Fatal(err)
	}
	sync()
	var got []string
	for _, m := range maildir(b.t, inbox) {
		got = append(got, subject(m.text)+" "+m.flags)
	}
	slices.Sort(got)
	if want := []string{"five ", "four R"}; !slices.Equal(got, want) {
		b.t.Errorf("the Maildir has %q, want %q", got, want)
	}
}

// tuid is a field that mbsync adds, and finds its messages by.
var tuid = regexp.MustCompile("X-TUID: .*\r\n")

// byOfflineimap does the same in another way: it trusts UIDs, and uploads with
// APPENDUID or a search for a field.
func byOfflineimap(b *box) {
	texts := b.put("INBOX", "one", "two", "three")
	rc := b.write("offlineimaprc", `[general]
accounts = us
metadata = {dir}/meta
ui = quiet
socktimeout = 30
[Account us]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {dir}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {imaps}
ssl = yes
sslcacertfile = {ca}
remoteuser = {user}
remotepass = {pass}
expunge = yes
maxconnections = 2
`)
	sync := func() { b.t.Helper(); b.tool("", "offlineimap", "-o", "-c", rc) }
	sync()
	inbox := filepath.Join(b.dir, "mail/INBOX")
	if n := len(maildir(b.t, inbox)); n != 3 {
		b.t.Fatalf("%d messages came", n)
	}
	flagFile(b.t, inbox, "Subject: one", "RS")
	flagFile(b.t, inbox, "Subject: two", "ST")
	flagFile(b.t, inbox, "Subject: three", "")
	for name, text := range map[string]string{"Archive/new/1.a.host": texts[2], "INBOX/new/2.b.host": slip("four")} {
		if _, err := write(filepath.Join(b.dir, "mail"), name, strings.ReplaceAll(text, "\r\n", "\n")); err != nil {
			b.t.Fatal(err)
		}
	}
	sync()
	b.holds("INBOX", `one \answered \seen`, `two \deleted \seen`, "four")
	b.holds("Archive", "three")
	c := b.login(nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		b.t.Fatal(err)
	}
	b.mark(c, "four", imap.FlagFlagged)
	sync()
	if !slices.ContainsFunc(maildir(b.t, inbox), func(k kept) bool { return subject(k.text) == "four" && k.flags == "F" }) {
		b.t.Errorf("a flag did not come back: %+v", maildir(b.t, inbox))
	}
}

// byNeomutt presses keys: marks, moves, copies, deletes, searches.
func byNeomutt(b *box) {
	b.put("INBOX", "one", "two", "three", "four")
	rc := b.write("neomuttrc", `set folder="imaps://localhost:{imaps}/"
set spoolfile="imaps://localhost:{imaps}/INBOX"
set imap_user="{user}" imap_pass="{pass}" ssl_force_tls=yes
set ssl_ca_certificates_file="{ca}" certificate_file="{dir}/accepted"
set quit=yes delete=yes confirmcreate=no confirmappend=no move=no
set header_cache="{dir}/cache" imap_condstore=yes imap_qresync=yes wait_key=no sort=mailbox-order
set imap_passive=no imap_check_subscribed=yes mark_old=no beep=no
`)
	keys := `<limit>~s one<enter><flag-message><limit>all<enter>` +
		`<limit>~s two<enter><save-message>=Archive<enter><limit>all<enter>` +
		`<limit>~s three<enter><copy-message>=Work<enter><limit>all<enter>` +
		`<limit>~b "Text of four"<enter><delete-message><limit>all<enter><sync-mailbox><quit>`
	for range 2 { // the second reads its cache
		b.neomutt(rc, keys)
		keys = `<quit>`
	}
	b.holds("INBOX", `one \flagged`, "three")
	b.holds("Archive", "two")
	b.holds("Work", "three")
}

// neomutt runs one on a terminal of its own.
func (b *box) neomutt(rc, keys string) {
	b.t.Helper()
	// timeout stays in the foreground: in a process group of its own neomutt is
	// stopped as soon as it touches the terminal.
	line := fmt.Sprintf("TERM=xterm exec timeout --foreground -k 1 40 neomutt -n -F %s -e 'push \"%s\"'", rc, strings.ReplaceAll(keys, `"`, `\"`))
	cmd := exec.CommandContext(b.t.Context(), tool(b.t, "script"), "-qec", line, "/dev/null")
	// Its keyboard stays open: at the end of its input, script types ^D, a key
	// of neomutt's that comes whenever it likes.
	if _, err := cmd.StdinPipe(); err != nil {
		b.t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("neomutt: %v\n%q", err, tail(string(out), 3000))
	}
}

// byImapfilter does what a script says.
func byImapfilter(b *box) {
	b.put("INBOX", "one", "two", "three", "four", "five")
	script := b.write("config.lua", `options.timeout = 30
options.certificates = true
options.hostnames = true
options.create = true
options.subscribe = true
options.expunge = true
a = IMAP { server = 'localhost', port = {imap}, username = '{user}', password = '{pass}' }
a:create_mailbox('Lists')
a.INBOX:contain_subject('one'):mark_flagged()
a.INBOX:contain_subject('two'):move_messages(a.Lists)
a.INBOX:contain_body('Text of three'):copy_messages(a['Lists'])
four = a.INBOX:contain_subject('four') * a.INBOX:is_unseen()
four:delete_messages()
a.INBOX:match_subject('^five$'):add_flags({ '$Label1', '\\Seen' })
exist, unread = a.INBOX:check_status()
print(exist, unread, #a.INBOX:select_all(), #a.INBOX:is_smaller(10000), #a.INBOX:arrived_on('03-Nov-2026'))
`)
	out := b.tool("", "imapfilter", "-t", "{ca}", "-c", script)
	if !strings.HasSuffix(out, "3\t0\t3\t3\t3\n") {
		b.t.Errorf("it counts %q", out)
	}
	b.holds("INBOX", `one \flagged`, "three", `five $label1 \seen`)
	b.holds("Lists", "two", "three")
}

// byCurl speaks single commands.
func byCurl(b *box) {
	texts := b.put("INBOX", "one", "two", "three")
	at := func(path string) []string {
		return []string{"-sS", "--max-time", "30", "--cacert", "{ca}", "--user", "{user}:{pass}", "imaps://localhost:{imaps}/" + path}
	}
	tls := func(path string) []string {
		return []string{"-sS", "--max-time", "30", "--cacert", "{ca}", "--ssl-reqd", "--user", "{user}:{pass}", "imap://localhost:{imap}/" + path}
	}
	if got := b.tool("", "curl", at("INBOX;UID=2")...); got != texts[1] {
		b.t.Errorf("read %q", got)
	}
	if got := b.tool("", "curl", at("INBOX;MAILINDEX=3;SECTION=TEXT")...); got != "Text of three.\r\n" {
		b.t.Errorf("read %q", got)
	}
	if got := b.tool("", "curl", tls("INBOX?SUBJECT%20three")...); !strings.Contains(got, "* SEARCH 3") {
		b.t.Errorf("search: %q", got)
	}
	if got := b.tool("", "curl", tls("")...); strings.Count(got, "* LIST") < 6 || !strings.Contains(got, `\Junk`) {
		b.t.Errorf("list: %q", got)
	}
	b.tool("", "curl", append(at("INBOX"), "-X", `STORE 1 +FLAGS (\Flagged $Work)`)...)
	b.tool("", "curl", append(at("INBOX"), "-X", "UID MOVE 2 Archive")...)
	b.tool("", "curl", append(at("INBOX"), "-X", "UID COPY 3 Sent")...)
	b.tool("", "curl", append(at("INBOX"), "-X", `UID STORE 3 +FLAGS.SILENT \Deleted`)...)
	b.tool("", "curl", append(at("INBOX"), "-X", "EXPUNGE")...)
	sent := slip("sent")
	b.tool("", "curl", append(at("Sent"), "-T", b.write("sent", sent))...)
	b.holds("INBOX", `one $work \flagged`)
	b.holds("Archive", `two \seen`)
	b.same(b.holds("Sent", `three \seen`, `sent \seen`), sent)
}

// byDsync is Dovecot as a client of ours: a copy into a Maildir with all flags
// and folders, changes, and back by its two-way synchronisation.
func byDsync(b *box) {
	texts := b.put("INBOX", "one", "two")
	b.put("Archive", "old")
	c := b.login(nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		b.t.Fatal(err)
	}
	b.mark(c, "one", imap.FlagFlagged, imap.FlagSeen, "$Label1")
	if err := ownedDir(b.dir, "nobody"); err != nil {
		b.t.Fatal(err)
	}
	conf := b.write("dovecot.conf", `base_dir = {dir}/run
state_dir = {dir}/state
log_path = /dev/stderr
protocols =
first_valid_uid = 0
first_valid_gid = 0
mail_uid = nobody
mail_gid = nogroup
mail_home = {dir}/home
mail_location = maildir:{dir}/mail
mail_save_crlf = yes
ssl_client_ca_file = {ca}
imapc_host = 127.0.0.1
imapc_ssl_verify = no
imapc_port = {imaps}
imapc_ssl = imaps
imapc_user = {user}
imapc_password = {pass}
imapc_features = rfc822.size fetch-headers fetch-bodystructure search modseq
mail_prefetch_count = 20
namespace inbox {
  inbox = yes
  separator = /
}
`)
	adm := func(args ...string) string {
		b.t.Helper()
		return b.tool("", "env", append([]string{"USER=x", "doveadm", "-c", conf}, args...)...)
	}
	adm("backup", "-R", "imapc:")
	mails := maildir(b.t, filepath.Join(b.dir, "mail"))
	for _, text := range texts {
		if !slices.ContainsFunc(mails, func(k kept) bool { return k.text == text }) {
			b.t.Errorf("%q did not come as it was sent", subject(text))
		}
	}
	if got := adm("fetch", "hdr.subject flags", "mailbox", "INBOX", "flagged"); !strings.Contains(got, "one") || !strings.Contains(got, "$Label1") || strings.Contains(got, "two") {
		b.t.Errorf("flags: %q", got)
	}
	adm("flags", "add", `\Answered`, "mailbox", "INBOX", "subject", "two")
	adm("move", "Archive", "mailbox", "INBOX", "subject", "one")
	adm("sync", "-1", "imapc:")
	b.holds("INBOX", `two \answered`)
	b.holds("Archive", "old", `one $label1 \flagged \seen`)
	// And directly, without a copy.
	direct := func(args ...string) string {
		b.t.Helper()
		return adm(append([]string{"-o", "mail_location=imapc:{dir}/imapc"}, args...)...)
	}
	if got := direct("search", "mailbox", "Archive", "body", "Text of one"); !strings.HasSuffix(got, " 2\n") {
		b.t.Errorf("search: %q", got)
	}
	direct("mailbox", "create", "Work/Plans")
	direct("copy", "Work/Plans", "mailbox", "INBOX", "subject", "two")
	b.holds("Work/Plans", `two \answered`)
	direct("expunge", "mailbox", "Archive", "subject", "old")
	b.holds("Archive", `one $label1 \flagged \seen`)
}

// byImaplib is the script below.
func byImaplib(b *box) {
	b.put("INBOX", "one", "two", "three", "four")
	out := b.python(imaplibScript)
	if !strings.HasSuffix(out, "well\n") {
		b.t.Error(out)
	}
	// curl looks at what it did.
	got := b.tool("", "curl", "-sS", "--max-time", "30", "--cacert", "{ca}", "--user", "{user}:{pass}", "imaps://localhost:{imaps}/INBOX", "-X", "FETCH 1:* FLAGS")
	if !strings.Contains(got, `\Answered`) || strings.Count(got, "* ") < 2 {
		b.t.Errorf("curl sees %q", got)
	}
	b.holds("INBOX", `one \answered \seen`, "four")
	b.holds("Trash", "two")
	b.holds("Sent", `sent \seen`)
	b.holds("Projects/Gapura", "three")
}

const imaplibScript = `import imaplib, ssl
context = ssl.create_default_context(cafile='{ca}')
m = imaplib.IMAP4('localhost', {imap}, timeout=30)
assert 'LOGINDISABLED' in m.capabilities, m.capabilities
try:
    m.login('{user}', '{pass}')
    raise SystemExit('a login in plaintext')
except imaplib.IMAP4.error: pass
m = imaplib.IMAP4('localhost', {imap}, timeout=30)
def ok(r, *want):
    assert r[0] == 'OK', r
    for w in want: assert w in r[1], (r, want)
    return r[1]
ok(m.starttls(context))
ok(m.authenticate('PLAIN', lambda _: b'\0{user}\0{pass}'))
ok(m.enable('CONDSTORE'))
assert m.select()[1] == [b'4']
ok(m.search(None, 'SUBJECT', '"two"'), b'2')
ok(m.search(None, 'TEXT', '"Text of three"'), b'3')
ok(m.uid('SEARCH', 'CHARSET', 'UTF-8', 'NOT', 'SEEN', 'SINCE', '1-Nov-2026'), b'1 2 3 4')
ok(m.sort('(REVERSE SUBJECT)', 'UTF-8', 'ALL'), b'2 3 1 4')
ok(m.thread('REFERENCES', 'UTF-8', 'ALL'))
d = ok(m.fetch('1', '(ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE)'))
assert b'"ann" "sender.test"' in d[0] and imaplib.Internaldate2tuple(d[0]), d
d = ok(m.fetch('1', '(RFC822.HEADER BODY.PEEK[TEXT]<5.3>)'))
assert b'Subject: one' in d[0][1] and d[1][1] == b'of ', d
ok(m.store('1', '+FLAGS', r'(\Answered \Seen)'))
ok(m.copy('2', 'Trash'))
ok(m.store('2', '+FLAGS', r'\Deleted'))
ok(m.expunge(), b'2')
ok(m.create('Projects/Gapura'))
ok(m.uid('MOVE', '3', 'Projects/Gapura'))
ok(m.append('Sent', r'(\Seen)', imaplib.Time2Internaldate(1793000000), b'From: box@keep.test\r\nSubject: sent\r\n\r\nSent.\r\n'))
ok(m.status('Sent', '(MESSAGES UIDNEXT UNSEEN)'), b'Sent (MESSAGES 1 UIDNEXT 2 UNSEEN 0)')
ok(m.rename('Projects/Gapura', 'Projects/Tmp')); ok(m.rename('Projects/Tmp', 'Projects/Gapura'))
ok(m.subscribe('Projects/Gapura'))
assert any(b'Projects/Gapura' in x for x in ok(m.lsub()))
assert any(b'Junk' in x for x in ok(m.list()))
ok(m.getquotaroot('INBOX')); ok(m.namespace()); ok(m.noop()); ok(m.check())
ok(m.close())
assert m.logout()[0] == 'BYE'
print('well')
`
