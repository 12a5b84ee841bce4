package smtp

import (
	"bytes"
	"io"
)

// DotWriter writes message text with CRLF line ends as DATA sends it: with
// dots stuffed, and closed by CRLF.CRLF (RFC 5321 section 4.5.2). It hands
// parts of what it gets to W, so W should be buffered.
type DotWriter struct {
	W io.Writer

	inLine bool
}

// Write stuffs dots at the beginning of lines; after a LF without CR too, in
// case a receiver takes that for a line end.
func (d *DotWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	total := len(p)
	if !d.inLine && p[0] == '.' {
		if _, err := d.W.Write(dot); err != nil {
			return 0, err
		}
	}
	d.inLine = p[total-1] != '\n'
	for {
		i := bytes.Index(p, lfDot)
		if i < 0 {
			break
		}
		if _, err := d.W.Write(p[:i+2]); err != nil {
			return 0, err
		}
		p = p[i+1:] // the dot again
	}
	if _, err := d.W.Write(p); err != nil {
		return 0, err
	}
	return total, nil
}

// Close ends the last line if need be and writes the final dot. It does not
// close W.
func (d *DotWriter) Close() error {
	end := "\r\n.\r\n"
	if !d.inLine {
		end = end[2:]
	}
	_, err := io.WriteString(d.W, end)
	d.inLine = false
	return err
}

var (
	dot   = []byte(".")
	lfDot = []byte("\n.")
)
