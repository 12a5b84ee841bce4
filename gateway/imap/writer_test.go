package imap_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// chunks counts writes.
type chunks struct {
	bytes.Buffer
	writes int
	fail   error
}

func (c *chunks) Write(b []byte) (int, error) {
	c.writes++
	if c.fail != nil {
		return 0, c.fail
	}
	return c.Buffer.Write(b)
}

func TestWriterChoosesTheForm(t *testing.T) {
	for _, c := range []struct {
		utf8 bool
		do   func(w *imap.Writer)
		want string
	}{
		{false, func(w *imap.Writer) { w.String(`a "b" \c`) }, `"a \"b\" \\c"`},
		{false, func(w *imap.Writer) { w.String("é") }, "{2}\r\né"},
		{true, func(w *imap.Writer) { w.String("é") }, `"é"`},
		{true, func(w *imap.Writer) { w.String("\xff") }, "{1}\r\n\xff"},
		{true, func(w *imap.Writer) { w.String("a\r\nb") }, "{4}\r\na\r\nb"},
		{false, func(w *imap.Writer) { w.NString(nil).SP().NString([]byte{}) }, `NIL ""`},
		{false, func(w *imap.Writer) { w.Mailbox("é") }, "&AOk-"},
		{true, func(w *imap.Writer) { w.Mailbox("é") }, `"é"`},
		{false, func(w *imap.Writer) { w.Mailbox("a b") }, `"a b"`},
		{false, func(w *imap.Writer) { w.Mailbox("INBOX") }, `INBOX`},
		{false, func(w *imap.Writer) { w.Mailbox("nil") }, `"nil"`},
		{false, func(w *imap.Writer) { w.Flags(imap.Seen|imap.Draft, "a", "b") }, `(\Seen \Draft a b)`},
		{false, func(w *imap.Writer) { w.Flags(0, "a", "b") }, `(a b)`},
		{false, func(w *imap.Writer) { w.Flags(0) }, `()`},
		{false, func(w *imap.Writer) { w.DateTime(time.Unix(0, 0).UTC()) }, `" 1-Jan-1970 00:00:00 +0000"`},
		{false, func(w *imap.Writer) { w.LiteralHead(5, true).Raw("abcde") }, "~{5}\r\nabcde"},
		{false, func(w *imap.Writer) { w.Untagged().Num(5).SP().Uint(1 << 62).CRLF() }, "* 5 4611686018427387904\r\n"},
	} {
		var out bytes.Buffer
		w := imap.NewWriter(&out)
		w.UTF8 = c.utf8
		c.do(w)
		if err := w.Flush(); err != nil || out.String() != c.want {
			t.Errorf("%q, want %q, %v", out.String(), c.want, err)
		}
	}
}

func TestWriterWritesMuchInFewCalls(t *testing.T) {
	var out chunks
	w := imap.NewWriter(&out)
	var want strings.Builder
	for range 5000 {
		w.Raw("* 1 FETCH (UID 5)\r\n")
		want.WriteString("* 1 FETCH (UID 5)\r\n")
	}
	big := strings.Repeat("x", 100<<10)
	w.Literal([]byte(big))
	want.WriteString("{102400}\r\n" + big)
	if err := w.Copy(strings.NewReader(big), int64(len(big))); err != nil {
		t.Fatal(err)
	}
	want.WriteString(big)
	w.Raw(big)
	want.WriteString(big)
	if err := w.Flush(); err != nil || out.String() != want.String() {
		t.Fatalf("%d of %d octets, %v", out.Len(), want.Len(), err)
	}
	if most := 2 + want.Len()/imap.WriterSize + 3; out.writes > most {
		t.Errorf("%d writes, %d at most", out.writes, most)
	}
	if w.Written() != int64(want.Len()) || w.Buffered() != 0 {
		t.Errorf("written %d, buffered %d", w.Written(), w.Buffered())
	}
}

func TestWriterKeepsErrors(t *testing.T) {
	broken := errors.New("broken")
	w := imap.NewWriter(&chunks{fail: broken})
	w.Raw("a")
	if err := w.Flush(); !errors.Is(err, broken) {
		t.Error(err)
	}
	var out bytes.Buffer
	w = imap.NewWriter(&out)
	if err := w.Copy(strings.NewReader("abc"), 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if w.Raw("x").Flush() == nil {
		t.Error("a response that is not whole went unnoticed")
	}
}

func TestSetsAreWrittenWhole(t *testing.T) {
	var set imap.NumSet
	for i := range uint32(1000) {
		set.Add(i*2 + 4294960000)
	}
	var out bytes.Buffer
	w := imap.NewWriter(&out)
	w.NumSet(&set)
	if err := w.Flush(); err != nil || out.String() != set.String() {
		t.Errorf("%s %v", out.String(), err)
	}
}

func BenchmarkFetchCommand(b *testing.B) {
	cmd := []byte("A142 UID FETCH 2:4,9 (UID FLAGS RFC822.SIZE BODY.PEEK[] MODSEQ)")
	var f imap.Fetch
	b.ReportAllocs()
	for b.Loop() {
		var d imap.Decoder
		d.Reset(cmd)
		var c imap.Command
		if !d.Command(&c) || !d.Fetch(c.UID, &f) {
			b.Fatal(d.Err())
		}
	}
}

func BenchmarkStoreCommand(b *testing.B) {
	cmd := []byte(`A142 UID STORE 2:4,9 +FLAGS.SILENT (\Seen $Forwarded)`)
	var s imap.Store
	b.ReportAllocs()
	for b.Loop() {
		var d imap.Decoder
		d.Reset(cmd)
		var c imap.Command
		if !d.Command(&c) || !d.Store(&s) {
			b.Fatal(d.Err())
		}
	}
}
