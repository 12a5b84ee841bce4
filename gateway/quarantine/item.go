package quarantine

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/queue"
)

// Item is one recipient's copy as people see it: all text in it may be printed
// on a terminal.
type Item struct {
	ID      string            `json:"id"` // of the message
	Entry   int64             `json:"entry"`
	From    string            `json:"from"`
	To      string            `json:"to"`
	Route   string            `json:"route"`
	User    string            `json:"user,omitempty"` // who submitted it
	Kept    time.Time         `json:"kept"`
	Expires *time.Time        `json:"expires,omitempty"`
	Size    int64             `json:"size"`
	Rules   []string          `json:"rules,omitempty"` // that took part
	Stage   string            `json:"stage"`           // backend: that refused it
	Reason  string            `json:"reason,omitempty"`
	Author  string            `json:"author,omitempty"`
	Subject string            `json:"subject,omitempty"`
	Facts   map[string]string `json:"facts,omitempty"`
	Header  []string          `json:"header,omitempty"` // by Read

	raw *queue.Item
}

func item(q *queue.Item) *Item {
	it := &Item{
		ID: q.ID, Entry: q.Entry, From: Plain(q.From), To: Plain(q.Recipients[0].To), Route: q.Route, User: Plain(q.User),
		Kept: q.Queued, Expires: q.Expires, Size: q.Size, raw: q,
	}
	k := q.Quarantine
	if k == nil {
		return it
	}
	it.Stage, it.Reason, it.Author, it.Subject = k.Stage, Plain(k.Reason), Plain(k.Author), Plain(k.Subject)
	for r := range strings.SplitSeq(k.Rule, "\n") {
		if r != "" {
			it.Rules = append(it.Rules, Plain(r))
		}
	}
	for name, v := range k.Facts {
		if it.Facts == nil {
			it.Facts = map[string]string{}
		}
		it.Facts[Plain(name)] = Plain(v)
	}
	return it
}

// Open reads the message.
func (it *Item) Open(ctx context.Context, blobs blob.Store) (io.ReadCloser, error) {
	return it.raw.Open(ctx, blobs)
}

// maxShown bounds how much of a header is shown.
const maxShown = 64 << 10

// Read reads the header, for showing it.
func (it *Item) Read(ctx context.Context, blobs blob.Store) error {
	r, err := it.Open(ctx, blobs)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxShown))
	if err != nil {
		return err
	}
	if end, _, ok := message.EndOfHeader(b, 0); ok {
		b = b[:end]
	}
	for line := range bytes.Lines(b) {
		it.Header = append(it.Header, Plain(string(bytes.TrimRight(line, "\r\n"))))
	}
	return nil
}

// Plain is text of mail as a terminal may have it: without controls, and without
// what turns the direction of text around.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return '?'
		}
		return r
	}, s)
}
