package e2e_test

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/gapura-mail/gapura/test/peers"
)

const (
	keepDomain = "keep.test"
	keepPass   = "correct-horse-7" // what every program's configuration file can hold
)

// keeper is a gateway that keeps mail. Its certificate is of "localhost", which
// mail programs check.
type keeper struct {
	*gapura
	beyond *backend // smart host for the rest of the world

	imap, imaps, pop3, pop3s, sieve, submission, submissions int // ports
}

// keepYAML has ports, the folder and the smart host in it.
const keepYAML = `hostname: ` + gapuraName + `
data: data
tls: {mode: files, certificate: local.pem, key: local.key}
limits: {connections_per_ip: 500}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0"}
  - {protocol: lmtp, address: "unix:%[1]s/lmtp"}
  - {protocol: http, address: "127.0.0.1:0"}
  - {protocol: imap, address: "127.0.0.1:%[2]d"}
  - {protocol: imaps, address: "127.0.0.1:%[3]d"}
  - {protocol: pop3, address: "127.0.0.1:%[4]d"}
  - {protocol: pop3s, address: "127.0.0.1:%[5]d"}
  - {protocol: managesieve, address: "127.0.0.1:%[6]d"}
  - {protocol: submission, address: "127.0.0.1:%[7]d"}
  - {protocol: submissions, address: "127.0.0.1:%[8]d"}
domains:
  keep.test: {deliver: mailbox}
outbound: {route: "smtp://%[9]s", allow: [127.0.0.0/8]}
queue: {retry: [1s]}
`

// startKeeper starts one with these users; rest is more configuration.
func startKeeper(t *testing.T, rest string, users ...string) *keeper {
	t.Helper()
	k := &keeper{beyond: startBackend(t, nil)}
	dir := folder(t)
	ports := []any{dir}
	for _, p := range []*int{&k.imap, &k.imaps, &k.pop3, &k.pop3s, &k.sieve, &k.submission, &k.submissions} {
		var err error
		if *p, err = peers.FreePort(); err != nil {
			t.Fatal(err)
		}
		ports = append(ports, *p)
	}
	config := fmt.Sprintf(keepYAML, append(ports, k.beyond.addr)...) + rest
	if err := authorityFiles(dir, "local", "localhost"); err != nil {
		t.Fatal(err)
	}
	file, err := write(dir, "gapura.yaml", config)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		addUser(t, file, u)
	}
	k.gapura = serveIn(t, dir, config)
	return k
}

func addUser(t testing.TB, file, user string) {
	t.Helper()
	if out, err := runTool(t, keepPass+"\n", program, "-c", file, "user", "add", "--force", "--password-stdin", user+"@"+keepDomain); err != nil {
		t.Fatalf("user add: %v: %s", err, out)
	}
}

// box is one user's mail on a keeper, for one test.
type box struct {
	*keeper
	t    *testing.T
	dir  string // for the programs' files
	user string // address
}

// box makes a user.
func (k *keeper) box(t *testing.T, name string) *box {
	t.Helper()
	addUser(t, k.file, name)
	return k.boxOf(t, name)
}

// boxOf is a user that is there.
func (k *keeper) boxOf(t *testing.T, name string) *box {
	return &box{keeper: k, t: t, dir: folder(t), user: name + "@" + keepDomain}
}

// ca is the path of the authority's certificate.
func (k *keeper) ca() string { return filepath.Join(k.gapura.dir, "ca.pem") }

// fill puts the keeper's ports, the user and folders into a program's
// configuration: {imap}, {user}, {pass}, {ca}, {dir} and so on.
func (b *box) fill(text string) string {
	port := func(n int) string { return fmt.Sprint(n) }
	return strings.NewReplacer("{user}", b.user, "{pass}", keepPass, "{ca}", b.ca(), "{dir}", b.dir, "{lmtp}", b.lmtp, "{smtp}", b.smtp,
		"{imap}", port(b.imap), "{imaps}", port(b.imaps), "{pop3}", port(b.pop3), "{pop3s}", port(b.pop3s), "{sieve}", port(b.sieve),
		"{submission}", port(b.submission), "{submissions}", port(b.submissions)).Replace(text)
}

// file writes a file for a program and returns its path.
func (b *box) write(name, text string) string {
	b.t.Helper()
	file, err := write(b.dir, name, b.fill(text))
	if err == nil {
		err = os.Chmod(file, 0o600) // it has a password
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return file
}

// tool runs a program, which must succeed.
func (b *box) tool(stdin, name string, args ...string) string {
	b.t.Helper()
	for i := range args {
		args[i] = b.fill(args[i])
	}
	out, err := runTool(b.t, stdin, name, args...)
	if err != nil {
		b.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// python runs a script, which must succeed.
func (b *box) python(script string, args ...string) string {
	b.t.Helper()
	return pythonWith(b.t, "", b.fill(script), args...)
}

// login opens an IMAP session with go-imap, which is the judge of what the
// others did.
func (b *box) login(opt *imapclient.Options) *imapclient.Client {
	b.t.Helper()
	if opt == nil {
		opt = &imapclient.Options{}
	}
	opt.TLSConfig = trusting("localhost")
	c, err := imapclient.DialTLS(fmt.Sprintf("127.0.0.1:%d", b.imaps), opt)
	if err == nil {
		b.t.Cleanup(func() { c.Close() })
		err = c.Login(b.user, keepPass).Wait()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// kept is a message as go-imap sees it.
type kept struct {
	uid   imap.UID
	flags string // sorted, without \Recent
	date  time.Time
	text  string
}

// folder returns what is in a folder; nil: there is none such.
func (b *box) folder(name string) (list []kept) {
	b.t.Helper()
	c := b.login(nil)
	defer c.Close()
	s, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil
	}
	list = []kept{}
	if s.NumMessages == 0 {
		return list
	}
	all, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range all {
		flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == `\Recent` })
		slices.Sort(flags)
		k := kept{uid: m.UID, flags: strings.ToLower(strings.Trim(fmt.Sprint(flags), "[]")), date: m.InternalDate}
		for _, s := range m.BodySection {
			k.text = string(s.Bytes)
		}
		list = append(list, k)
	}
	slices.SortFunc(list, func(x, y kept) int { return cmp.Compare(x.uid, y.uid) })
	return list
}

// holds checks that a folder has exactly these: "subject" or "subject flags",
// in the order of their UIDs.
func (b *box) holds(name string, want ...string) []kept {
	b.t.Helper()
	list := b.folder(name)
	if list == nil {
		b.t.Errorf("no folder %s", name)
	}
	var got []string
	for _, m := range list {
		got = append(got, strings.TrimSpace(subject(m.text)+" "+m.flags))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.t.Errorf("%s has %q, want %q", name, got, want)
	}
	return list
}

// subject of a message that a test made.
func subject(text string) string {
	_, after, _ := strings.Cut("\n"+text, "\nSubject: ")
	line, _, _ := strings.Cut(after, "\r\n")
	return line
}

// slip is a small message with a subject.
func slip(subject string) string {
	return "From: Ann <ann@sender.test>\r\nTo: Box <box@keep.test>\r\nSubject: " + subject + "\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\nMessage-ID: <" +
		subject + "." + newMark() + "@sender.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nText of " + subject + ".\r\n"
}

// put appends notes with these subjects and returns them.
func (b *box) put(name string, subjects ...string) (texts []string) {
	b.t.Helper()
	c := b.login(nil)
	defer c.Close()
	for _, s := range subjects {
		text := slip(s)
		cmd := c.Append(name, int64(len(text)), &imap.AppendOptions{Time: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)})
		io.WriteString(cmd, text)
		cmd.Close()
		if _, err := cmd.Wait(); err != nil {
			b.t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// same checks that one of the texts in a folder is this, octet for octet.
func (b *box) same(list []kept, want string) {
	b.t.Helper()
	if !slices.ContainsFunc(list, func(k kept) bool { return k.text == want }) {
		b.t.Errorf("%q is not there as it was sent", subject(want))
	}
}

// arrives waits until a message with this mark is in a folder, and returns it.
func (b *box) arrives(name, mark string) (text string) {
	b.t.Helper()
	eventually(b.t, mark+" in "+name, func() bool {
		for _, m := range b.folder(name) {
			if strings.Contains(m.text, mark) {
				text = m.text
			}
		}
		return text != ""
	})
	return text
}

// maildir returns the messages in a Maildir, with the flags in their names, and
// CRLF at the ends of lines.
func maildir(t testing.TB, dir string) (list []kept) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "[nc][eu][wr]", "*"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, flags, _ := strings.Cut(filepath.Base(f), ":2,")
		list = append(list, kept{flags: flags, text: strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n", "\r\n")})
	}
	return list
}

// flagFile gives a message in a Maildir other flags; "" removes it.
func flagFile(t testing.TB, dir, mark, flags string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "[nc][eu][wr]", "*"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(raw), mark) {
			continue
		}
		base, _, _ := strings.Cut(filepath.Base(f), ":2,")
		if flags == "" {
			err = os.Remove(f)
		} else {
			err = os.Rename(f, filepath.Join(dir, "cur", base+":2,"+flags))
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("no %q in %s", mark, dir)
}

// mark adds flags to the message with this subject in the selected folder.
func (b *box) mark(c *imapclient.Client, subject string, flags ...imap.Flag) {
	b.t.Helper()
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: subject}}}, nil).Wait()
	if err == nil && len(found.AllUIDs()) != 1 {
		err = fmt.Errorf("%d messages %q", len(found.AllUIDs()), subject)
	}
	if err == nil {
		err = c.Store(imap.UIDSetNum(found.AllUIDs()...), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: flags}, nil).Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
