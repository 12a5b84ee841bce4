package message

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestEditKeepsTheRestByteForByte(t *testing.T) {
	t.Parallel()
	h := parseHeader(t, "A: 1\r\nX: gone\r\n too\r\nB : 2\r\nbad line\r\nx: gone\r\nSubject:  =?utf-8?q?caf=C3=A9?=\r\n there\r\nC: 3\r\n")
	e := h.Edit()
	if n := e.Remove("x"); n != 2 {
		t.Errorf("removed %d", n)
	}
	if !e.TagSubject("[SPAM]") {
		t.Error("not tagged")
	}
	e.Prepend([]byte("Second: 2\r\n"))
	e.Prepend([]byte("First: 1\r\n"))
	want := "First: 1\r\nSecond: 2\r\nA: 1\r\nB : 2\r\nbad line\r\nSubject: [SPAM] =?utf-8?q?caf=C3=A9?=\r\n there\r\nC: 3\r\n"
	if got := string(e.Bytes()); got != want || e.Size() != len(want) {
		t.Errorf("got %q", got)
	}
	if len(e.Blocks()) != 6 {
		t.Errorf("%d blocks", len(e.Blocks()))
	}
}

func TestTagSubjectOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, tag, want string }{
		{"Subject: [SPAM] x\r\n", "[SPAM]", "Subject: [SPAM] x\r\n"},
		{"Subject: Re: Fwd: [SPAM] x\r\n", "[SPAM]", "Subject: Re: Fwd: [SPAM] x\r\n"},
		{"Subject: =?utf-8?b?W1NQQU1dIHg=?=\r\n", "[SPAM]", "Subject: =?utf-8?b?W1NQQU1dIHg=?=\r\n"},
		{"Subject: about [SPAM]\r\n", "[SPAM]", "Subject: [SPAM] about [SPAM]\r\n"},
		{"Subject:\r\n", "[SPAM]", "Subject: [SPAM]\r\n"},
		{"A: b\r\n", "[SPAM]", "Subject: [SPAM]\r\nA: b\r\n"},
		{"Subject: a\r\nsubject: b\r\n", "T", "Subject: T a\r\nsubject: T b\r\n"},
		{"Subject: =?utf-8?q?x?=\r\n", "é", "Subject: =?utf-8?q?=C3=A9=C2=A0?= =?utf-8?q?x?=\r\n"},
		{"Subject: a", "T\r\nBcc: x", "Subject: T  Bcc: x a\r\n"},
	} {
		e := parseHeader(t, c.in).Edit()
		e.TagSubject(c.tag)
		if got := string(e.Bytes()); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestRemoveAuthResultsThatClaimUs(t *testing.T) {
	t.Parallel()
	const id = "mx.example.org"
	for v, gone := range map[string]bool{
		"mx.example.org; spf=pass":                    true,
		"mx.example.org 1; spf=pass":                  true,
		"MX.Example.ORG.; none":                       true,
		"\"mx.example.org\"; none":                    true,
		"\"mx\\.example.org\"; none":                  true,
		"(a (b) \\) c) mx.example.org (d) 1 (e); x=y": true,
		"\r\n mx.example.org\r\n ; none":              true,
		"mx.example.org":                              true,
		"; spf=pass":                                  true,
		"":                                            true,
		"(mx.example.org; spf=pass":                   true,
		"\"other; spf=pass":                           true,
		"other mx.example.org; spf=pass":              true,
		"mx\u3002example.org; spf=pass":               true,
		"mx.ex\uff41mple.org; spf=pass":               true,
		"=?utf-8?q?mx=2Eexample.org?=; spf=pass":      true,
		"\"mx.\r\n example.org\"; spf=pass":           true,
		"other.example; spf=pass":                     false,
		"=?utf-8?q?other.example?=; spf=pass":         false,
		"other.example 1; dkim=pass (mx.example.org)": false,
		"\"other.example\"; none":                     false,
		"mx.example.net; none":                        false,
	} {
		e := parseHeader(t, "A: b\r\nAuthentication-Results: "+v+"\r\n").Edit()
		if got := e.RemoveAuthResults("mx2.example.org", id) == 1; got != gone {
			t.Errorf("%q: removed %v, want %v", v, got, gone)
		}
	}
}

func TestFormatField(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "a:b", "ä", "a\r\nb", strings.Repeat("x", 77)} {
		if _, err := FormatField(name, "v"); err == nil {
			t.Errorf("name %q taken", name)
		}
	}
	for v, want := range map[string]string{
		"plain":            "X: plain\r\n",
		"a\r\nBcc: b\x00c": "X: a  Bcc: b c\r\n",
		"":                 "X:\r\n",
		"grün":             "X: =?utf-8?q?gr=C3=BCn?=\r\n",
		strings.Repeat("word ", 30): "X: " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\r\n " +
			strings.TrimSpace(strings.Repeat("word ", 15)) + "\r\n",
	} {
		f, err := FormatField("X", v)
		if err != nil || string(f) != want {
			t.Errorf("%q: %q, %v; want %q", v, f, err, want)
		}
	}
}

// Whatever the value, an added field is one field with short lines.
func FuzzFormatField(f *testing.F) {
	f.Add("a b c")
	f.Add(strings.Repeat("x", 3000))
	f.Add("a\r\n b\r\n\r\nc" + strings.Repeat(" é", 600))
	f.Add(strings.Repeat(" ", 2000) + "x")
	f.Fuzz(func(t *testing.T, v string) {
		raw, err := FormatField("Name", v)
		if err != nil {
			t.Fatal(err)
		}
		checkField(t, raw)
		checkField(t, AppendFolded(nil, "Name: "+v))
		a := AuthResults{ID: v, Results: []AuthResult{{Method: "spf", Result: "pass", Reason: v, Props: []AuthProp{{"smtp", "mailfrom", v}}}}}
		checkField(t, a.Field())
		r := Received{Helo: v, RDNS: v, By: v, With: v, TLS: v, ID: v, For: v}
		checkField(t, r.Field())
	})
}

func checkField(t *testing.T, raw []byte) {
	t.Helper()
	h, err := ParseHeader(raw, HeaderLimits{Bytes: 10 << 20, Field: 10 << 20})
	if err != nil || len(h.Fields()) != 1 || len(h.Raw()) != len(raw) || len(h.fields[0].Name) < 4 {
		t.Fatalf("not one field: %q", raw)
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > maxLine || strings.ContainsAny(line, "\r\n") {
			t.Fatalf("line of %d octets in %q", len(line), raw)
		}
	}
	if !strings.HasSuffix(string(raw), "\r\n") {
		t.Fatal("no line end")
	}
}

func TestReceivedField(t *testing.T) {
	t.Parallel()
	r := Received{
		Helo: "client.example", RDNS: "c.example.", IP: netip.MustParseAddr("::ffff:192.0.2.1"),
		By: "mx.example.org", Software: "Gapura", With: Protocol(false, true, false, true, true),
		TLS: "TLS1.3 TLS_AES_128_GCM_SHA256", ID: "01J", For: "a@example.org",
		Date: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC),
	}
	want := "Received: from client.example (c.example [192.0.2.1])\r\n\t(using TLS1.3 TLS_AES_128_GCM_SHA256)\r\n" +
		"\tby mx.example.org (Gapura) with ESMTPSA id 01J\r\n\tfor <a@example.org>;\r\n\tSat, 03 Feb 2024 04:05:06 +0000\r\n"
	if got := string(r.Field()); got != want {
		t.Errorf("got %q", got)
	}
	r = Received{Helo: "a) by evil;\r\nX: y", IP: netip.MustParseAddr("2001:db8::1%eth0"), By: "mx", With: "SMTP", ID: "é"}
	got := string(r.Field())
	if !strings.HasPrefix(got, "Received: from a??by?evil???X:?y (unknown [IPv6:2001:db8::1])\r\n\tby mx with SMTP id ?;\r\n\t") {
		t.Errorf("got %q", got)
	}
}

func TestProtocolWords(t *testing.T) {
	t.Parallel()
	for want, a := range map[string][5]bool{
		"SMTP":       {},
		"ESMTP":      {1: true},
		"ESMTPS":     {1: true, 3: true},
		"ESMTPSA":    {1: true, 3: true, 4: true},
		"UTF8SMTPSA": {1: true, 2: true, 3: true, 4: true},
		"LMTP":       {0: true, 1: true},
		"LMTPS":      {0: true, 1: true, 3: true},
		"UTF8LMTP":   {0: true, 1: true, 2: true},
	} {
		if got := Protocol(a[0], a[1], a[2], a[3], a[4]); got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
}
