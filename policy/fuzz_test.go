package policy_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy"
)

// FuzzPolicy loads any text; one that is a policy is asked at every stage. No
// text may panic, and every problem has a place in the file.
func FuzzPolicy(f *testing.F) {
	names, _ := filepath.Glob("testdata/*/*.txtar")
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(ar.Files[0].Data))
	}
	h, err := message.ParseHeader([]byte("Subject: a\r\nX: =?utf-8?q?b?=\r\nX: 5\r\n"), message.HeaderLimits{})
	if err != nil {
		f.Fatal(err)
	}
	tx := &gateway.Transaction{Session: &gateway.Session{Helo: "a.example"}, Header: h, Rcpts: []gateway.Recipient{
		{To: smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "example.org"}}}, {},
	}}
	env := testEnv()
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Parse([]policy.Source{{Name: "f", Data: []byte(text)}}, env)
		if err != nil {
			for _, e := range err.(policy.Errors) {
				lines := strings.Count(text, "\n") + 1
				if e.Line < 0 || e.Line > lines || e.Line > 0 && e.Col < 1 || strings.ContainsAny(e.Error(), "\n\r") {
					t.Errorf("%q has %d lines", e.Error(), lines)
				}
			}
			return
		}
		for _, stage := range gateway.Stages {
			v, err := p.Check(context.Background(), stage, tx)
			if err != nil {
				t.Error(err)
			}
			for _, d := range v.Dispositions {
				if strings.ContainsAny(told(d), "\r\n\x00") {
					t.Errorf("%q", told(d))
				}
			}
		}
	})
}
