package sieve

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// FuzzCompile holds that every script compiles or says where it is wrong.
func FuzzCompile(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(requireAll + s))
	}
	f.Add([]byte("require \"ihave\"; if ihave \"x\" { y; } else { text:\r\n.\r\n; }"))
	f.Add([]byte("keep /* # */ ; set \"a\" text: # c\n..x\n.\n;"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Compile(src, Options{})
		var errs Errors
		if (s == nil) != errors.As(err, &errs) || err != nil && len(errs) == 0 || len(errs) > MaxErrors {
			t.Fatalf("%v, %v", s, err)
		}
		lines := strings.Count(string(src), "\n") + 1
		for _, e := range errs {
			if e.Line < 1 || e.Line > lines || e.Column < 1 || e.Column > len(src)+1 || e.Message == "" {
				t.Fatalf("%+v", e)
			}
		}
	})
}

// FuzzRun holds that every script on every message ends with an action, and
// with keep where it fails.
func FuzzRun(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, sample)
		f.Add(s, parts)
	}
	f.Fuzz(func(t *testing.T, src, raw string) {
		s, err := Compile([]byte(requireAll+src), Options{Steps: 100_000})
		if err != nil {
			return
		}
		head, _, _ := strings.Cut(raw, "\n\n")
		if len(head) > 64<<10 || strings.Count(head, "\n") > 1000 {
			return
		}
		env := newEnv(t, raw)
		env.Mailboxes, env.Scripts, env.Trace = box{}, library{"personal/a": src}, true
		res, err := s.Run(context.Background(), env)
		if res == nil || len(res.Actions) == 0 {
			t.Fatal("no action")
		}
		if err != nil && short(res) != "implicit" {
			t.Fatalf("%v, but %s", err, short(res))
		}
		redirects := 0
		for _, a := range res.Actions {
			switch a := a.(type) {
			case Redirect:
				redirects++
				checkHeader(t, a.Header)
			case Keep:
				checkHeader(t, a.Header)
			case Vacation:
				checkMail(t, a.Reply)
			case Notify:
				checkMail(t, a.Mail)
			case Reject:
				checkMail(t, a.Notice)
			}
		}
		if redirects > DefaultOptions().Redirects || len(res.Actions) > DefaultOptions().Actions+1 {
			t.Fatalf("%d actions, %d redirects", len(res.Actions), redirects)
		}
	})
}

// checkHeader holds that no script ends the header block early.
func checkHeader(t *testing.T, h []byte) {
	t.Helper()
	if s := string(h); strings.Contains(s, "\r\n\r\n") || strings.Contains(s, "\n\n") || strings.HasPrefix(s, "\r\n") {
		t.Fatalf("empty line in header %q", h)
	}
}

// checkMail holds that what we write is well-formed.
func checkMail(t *testing.T, m Mail) {
	t.Helper()
	checkHeader(t, m.Header)
	for line := range strings.SplitSeq(string(m.Header), "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 {
			t.Fatalf("bad line %q", line)
		}
	}
}

// seeds are scripts of all extensions.
var seeds = []string{
	`if header :contains "subject" "x" { fileinto "a"; } elsif address :domain "from" ["a", "b"] { discard; } else { keep; }`,
	`set :upper "a" "${1}x${global.y}"; if string :matches "${a}" "*?*" { fileinto "${1}"; } include :optional "a";`,
	`if header :regex "subject" "(a|b)*(c)" { setflag "${2}"; } addflag ["\\Seen", "x"]; if hasflag "x" { keep; }`,
	`vacation :days 3 :subject "s${unicode:fc}" :addresses ["bob@example.net"] :handle "h" "gone";`,
	`vacation :mime "Content-Type: text/html` + "\r\n\r\n" + `<b>x</b>";`,
	`notify :importance "1" :message "m" :from "a@example.org" "mailto:x@example.org?subject=a%20b&cc=y@example.org";`,
	`addheader "X-A" "b` + "\r\n\r\n" + `c"; deleteheader :index 1 :matches "to" "*b*"; redirect :copy "x@example.org";`,
	`foreverypart { if header :mime :anychild :param "name" "content-type" "x" { extracttext :first 9 "t"; break; } }`,
	`if allof(date :zone "+0100" "date" "hour" "9", currentdate :value "ge" "year" "2000", not size :over 1K) { stop; }`,
	`if body :content "text" :contains ["a"] { ereject "no"; } if body :raw :is "" { discard; }`,
	`if anyof(duplicate :seconds 9, spamtest :value "ge" "5", virustest "1", environment "name" "x", mailboxexists "A") { keep; }`,
	`if specialuse_exists "\\Junk" { fileinto :specialuse "\\Junk" :create :flags "a" "J"; } reject text:` + "\r\nno\r\n.\r\n;",
}
