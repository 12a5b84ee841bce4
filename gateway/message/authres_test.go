package message

import (
	"reflect"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/authres"
)

func TestAuthResultsField(t *testing.T) {
	t.Parallel()
	a := AuthResults{ID: "mx.example.org", Results: []AuthResult{
		{Method: "spf", Result: "pass", Props: []AuthProp{{"smtp", "mailfrom", "a@b.example"}}},
		{Method: "dkim", Result: "fail", Reason: "bad (\"x\")", Props: []AuthProp{{"header", "d", "b.example"}, {"header", "b", "ab/c="}}},
		{Method: "x y", Result: "pass"},
		{Method: "dmarc", Result: "none", Props: []AuthProp{{"header", "from", "evil\r\nX: y"}, {"smtp", "mailfrom", `"a b"@c`}}},
	}}
	want := "Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=a@b.example;\r\n" +
		"\tdkim=fail reason=\"bad (\\\"x\\\")\" header.d=b.example header.b=\"ab/c=\";\r\n" +
		"\tdmarc=none header.from=\"evil  X: y\" smtp.mailfrom=\"\\\"a b\\\"@c\"\r\n"
	got := string(a.Field())
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if id, res, err := authres.Parse(strings.TrimPrefix(got, "Authentication-Results: ")); err != nil || id != a.ID || len(res) != 3 {
		t.Errorf("go-msgauth reads %v, %v, %v", id, res, err)
	}
	if got := (&AuthResults{ID: "x"}).Value(); got != "x; none" {
		t.Errorf("got %q", got)
	}
}

func TestParseAuthResults(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]AuthResults{
		"x; none":                                {ID: "x"},
		"x 1; none":                              {ID: "x"},
		"(c) \"x y\" (d) 2 ;NONE":                {ID: "x y"},
		"x; spf=pass smtp.mailfrom=example.com;": {"x", []AuthResult{{"spf", "pass", "", []AuthProp{{"smtp", "mailfrom", "example.com"}}}}},
		"x; dkim/1 = Pass (good \\) sig) reason = \"a;b\" header . d = e.com header.b=a/b==; arc=none": {"x", []AuthResult{
			{"dkim", "pass", "a;b", []AuthProp{{"header", "d", "e.com"}, {"header", "b", "a/b=="}}}, {Method: "arc", Result: "none"},
		}},
		"x; spf=none smtp.mailfrom=\"a b\"@c.d smtp.helo=": {"x", []AuthResult{{"spf", "none", "", []AuthProp{{"smtp", "mailfrom", "a b@c.d"}, {"smtp", "helo", ""}}}}},
	} {
		got, err := ParseAuthResults(v)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%q: %+v, %v", v, *got, err)
		}
	}
	for _, v := range []string{"", ";", "x", "x; spf", "x; spf=", "x (", "x y; none", "x; spf=pass (", "x; a=b c", "x; =b"} {
		if _, err := ParseAuthResults(v); err == nil {
			t.Errorf("%q taken", v)
		}
	}
	if _, err := ParseAuthResults("x" + strings.Repeat(";a=b", MaxAuthResults+1)); err == nil {
		t.Error("no bound")
	}
}

func FuzzAuthRes(f *testing.F) {
	f.Add("mx.example.org 1; spf=pass (x) smtp.mailfrom=a@b; dkim=fail reason=\"x\" header.d=c")
	f.Add("\"a\\\"b\" (c(d)) ; none")
	f.Fuzz(func(t *testing.T, v string) {
		a, err := ParseAuthResults(v)
		if err != nil {
			return
		}
		printed := a.Value()
		b, err := ParseAuthResults(printed)
		if err != nil {
			t.Fatalf("%q: printed %q: %v", v, printed, err)
		}
		// Cleaning may leave a quoted string a token, once.
		c, err := ParseAuthResults(b.Value())
		if err != nil || !reflect.DeepEqual(b, c) {
			t.Fatalf("%q: %+v, then %+v, %v", v, b, c, err)
		}
	})
}
