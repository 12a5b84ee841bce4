package peers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// dovecotConf has the folder and the protocol in it.
const dovecotConf = `base_dir = D/run
state_dir = D/state
log_path = D/log
mail_location = maildir:D/mail
ssl = no
first_valid_uid = 1
protocols = P
mail_fsync = never
`

// Dovecot is a connection with a process of Dovecot's that speaks protocol
// (imap or pop3), logged in to a Maildir of the test's own with the messages
// letters. It ends with the test.
func Dovecot(t testing.TB, protocol string, letters map[string]string) net.Conn {
	t.Helper()
	program := "/usr/lib/dovecot/" + protocol
	if _, err := os.Stat(program); err != nil {
		Missing(t, "no %s: Debian package dovecot-%sd", program, protocol)
	}
	dir, err := os.MkdirTemp("", "gapura-dovecot") // not below the test's own folders, which are root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{"run", "state", "mail", "mail/cur", "mail/new", "mail/tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{"conf": strings.NewReplacer("D/", dir+"/", "P\n", protocol+"\n").Replace(dovecotConf)}
	for name, text := range letters {
		files["mail/cur/"+name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-c", filepath.Join(dir, "conf"))
	cmd.Env = []string{"USER=nobody", "HOME=" + dir, "TZ=UTC"}
	if os.Getuid() == 0 { // Dovecot serves no root
		err := filepath.Walk(dir, func(name string, _ os.FileInfo, _ error) error { return os.Chown(name, nobody, nobody) })
		if err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	cmd.Stdin, cmd.Stdout = theirs, theirs
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.FileConn(ours)
	ours.Close()
	t.Cleanup(func() {
		if nc != nil {
			nc.Close()
		}
		cmd.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	return nc
}
