package sieve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

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
