package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// postfix is a Postfix with a configuration and a queue of its own.
type postfix struct {
	*process
	addr string // where it takes mail by SMTP
	conf string // folder of main.cf
	dir  string
}

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = %[1]s/mail.log
maillog_file_prefixes = %[1]s
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
disable_dns_lookups = yes
message_size_limit = 60000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtputf8_enable = yes
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
maximal_queue_lifetime = 1d
in_flow_delay = 0
smtpd_tls_cert_file = %[1]s/postfix.pem
smtpd_tls_key_file = %[1]s/postfix.key
smtpd_tls_security_level = may
smtp_tls_CAfile = %[1]s/ca.pem
`

const postfixMaster = `127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
flush unix n - n 1000? 0 flush
postlog unix-dgram n - n - 1 postlogd
`

// leash ends Postfix, which forgets the signal that others get when the test
// is killed, at the end of standard input or at SIGTERM.
const leash = `trap : TERM; setsid "$0" "$@" </dev/null & read x; kill $!; wait $!`

// newPostfix starts a Postfix with more lines for its main.cf.
func newPostfix(dir, hostname, more string) (*postfix, error) {
	return newPostfixWith(dir, hostname, more, "")
}

// newPostfixWith has more lines for its master.cf, too.
func newPostfixWith(dir, hostname, more, services string) (*postfix, error) {
	bin, err := findTool("master")
	if err != nil {
		return nil, fmt.Errorf("postfix: %w", err)
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("postfix runs as root only")
	}
	port, err := peers.FreePort()
	if err != nil {
		return nil, err
	}
	p := &postfix{addr: fmt.Sprintf("127.0.0.1:%d", port), conf: filepath.Join(dir, "conf"), dir: dir}
	if err := authorityFiles(dir, "postfix", hostname); err != nil {
		return nil, err
	}
	main := fmt.Sprintf(postfixMain, dir) + "myhostname = " + hostname + "\n" + more
	if _, err := write(p.conf, "main.cf", main); err != nil {
		return nil, err
	}
	if _, err := write(p.conf, "master.cf", fmt.Sprintf(postfixMaster, port)+services); err != nil {
		return nil, err
	}
	if err := queueDirs(dir); err != nil {
		return nil, err
	}
	// master alone: the command postfix would only make the folders.
	cmd := exec.Command("/bin/sh", "-c", leash, bin, "-d", "-c", p.conf)
	if _, err := cmd.StdinPipe(); err != nil { // open as long as this test runs
		return nil, err
	}
	if p.process, err = start(hostname, cmd); err != nil {
		return nil, err
	}
	p.file = filepath.Join(dir, "mail.log")
	return p, p.awaitPort(p.addr)
}

// queueDirs makes what Postfix expects to find.
func queueDirs(dir string) error {
	if err := ownedDir(filepath.Join(dir, "data"), "postfix"); err != nil {
		return err
	}
	queue := filepath.Join(dir, "queue")
	for _, d := range strings.Fields("active bounce corrupt defer deferred flush hold incoming private saved trace") {
		if err := ownedDir(filepath.Join(queue, d), "postfix"); err != nil {
			return err
		}
	}
	group, err := user.LookupGroup("postdrop")
	if err != nil {
		return err
	}
	gid, _ := strconv.Atoi(group.Gid)
	for d, mode := range map[string]os.FileMode{"maildrop": 0o730, "public": 0o710} {
		d = filepath.Join(queue, d)
		if err := ownedDir(d, "postfix"); err != nil {
			return err
		}
		if err := os.Chown(d, -1, gid); err != nil {
			return err
		}
		if err := os.Chmod(d, mode); err != nil {
			return err
		}
	}
	return os.Mkdir(filepath.Join(queue, "pid"), 0o755)
}

// ownedDir makes a folder for another user.
func ownedDir(dir, owner string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	u, err := user.Lookup(owner)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(dir, uid, gid)
}

// sendingPostfix starts Postfix A, mail.sender.test, which sends everything
// to relay from senderIP.
func sendingPostfix(t testing.TB, relay, more string) *postfix {
	t.Helper()
	host, port, _ := strings.Cut(relay, ":")
	p, err := newPostfix(folder(t), "mail.sender.test",
		"relayhost = ["+host+"]:"+port+"\nsmtp_bind_address = "+senderIP+"\n"+more)
	if err != nil {
		missing(t, "%v", err)
	}
	p.showOnFailure(t)
	t.Cleanup(p.stop)
	return p
}

// receivingPostfix starts Postfix B, which files mail for alice, bob and
// postmaster at second.test.
func receivingPostfix(dir string) (*mailboxes, error) {
	mail := filepath.Join(dir, "mail")
	if err := ownedDir(mail, "nobody"); err != nil {
		return nil, err
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	more := "virtual_mailbox_domains = second.test\nvirtual_mailbox_base = " + mail +
		"\nvirtual_mailbox_maps = inline:{alice@second.test=alice@second.test/,bob@second.test=bob@second.test/,postmaster@second.test=postmaster@second.test/}" +
		"\nvirtual_uid_maps = static:" + nobody.Uid + "\nvirtual_gid_maps = static:" + nobody.Gid +
		"\nvirtual_minimum_uid = 1\n"
	p, err := newPostfix(dir, "mail.second.test", more)
	if err != nil {
		return nil, err
	}
	return &mailboxes{process: p.process, addr: p.addr, dir: mail, lf: true}, nil
}

// queued returns how many messages wait in the queue.
func (p *postfix) queued() (n int) {
	for _, d := range []string{"maildrop", "incoming", "active", "deferred"} {
		filepath.WalkDir(filepath.Join(p.dir, "queue", d), func(_ string, e os.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				n++
			}
			return nil
		})
	}
	return n
}

// flush makes Postfix try everything again now.
func (p *postfix) flush(t testing.TB) {
	t.Helper()
	if out, err := runTool(t, "", "postqueue", "-c", p.conf, "-f"); err != nil {
		t.Fatalf("postqueue: %v %s", err, out)
	}
}
