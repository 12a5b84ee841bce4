package inbound

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

var (
	_ smtpd.Authenticator = (*session)(nil)
	_ smtpd.Traced        = (*session)(nil)
	_ smtpd.Traced        = (*transaction)(nil)
)

// Mechanisms implements smtpd.Authenticator.
func (s *session) Mechanisms(info smtpd.Info) []string {
	if s.h.opt.Accounts == nil {
		return nil
	}
	return s.h.opt.Accounts.Mechanisms(info)
}

// Auth implements smtpd.Authenticator. From here on the session is one of our
// own.
func (s *session) Auth(ctx context.Context, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (smtpd.Login, smtp.Reply, error) {
	client := s.client
	client.Session = s.id
	login, r, err := s.h.opt.Accounts.Authenticate(ctx, client, mechanism, initial, ask)
	if err != nil || login.User == "" || !r.IsZero() && !r.Positive() {
		if err == nil && !r.IsZero() {
			r = withID(r, s.id)
		}
		return smtpd.Login{}, r, err
	}
	info := *s.info
	info.User = login.User
	s.info = &info
	s.pipe.Authenticated(s.info)
	return login, r, nil
}
