package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// oldDovecot is Dovecot with a user "mover" whose password is keepPass.
const oldDovecot = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = /dev/stderr
protocols = imap
ssl = yes
ssl_cert = <%[1]s/local.pem
ssl_key = <%[1]s/local.key
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_uid = nobody
mail_gid = nogroup
mail_home = %[1]s/home
mail_location = maildir:%[1]s/mail
mail_save_crlf = yes
passdb {
  driver = static
  args = password=` + keepPass + `
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/home
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox "Sent Messages" {
    auto = create
    special_use = \Sent
  }
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
`

// TestMovingInFromDovecotAndOutAgain: import imap from a Dovecot that serves,
// twice; export maildir, which another Dovecot reads.
func TestMovingInFromDovecotAndOutAgain(t *testing.T) {
	t.Parallel()
	tool(t, "dovecot")
	k := startKeeper(t, "", "ann")
	ann := k.boxOf(t, "ann")
	dir := folder(t)
	port, err := peers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if err := authorityFiles(dir, "local", "localhost"); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"home", "mail", "mail/cur", "mail/new", "mail/tmp", "mail/.Work", "mail/.Work/cur", "mail/.Work/new", "mail/.Work/tmp"} {
		if err := ownedDir(filepath.Join(dir, sub), "nobody"); err != nil {
			t.Fatal(err)
		}
	}
	texts := map[string]string{"cur/1000.a.x:2,FS": slip("one"), "cur/1001.b.x:2,": slip("two"), "new/1002.c.x": slip("three"), ".Work/cur/1003.d.x:2,RS": slip("four")}
	for name, text := range texts {
		if _, err := write(filepath.Join(dir, "mail"), name, text); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := write(dir, "dovecot.conf", fmt.Sprintf(oldDovecot, dir, port))
	if err != nil {
		t.Fatal(err)
	}
	giveAway(t, dir)
	bin, _ := findTool("dovecot")
	p, err := start("dovecot", exec.Command(bin, "-F", "-c", conf))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	p.showOnFailure(t)
	if err := p.awaitPort(fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
		t.Fatal(err)
	}

	move := func() string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, "-c", k.file, "import", "imap", fmt.Sprintf("imap+starttls://mover@localhost:%d", port), "--user", ann.user, "--password-stdin")
		cmd.Stdin = strings.NewReader(keepPass + "\n")
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+k.ca())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	for range 2 { // the second time all is there
		t.Log(move())
		list := ann.holds("INBOX", `one \flagged \seen`, "two", "three")
		list = append(list, ann.holds("Work", `four \answered \seen`)...)
		for _, text := range texts {
			ann.same(list, text)
		}
	}
	ann.holds("Sent")

	ann.put("Sent", "five")
	out := filepath.Join(ann.dir, "out")
	if text, err := k.run("export", "maildir", out, "--user", ann.user); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	giveAway(t, ann.dir)
	reads := func(args ...string) string {
		t.Helper()
		return ann.tool("", "env", append([]string{"USER=x", "doveadm", "-c", conf, "-o", "mail_location=maildir:" + out}, args...)...)
	}
	for query, want := range map[string]string{
		"mailbox INBOX flagged seen subject one":     "one",
		"mailbox INBOX unflagged unseen subject two": "two",
		"mailbox Work answered seen":                 "four",
		"mailbox Sent unseen":                        "five",
	} {
		if got := reads(append([]string{"fetch", "hdr.subject body"}, strings.Fields(query)...)...); !strings.Contains(got, "hdr.subject: "+want+"\n") || !strings.Contains(got, "Text of "+want+".") {
			t.Errorf("%s: Dovecot reads %q", query, got)
		}
	}
	if got := strings.Fields(reads("mailbox", "list")); !slices.Contains(got, "Work") || !slices.Contains(got, "Archive") {
		t.Errorf("Dovecot's folders: %q", got)
	}
}

// giveAway gives a folder and all in it to nobody: Dovecot reads no mail as
// root.
func giveAway(t testing.TB, dir string) {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	err = filepath.Walk(dir, func(name string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(name, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}
