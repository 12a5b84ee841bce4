package proxy

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtpc"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Target{
		"smtp://10.0.0.6:25":                 {Network: "tcp", Address: "10.0.0.6:25", Host: "10.0.0.6"},
		"smtp://mail.example.org":            {Network: "tcp", Address: "mail.example.org:25", Host: "mail.example.org"},
		"SMTP://mail_1/":                     {Network: "tcp", Address: "mail_1:25", Host: "mail_1"},
		"smtp+starttls://[2001:db8::1]:2525": {Network: "tcp", Address: "[2001:db8::1]:2525", Host: "2001:db8::1", TLS: smtpc.TLSRequired},
		"smtps://[::1]":                      {Network: "tcp", Address: "[::1]:465", Host: "::1", TLS: smtpc.TLSImplicit},
		"lmtp://h":                           {Network: "tcp", Address: "h:24", Host: "h", LMTP: true},
		"lmtp+starttls://h:24":               {Network: "tcp", Address: "h:24", Host: "h", LMTP: true, TLS: smtpc.TLSRequired},
		"lmtp+unix:///run/dovecot/lmtp":      {Network: "unix", Address: "/run/dovecot/lmtp", Host: "localhost", LMTP: true},
		"smtps://gate%40x:p%3Aw%2F@h:465":    {Network: "tcp", Address: "h:465", Host: "h", TLS: smtpc.TLSImplicit, User: "gate@x", Pass: "p:w/"},
	} {
		got, err := ParseURL(s)
		if err != nil {
			t.Error(err)
			continue
		}
		if again, err := ParseURL(got.String()); got.User == "" && (err != nil || again.String() != got.String()) {
			t.Errorf("%s: %v", got, err)
		}
		got.url = ""
		if *got != want {
			t.Errorf("%s is %+v", s, *got)
		}
	}
	for s, hint := range map[string]string{
		"10.0.0.5:25":            "smtp://",
		"":                       "smtp://",
		"smpt://h":               "smtp+starttls://",
		"http://h":               "unknown scheme",
		"smtp://":                "host is missing",
		"smtp://:25":             "host is missing",
		"smtp://h:0":             "port",
		"smtp://h:99999":         "port",
		"smtp://h:x":             "port",
		"smtp://2001:db8::1":     "brackets",
		"smtp://[2001:db8::1":    "brackets",
		"smtp://2001:db8::1]":    "brackets",
		"smtp://h]":              "brackets",
		"smtp://h/path":          "nothing may follow",
		"smtp://h:25?x=1":        "nothing may follow",
		"smtp://a b:25":          "neither",
		"lmtp+unix://relative":   "begins with /",
		"lmtp+unix:///":          "begins with /",
		"smtp://u:secret@h":      "plaintext",
		"smtps://u@h":            "user:password@",
		"smtps://u:secret%zz@h":  "user:password@",
		"smtps://u:secret@h:x":   "port",
		"smpts://u:secret@h:465": "unknown scheme",
	} {
		_, err := ParseURL(s)
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v, want %q", s, err, hint)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is shown: %v", err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("smtp://10.0.0.6:25")
	f.Add("smtps://u:p@[::1]:465")
	f.Add("lmtp+unix:///run/x")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseURL(s)
		if err != nil {
			return
		}
		again, err := ParseURL(got.String())
		if err != nil || again.Address != got.Address || again.TLS != got.TLS || again.LMTP != got.LMTP {
			t.Errorf("%q is %s, which is %v, %v", s, got, again, err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, opt := range []Options{
		{},
		{Backends: []string{"x"}},
		{Backends: []string{"smtp://h"}, Balance: "random"},
		{Backends: []string{"smtp://h"}, Connections: -1},
		{Backends: []string{"smtp://h"}, Wait: -1},
		{Backends: []string{"smtp://h"}, TLS: TLSOptions{CA: "/nonexistent"}},
		{Backends: []string{"smtp://h"}, TLS: TLSOptions{Key: "k"}},
		{Backends: []string{"smtp://h"}, TLS: TLSOptions{Key: "k", Certificate: "c"}},
	} {
		if g, err := New("x", opt, Deps{}); err == nil {
			g.Close()
			t.Errorf("%+v is taken", opt)
		}
	}
}
