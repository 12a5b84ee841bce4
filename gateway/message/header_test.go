package message

import (
	"bytes"
	"errors"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func parseHeader(t testing.TB, s string) *Header {
	t.Helper()
	h, err := ParseHeader([]byte(s), HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHeaderFields(t *testing.T) {
	t.Parallel()
	const raw = "Received: from a\r\n\tby b;\r\n now\r\nSubject:one\r\nno colon here\r\n" +
		"From the mbox: x\r\nsubject : two \r\nEmpty:\r\nLF: only\nX: y\r\n"
	h := parseHeader(t, raw+"\r\nSubject: in the body\r\n")
	if string(h.Raw()) != raw {
		t.Errorf("Raw = %q", h.Raw())
	}
	want := []struct{ name, value, body string }{
		{"Received", "from a\tby b; now", " from a\r\n\tby b;\r\n now\r\n"},
		{"Subject", "one", "one\r\n"},
		{"", "no colon here", "no colon here\r\n"},
		{"", "From the mbox: x", "From the mbox: x\r\n"},
		{"subject", "two", " two \r\n"},
		{"Empty", "", "\r\n"},
		{"LF", "only", " only\n"},
		{"X", "y", " y\r\n"},
	}
	if len(h.Fields()) != len(want) {
		t.Fatalf("%d fields, want %d", len(h.Fields()), len(want))
	}
	for i, f := range h.Fields() {
		if w := want[i]; f.Name != w.name || f.Value() != w.value || string(f.Body()) != w.body {
			t.Errorf("field %d: %q %q %q, want %q", i, f.Name, f.Value(), f.Body(), w)
		}
	}
	if v, ok := h.Get("SUBJECT"); v != "one" || !ok {
		t.Errorf("Get = %q, %v", v, ok)
	}
	if _, ok := h.Get("\u212aX"); ok {
		t.Error("found a name that is not there")
	}
	if n := len(h.All("subject")); n != 2 || h.Count("Subject") != 2 {
		t.Errorf("All: %d, Count: %d, want 2", n, h.Count("Subject"))
	}
	var names []string
	for _, d := range h.Defects() {
		names = append(names, string(d.Name))
	}
	if got := strings.Join(names, " "); got != "no-field no-field space-before-colon bare-lf" {
		t.Errorf("defects: %s", got)
	}
}

func TestHeaderBounds(t *testing.T) {
	t.Parallel()
	field := "A: " + strings.Repeat("x", 60) + "\r\n"
	for _, c := range []struct {
		raw  string
		lim  HeaderLimits
		what string
	}{
		{strings.Repeat(field, 10), HeaderLimits{Bytes: 649}, "header bytes"},
		{strings.Repeat(field, 10), HeaderLimits{Bytes: 650}, ""},
		{strings.Repeat(field, 10) + "\r\n" + strings.Repeat("body", 1000), HeaderLimits{Bytes: 650}, ""},
		{field + field, HeaderLimits{Field: 64}, "field bytes"},
		{field + field, HeaderLimits{Field: 65}, ""},
		{field + field + field, HeaderLimits{Fields: 2}, "header fields"},
		{field + field, HeaderLimits{Fields: 2}, ""},
		{strings.Repeat("a:\n", DefaultHeaderFields+1), HeaderLimits{}, "header fields"},
		{strings.Repeat(" fold\n", DefaultFieldBytes/6+1), HeaderLimits{}, "field bytes"},
		{strings.Repeat("a", DefaultHeaderBytes+1), HeaderLimits{}, "header bytes"},
	} {
		h, err := ParseHeader([]byte(c.raw), c.lim)
		if h == nil {
			t.Fatal("no header")
		}
		var le *LimitError
		if c.what == "" && err != nil || c.what != "" && (!errors.As(err, &le) || le.What != c.what) {
			t.Errorf("%.20q %+v: %v, want %q", c.raw, c.lim, err, c.what)
		}
	}
}

// EndOfHeader must find the same wherever the bytes are cut.
func TestEndOfHeaderInPieces(t *testing.T) {
	t.Parallel()
	for msg, want := range map[string][2]int{
		"A: b\r\n\r\nbody\r\n\r\n": {6, 8},
		"A: b\n\nbody":             {5, 6},
		"A: b\r\n\nbody":           {6, 7},
		"\r\nbody":                 {0, 2},
		"\nbody":                   {0, 1},
		"A: b\r\nC: d\r\n":         {-1, 0},
		"A: b\n\r \n x\r\n\r\n":    {12, 14},
		"":                         {-1, 0},
		"\r":                       {-1, 0},
		"A\r\r\n\r\n":              {4, 6},
	} {
		for step := 1; step <= max(1, len(msg)); step++ {
			got, from := [2]int{-1, 0}, 0
			for n := min(step, len(msg)); ; n = min(n+step, len(msg)) {
				if h, b, ok := EndOfHeader([]byte(msg[:n]), from); ok {
					got = [2]int{h, b}
					break
				}
				if from = n; n == len(msg) {
					break
				}
			}
			if got != want {
				t.Errorf("%q by %d: %v, want %v", msg, step, got, want)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("From: a@b\r\nSubject: x\r\n y\r\n\r\nbody"))
	f.Add([]byte("no colon\nA :b\n \n\tc\r\rd\n\n"))
	f.Add([]byte(": x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := ParseHeader(raw, HeaderLimits{Bytes: 4096, Field: 1000, Fields: 20})
		if !bytes.HasPrefix(raw, h.Raw()) {
			t.Fatal("Raw is not the beginning")
		}
		var joined []byte
		for _, f := range h.Fields() {
			joined = append(joined, f.Raw...)
			if strings.ContainsAny(f.Value(), "\n") {
				t.Errorf("value with a line end: %q", f.Value())
			}
			if f.Name != "" && !ValidFieldName(f.Name) && len(f.Name) <= maxNameLen {
				t.Errorf("name %q", f.Name)
			}
		}
		if !bytes.Equal(joined, h.Raw()) {
			t.Fatal("the fields are not the block")
		}
		if err == nil {
			end, _, ok := EndOfHeader(raw, 0)
			if !ok {
				end = len(raw)
			}
			if end != len(h.Raw()) {
				t.Fatalf("EndOfHeader %d, ParseHeader %d", end, len(h.Raw()))
			}
			again, err := ParseHeader(h.Raw(), HeaderLimits{})
			if err != nil || len(again.Fields()) != len(h.Fields()) {
				t.Fatal("parsed again, it differs")
			}
		}
		e := h.Edit()
		e.RemoveAuthResults("mx.example.org")
		e.TagSubject("[x]")
		if e.Size() != len(e.Bytes()) {
			t.Fatal("Size")
		}
		// What net/mail takes for a header has the fields that we see.
		if m, err := mail.ReadMessage(bytes.NewReader(append(h.Raw(), "\r\n"...))); err == nil {
			for k := range m.Header {
				if ValidFieldName(k) && h.Count(k) == 0 {
					t.Errorf("net/mail sees %q", k)
				}
			}
		}
	})
}

func BenchmarkParseHeader(b *testing.B) {
	raw := []byte(strings.Repeat("Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.net with ESMTPS id 123;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n", 5) +
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from:to;\r\n b=" + strings.Repeat("abcd", 80) + "\r\n" +
		"From: a@example.org\r\nTo: b@example.net\r\nSubject: hello there\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <a@b>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseHeader(raw, HeaderLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceived(b *testing.B) {
	r := Received{
		Helo: "mail.example.org", RDNS: "mail.example.org", IP: netip.MustParseAddr("192.0.2.1"), By: "mx1.example.net", Software: "Gapura",
		With: "ESMTPS", TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256", ID: "01M805TBQAWACCN0KV2BNA9RVH", For: "user@example.net",
		Date: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC),
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Field()
	}
}
