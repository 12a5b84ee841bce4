package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gapura-mail/gapura/test/peers"
)

// mailboxes is a server that files mail: Dovecot over LMTP or Postfix over
// SMTP.
type mailboxes struct {
	*process
	addr string // host:port
	unix string // path of its socket, if it has one
	dir  string // of maildirs
	lf   bool   // files lines that end in LF
}

// dovecotConf: mail for alice, bob and postmaster at dest.test.
const dovecotConf = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = /dev/stderr
info_log_path = /dev/stderr
protocols = lmtp
ssl = %[3]s
ssl_cert = <%[4]s/dovecot.pem
ssl_key = <%[4]s/dovecot.key
first_valid_uid = 1
first_valid_gid = 1
mail_uid = nobody
mail_gid = nogroup
mail_location = maildir:%[1]s/mail/%%u
mail_save_crlf = yes
lmtp_add_received_header = no
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = passwd-file
  args = username_format=%%u %[1]s/users
}
service lmtp {
  unix_listener %[1]s/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = %[2]d
  }
}
`

// startDovecot starts an LMTP server, on a new port where port is 0.
func startDovecot(dir string, port int) (*mailboxes, error) {
	bin, err := findTool("dovecot")
	if err != nil {
		return nil, err
	}
	if port == 0 {
		if port, err = peers.FreePort(); err != nil {
			return nil, err
		}
	}
	if err := authorityFiles(dir, "dovecot", "mail.dest.test"); err != nil {
		return nil, err
	}
	m := &mailboxes{addr: fmt.Sprintf("127.0.0.1:%d", port), unix: filepath.Join(dir, "lmtp"), dir: filepath.Join(dir, "mail")}
	if err := ownedDir(m.dir, "nobody"); err != nil {
		return nil, err
	}
	if _, err := write(dir, "users", "alice@dest.test:{PLAIN}x::::::\nbob@dest.test:{PLAIN}x::::::\npostmaster@dest.test:{PLAIN}x::::::\n"); err != nil {
		return nil, err
	}
	conf, err := write(dir, "dovecot.conf", fmt.Sprintf(dovecotConf, dir, port, "yes", dir))
	if err != nil {
		return nil, err
	}
	if m.process, err = start("dovecot", exec.Command(bin, "-F", "-c", conf)); err != nil {
		return nil, err
	}
	return m, m.awaitPort(m.addr)
}

// find returns the messages of user in which mark occurs, with CRLF.
func (m *mailboxes) find(user, mark string) (found []string) {
	files, _ := filepath.Glob(filepath.Join(m.dir, user, "new", "*"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(b), mark) {
			continue
		}
		text := string(b)
		if m.lf {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		found = append(found, text)
	}
	return found
}
