package sieve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// sample is the message of tests that bring none.
const sample = `Received: from a.example by b.example; Tue, 03 Mar 2026 12:30:15 +0200
From: "Alice A." <alice+news@Example.org>
To: bob@example.net, Carol <carol@example.net>
Cc: undisclosed:;
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the Coast
Date: Tue, 03 Mar 2026 11:22:33 +0100
Message-ID: <1@example.org>
X-Count: 7
X-Multi: one
X-Multi: two
X-Multi: three

Hello World,
this is the body.
`

// newEnv returns the environment of a message whose lines end in LF.
func newEnv(t testing.TB, raw string) *Env {
	t.Helper()
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	end, body, ok := message.EndOfHeader([]byte(raw), 0)
	if !ok {
		end, body = len(raw), len(raw)
	}
	h, err := message.ParseHeader([]byte(raw[:end]), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{
		Message:   Message{Header: h, Size: int64(len(raw)), Body: func() (io.Reader, error) { return strings.NewReader(raw[body:]), nil }},
		Envelope:  Envelope{From: smtp.ReversePath{Address: addr("alice@example.org")}, To: addr("bob+work@example.net")},
		Addresses: []smtp.Address{addr("bob@example.net")},
		Now:       time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)),
	}
	if !ok {
		env.Message.Body = nil
	}
	return env
}

func addr(s string) smtp.Address {
	a, err := smtp.ParseMailbox(s, 0)
	if err != nil {
		panic(err)
	}
	return a
}

// requireAll is the first line of scripts in tests.
var requireAll = `require ["` + strings.Join(extensions, `","`) + "\"];\r\n"

func mustCompile(t testing.TB, src string, opt Options) *Script {
	t.Helper()
	s, err := Compile([]byte(src), opt)
	if err != nil {
		t.Fatalf("%v\nin %s", err, src)
	}
	return s
}

// actions runs a script and writes what it wants in a short form.
func actions(t testing.TB, src string, env *Env, opt Options) string {
	t.Helper()
	res, err := mustCompile(t, requireAll+src, opt).Run(context.Background(), env)
	out := short(res)
	if err != nil {
		out += " error: " + err.Error()
	}
	return out
}

func short(res *Result) string {
	var out []string
	for _, a := range res.Actions {
		s := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", a), "sieve."))
		switch a := a.(type) {
		case Keep:
			if a.Implicit {
				s = "implicit"
			}
			s += flagText(a.Flags)
		case FileInto:
			s += " " + a.Mailbox + flagText(a.Flags)
			if a.SpecialUse != "" {
				s += " " + a.SpecialUse
			}
			if a.Create {
				s += " create"
			}
		case Redirect:
			s += " " + a.To.String()
		case Reject:
			s += " " + a.Reason
		case Vacation:
			s += " " + a.Period.String()
		case Notify:
			s += " " + a.Method
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func flagText(flags []string) string {
	if flags == nil {
		return ""
	}
	return " (" + strings.Join(flags, " ") + ")"
}

// holds runs one test of the language on the sample message.
func holds(t testing.TB, check string, env *Env) bool {
	t.Helper()
	switch got := actions(t, "if "+check+" { fileinto \"yes\"; } else { fileinto \"no\"; }", env, Options{}); got {
	case "fileinto yes":
		return true
	case "fileinto no":
		return false
	default:
		t.Fatalf("%s: %s", check, got)
		return false
	}
}

// checkHolds runs tests: those that begin with ! must not hold.
func checkHolds(t *testing.T, env *Env, list ...string) {
	t.Helper()
	for _, c := range list {
		c, negated := strings.CutPrefix(c, "!")
		if holds(t, c, env) == negated {
			t.Errorf("%s is %v", c, !negated)
		}
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	tests := []struct{ script, want string }{
		{``, "implicit"},
		{`keep;`, "keep"},
		{`discard;`, "discard"},
		{`stop; discard;`, "implicit"},
		{`fileinto "a";`, "fileinto a"},
		{`fileinto :copy "a";`, "fileinto a; implicit"},
		{`fileinto "a"; fileinto "b"; fileinto "a";`, "fileinto a; fileinto b"},
		{`keep; fileinto "inbox";`, "keep"},
		{`fileinto "INBOX";`, "fileinto INBOX"},
		{`fileinto :copy "INBOX";`, "fileinto INBOX"},
		{`discard; keep;`, "keep"},
		{`redirect "x@example.com"; redirect "X <x@EXAMPLE.com>";`, "redirect x@example.com"},
		{`redirect :copy "x@example.com";`, "redirect x@example.com; implicit"},
		{`reject "no";`, "reject no"},
		{`ereject "no"; discard;`, "reject no"},
		{`fileinto :create :flags "\\Seen x" "a";`, `fileinto a (\Seen x) create`},
		{`fileinto :specialuse "\\Junk" "Spam";`, `fileinto Spam \Junk`},
		{`if false { discard; } elsif true { keep; } else { stop; }`, "keep"},
		{`if not true { discard; } else { fileinto "e"; }`, "fileinto e"},
		{`error "boo";`, "implicit error: 2:1: boo"},
		{`keep; reject "x";`, "implicit error: 2:7: the reject action conflicts with the keep action at line 2: a message that is rejected is not kept or answered"},
	}
	for _, tt := range tests {
		if got := actions(t, tt.script, newEnv(t, sample), Options{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
}

func TestBasicTests(t *testing.T) {
	t.Parallel()
	env := newEnv(t, sample)
	checkHolds(t, env,
		`header :is "subject" "Grüße from the Coast"`, `header :contains "SUBJECT" "GRü"`, `!header :contains :comparator "i;octet" "subject" "COAST"`,
		`header :matches "subject" "gr??e * coast"`, `!header :is "subject" ""`, `!header :contains "x-none" ""`, `header :contains "x-count" ""`,
		`header :matches :comparator "i;octet" "subject" "Gr????e*"`, `header ["x-none", "x-count"] ["6", "7"]`,
		`exists ["from", "To"]`, `!exists ["from", "x-none"]`, `size :over 100`, `!size :over 1M`, `size :under 1K`,
		`address :is "from" "alice+news@example.org"`, `address :localpart "from" "ALICE+news"`, `address :domain :is "to" "example.net"`,
		`address :user "from" "alice"`, `address :detail "from" "news"`, `!address :detail "to" ""`, `address :count "eq" "to" "2"`,
		`envelope "from" "alice@example.org"`, `envelope :detail "to" "work"`, `!envelope "auth" ""`,
		`allof(true, true)`, `!allof(true, false)`, `anyof(false, true)`, `!anyof(false, false)`, `not false`,
		`header :contains :comparator "i;unicode-casemap" "subject" "GRÜ"`,
		`!header :contains "subject" "GRÜ"`, `header :matches :comparator "i;unicode-casemap" "subject" "gr?*COAST"`,
		`header :regex "subject" "^gr[^ ]+ from"`, `!header :regex :comparator "i;octet" "subject" "^gr"`,
		`header :value "lt" :comparator "i;ascii-numeric" "x-count" "10"`,
		`!header :value "gt" :comparator "i;ascii-numeric" "x-count" "10"`, `header :value "gt" "x-count" "10"`,
		`header :count "ge" "x-multi" "3"`, `header :count "eq" ["x-multi", "x-count"] "4"`,
		`header :index 2 "x-multi" "two"`, `!header :index 2 "x-multi" "one"`, `header :index 1 :last "x-multi" "three"`, `!header :index 4 "x-multi" "three"`,
	)
	null := newEnv(t, sample)
	null.Envelope.From = smtp.ReversePath{}
	checkHolds(t, null, `envelope "from" ""`, `envelope :domain "from" ""`)
}

func TestNumericComparator(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"1", "2", -1}, {"007", "7", 0}, {"x", "5", 1}, {"x", "", 0}, {"12ab", "12", 0}, {"99999999999999999999999", "100000000000000000000000", -1}} {
		got := compareNumeric(tt.a, tt.b)
		if got < 0 != (tt.want < 0) || got > 0 != (tt.want > 0) {
			t.Errorf("%s and %s: %d", tt.a, tt.b, got)
		}
	}
}

func TestGlobIsLazy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		glob, s string
		want    string // the wildcards, with | between; "-" : no match
	}{
		{"*", "abc", "abc"},
		{"*b*", "abcbd", "a|cbd"},
		{"?b*", "abc", "a|c"},
		{`\*x`, "*x", ""},
		{`a\\b`, `a\b`, ""},
		{"a*", "b", "-"},
		{"*a", "bab", "-"},
		{"*a?c*", "xxabcabc", "xx|b|abc"},
		{"", "", ""},
		{"", "x", "-"},
		{"ab*ba", "aba", "-"},
		{"**", "ab", "|ab"},
		{"?", "ü", "ü"},
		{"a*?", "aü", "|ü"},
	} {
		var spans []span
		got := "-"
		if parseGlob(tt.glob).match(tt.s, false, &spans) {
			var words []string
			for _, s := range spans {
				words = append(words, tt.s[s.from:s.to])
			}
			got = strings.Join(words, "|")
		}
		if got != tt.want {
			t.Errorf("%q on %q: %q, want %q", tt.glob, tt.s, got, tt.want)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	tests := []struct{ script, want string }{
		{`set "a" "x"; fileinto "${A}y${none}";`, "fileinto xy"},
		{`set "a" "b"; fileinto "$a${a}${";`, "fileinto $ab${"},
		{`set :upper "a" "juMBlEd"; fileinto "${a}";`, "fileinto JUMBLED"},
		{`set :lower :upperfirst "a" "juMBlEd"; fileinto "${a}";`, "fileinto Jumbled"},
		{`set :length "a" "grüße"; fileinto "${a}";`, "fileinto 5"},
		{`set :quotewildcard "a" "R*ck?\\"; fileinto "${a}";`, `fileinto R\*ck\?\\`},
		{`set :quoteregex "a" "a.b"; fileinto "${a}";`, `fileinto a\.b`},
		{`set :encodeurl "a" "a b/ü"; fileinto "${a}";`, `fileinto a%20b%2F%C3%BC`},
		{`if address :matches "from" "*+*@*" { fileinto "${1}-${2}-${3}-${0}"; }`, "fileinto alice-news-Example.org-alice+news@Example.org"},
		{`if header :regex "x-count" "([0-9])(x)?" { fileinto "n${1}${2}"; }`, "fileinto n7"},
		{`if header :matches "subject" "*x*" {} set "b" "${1}"; fileinto "a${b}";`, "fileinto a"},
		{`if string :is ["a", ""] "" { keep; }`, "keep"},
		{`if string :count "eq" ["a", ""] "1" { keep; }`, "keep"},
		{`fileinto "${hex:41 42}${unicode:43}${hex:zz}";`, "fileinto ABC${hex:zz}"},
	}
	for _, tt := range tests {
		if got := actions(t, tt.script, newEnv(t, sample), Options{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct{ script, want string }{
		{`setflag "\\Seen"; addflag ["\\flagged \\Seen", "$x"];`, `implicit (\Seen \flagged $x)`},
		{`setflag ["a","b"]; removeflag "A"; keep;`, "keep (b)"},
		{`setflag "a"; keep :flags "";`, "keep"},
		{`setflag "a"; fileinto :flags "b" "x"; keep;`, "fileinto x (b); keep (a)"},
		{`setflag "v" "a b"; if hasflag "v" "B" { keep :flags "${v}"; }`, "keep (a b)"},
		{`addflag "a"; if hasflag :contains "A" { discard; }`, "discard"},
		{`addflag "a"; if hasflag :count "ge" "1" { discard; }`, "discard"},
		{`setflag "\\Bogus (x";`, "implicit"},
		{`addflag "a"; keep; addflag "b"; keep;`, "keep (a b)"},
	}
	for _, tt := range tests {
		if got := actions(t, tt.script, newEnv(t, sample), Options{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	checkHolds(t, newEnv(t, sample),
		`date "date" "date" "2026-03-03"`, `date "date" "hour" "11"`, `date :zone "+0300" "date" "time" "13:22:33"`,
		`date :originalzone "received" "hour" "12"`, `date "received" "hour" "11"`, `date "date" "weekday" "2"`, `date "date" "julian" "61102"`,
		`date :originalzone "date" "iso8601" "2026-03-03T11:22:33+01:00"`, `date "date" "std11" "Tue, 03 Mar 2026 11:22:33 +0100"`,
		`date "date" "zone" "+0100"`, `currentdate "year" "2026"`, `currentdate :value "ge" "date" "2026-03-04"`, `currentdate :zone "-0500" "date" "2026-03-03"`,
		`!date "x-none" "year" ""`, `!date "subject" "year" ""`, `currentdate "second" "07"`, `currentdate "month" "03"`, `currentdate "day" "04"`, `currentdate "minute" "06"`,
	)
}

const parts = `From: a@example.org
Subject: parts
Content-Type: multipart/mixed; boundary=b

before
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

na=EFve text
--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/html

<p>rich <b>text</b></p><style>secret</style>
--c--
--b
Content-Type: application/pdf; name="x.pdf"
Content-Disposition: attachment; filename="y.pdf"
Content-Transfer-Encoding: base64

SGVsbG8gUERG
--b--
after
`

func TestBody(t *testing.T) {
	t.Parallel()
	checkHolds(t, newEnv(t, parts),
		`body :contains "naïve"`, `body :text :contains "rich text"`, `!body :contains "secret"`, `!body :contains "<b>"`, `!body :contains "Hello PDF"`,
		`body :content "application/pdf" :contains "Hello PDF"`, `body :content "text/html" :contains "<b>"`, `body :content "multipart" :contains "before"`,
		`body :content "multipart" :contains "after"`, `body :raw :contains "SGVsbG8"`, `!body :raw :contains "Hello PDF"`, `body :content "" :contains "Hello PDF"`,
		`!body :content "image" :contains ""`, `body :raw :regex "^before"`, `body :content ["image", "TEXT"] :count "eq" "2"`,
	)
	checkHolds(t, newEnv(t, "From: a\n"), `!body :raw :contains ""`)
}

func TestMIME(t *testing.T) {
	t.Parallel()
	tests := []struct{ script, want string }{
		{`foreverypart { if header :mime :subtype "content-type" "pdf" { fileinto "pdf"; break; } }`, "fileinto pdf"},
		{`foreverypart { if header :mime :param "filename" "content-disposition" "y.pdf" { fileinto "y"; } }`, "fileinto y"},
		{`if header :mime :anychild :contenttype "content-type" "text/html" { fileinto "h"; }`, "fileinto h"},
		{`if header :mime :type "content-type" "text" { fileinto "h"; }`, "implicit"},
		{`foreverypart { if header :mime :contenttype "content-type" "text/plain" { extracttext :first 5 "t"; fileinto "${t}"; } }`, "fileinto naïve"},
		{`foreverypart :name "o" { foreverypart { if header :mime :contenttype "content-type" "text/html" { fileinto "in"; break :name "o"; } } }`, "fileinto in"},
	}
	for _, tt := range tests {
		if got := actions(t, tt.script, newEnv(t, parts), Options{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
}

func TestEditHeader(t *testing.T) {
	t.Parallel()
	run := func(script string) string {
		res, err := mustCompile(t, requireAll+script, Options{}).Run(context.Background(), newEnv(t, sample))
		if err != nil {
			t.Fatal(err)
		}
		k, ok := res.Actions[len(res.Actions)-1].(Keep)
		if !ok {
			t.Fatal(short(res))
		}
		return string(k.Header)
	}
	if h := run(`addheader "X-New" "grün"; addheader :last "X-End" "e";`); !strings.HasPrefix(h, "X-New: =?utf-8?") || !strings.HasSuffix(h, "X-End: e\r\n") {
		t.Errorf("added:\n%s", h)
	}
	if h := run(`deleteheader "x-multi";`); strings.Contains(h, "X-Multi") || !strings.Contains(h, "X-Count") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader :index 2 "x-multi";`); strings.Contains(h, "two") || !strings.Contains(h, "three") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader :index 1 :last :contains "x-multi" "hre";`); strings.Contains(h, "three") || !strings.Contains(h, "two") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader :matches "x-multi" "*o*";`); strings.Contains(h, "one") || strings.Contains(h, "two") || !strings.Contains(h, "three") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader "received"; deleteheader "auto-submitted"; addheader "` + LoopField + `" "x";`); h != "" {
		t.Errorf("protected:\n%s", h)
	}
	if h := run("addheader \"X-Folded\" \"one\r\n two\r\n\";"); !strings.HasPrefix(h, "X-Folded: one two\r\n") {
		t.Errorf("folded:\n%s", h)
	}
	if got := actions(t, `addheader "X" "y"; if size :over 398 { discard; }`, newEnv(t, sample), Options{}); got != "discard" {
		t.Error("size without what was added:", got, newEnv(t, sample).Message.Size)
	}
	got := actions(t, `fileinto :copy "a"; addheader "X-A" "b"; if header "x-a" "b" { fileinto :copy "b"; }`, newEnv(t, sample), Options{})
	if got != "fileinto a; fileinto b; implicit" {
		t.Error(got)
	}
}

// box is a Mailboxes.
type box struct{ err error }

func (b box) Exists(_ context.Context, name string) (bool, error) { return name == "A", b.err }

func (b box) SpecialUse(_ context.Context, use string) ([]string, error) {
	if strings.EqualFold(use, `\junk`) {
		return []string{"Spam"}, nil
	}
	return nil, nil
}

func (b box) Metadata(_ context.Context, mailbox, name string) (string, bool, error) {
	return "v" + mailbox, name == "/private/x", nil
}

func TestMailboxes(t *testing.T) {
	t.Parallel()
	env := newEnv(t, sample)
	env.Mailboxes = box{}
	checkHolds(t, env,
		`mailboxexists "A"`, `!mailboxexists ["A", "B"]`, `specialuse_exists "\\Junk"`, `specialuse_exists "Spam" "\\Junk"`, `!specialuse_exists "A" "\\Junk"`,
		`!specialuse_exists ["\\Junk", "\\Sent"]`, `metadata "A" "/private/x" "vA"`, `servermetadata "/private/x" "v"`, `!metadataexists "A" ["/private/x", "/private/y"]`,
		`metadataexists "A" "/private/x"`, `servermetadataexists "/private/x"`,
	)
	env.Mailboxes = box{err: errors.New("broken")}
	if got := actions(t, `if mailboxexists "A" { discard; }`, env, Options{}); got != "implicit error: 2:4: broken" {
		t.Error(got)
	}
}

// library is a Scripts.
type library map[string]string

func (l library) Script(_ context.Context, where Location, name string) (*Script, error) {
	src, ok := l[string(where)+"/"+name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrNoScript)
	}
	return Compile([]byte(src), Options{})
}

func TestInclude(t *testing.T) {
	t.Parallel()
	lib := library{
		"personal/a":      `require ["include","variables","fileinto"]; global "g"; set "l" "x"; set "g" "${g}!"; return; discard;`,
		"personal/loop":   `require "include"; include "loop";`,
		"personal/stop":   `require "fileinto"; fileinto "s"; stop;`,
		"personal/broken": `keep`,
		"global/a":        `require ["fileinto","copy"]; fileinto :copy "g";`,
	}
	tests := []struct{ script, want string }{
		{`global "g"; set "g" "1"; set "l" "mine"; include "a"; include "a"; fileinto "${g}${l}";`, "fileinto 1!!mine"},
		{`global "g"; include :once "a"; include :once "a"; fileinto "${global.g}";`, "fileinto !"},
		{`include :global "a";`, "fileinto g; implicit"},
		{`include "stop"; discard; keep;`, "fileinto s"},
		{`include :optional "none"; keep;`, "keep"},
		{`include "none"; discard;`, `implicit error: 2:1: script 'none' cannot be included: none: sieve: no such script`},
		{`include "loop";`, `implicit error: loop:1:20: scripts include each other deeper than 10 levels`},
	}
	for _, tt := range tests {
		env := newEnv(t, sample)
		env.Scripts = lib
		if got := actions(t, tt.script, env, Options{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
	env := newEnv(t, sample)
	env.Scripts = lib
	if got := actions(t, `include "broken";`, env, Options{}); !strings.Contains(got, "implicit error: 2:1: script 'broken' cannot be included: 1:5: expected ';'") {
		t.Error(got)
	}
}

// memory is a Duplicates.
type memory map[string]bool

func (m memory) Seen(_ context.Context, key string) (bool, error) { return m[key], nil }

func TestDuplicate(t *testing.T) {
	t.Parallel()
	m := memory{}
	run := func(script string) (string, []Remember) {
		env := newEnv(t, sample)
		env.Duplicates = m
		res, err := mustCompile(t, requireAll+script, Options{}).Run(context.Background(), env)
		if err != nil {
			t.Fatal(err)
		}
		return short(res), res.Remember
	}
	const script = `if duplicate :seconds 60 { discard; }`
	got, rem := run(script)
	if got != "implicit" || len(rem) != 1 || rem[0].For != time.Minute {
		t.Fatal(got, rem)
	}
	m[rem[0].Key] = true
	if got, rem := run(script); got != "discard" || len(rem) != 0 {
		t.Error(got, rem)
	}
	if got, rem := run(`if duplicate :last { discard; }`); got != "discard" || len(rem) != 1 {
		t.Error(got, rem)
	}
	for _, other := range []string{`duplicate :handle "h"`, `duplicate :uniqueid "<1@example.org>"`, `duplicate :header "x-count"`, `duplicate :header "x-none"`} {
		if got, _ := run(`if ` + other + ` { discard; }`); got != "implicit" {
			t.Error(other, got)
		}
	}
}

func TestSpamAndEnvironment(t *testing.T) {
	t.Parallel()
	env := newEnv(t, sample)
	checkHolds(t, env, `spamtest "0"`, `spamtest :percent "0"`, `spamtest :count "eq" "0"`, `virustest "0"`)
	env.SpamTested, env.Spam, env.Virus = true, 55, 5
	env.Items = map[string]string{"phase": "during", "domain": "example.net"}
	checkHolds(t, env,
		`spamtest :value "eq" :comparator "i;ascii-numeric" "5"`, `spamtest :percent "55"`, `virustest "5"`, `spamtest :count "eq" "1"`,
		`environment "phase" "during"`, `!environment "host" ""`, `environment :contains "DOMAIN" "example"`,
	)
	for percent, want := range map[int]int{0: 1, 1: 1, 12: 2, 50: 5, 99: 9, 100: 10, 200: 10} {
		if got := SpamValue(percent); got != want {
			t.Errorf("%d%%: %d, want %d", percent, got, want)
		}
	}
}

func TestHave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ script, want string }{
		{`require "ihave"; if ihave "fileinto" { fileinto "a"; }`, "fileinto a"},
		{`require "ihave"; if ihave "no.such" { nosuch :tag "x" ["y"]; } else { discard; }`, "discard"},
		{`require "ihave"; if not ihave ["no.such"] { error "none"; }`, "implicit error: 1:45: none"},
		{`require "ihave"; if ihave "copy" { redirect :copy "a@example.org"; }`, "redirect a@example.org; implicit"},
		{`require "ihave"; if allof(ihave "no.such", true) { nosuch; } keep;`, "keep"},
	} {
		res, err := mustCompile(t, tt.script, Options{}).Run(context.Background(), newEnv(t, sample))
		got := short(res)
		if err != nil {
			got += " error: " + err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
}

func TestLoopOfRedirectsKeeps(t *testing.T) {
	t.Parallel()
	res, err := mustCompile(t, `redirect "x@example.com";`, Options{}).Run(context.Background(), newEnv(t, sample))
	if err != nil || short(res) != "redirect x@example.com" {
		t.Fatal(short(res), err)
	}
	head := res.Actions[0].(Redirect).Header
	if !bytes.HasPrefix(head, []byte("X-Sieve-Redirected-From: bob@example.net\r\nReceived:")) {
		t.Errorf("%s", head)
	}
	env := newEnv(t, strings.ReplaceAll(string(head), "\r\n", "\n")+"\nbody\n")
	if got := actions(t, `redirect "x@example.com";`, env, Options{}); got != "implicit" {
		t.Error(got)
	}
}
