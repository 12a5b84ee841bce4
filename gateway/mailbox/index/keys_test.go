package index

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/test/cputime"
)

func TestBaseSubjectOfRFC5256(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		subject, base string
		reply         bool
	}{
		{"hello", "HELLO", false},
		{"Re: hello", "HELLO", true},
		{"RE : Fwd: re: hello (fwd) (FWD)", "HELLO", true},
		{"[list] hello", "HELLO", false},
		{"[list][b] Re[2]: hello", "HELLO", true},
		{"Re: [list] Re: hello", "HELLO", true},
		{"[list]", "[LIST]", false},
		{"Re: [list]", "[LIST]", true},
		{"[Fwd: hello]", "HELLO", true},
		{"[fwd: [fwd: Re: hello (fwd)]]", "HELLO", true},
		{"Re:", "", true},
		{"  a \t b\t", "A B", false},
		{"regarding: this", "REGARDING: THIS", false},
		{"[unclosed re: x", "[UNCLOSED RE: X", false},
		{"[[a] b", "[[A] B", false},
		{"Re [a]: x", "X", true},
		{"(fwd)", "", true},
	} {
		got, reply := baseSubject(AppendFold(nil, c.subject))
		if string(got) != c.base || reply != c.reply {
			t.Errorf("%q: %q %v, want %q %v", c.subject, got, reply, c.base, c.reply)
		}
	}
}

func TestPreviewShowsTextWithoutTricks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ msg, want string }{
		"plain":     {"\n Hello\n  world \n\n", "Hello world"},
		"quoted":    {"\n> old\n> old\nnew\n", "new"},
		"only old":  {"\n> old\n", "> old"},
		"signature": {"\nnew\n-- \nMy Company\n", "new"},
		"html":      {"Content-Type: text/html\n\n<style>p{}</style><p>Hi&nbsp;<b>y</b>ou</p><p>there", "Hi you there"},
		"padding":   {"Content-Type: text/html\n\nDeal!&#847;&zwnj;&nbsp;&#8203;&shy;now", "Deal!\u200c now"},
		"charset":   {"Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n8NLJ18XU", "Привет"},
		"unnamed":   {"\ncaf\xe9\n", "café"},
		"long":      {"\n" + strings.Repeat("ä", 300), strings.Repeat("ä", PreviewLength)},
		"empty alternative": {
			"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<p>seen</p>\n--b--\n",
			"seen",
		},
		"file first": {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; filename=a.txt\n\nfile\n--b\n\ntext\n--b--\n", "text"},
		"none":       {"Content-Type: image/png\n\nxx", ""},
	} {
		if got := string(open(t, crlf(c.msg)).Preview()); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSentIsTheDateFieldOrElseTheInternalDate(t *testing.T) {
	t.Parallel()
	internal := time.Date(2026, 11, 20, 23, 30, 0, 0, time.FixedZone("", 2*3600))
	for _, c := range []struct {
		date string
		unix int64
		day  int64
	}{
		{"Thu, 1 Jan 1970 23:30:00 -0500", 86400 + 4*3600 + 1800, 0},
		{"Wed, 31 Dec 1969 23:59:59 +0000", -1, -1},
		{"nonsense", internal.Unix(), time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).Unix() / 86400},
	} {
		r := open(t, "Date: "+c.date+"\r\n\r\n")
		if r.SentUnix(internal) != c.unix || r.SentDay(internal) != c.day || r.Sent(internal).Unix() != c.unix {
			t.Errorf("%s: %d, day %d", c.date, r.SentUnix(internal), r.SentDay(internal))
		}
	}
}

func TestReferencesKeepTheFirstAndTheNewest(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, " <%d@x>\r\n", i)
	}
	var ids []string
	open(t, "References:"+b.String()+"\r\n").References(func(id []byte) bool { ids = append(ids, string(id)); return true })
	if len(ids) != MaxReferences || ids[0] != "0@x" || ids[1] != "201@x" || ids[MaxReferences-1] != "299@x" {
		t.Errorf("%d: %v", len(ids), ids[:3])
	}
}

// TestHostileMessagesAreBounded holds size and, roughly, time.
func TestHostileMessagesAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 60_000)
	for name, msg := range map[string]string{
		"recipients": "To: " + strings.Repeat("a@b.example,\r\n ", 30_000) + "\r\n\r\n",
		"subject":    "Subject: " + strings.Repeat("[a]", 100_000) + "\r\n\r\n",
		"ids":        "References: " + strings.Repeat("<", 400_000) + "\r\n\r\n",
		"groups":     "To: " + strings.Repeat("a:;", 100_000) + "\r\n\r\n",
		"parts":      "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100_000),
		"parameters": "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: a/b; c="+long+"; d="+long+"\r\n\r\nx\r\n", 300),
		"messages":   strings.Repeat("Content-Type: message/rfc822\r\nTo: "+strings.Repeat("a@b,", 200)+"\r\n\r\n", 3000),
		"nested":     nestedMultiparts(1000),
		"languages":  "Content-Language: " + strings.Repeat("a,", 200_000) + "\r\n\r\n",
		"binary":     "A: b\r\n\r\n" + strings.Repeat("\x00\xff\r", 500_000),
	} {
		d := cputime.Of(func() {
			b, err := Make(strings.NewReader(msg))
			if err != nil {
				t.Fatal(err)
			}
			if max := maxEnvelope + 2*maxStructure; len(b) > max {
				t.Errorf("%s: a record of %d octets", name, len(b))
			}
			r, err := Open(b)
			if err != nil {
				t.Fatal(err)
			}
			if s := r.AppendBodyStructure(nil, 0); !balanced(s) || !balanced(r.AppendEnvelope(nil, 0)) || !utf8.Valid(r.Preview()) {
				t.Errorf("%s: not well-formed", name)
			}
		})
		if d > 10*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

func nestedMultiparts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String()
}

func TestGlobalMessagesDependOnTheRevision(t *testing.T) {
	t.Parallel()
	r := open(t, crlf("Subject: caf\u00e9 \"q\"\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/global\n\nSubject: \u00e9\n\nx\n--b\n\ny\n--b--\n"))
	rev1, rev2 := string(r.AppendBodyStructure(nil, 0)), string(r.AppendBodyStructure(nil, Rev2|Quoted8Bit))
	if want := `(("message" "global" NIL NIL NIL "7bit" 16 NIL NIL NIL NIL)("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)`; rev1 != want {
		t.Errorf("rev1 %s", rev1)
	}
	if !strings.Contains(rev2, `(NIL "é" NIL NIL`) || !strings.Contains(rev2, `"7bit" 1 0 NIL NIL NIL NIL) 2 NIL`) {
		t.Errorf("rev2 %s", rev2)
	}
	if e := string(r.AppendEnvelope(nil, Quoted8Bit)); !strings.Contains(e, `"café \"q\""`) {
		t.Errorf("UTF-8 envelope %s", e)
	}
	if e := string(r.AppendEnvelope(nil, 0)); !strings.Contains(e, "{9}\r\ncafé \"q\"") {
		t.Errorf("envelope %s", e)
	}
	if g, ok := r.Section([]uint32{1, 1}, All); !ok || g.Length != 1 {
		t.Errorf("1.1: %v %v", g, ok)
	}
}
