package message

import (
	"errors"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
)

// show writes mailboxes as name|local|domain|group.
func show(boxes []Mailbox) string {
	var out []string
	for _, b := range boxes {
		s := b.Name + "|" + b.Address.Local + "|" + b.Address.Domain
		if b.Group != "" {
			s += "|" + b.Group
		}
		out = append(out, s)
	}
	return strings.Join(out, " & ")
}

func TestParseAddressList(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"a@b.c":                             "|a|b.c",
		"<a@b.c>":                           "|a|b.c",
		" John Q. Public <a.b@c.d> ":        "John Q. Public|a.b|c.d",
		"\"Joe, (x) \\\"y\\\"\" <a@b>":      "Joe, (x) \"y\"|a|b",
		"a@b, c@d,, e@f":                    "|a|b & |c|d & |e|f",
		"a@b (John (x) Doe)":                "John (x) Doe|a|b",
		"(c)a(c) . (c)b(c)@(c)c(c).(c)d(c)": "c|a.b|c.d",
		"\"a b\"@c, <\"x@y\".z@w>":          "|a b|c & |x@y.z|w",
		"Team: A <a@b>, c@d; , e@f":         "A|a|b|Team & |c|d|Team & |e|f",
		"undisclosed-recipients:;":          "",
		"":                                  "",
		"a@[192.0.2.1], b@[IPv6: ::1]":      "|a|[192.0.2.1] & |b|[IPv6:::1]",
		"=?utf-8?q?J=C3=B6rg?= =?utf-8?b?IHg=?= <a@b>": "Jörg x|a|b",
		"Pelé <pelé@exámple.com>":                      "Pelé|pelé|exámple.com",
		"john@corp.com <john@corp.com>":                "john@corp.com|john|corp.com",
		"a@b.com via List <l@c.d>":                     "a@b.com via List|l|c.d",
		"Dr.Who <a@b>":                                 "Dr.Who|a|b",
	} {
		got, err := ParseAddressList(v)
		if err != nil || show(got) != want {
			t.Errorf("%q: %s, %v; want %s", v, show(got), err, want)
		}
	}
}

// Malformed lists give an error and what a generous reader takes.
func TestMalformedAddressLists(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"a":                       "",
		"a b@c":                   "|b|c",
		"<a@b> <c@d>":             "|a|b & |c|d",
		"a@b c@d":                 "|a|b & |c|d",
		"<a@b":                    "|a|b",
		"<a>":                     "|a|",
		"<>":                      "",
		"@b":                      "||b",
		"a@":                      "|a|",
		"<@x,@y:a@b>":             "|a|b",
		"a@b@c":                   "|a|b & |a|c",
		"\"a@b":                   "",
		"(a@b":                    "",
		"x: y: a@b;":              "|a|b|y",
		"x: a@b":                  "|a|b|x",
		"a@b;":                    "|a|b",
		"a\x00b@c":                "|b|c",
		"<a@b\\,@c>":              "|a|b",
		"<a@b>\\, <c@d>":          "|a|b & |c|d",
		"<a@b> x":                 "|a|b",
		"<a@b <c@d>":              "|a|b & |c|d",
		"A, B. <a@b>":             "A, B.|a|b",
		"A, <a@b>, C, c@d, <e@f>": "A|a|b & |c|d & |e|f",
		"A; <a@b>":                "|a|b",
		"A, g: <a@b>;":            "|a|b|g",
	} {
		got, err := ParseAddressList(v)
		if !errors.Is(err, ErrAddress) || show(got) != want {
			t.Errorf("%q: %s, %v; want %s", v, show(got), err, want)
		}
	}
	var le *LimitError
	if boxes, err := ParseAddressList(strings.Repeat("a@b,", MaxMailboxes+1)); !errors.As(err, &le) || len(boxes) != MaxMailboxes {
		t.Errorf("%d mailboxes, %v", len(boxes), err)
	}
}

func TestAuthorDomains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, want string
		ok        bool
	}{
		{"From: A <a@Example.COM.>\r\n", "example.com", true},
		{"from: a@x.org, b@y.org, c@X.org\r\n", "x.org y.org", true},
		{"From: a@x.org <b@y.org>\r\n", "y.org", true},
		{"From : a@x.org\r\n", "x.org", true},
		{"From: a@x.org\r\nFrom: b@y.org\r\n", "x.org y.org", false},
		{"From: <@evil.example,@any.example:a@x.org>\r\n", "x.org evil.example any.example", false},
		{"From: \"a@x.org\" <b@y.org\r\n", "y.org x.org", false},
		{"From: none\r\n", "", false},
		{"From: =?utf-8?q?ceo=40x=2Eorg?=\r\n", "x.org", false},
		{"From: =?utf-8?b?Y2VvQHgub3Jn?=\r\n", "x.org", false},
		{"From: a@\"x.org\"\r\n", "x.org", false},
		{"From:\r\n", "", false},
		{"To: a@b\r\n", "", false},
	} {
		got, err := AuthorDomains(parseHeader(t, c.raw))
		if strings.Join(got, " ") != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %v, %v; want %s", c.raw, got, err, c.want)
		}
	}
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"plain =? text":                      "plain =? text",
		"=?iso-8859-1?Q?caf=E9?=":            "café",
		"=?ISO-8859-1*fr?q?a_b?=":            "a b",
		"=?utf-8?B?4oI=?= =?utf-8?B?rA==?=":  "€",
		"=?utf-8?q?a?= =?utf-8?q?b?= c":      "ab c",
		"x =?utf-8?q?a?= y =?utf-8?q?b?=":    "x a y b",
		"(=?utf-8?q?a?=)":                    "(a)",
		"=?utf-8?q?really??=":                "really?",
		"=?utf-8?q?with space?=":             "with space",
		"=?utf-8?b?YQ?=":                     "a",
		"=?nosuch?q?=E9?=":                   "é",
		"=?utf-8?x?abc?=":                    "=?utf-8?x?abc?=",
		"=?utf-8?q?open":                     "=?utf-8?q?open",
		"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=": "日本",
		"=?koi8-r?B?8NLJ18XU?=":              "Привет",
		"=?gb2312?B?xOO6ww==?=":              "你好",
		"raw \xff":                           "raw \ufffd",
	} {
		if got := DecodeText(v); got != want {
			t.Errorf("%q: %q, want %q", v, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	want := time.Date(2024, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	for _, v := range []string{
		"Sat, 03 Feb 2024 04:05:06 +0100", "3 Feb 2024 04:05:06 +0100", "Sat,\t3 Feb 2024 04:05:06 +0100 (CET)",
		"(a) Sat, 3 (b(c)) Feb 2024 04:05:06 +0100",
	} {
		if got, err := ParseDate(v); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "yesterday", "Sat, 32 Feb 2024 04:05:06 +0100", "(", strings.Repeat(" ", 1000) + "3 Feb 2024 04:05:06 +0100"} {
		if got, err := ParseDate(v); err == nil {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestParseMessageID(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"<a.b@c.d>": "<a.b@c.d>", " (x) <\"a b\"@[1]> ": "<\"a b\"@[1]>", "<a+/=@b>": "<a+/=@b>",
	} {
		if got, err := ParseMessageID(v); got != want || err != nil {
			t.Errorf("%q: %q, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "a@b", "<a>", "<a@b", "<a@b> <c@d>", "<a@b>x", "<>", "<a@b@c>", "<a@b>,<c@d>"} {
		if got, err := ParseMessageID(v); err == nil {
			t.Errorf("%q: %q", v, got)
		}
	}
}

// What net/mail takes, we take, with the same addresses; and what we take for
// well-formed is read the same when it is printed.
func FuzzAddressList(f *testing.F) {
	f.Add("A B <a@b.c>, \"x\\\"y\" <c@d> (z), g: e@f;")
	f.Add("=?utf-8?q?a?= <a@[1.2.3.4]>")
	f.Add("a . b @ c . d, <@r:a@b>")
	f.Fuzz(func(t *testing.T, v string) {
		if strings.ContainsAny(v, "\r\n") {
			return
		}
		boxes, err := ParseAddressList(v)
		_, _ = AuthorDomains(&Header{fields: []Field{{Name: "From", Raw: []byte("From:" + v), body: 5}}})
		_, _ = ParseMessageID(v)
		if theirs, e := mail.ParseAddressList(v); e == nil {
			var want, got []string
			for _, a := range theirs {
				i := strings.LastIndexByte(a.Address, '@')
				want = append(want, strings.ToLower(a.Address[i+1:]))
			}
			for _, b := range boxes {
				got = append(got, strings.ToLower(b.Address.Domain))
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%q: %q, %v; net/mail %q", v, got, err, want)
			}
		}
	})
}

func FuzzDate(f *testing.F) {
	f.Add("Sat, 03 Feb 2024 04:05:06 +0100 (CET)")
	f.Fuzz(func(_ *testing.T, v string) { _, _ = ParseDate(v) })
}

func FuzzDecodeText(f *testing.F) {
	f.Add("=?utf-8?q?a?= =?iso-2022-jp?b?GyRC?= x")
	f.Add("=?a?q?" + strings.Repeat("=?", 50))
	f.Fuzz(func(t *testing.T, v string) {
		if got := DecodeText(v); strings.ToValidUTF8(got, "") != got {
			t.Errorf("%q: no UTF-8", got)
		}
	})
}
