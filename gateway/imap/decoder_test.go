package imap_test

import (
	"errors"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imap"
)

func decoder(s string) *imap.Decoder {
	d := new(imap.Decoder)
	d.Reset([]byte(s))
	return d
}

func TestCommandsBegin(t *testing.T) {
	for _, c := range []struct {
		in   string
		name imap.Name
		uid  bool
		tag  string
		rest string
	}{
		{"a1 noop", imap.CmdNoop, false, "a1", ""},
		{"A.2 UID fetch 1 FLAGS", imap.CmdFetch, true, "A.2", " 1 FLAGS"},
		{"x uid search all", imap.CmdSearch, true, "x", " all"},
		{"x GetQuotaRoot INBOX", imap.CmdGetQuotaRoot, false, "x", " INBOX"},
		{"x uid noop", "", true, "x", ""},
		{"x frobnicate", "", false, "x", ""},
		{"x ", "", false, "x", ""},
		{"+ noop", "", false, "", ""},
		{"", "", false, "", ""},
	} {
		d := decoder(c.in)
		var cmd imap.Command
		ok := d.Command(&cmd)
		if ok != (c.name != "") || string(cmd.Tag) != c.tag || ok && (cmd.Name != c.name || cmd.UID != c.uid || string(d.Rest()) != c.rest) {
			t.Errorf("%q: %v %+v %q %v", c.in, ok, cmd, d.Rest(), d.Err())
		}
	}
}

func TestStringsInEveryForm(t *testing.T) {
	for in, want := range map[string]string{
		`"a b"`:              "a b",
		`""`:                 "",
		`"a\"b\\c"`:          `a"b\c`,
		"{3}\r\nabc":         "abc",
		"{3+}\r\na\r\n":      "a\r\n",
		"{0}\r\n":            "",
		"abc]":               "abc]",
		"!#$&'+,-./:;<=>?@^": "!#$&'+,-./:;<=>?@^",
		`"é"`:                "é",
	} {
		d := decoder(in)
		var b []byte
		if !d.Astring(&b) || !d.End() || string(b) != want {
			t.Errorf("%q: %q %v", in, b, d.Err())
		}
	}
	for _, in := range []string{
		"", `"a`, `"a\`, `"a\b"`, "\"a\r\"", "{3}\r\nab", "{3}abc", "{}\r\n", "{3 }\r\nabc", "(", ")", "a b", "a(", "~{1}\r\na", "\"\xff\"", "{1}\r\n\x00",
	} {
		d := decoder(in)
		var b []byte
		if d.Astring(&b) && d.End() {
			t.Errorf("%q: taken as %q", in, b)
		}
		if _, ok := errors.AsType[*imap.SyntaxError](d.Err()); !ok {
			t.Errorf("%q: %v", in, d.Err())
		}
	}
	d := decoder("{3}")
	var b []byte
	if d.Astring(&b) || !errors.Is(d.Err(), imap.ErrMore) {
		t.Errorf("literal without octets: %v", d.Err())
	}
	d = decoder("~{2}\r\n\x00a")
	if !d.String8(&b) || string(b) != "\x00a" {
		t.Errorf("literal8: %q %v", b, d.Err())
	}
}

func TestLiteralsAtTheEndOfALine(t *testing.T) {
	for in, want := range map[string]imap.Literal{
		"a LOGIN {4}":          {Size: 4, Head: 3},
		"a LOGIN {4+}":         {Size: 4, NonSync: true, Head: 4},
		"a LOGIN {4-}":         {Size: 4, NonSync: true, Head: 4},
		"a APPEND x ~{310}":    {Size: 310, Binary: true, Head: 6},
		"a APPEND x (~{310}":   {Size: 310, Binary: true, Head: 6},
		"a X a~{3}":            {Size: 3, Head: 3},
		"{0}":                  {Head: 3},
		"~{0}":                 {Head: 4, Binary: true},
		"{999999999999999999}": {Size: 999999999999999999, Head: 20},
	} {
		got, ok := imap.LiteralAtEnd([]byte(in))
		if !ok || got != want {
			t.Errorf("%q: %+v %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "{}", "{+}", "3}", "a {3", "a {3++}", "{1234567890123456789}", "{-3}"} {
		if got, ok := imap.LiteralAtEnd([]byte(in)); ok {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestMailboxNames(t *testing.T) {
	for in, want := range map[string]string{
		"inBox":                    "INBOX",
		`"p&AOQA5A-"`:              "pää",
		"&ZeVnLIqe-":               "日本語",
		"&2D3eAA-":                 "\U0001f600",
		"a&-b":                     "a&b",
		"a&b":                      "a&b",
		"&AGE-":                    "&AGE-", // "a" must not be shifted
		"&AOQ-&AOQ-":               "&AOQ-&AOQ-",
		"pää":                      "pää",
		"!#$&'+,-./:;<=>?@^_`|[}]": "!#$&'+,-./:;<=>?@^_`|[}]",
	} {
		if in[0] == '!' {
			in = in[:len(in)-2] + "]"
			want = in
		}
		d := decoder(in)
		var got string
		if !d.Mailbox(&got) || !d.End() || got != want {
			t.Errorf("%q: %q %v", in, got, d.Err())
		}
	}
	for _, name := range []string{"", "a&b", "日本語/ä&ö", "\U0001f600", "plain", "a\tb", "-&-"} {
		enc := imap.EncodeUTF7(name)
		if got, ok := imap.DecodeUTF7(enc); !ok || got != name {
			t.Errorf("%q: %q %q %v", name, enc, got, ok)
		}
	}
}

func TestNumberSets(t *testing.T) {
	for _, c := range []struct {
		in   string
		last uint32
		want string
	}{
		{"1", 5, "1"},
		{"1,2,3", 5, "1:3"},
		{"5:1", 5, "1:5"},
		{"*", 7, "7"},
		{"*:3", 7, "3:7"},
		{"9:*", 7, "7:9"},
		{"1:*", 0, ""},
		{"3:5,1,4:8,10", 20, "1,3:8,10"},
		{"4294967295,1:4294967294", 20, "1:4294967295"},
	} {
		d := decoder(c.in)
		var s imap.NumSet
		if !d.NumSet(&s) || !d.End() {
			t.Errorf("%q: %v", c.in, d.Err())
		}
		if s.String() != c.in {
			t.Errorf("%q printed %q", c.in, s.String())
		}
		s.Resolve(c.last)
		if s.String() != c.want {
			t.Errorf("%q of %d: %q, want %q", c.in, c.last, s.String(), c.want)
		}
	}
	for _, in := range []string{"", "0", "1,", ",1", "1:", "a", "4294967296", "1;2", "-1", "1:0"} {
		d := decoder(in)
		var s imap.NumSet
		if d.NumSet(&s) && d.End() {
			t.Errorf("%q taken as %s", in, s.String())
		}
	}
	s := imap.NumSet{Ranges: []imap.Range{{2, 4}, {7, 7}, {9, 12}}}
	var n uint64
	for i := range uint32(15) {
		in := i >= 2 && i <= 4 || i == 7 || i >= 9 && i <= 12
		if s.Contains(i) != in {
			t.Errorf("contains %d: %v", i, !in)
		}
	}
	for i := range s.All() {
		n++
		if !s.Contains(i) {
			t.Errorf("%d is not in", i)
		}
	}
	if n != s.Len() {
		t.Errorf("%d numbers, %d counted", n, s.Len())
	}
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		`"17-Jul-1996 02:44:25 -0700"`: `"17-Jul-1996 02:44:25 -0700"`,
		`" 7-jul-1996 02:44:25 +0000"`: `" 7-Jul-1996 02:44:25 +0000"`,
		`"29-Feb-2024 23:59:60 +0530"`: `"29-Feb-2024 23:59:59 +0530"`,
	} {
		d := decoder(in)
		var got timeValue
		if !d.DateTime(&got.t) || !d.End() || got.String() != want {
			t.Errorf("%s: %s %v", in, got, d.Err())
		}
	}
	for _, in := range []string{`"31-Feb-2024 00:00:00 +0000"`, `"1-Feb-2024 24:00:00 +0000"`, `"01-Feb-2024 00:00:00"`, `01-Feb-2024`, `"00-Feb-2024 00:00:00 +0000"`} {
		d := decoder(in)
		var got timeValue
		if d.DateTime(&got.t) {
			t.Errorf("%s: %s", in, got)
		}
	}
	for in, ok := range map[string]bool{"1-Feb-1994": true, `"1-Feb-1994"`: true, "01-feb-1994": true, "31-Feb-1994": false, `"1-Feb-1994`: false, "1-Fee-1994": false, "1-Feb-94": false, "": false} {
		d := decoder(in)
		var got timeValue
		if (d.Date(&got.t) && d.End()) != ok {
			t.Errorf("%s: %s %v", in, got, d.Err())
		}
	}
}

func TestFlags(t *testing.T) {
	d := decoder(`(\Seen \DELETED $Forwarded custom Custom NIL)`)
	var f imap.Flags
	if !d.FlagList(&f) || !d.End() {
		t.Fatal(d.Err())
	}
	if got := string(imap.AppendFlags(nil, f.System, f.Keywords...)); got != `\Deleted \Seen $Forwarded custom NIL` {
		t.Errorf("%s", got)
	}
	for _, in := range []string{`(\Recent)`, `(\Foo)`, `(\)`, `(a`, `(a  b)`, `("a")`, `(a])`} {
		if d := decoder(in); d.FlagList(&f) && d.End() {
			t.Errorf("%s: %+v", in, f)
		}
	}
}
