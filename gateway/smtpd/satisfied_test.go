package smtpd_test

import (
	"context"
	"io"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// satisfied takes messages without reading them.
type satisfied struct{ smtpdtest.Handler }

func (h *satisfied) Connect(ctx context.Context, info smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	s, r, err := h.Handler.Connect(ctx, info)
	return satisfiedSession{s}, r, err
}

type satisfiedSession struct{ smtpd.Session }

func (s satisfiedSession) Mail(ctx context.Context, from smtp.ReversePath, p smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	t, r, err := s.Session.Mail(ctx, from, p)
	return satisfiedTransaction{t}, r, err
}

type satisfiedTransaction struct{ smtpd.Transaction }

func (satisfiedTransaction) Data(context.Context, io.Reader) ([]smtp.Reply, error) { return nil, nil }

// TestAHandlerThatNeedsNoMoreIsReadFor: the client sends all chunks, and what
// it hears of the last one is about all of them.
func TestAHandlerThatNeedsNoMoreIsReadFor(t *testing.T) {
	t.Parallel()
	for last, code := range map[string]string{
		"BDAT 3 LAST\r\nc\r\n":    "250 2.0.0",
		"BDAT 3 LAST\r\nc\n\n":    "550 5.6.11",
		"BDAT 0 LAST\r\n":         "250 2.0.0",
		"BDAT x LAST\r\nc\r\n":    "501 5.5.4",
		"RSET\r\nBDAT 0 LAST\r\n": "250 2.0.0 reset",
	} {
		c := dial(t, newServer(t, smtpd.Options{}, &satisfied{}))
		c.hello()
		c.envelope()
		c.send("BDAT 3\r\na\r\n")
		c.expect("250 2.0.0 chunk taken")
		c.send("BDAT 3\r\nb\r\n")
		c.expect("250 2.0.0 chunk taken")
		c.send(last)
		c.expect(code)
		c.Conn.Close()
		<-c.done
	}
}
