package sieve

import (
	"context"
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
