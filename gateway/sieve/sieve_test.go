package sieve

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

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
