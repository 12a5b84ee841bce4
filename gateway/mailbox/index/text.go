package index

import (
	"io"

	"golang.org/x/text/transform"

	"github.com/gapura-mail/gapura/gateway/message"
)

// TextWriter returns a writer for the decoded octets of a text part that
// writes what a reader sees to w: in UTF-8 where the charset is known, HTML
// without markup, styles, scripts and comments. Octets of an unknown charset
// pass as they are. Close writes what is left; it does not close w.
func TextWriter(mediaType, charset string, w io.Writer) io.WriteCloser {
	out := io.WriteCloser(nopCloser{w})
	if mediaType == "text/html" || mediaType == "application/xhtml+xml" {
		out = &html{w: w}
	}
	if e := message.LookupCharset(charset); e != nil {
		return decoded{transform.NewWriter(out, e.NewDecoder()), out}
	}
	return out
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// decoded closes what it writes to.
type decoded struct {
	*transform.Writer
	to io.Closer
}

func (d decoded) Close() error {
	err := d.Writer.Close()
	if e := d.to.Close(); err == nil {
		err = e
	}
	return err
}
