package imapd_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// skipped are scripts that do not run, and why.
var skipped = map[string]string{
	"urlauth":        "URLAUTH (RFC 4467) is not offered: no client of today uses it, and its keys would be one more secret to keep",
	"urlauth2":       "URLAUTH (RFC 4467) is not offered",
	"urlauth-binary": "URLAUTH=BINARY (RFC 5524) is not offered",
}

// forced are scripts that run although the capability they name is not
// offered: what they test is.
var forced = map[string]bool{"sort-partial": true}

// TestImaptest runs the scripts of Dovecot's imaptest. IMAPTEST_SERVER may
// name another server as address,user,password; each script then needs an
// empty account: %s in the user is the script's name.
func TestImaptest(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "imaptest")
	names, err := fs.Glob(os.DirFS(dir), "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name, ".") || name == "LICENSE" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := readScript(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			r := &runner{t: t, s: s, vars: map[string]string{"mailbox": "imaptest", "user": "bob", "username": "bob", "password": "secret"}}
			r.run()
		})
	}
}

// runner runs one script.
type runner struct {
	t     *testing.T
	s     *script
	vars  map[string]string
	conns []*client
	seqs  [][]int // by connection: see variables
	next  int     // message to append
	dial  func() *client
}

func (r *runner) run() {
	user, password := "bob", "secret"
	if env := os.Getenv("IMAPTEST_SERVER"); env != "" {
		f := strings.Split(env, ",")
		user, password = fmt.Sprintf(f[1], r.s.name), f[2]
		r.dial = func() *client { return dialOther(r.t, f[0]) }
	} else {
		srv := newServer(r.t, imapd.Options{}, openStore(r.t, mailbox.Options{}))
		r.dial = func() *client { return dial(r.t, srv) }
	}
	for range r.s.connections {
		c := r.dial()
		c.ok("CAPABILITY")
		if r.s.state != "nonauth" {
			c.ok("LOGIN " + user + " " + password)
		}
		r.conns = append(r.conns, c)
		r.seqs = append(r.seqs, nil)
	}
	caps := strings.Fields(strings.ToUpper(strings.ReplaceAll(r.conns[0].ok("CAPABILITY"), "\n", " ")))
	for _, want := range r.s.capabilities {
		if !slices.Contains(caps, want) && !forced[r.s.name] {
			if why := skipped[r.s.name]; why != "" || os.Getenv("IMAPTEST_SERVER") != "" {
				r.t.Skip(why)
			}
			r.t.Fatalf("%s is not offered", want)
		}
	}
	if r.s.broken != nil {
		r.t.Fatal(r.s.broken)
	}
	r.prepare()
	for _, g := range r.s.groups {
		if !r.group(g) {
			return
		}
	}
}

func dialOther(t *testing.T, address string) *client {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	c := newClient(t, nc)
	c.expect("* OK")
	return c
}

// prepare makes the state that the script begins in.
func (r *runner) prepare() {
	level := slices.Index([]string{"nonauth", "auth", "created", "appended", "selected"}, r.s.state)
	c := r.conns[0]
	if level >= 2 {
		c.ok("CREATE imaptest")
	}
	if level >= 3 {
		n := r.s.messages
		if n < 0 {
			n = len(r.s.mbox)
		}
		for range n {
			c.send(r.command("x", "append"))
			if l := c.answer("x "); !strings.HasPrefix(l[len(l)-1], "OK") {
				r.t.Fatalf("append: %q", l)
			}
		}
	}
	if level >= 4 {
		for i, c := range r.conns {
			r.note(i, strings.Split(c.ok("SELECT imaptest"), "\n"))
		}
	}
}

// note counts messages of a connection by what it was told.
func (r *runner) note(conn int, lines []string) {
	for _, l := range lines {
		f := strings.Fields(l)
		if len(f) != 3 || f[0] != "*" {
			continue
		}
		n, _ := strconv.Atoi(f[1])
		switch strings.ToUpper(f[2]) {
		case "EXISTS":
			r.seqs[conn] = make([]int, n+1)
		}
	}
}

// command returns a command as it is sent.
func (r *runner) command(tag, text string) string {
	if word, rest, _ := strings.Cut(text, " "); strings.EqualFold(word, "append") {
		if rest == "" {
			rest = "imaptest"
		}
		m := r.s.mbox[r.next%len(r.s.mbox)]
		r.next++
		if m.date != "" {
			rest += " " + m.date
		}
		return fmt.Sprintf("%s APPEND %s {%d+}\r\n%s\r\n", tag, rest, len(m.text), m.text)
	}
	return tag + " " + text + "\r\n"
}

// group runs commands and judges the replies.
func (r *runner) group(g *group) bool {
	v := &variables{values: r.vars}
	for i := range r.seqs[g.conn] {
		v.seqs = append(v.seqs, i)
	}
	for i := range 200 { // messages that come within the command have their numbers
		if i >= len(v.seqs) {
			v.seqs = append(v.seqs, i)
		}
	}
	tags := make(map[string]*scripted)
	var all strings.Builder
	for i, c := range g.commands {
		tag := fmt.Sprintf("t%d.%d", c.line, i)
		tags[tag] = c
		r.vars["tag"] = tag
		all.WriteString(r.command(tag, v.expand(c.text)))
	}
	r.conns[g.conn].send(all.String())
	matched := make(map[*expectation]bool)
	var seen []string
	for len(tags) > 0 {
		l := r.conns[g.conn].whole()
		seen = append(seen, l)
		if l, ok := strings.CutPrefix(l, "* "); ok {
			r.untagged(g, v, l, matched)
			continue
		}
		tag, rest, _ := strings.Cut(l, " ")
		c := tags[tag]
		if c == nil {
			r.t.Errorf("%s:%d: unexpected %q", r.s.name, g.line, l)
			return false
		}
		delete(tags, tag)
		status, text, _ := strings.Cut(rest, " ")
		if c.status != "" && !strings.EqualFold(status, c.status) || !v.prefixed(c.prefix, text, r.vars) {
			r.t.Errorf("%s:%d: %s: got %q, want %s %s", r.s.name, c.line, v.expand(c.text), rest, c.status, v.expand(c.prefix))
			return false
		}
	}
	r.seqs[g.conn] = slices.DeleteFunc(v.seqs, func(int) bool { return false })
	good := true
	for _, e := range g.untagged {
		if !e.may && matched[e] == e.not {
			good = false
			r.t.Errorf("%s:%d: %s: %v came: %v, of %q", r.s.name, e.line, v.expand(e.text), !e.not, matched[e], seen)
		}
	}
	return good
}

// untagged compares one untagged reply with all that are expected.
func (r *runner) untagged(g *group, v *variables, l string, matched map[*expectation]bool) {
	for _, e := range g.untagged {
		if !matched[e] && v.reply(e.text, l) {
			matched[e] = true
		}
	}
	f := strings.Fields(l)
	if len(f) == 2 && strings.EqualFold(f[1], "EXPUNGE") {
		n, _ := strconv.Atoi(f[0])
		for i, s := range v.seqs {
			switch {
			case s == n:
				v.seqs[i] = 0
			case s > n:
				v.seqs[i]--
			}
		}
	}
}
