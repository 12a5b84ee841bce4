package sieve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/cputime"
)

// TestLimitsKeep holds that every bound of a run ends it, and keeps the mail.
func TestLimitsKeep(t *testing.T) {
	t.Parallel()
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	tests := []struct {
		name, script string
		opt          Options
	}{
		{"actions", many(`fileinto "f%d";`, 33), Options{}},
		{"redirects", many(`redirect "a%d@example.org";`, 5), Options{}},
		{"no redirects in an included script", `redirect "${x}a@example.org";`, Options{Redirects: 0, Actions: -1}},
		{"notifications", many(`notify "mailto:a%d@example.org";`, 11), Options{}},
		{"steps", `foreverypart { foreverypart {` + many("if header \"a%d\" \"b\" { keep; }\n", 50) + `} }`, Options{Steps: 100}},
		{"variables", many(`set "v%d" "0123456789";`, 20), Options{Variables: 100}},
		{"string", `set "a" "0123456789"; fileinto "${a}${a}${a}${a}${a}";`, Options{Variables: 40}},
		{"pattern", `set "a" "(((((x{100}){10}){10})))"; if string :regex "x" "${a}${a}${a}${a}" { keep; }`, Options{}},
		{"pattern's cost", `set "a" "((a|b|c|d)+){40}"; set "b" "` + strings.Repeat("abcd", 5000) + `"; ` + many(`if string :regex "${b}" "${a}%d" { keep; }`, 90), Options{Steps: 500_000}},
		{"remember", many(`if duplicate :uniqueid "h%d" { keep; }`, 21), Options{}},
		{"header", `set "x" "` + strings.Repeat("x", maxAdded+1) + `"; addheader "X" "${x}";`, Options{}},
		{"headers", many(`addheader "X%d" "`+strings.Repeat("x", 2000)+`";`, 300), Options{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var res *Result
			var err error
			d := cputime.Of(func() {
				res, err = mustCompile(t, requireAll+tt.script, tt.opt).Run(context.Background(), newEnv(t, parts))
			})
			if err == nil || short(res) != "implicit" {
				t.Errorf("%s, %v", short(res), err)
			}
			var e *Error
			if !errors.As(err, &e) || e.Line == 0 {
				t.Errorf("%#v", err)
			}
			if d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestContextEndsRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	res, err := mustCompile(t, `keep;`, Options{}).Run(ctx, newEnv(t, sample))
	if !errors.Is(err, context.Canceled) || short(res) != "implicit" {
		t.Error(short(res), err)
	}
}

// TestHostilePatternsAreLinear holds that globs and patterns with many
// wildcards on long values come to an end soon.
func TestHostilePatternsAreLinear(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 200_000)
	env := newEnv(t, "Subject: "+long+"\n\nx\n")
	for _, c := range []string{
		`header :matches "subject" "` + strings.Repeat("*a", 2000) + `b"`,
		`header :matches "subject" "` + strings.Repeat("*?a", 1000) + `*b*"`,
		`header :regex "subject" "(a*)*b"`,
		`header :contains "subject" "` + strings.Repeat("a", 5000) + `b"`,
	} {
		var res *Result
		d := cputime.Of(func() {
			res, _ = mustCompile(t, requireAll+"if "+c+" { discard; }", Options{}).Run(context.Background(), env)
		})
		if short(res) != "implicit" {
			t.Error(short(res))
		}
		if d > 5*time.Second {
			t.Errorf("%.40s took %v", c, d)
		}
	}
}

func TestScriptSize(t *testing.T) {
	t.Parallel()
	_, err := Compile([]byte("# "+strings.Repeat("x", 100)), Options{ScriptSize: 50})
	if err == nil || !strings.Contains(err.Error(), "longer than 50 octets") {
		t.Error(err)
	}
}

// TestBodyBeyondBoundIsNotSeen holds Options.Body.
func TestBodyBeyondBoundIsNotSeen(t *testing.T) {
	t.Parallel()
	env := newEnv(t, "Subject: x\n\n"+strings.Repeat("0123456789\n", 100)+"needle\n")
	if got := actions(t, `if body :contains "needle" { discard; }`, env, Options{Body: 100}); got != "implicit" {
		t.Error(got)
	}
	if got := actions(t, `if body :raw :contains "needle" { discard; }`, env, Options{Body: 100}); got != "implicit" {
		t.Error(got)
	}
	if got := actions(t, `if body :contains "needle" { discard; }`, env, Options{}); got != "discard" {
		t.Error(got)
	}
}

func TestNumberOfVariables(t *testing.T) {
	t.Parallel()
	src := `require "variables";`
	for i := range maxVariables + 3 {
		src += fmt.Sprintf(`set "v%d" "0";`, i)
	}
	_, err := Compile([]byte(src), Options{})
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(errs[0].Message, "more than 255 variables") {
		t.Error(err)
	}
}
