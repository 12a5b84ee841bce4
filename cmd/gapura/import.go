package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/transfer"
)

// importCmd is `gapura import`.
type importCmd struct {
	Maildir importMaildir `cmd:"" help:"From a Maildir with its folders."`
	Mbox    importMbox    `cmd:"" help:"From an mbox file, or a folder of them."`
	IMAP    importIMAP    `cmd:"" name:"imap" help:"From a mailbox on another server."`
}

// importFlags are those of every kind.
type importFlags struct {
	User      string `required:"" placeholder:"ADDRESS" help:"Whose mailbox it goes to."`
	OverQuota bool   `name:"over-quota" help:"The user's quota does not count."`
}

const importHelp = `
Folders, flags and dates are kept. What is there already (the same message in
the same folder) is skipped, so a run that was broken off may be started again.
Folders for sent mail, drafts, junk and trash go to those that the mailbox has.
The gateway may run meanwhile.
`

type importMaildir struct {
	Path string `arg:"" help:"The Maildir: the folder with cur and new."`
	importFlags
}

// Help is printed below the flags.
func (*importMaildir) Help() string {
	return `Reads Maildir++ (Dovecot, Courier) and folders in folders.
` + importHelp + `
Examples:
  gapura import maildir /home/ana/Maildir --user ana@example.org
  gapura import maildir /srv/old/bob --user bob@example.org --over-quota`
}

// Run implements the command.
func (c *importMaildir) Run(a *app) error {
	src, err := transfer.OpenMaildir(c.Path)
	if err != nil {
		return err
	}
	return c.run(a, src)
}

type importMbox struct {
	Path   string `arg:"" help:"The file, or a folder with such files."`
	Folder string `default:"INBOX" help:"Where the messages of a single file go."`
	importFlags
}

// Help is printed below the flags.
func (*importMbox) Help() string {
	return `Reads mboxrd and its kin, Thunderbird's folders (X and X.sbd), and Google
Takeout, whose labels become folders.
` + importHelp + `
Examples:
  gapura import mbox /var/mail/ana --user ana@example.org
  gapura import mbox "All mail Including Spam and Trash.mbox" --user ana@example.org
  gapura import mbox ~/.thunderbird/x.default/Mail/pop.example.org --user ana@example.org`
}

// Run implements the command.
func (c *importMbox) Run(a *app) error {
	src, err := transfer.OpenMbox(c.Path, c.Folder)
	if err != nil {
		return err
	}
	return c.run(a, src)
}

type importIMAP struct {
	URL           string `arg:"" help:"imaps://USER@HOST, imap+starttls://USER@HOST:PORT, or imap:// without TLS. An @ in the name is written %40 or as it is."`
	PasswordStdin bool   `name:"password-stdin" help:"Read the password from the first line of standard input."`
	Token         bool   `help:"What is read is an OAuth access token."`
	Insecure      bool   `help:"Take any certificate."`
	importFlags
}

// Help is printed below the flags.
func (*importIMAP) Help() string {
	return `Nothing is changed on the other server. A further run fetches what has come
since.
` + importHelp + `
Examples:
  gapura import imap imaps://ana@example.com@imap.example.com --user ana@example.org
  gapura import imap imap+starttls://ana@old.example.org --user ana@example.org --password-stdin < password.txt`
}

// Run implements the command.
func (c *importIMAP) Run(a *app) error {
	opt, err := c.options()
	if err != nil {
		return usageError{err}
	}
	secret, err := c.secret(a)
	if err != nil {
		return err
	}
	if c.Token {
		opt.Token = secret
	} else {
		opt.Password = secret
	}
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	name, err := account.Name(c.User)
	if err != nil {
		return plainError(err)
	}
	done, err := openImported(cfg, c.URL, name)
	if err != nil {
		return err
	}
	opt.Done, opt.Took = done.last, done.took
	src, err := transfer.DialIMAP(a.ctx, opt)
	if err != nil {
		return err
	}
	return c.run(a, src)
}

// options reads the URL.
func (c *importIMAP) options() (opt transfer.IMAPOptions, err error) {
	scheme, rest, ok := strings.Cut(c.URL, "://")
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 1 {
		return opt, errors.New("write it like imaps://ana@imap.example.com")
	}
	user, err := url.PathUnescape(rest[:at])
	if err != nil {
		return opt, err
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(rest[at+1:], "/"))
	if err != nil {
		host, port = strings.TrimSuffix(rest[at+1:], "/"), ""
	}
	opt.User = user
	switch scheme {
	case "imaps":
	case "imap+starttls":
		opt.StartTLS = true
	case "imap":
		opt.Plaintext = true
	default:
		return opt, fmt.Errorf("%s:// is none of imaps://, imap+starttls:// and imap://", scheme)
	}
	if port == "" {
		port = map[bool]string{true: "993", false: "143"}[scheme == "imaps"]
	}
	opt.Address = net.JoinHostPort(host, port)
	opt.TLS = &tls.Config{ServerName: host, InsecureSkipVerify: c.Insecure}
	return opt, nil
}

// secret returns the password or token.
func (c *importIMAP) secret(a *app) (string, error) {
	if c.PasswordStdin {
		return firstLine(a.stdin)
	}
	fd, ok := terminal(a.stdin)
	if !ok {
		return "", usageError{errors.New("there is no terminal to ask for the password; give it with --password-stdin")}
	}
	return askSecret(a, fd, "Password there: ")
}

// imported remembers, for one source and user, the last UID of each folder
// that is through.
type imported struct {
	file string
	Last map[string]uint32 `json:"last"` // by folder and UIDVALIDITY
}

// openImported reads it from the data folder.
func openImported(cfg *config.Config, source, user string) (*imported, error) {
	sum := sha256.Sum256([]byte(source + "\x00" + user))
	x := &imported{file: filepath.Join(cfg.Data, "import", hex.EncodeToString(sum[:12])+".json"), Last: map[string]uint32{}}
	b, err := os.ReadFile(x.file)
	if errors.Is(err, fs.ErrNotExist) {
		return x, os.MkdirAll(filepath.Dir(x.file), 0o700)
	}
	if err != nil {
		return nil, err
	}
	return x, json.Unmarshal(b, x)
}

func (x *imported) last(folder string, validity uint32) uint32 {
	return x.Last[fmt.Sprint(folder, "/", validity)]
}

func (x *imported) took(folder string, validity, uid uint32) error {
	x.Last[fmt.Sprint(folder, "/", validity)] = uid
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if err := os.WriteFile(x.file+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(x.file+".new", x.file)
}

// transferred is what import and export print at the end.
type transferred struct {
	transfer.Counts
	Seconds float64 `json:"seconds"`
}

// run carries a source into the mailbox.
func (c *importFlags) run(a *app, src transfer.Source) (err error) {
	defer func() { err = errors.Join(err, src.Close()) }()
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	if err := c.check(a, cfg); err != nil {
		return err
	}
	folders, total, err := src.Scan(a.ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	conn, err := a.dialFerry(ctx, cfg)
	if err != nil {
		return err
	}
	began, b := time.Now(), a.newBar(fmt.Sprintf("%d messages", total.Messages), total.Octets)
	n, err := transfer.Import(ctx, conn, c.User, c.OverQuota, folders, src, func(size int64, key, failed string) {
		b.add(size)
		if failed != "" {
			b.note(a.stderr, "gapura: %s: %s", key, failed)
		}
	})
	b.end()
	err = errors.Join(err, conn.Close())
	out := transferred{n, time.Since(began).Seconds()}
	if e := a.print(out, out.text("imported")); err == nil {
		err = e
	}
	if err == nil && n.Failed > 0 {
		return errNo
	}
	return err
}

// check tells whether there is such a user.
func (c *importFlags) check(a *app, cfg *config.Config) error {
	name, err := account.Name(c.User)
	if err != nil {
		return plainError(err)
	}
	c.User = name
	return a.withAccounts(func(x *account.Accounts) error {
		if _, err := x.User(a.ctx, name); err != nil && !errors.Is(err, account.ErrUnknown) {
			return err
		} else if err != nil && cfg.Accounts.LDAP == nil {
			return fmt.Errorf("there is no user %s; make it with gapura user add %s", name, name)
		}
		return nil
	})
}

func (t transferred) text(done string) func(w io.Writer) {
	return func(w io.Writer) {
		fmt.Fprintf(w, "%d messages %s (%d octets, %.1f s)", t.Messages, done, t.Octets, t.Seconds)
		if t.Duplicates > 0 {
			fmt.Fprintf(w, ", %d were there already", t.Duplicates)
		}
		if t.Failed > 0 {
			fmt.Fprintf(w, ", %d failed", t.Failed)
		}
		fmt.Fprintln(w)
	}
}
