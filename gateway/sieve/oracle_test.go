package sieve

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// oracle is Pigeonhole's sieve-test, where it is installed.
type oracle struct{ dir string }

func newOracle(t *testing.T) *oracle {
	t.Helper()
	peers.Tool(t, "sieve-test")
	dir, err := os.MkdirTemp("", "oracle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	o := &oracle{dir: dir}
	uid := os.Getuid()
	if uid == 0 {
		uid = 65534
		for p := dir; len(p) > 1 && p != os.TempDir(); p = filepath.Dir(p) {
			if err := os.Chown(p, uid, uid); err != nil {
				peers.Missing(t, "sieve-test runs as another user, who needs the folder: %v", err)
			}
		}
	}
	conf := fmt.Sprintf("mail_location = maildir:%s/Maildir\nmail_home = %s\nmail_uid = %d\nmail_gid = %d\nfirst_valid_uid = 1\nlog_path = /dev/stderr\nplugin {\n sieve_extensions = +editheader +spamtest +vacation-seconds\n}\n", dir, dir, uid, uid)
	o.write(t, "dovecot.conf", conf)
	if _, err := o.run(t, "keep;", "Subject: x\r\n\r\nx\r\n"); err != nil {
		peers.Missing(t, "sieve-test does not run here: %v", err)
	}
	return o
}

func (o *oracle) write(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(o.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// run returns what sieve-test prints.
func (o *oracle) run(t *testing.T, script, msg string) (string, error) {
	t.Helper()
	s, m := o.write(t, "script.sieve", script), o.write(t, "msg.eml", msg)
	cmd := exec.Command("sieve-test", "-c", filepath.Join(o.dir, "dovecot.conf"), "-f", "alice@example.org", "-r", "bob+work@example.net", s, m)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(out), err
}

var oracleFlags = regexp.MustCompile(`add IMAP flags: (.*)`)

// TestOracleAgreesOnTests compares what tests come out as: each that holds
// adds a flag.
func TestOracleAgreesOnTests(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		raw := oracleMessages[round%len(oracleMessages)]
		var tests []string
		var b strings.Builder
		b.WriteString(oracleRequire)
		for i := range 90 {
			tests = append(tests, randomTest(rnd))
			fmt.Fprintf(&b, "if %s { addflag \"t%d\"; }\r\n", tests[i], i)
		}
		b.WriteString("keep;\r\n")
		out, err := o.run(t, b.String(), strings.ReplaceAll(raw, "\n", "\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		theirs := map[string]bool{}
		if m := oracleFlags.FindStringSubmatch(out); m != nil {
			for _, f := range strings.Fields(m[1]) {
				theirs[f] = true
			}
		}
		env := newEnv(t, raw)
		env.Now = env.Now.UTC()
		res, err := mustCompile(t, b.String(), Options{}).Run(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		ours := map[string]bool{}
		for _, f := range actionFlags(res.Actions[0]) {
			ours[f] = true
		}
		for i, test := range tests {
			name := fmt.Sprintf("t%d", i)
			if ours[name] != theirs[name] {
				t.Errorf("message %d: %s: %v, they say %v", round%len(oracleMessages), test, ours[name], theirs[name])
			}
		}
	}
}

var oracleFolder = regexp.MustCompile(`store message in folder: (.*)`)

// TestOracleAgreesOnWildcards compares what wildcards stand for.
func TestOracleAgreesOnWildcards(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 20 {
		raw := oracleMessages[round%len(oracleMessages)]
		var b strings.Builder
		b.WriteString(oracleRequire)
		for i := range 30 {
			fmt.Fprintf(&b, "if %s { fileinto \"%d-${0}-${1}-${2}-${3}-${4}\"; }\r\n", capturing(rnd), i)
		}
		out, err := o.run(t, b.String(), strings.ReplaceAll(raw, "\n", "\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		var theirs []string
		for _, m := range oracleFolder.FindAllStringSubmatch(out, -1) {
			if m[1] != "INBOX" {
				theirs = append(theirs, strings.TrimSpace(m[1]))
			}
		}
		env := newEnv(t, raw)
		env.Now = env.Now.UTC()
		res, err := mustCompile(t, b.String(), Options{}).Run(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		var ours []string
		for _, a := range res.Actions {
			if f, ok := a.(FileInto); ok {
				ours = append(ours, strings.TrimSpace(f.Mailbox))
			}
		}
		script := b.String()
		if a, b := strings.Join(ours, "\n"), strings.Join(theirs, "\n"); a != b {
			t.Errorf("message %d:\n%s\nthey:\n%s\n%s", round%len(oracleMessages), a, theirs, script)
		}
	}
}

const oracleRequire = `require ["fileinto","envelope","variables","imap4flags","relational","comparator-i;ascii-numeric","subaddress","body","date","index","regex"];` + "\r\n"

// An empty group is an address to them; there is none here.
var oracleMessages = []string{
	strings.ReplaceAll(sample, "Cc: undisclosed:;\n", ""),
	parts,
	`From: "Doe, John" <john.doe@Sub.Example.org>, second@example.com
To: team: a@example.net, "b c"@example.net;, Bob <bob@example.net>
Cc: =?utf-8?b?R8O8bnRoZXI=?= <guenther@example.org>
Subject: Re: =?iso-8859-1?q?caf=E9?= =?utf-8?q?_au_lait?=  and
 more
X-Count: 00012
X-Multi: 
X-Multi: abcabcabc
Date: Fri, 01 Jan 2021 00:30:00 -0800

First line
second LINE with *stars* and ? marks
`,
	`From: broken@
To: @example.net
Subject: *?\ [x] (y)
X-Count: -3
X-Multi: aaa
Date: nonsense

.
`,
}

func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// words are what keys are made of.
var words = []string{"a", "b", "abc", "re:", "Re: ", "café", "au", "the", "coast", "example", "org", ".", "@", "one", "two", "three", "", "7", "12", "hello", "line", "x", " ", "bob", "news"}

func glued(r *rand.Rand, extra ...string) string {
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString(pick(r, append(extra, words...)...))
	}
	// "?x*" matches everything to them.
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(strings.TrimLeft(b.String(), "?"))
}

func randomMatch(r *rand.Rand) (tags, key string) {
	comp := pick(r, "", "", ` :comparator "i;octet"`, ` :comparator "i;ascii-casemap"`)
	switch r.IntN(6) {
	case 0:
		return comp + " :is", glued(r)
	case 1:
		return comp + " :contains", glued(r)
	case 2, 3:
		return comp + " :matches", glued(r, "*", "*", "?", "*", "*")
	case 4:
		return ` :comparator "i;ascii-numeric" :value "` + pick(r, "gt", "ge", "lt", "le", "eq", "ne") + `"`, pick(r, "0", "7", "12", "x", "00007")
	default:
		return ` :comparator "i;ascii-numeric" :count "` + pick(r, "gt", "ge", "lt", "le", "eq", "ne") + `"`, pick(r, "0", "1", "2", "3")
	}
}

func randomTest(r *rand.Rand) string {
	tags, key := randomMatch(r)
	entity := r.IntN(9)
	if entity >= 3 && entity <= 5 && strings.Contains(tags, ":count") {
		// They count addresses that have not the part, and what is no address.
		entity = 0
	}
	field := `"` + pick(r, "subject", "X-Count", "x-multi", "x-none", "from", "to", "cc", "date", "message-id") + `"`
	if r.IntN(10) == 0 && !strings.Contains(tags, ":count") {
		return "body" + tags + pick(r, "", " :raw", ` :content "text"`, ` :content ["text/html", "application"]`) + ` "` + key + `"`
	}
	switch entity {
	case 0, 1, 2:
		if r.IntN(3) == 0 && !strings.Contains(tags, ":count") {
			tags += fmt.Sprintf(" :index %d%s", 1+r.IntN(3), pick(r, "", " :last"))
		}
		return "header" + tags + " " + field + ` "` + key + `"`
	case 3, 4:
		return "address" + tags + " " + pick(r, ":all", ":localpart", ":domain", ":user", ":detail") + ` "` + pick(r, "from", "to", "cc", "sender") + `" "` + key + `"`
	case 5:
		return "envelope" + tags + " " + pick(r, ":all", ":localpart", ":domain", ":user", ":detail") + ` "` + pick(r, "from", "to") + `" "` + key + `"`
	case 6:
		return "exists [" + field + `, "subject"]`
	case 7:
		return "date" + tags + pick(r, "", ` :zone "+0900"`, " :originalzone") + ` "date" "` + pick(r, "year", "month", "day", "date", "hour", "weekday", "julian", "zone", "minute") + `" "` + pick(r, key, "12", "03", "1", "2021-01-01", "+0900") + `"`
	default:
		return "string" + tags + ` "` + glued(r) + `" "` + key + `"`
	}
}

func capturing(r *rand.Rand) string {
	field := pick(r, "subject", "x-multi", "from", "x-count")
	if r.IntN(3) == 0 {
		return `header :regex "` + field + `" "` + pick(r, "(a+)(b*)", "([a-z]+) ([a-z]+)", "^(.*)e(.*)$", "(x|abc)+", "([^ ]*)$", "(a)?(b)?") + `"`
	}
	return "header" + pick(r, "", ` :comparator "i;octet"`) + ` :matches "` + field + `" "` + glued(r, "*", "*", "*", "?") + `"`
}
