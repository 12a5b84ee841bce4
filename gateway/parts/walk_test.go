package parts

import (
	"io"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
)

// TestPartsTellWhatTheyAreIn: multiparts and messages, the outermost first.
func TestPartsTellWhatTheyAreIn(t *testing.T) {
	t.Parallel()
	const text = "--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\nhtml\r\n--b--\r\n" +
		"--a\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/related; boundary=c\r\n\r\n--c\r\nContent-Type: image/png\r\n\r\nx\r\n--c--\r\n" +
		"--a\r\nContent-Type: application/pdf\r\n\r\npdf\r\n--a--\r\n"
	h, err := message.ParseHeader([]byte("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n"), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	b := body.New(body.Options{})
	defer b.Release()
	_, _ = io.WriteString(b, text)
	b.Close()
	w := New(h, body.Options{})
	defer w.Release()
	w.Run(b.Open(), b)
	var got []string
	for p, err := range w.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		line := p.Path + " " + p.Type + " in"
		for _, c := range p.Within {
			line += " " + c.Path + " " + c.Type
		}
		got = append(got, line)
	}
	const want = `1.1 text/plain in 0 multipart/mixed 1 multipart/alternative
1.2 text/html in 0 multipart/mixed 1 multipart/alternative
2.1 image/png in 0 multipart/mixed 2 message/rfc822 2.0 multipart/related
3 application/pdf in 0 multipart/mixed`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("%s\nwant\n%s", s, want)
	}
}
