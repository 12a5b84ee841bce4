package index

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func open(t testing.TB, msg string) Record {
	t.Helper()
	b, err := Make(strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var nested = crlf(`From: "Ann \"A\" Bee" <ann@example.org>
To: g: c@example.com, =?utf-8?q?D=C3=A9?= <d@example.com>;, lonely
Cc: e@example.com
Subject: Re: [list] Fwd:  =?utf-8?q?caf=C3=A9?= (fwd)
Date: Fri, 20 Nov 2026 10:00:00 +0200
Message-ID: <1@example.org>
In-Reply-To: <0@example.org>
References: <a@x> junk <"b"@x>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

> quoted
Gr=FC=DFe  aus
Jena
--b
Content-Type: message/rfc822
Content-Description: inner

Subject: inner
From: x@y

hello
--b
Content-Type: application/pdf; name="a b.pdf"
Content-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=b.pdf
Content-Transfer-Encoding: base64
Content-Language: en, de
Content-MD5: Q2hlY2s=
Content-ID: <i@d>

aGVsbG8=
--b--
`)

func TestARecordAnswersFetch(t *testing.T) {
	t.Parallel()
	r := open(t, nested)
	for _, c := range []struct{ name, got, want string }{
		{"envelope", string(r.AppendEnvelope(nil, 0)), `("Fri, 20 Nov 2026 10:00:00 +0200" "Re: [list] Fwd:  =?utf-8?q?caf=C3=A9?= (fwd)" (("Ann \"A\" Bee" NIL "ann" "example.org")) (("Ann \"A\" Bee" NIL "ann" "example.org")) (("Ann \"A\" Bee" NIL "ann" "example.org")) ((NIL NIL "g" NIL)(NIL NIL "c" "example.com")("=?utf-8?q?D=C3=A9?=" NIL "d" "example.com")(NIL NIL NIL NIL)(NIL NIL "lonely" "MISSING_DOMAIN")) ((NIL NIL "e" "example.com")) NIL "<0@example.org>" "<1@example.org>")`},
		{"structure", string(r.AppendBodyStructure(nil, 0)), `(("text" "plain" ("charset" "iso-8859-1") NIL NIL "quoted-printable" 30 2 NIL NIL NIL NIL)("message" "rfc822" NIL NIL "inner" "7bit" 34 (NIL "inner" ((NIL NIL "x" "y")) ((NIL NIL "x" "y")) ((NIL NIL "x" "y")) NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)("application" "pdf" ("name" "a b.pdf") "<i@d>" NIL "base64" 8 "Q2hlY2s=" ("attachment" ("filename*" "utf-8''a%20b.pdf")) ("en" "de") NIL) "mixed" ("boundary" "b") NIL NIL NIL)`},
		{"body", string(r.AppendBody(nil, 0)), `(("text" "plain" ("charset" "iso-8859-1") NIL NIL "quoted-printable" 30 2)("message" "rfc822" NIL NIL "inner" "7bit" 34 (NIL "inner" ((NIL NIL "x" "y")) ((NIL NIL "x" "y")) ((NIL NIL "x" "y")) NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0) 3)("application" "pdf" ("name" "a b.pdf") "<i@d>" NIL "base64" 8) "mixed")`},
		{"preview", string(r.Preview()), "Grüße aus Jena"},
		{"base subject", string(r.BaseSubject()), "CAFE\u0301"},
		{"subject", string(r.Subject()), "RE: [LIST] FWD:  CAFE\u0301 (FWD)"},
		{"sort from", string(r.SortFrom()), "ANN"},
		{"sort to", string(r.SortTo()), "G"},
		{"display from", string(r.DisplayFrom()), `ANN "A" BEE`},
		{"message-id", string(r.MessageID()), "1@example.org"},
		{"sent", r.Sent(time.Time{}).String(), "2026-11-20 10:00:00 +0200 +0200"},
		{"author", string(r.Author()), "ann@example.org"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, c.got, c.want)
		}
	}
	var refs []string
	r.References(func(id []byte) bool { refs = append(refs, string(id)); return true })
	if strings.Join(refs, " ") != "a@x b@x" {
		t.Errorf("references %q", refs)
	}
	if !r.Attachment() || !r.IsReply() || r.Has(FlagHeader8Bit) || r.Size() != int64(len(nested)) {
		t.Errorf("flags %b, size %d", r.Flags(), r.Size())
	}
}

func TestSectionsAreRanges(t *testing.T) {
	t.Parallel()
	r := open(t, nested)
	for _, c := range []struct {
		path []uint32
		s    Section
		want string
		no   bool
	}{
		{nil, All, nested, false},
		{nil, Header, nested[:strings.Index(nested, "--b\r\n")], false},
		{nil, Text, nested[strings.Index(nested, "--b\r\n"):], false},
		{nil, MIME, "", true},
		{[]uint32{1}, All, "> quoted\r\nGr=FC=DFe  aus\r\nJena", false},
		{[]uint32{1}, MIME, "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", false},
		{[]uint32{1}, Header, "", true},
		{[]uint32{1, 1}, All, "", true},
		{[]uint32{2}, All, "Subject: inner\r\nFrom: x@y\r\n\r\nhello", false},
		{[]uint32{2}, MIME, "Content-Type: message/rfc822\r\nContent-Description: inner\r\n\r\n", false},
		{[]uint32{2}, Header, "Subject: inner\r\nFrom: x@y\r\n\r\n", false},
		{[]uint32{2}, Text, "hello", false},
		{[]uint32{2, 1}, All, "hello", false},
		{[]uint32{2, 2}, All, "", true},
		{[]uint32{2, 1, 1}, All, "", true},
		{[]uint32{3}, All, "aGVsbG8=", false},
		{[]uint32{4}, All, "", true},
		{[]uint32{0}, All, "", true},
	} {
		got, ok := r.Section(c.path, c.s)
		if ok == c.no || ok && nested[got.Offset:got.Offset+got.Length] != c.want {
			t.Errorf("%v %d: %v %v", c.path, c.s, got, ok)
		}
	}
	p, ok := r.Part([]uint32{3})
	if !ok || p.Decoded != 5 || p.Encoding != EncodingBase64 {
		t.Fatalf("part %+v %v", p, ok)
	}
	d, _ := p.Decode(strings.NewReader(nested[p.Offset : p.Offset+p.Length]))
	if b, err := io.ReadAll(d); string(b) != "hello" || err != nil {
		t.Errorf("decoded %q %v", b, err)
	}
}

func textMessage() string {
	return crlf("Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0200\nFrom: Ann <ann@example.org>\nTo: Bob <bob@example.com>, c@example.net\nSubject: minutes of the meeting\nDate: Fri, 20 Nov 2026 10:00:00 +0200\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" +
		strings.Repeat("A line of some sixty octets that says nothing in particular.\n", 60))
}

func BenchmarkMake(b *testing.B) {
	big := "From: a@b\r\nContent-Type: multipart/mixed; boundary=xyz\r\n\r\n--xyz\r\n\r\nhello\r\n--xyz\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 100000) + "--xyz--\r\n"
	for _, c := range []struct{ name, msg string }{{"text-4k", textMessage()}, {"nested", nested}, {"base64-8m", big}, {"text-8m", textMessage() + strings.Repeat("-- a line of text as lines go, seventy octets of it or so, and its end\r\n", 100000)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.msg)))
			r := strings.NewReader("")
			n := 0
			for b.Loop() {
				r.Reset(c.msg)
				rec, err := Make(r)
				if err != nil {
					b.Fatal(err)
				}
				n = len(rec)
			}
			b.ReportMetric(float64(n), "record-octets")
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	rec, err := Make(strings.NewReader(nested))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	dst := make([]byte, 0, 4096)
	for b.Loop() {
		r, err := Open(rec)
		if err != nil {
			b.Fatal(err)
		}
		dst = r.AppendEnvelope(dst[:0], 0)
		dst = r.AppendBodyStructure(dst, 0)
		if _, ok := r.Section([]uint32{2, 1}, All); !ok || !bytes.Contains(r.Subject(), []byte("CAF")) {
			b.Fatal("wrong")
		}
	}
}
