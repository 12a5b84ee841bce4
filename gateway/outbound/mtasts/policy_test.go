package mtasts

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// rfcPolicy is the example of RFC 8461 section 3.2.
const rfcPolicy = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n"

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	p, err := ParsePolicy([]byte(rfcPolicy))
	want := &Policy{
		Mode: Enforce, MaxAge: 604800 * time.Second, MX: []string{"mail.example.com", "*.example.net", "backupmx.example.com"},
		Lines: strings.Split(strings.TrimSuffix(rfcPolicy, "\r\n"), "\r\n"),
	}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.String() != rfcPolicy {
		t.Errorf("printed as %q", p.String())
	}
}

func TestPolicyGrammar(t *testing.T) {
	t.Parallel()
	const ok = "version: STSv1\nmode: testing\nmx: a.example\nmax_age: 1\n"
	for text, valid := range map[string]bool{
		ok:                                    true,
		strings.TrimSuffix(ok, "\n"):          true,
		strings.ReplaceAll(ok, ": ", ":"):     true,
		strings.ReplaceAll(ok, ": ", ": \t "): true,
		strings.ReplaceAll(ok, "\n", " \n"):   true,
		"max_age: 1\nmx: a.example\nmode: enforce\nversion: STSv1": true,
		ok + "mode: nonsense\nversion: STSv2\nmax_age: x\n":        true, // the first counts
		ok + "ext: some thing of ümlauts\n":                        true,
		ok + "x.y-z_9: v":                                          true,
		"version: STSv1\nmode: none\nmax_age: 0\n":                 true,
		strings.Replace(ok, " 1\n", " 9999999999\n", 1):            true,
		strings.Replace(ok, "a.example", "A.Example", 1):           true,
		strings.Replace(ok, "a.example", "*.a.example", 1):         true,
		strings.Replace(ok, "a.example", "localhost", 1):           true,

		"":                false,
		ok + "\n":         false,
		ok + "no colon\n": false,
		ok + "x: \n":      false,
		ok + "_x: y\n":    false,
		ok + ": y\n":      false,
		ok + "x: \x01y\n": false,
		ok + "x: \xff\n":  false,
		"mode: testing\nmx: a.example\nmax_age: 1\n":                 false,
		"version: STSv1\nmx: a.example\nmax_age: 1\n":                false,
		"version: STSv1\nmode: testing\nmx: a.example\n":             false,
		"version: STSv1\nmode: testing\nmax_age: 1\n":                false,
		"version: STSv2\nmode: testing\nmx: a.example\nmax_age: 1\n": false,
		"version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 1\n": false,
		"Version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n": false,
		"version: STSv1\rmode: enforce\rmx: a.example\rmax_age: 1\r": false,
		strings.Replace(ok, " 1\n", " -1\n", 1):                      false,
		strings.Replace(ok, " 1\n", " 99999999999\n", 1):             false,
		strings.Replace(ok, " 1\n", " \n", 1):                        false,
		strings.Replace(ok, " 1\n", " 1 2\n", 1):                     false,
		strings.Replace(ok, "a.example", "", 1):                      false,
		strings.Replace(ok, "a.example", "a.example.", 1):            false,
		strings.Replace(ok, "a.example", "*", 1):                     false,
		strings.Replace(ok, "a.example", "*.", 1):                    false,
		strings.Replace(ok, "a.example", "*.*.example", 1):           false,
		strings.Replace(ok, "a.example", "a*.example", 1):            false,
		strings.Replace(ok, "a.example", ".example", 1):              false,
		strings.Replace(ok, "a.example", "a_b.example", 1):           false,
		strings.Replace(ok, "a.example", "-a.example", 1):            false,
		strings.Replace(ok, "a.example", "bücher.example", 1):        false,
		strings.Replace(ok, "a.example", "a.example,b.example", 1):   false,
		strings.Repeat("x: y\n", 2*maxLines):                         false,
		ok + strings.Repeat("mx: a.example\n", maxPatterns):          false,
		ok + strings.Repeat("x", MaxPolicy):                          false,
	} {
		p, err := ParsePolicy([]byte(text))
		if (err == nil) != valid || err != nil && !errors.Is(err, ErrPolicy) {
			t.Errorf("%.200q: %+v, %v", text, p, err)
		}
	}
	if p, _ := ParsePolicy([]byte(strings.Replace(ok, " 1\n", " 9999999999\n", 1))); p.MaxAge != MaxAge {
		t.Errorf("max_age is %s", p.MaxAge)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	p, err := ParsePolicy([]byte(rfcPolicy))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.Example.COM.": true, "a.example.net": true, "backupmx.example.com": true,
		"example.net": false, "a.b.example.net": false, "mail.example.com.evil.test": false, "xmail.example.com": false,
		".example.net": false, "": false, "aexample.net": false, "*.example.net": true,
	} {
		if got := p.Match(host); got != want {
			t.Errorf("Match(%q) = %v", host, got)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(rfcPolicy))
	f.Add([]byte("version: STSv1\nmode: none\nmax_age: 0"))
	f.Add([]byte("max_age: 10\nx: y z\nmode:testing\nversion:STSv1\nmx:*.a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		again, err := ParsePolicy([]byte(p.String()))
		if err != nil {
			t.Fatalf("%q: printed as %q: %v", text, p, err)
		}
		p.Lines, again.Lines = nil, nil
		if !reflect.DeepEqual(p, again) {
			t.Errorf("%q: %+v became %+v", text, p, again)
		}
		for _, mx := range p.MX {
			if !p.Match(mx) {
				t.Errorf("%q does not match itself", mx)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	p := &Policy{}
	for i := range 20 {
		p.MX = append(p.MX, fmt.Sprintf("*.mx%d.example.net", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Match("a.mx19.example.net")
	}
}
