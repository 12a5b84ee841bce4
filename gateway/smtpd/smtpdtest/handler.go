// Package smtpdtest is a kit for tests of SMTP servers: a Handler that
// records, and a runner of dialogue files.
package smtpdtest

import (
	"context"
	"io"
	"strings"
	"sync"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// Handler takes mail for everybody but the local parts below, and records
// what it took.
//
//	unknown   550 5.1.1 at RCPT
//	busy      450 4.2.1 at RCPT
//	refused   550 5.7.1 for this recipient after the message; for all, when
//	          it is the only one or replies are not per recipient
//	error     an error at RCPT that is no reply
//	panic     a panic at RCPT
//	broken    an error after the message that is no reply
//
// A sender whose local part is refused gets 550 5.7.1 at MAIL.
//
// user@example.test may authenticate with the password secret, by PLAIN or
// LOGIN; the password later is 454, error an error that is no reply, nobody a
// success of nobody. X-ENDLESS
// asks for more until the server has enough.
type Handler struct {
	mu       sync.Mutex
	messages []Message
	sessions int
	resets   int
	voids    int
	infos    []smtpd.Info
}

// Message is a message that was accepted for somebody.
type Message struct {
	Info   smtpd.Info
	From   smtp.ReversePath
	Params smtp.MailParams
	Rcpts  []smtp.ForwardPath
	RParms []smtp.RcptParams
	Data   string
}

// Messages returns what has been accepted so far.
func (h *Handler) Messages() []Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Message(nil), h.messages...)
}

// Infos returns what each Connect and each Helo was told.
func (h *Handler) Infos() []smtpd.Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]smtpd.Info(nil), h.infos...)
}

// Counts returns how many sessions are open, how many transactions were reset
// and how many messages broke off or were void.
func (h *Handler) Counts() (sessions, resets, voids int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions, h.resets, h.voids
}

// Connect implements smtpd.Handler.
func (h *Handler) Connect(_ context.Context, info smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions++
	h.infos = append(h.infos, info)
	return &session{h: h, info: info}, smtp.Reply{}, nil
}

type session struct {
	h    *Handler
	info smtpd.Info
}

func (s *session) Helo(_ context.Context, info smtpd.Info) (smtp.Reply, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.info = info
	s.h.infos = append(s.h.infos, info)
	return smtp.Reply{}, nil
}

func (s *session) Mail(_ context.Context, from smtp.ReversePath, p smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	if from.Local == "refused" {
		return nil, smtp.Reply{}, smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "sender refused")
	}
	return &transaction{s: s, m: Message{Info: s.info, From: from, Params: p}}, smtp.Reply{}, nil
}

// TraceID implements smtpd.Traced.
func (s *session) TraceID() string { return "S1" }

// TraceID implements smtpd.Traced.
func (t *transaction) TraceID() string { return "T1" }

func (s *session) Close() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.sessions--
}

type transaction struct {
	s *session
	m Message
}

type oddError struct{}

func (oddError) Error() string { return "a secret of the server" }

func (t *transaction) Rcpt(_ context.Context, to smtp.ForwardPath, p smtp.RcptParams) (smtp.Reply, error) {
	switch to.Local {
	case "unknown":
		return smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "no such user"), nil
	case "busy":
		return smtp.Reply{}, smtp.NewReply(450, smtp.EnhancedCode{4, 2, 1}, "later")
	case "error":
		return smtp.Reply{}, oddError{}
	case "panic":
		panic("asked for")
	}
	t.m.Rcpts = append(t.m.Rcpts, to)
	t.m.RParms = append(t.m.RParms, p)
	return smtp.Reply{}, nil
}

func (t *transaction) Data(_ context.Context, r io.Reader) ([]smtp.Reply, error) {
	var b strings.Builder
	_, err := io.Copy(&b, r)
	h := t.s.h
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.voids++
		return nil, err
	}
	for _, to := range t.m.Rcpts {
		if to.Local == "broken" {
			return nil, oddError{}
		}
	}
	t.m.Data = b.String()
	var replies []smtp.Reply
	good := t.m
	good.Rcpts = nil
	for _, to := range t.m.Rcpts {
		if to.Local == "refused" {
			replies = append(replies, smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "refused for "+to.String()))
			continue
		}
		good.Rcpts = append(good.Rcpts, to)
		replies = append(replies, smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "taken for "+to.String()))
	}
	if !t.m.Params.PRDR && t.s.info.Listener != "lmtp" {
		replies = replies[:1]
		if replies[0].Positive() {
			good.Rcpts = t.m.Rcpts
		} else {
			good.Rcpts = nil
		}
	}
	if len(good.Rcpts) > 0 {
		h.messages = append(h.messages, good)
	}
	return replies, nil
}

func (t *transaction) Reset() {
	t.s.h.mu.Lock()
	defer t.s.h.mu.Unlock()
	t.s.h.resets++
}

// Mechanisms implements smtpd.Authenticator.
func (s *session) Mechanisms(smtpd.Info) []string { return []string{"PLAIN", "LOGIN", "X-ENDLESS"} }

// Auth implements smtpd.Authenticator.
func (s *session) Auth(_ context.Context, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (smtpd.Login, smtp.Reply, error) {
	user, password, err := credentials(mechanism, initial, ask)
	switch {
	case err != nil:
		return smtpd.Login{User: "user@example.test"}, smtp.Reply{}, err
	case password == "later":
		return smtpd.Login{}, smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "later"), nil
	case password == "error":
		return smtpd.Login{}, smtp.Reply{}, oddError{}
	case password == "nobody":
		return smtpd.Login{}, smtp.Reply{}, nil
	case user != "user@example.test" || password != "secret":
		return smtpd.Login{}, smtp.NewReply(535, smtp.EnhancedCode{5, 7, 8}, "no"), nil
	}
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.info.User = user
	return smtpd.Login{User: user}, smtp.Reply{}, nil
}

// credentials runs the mechanism.
func credentials(mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (user, password string, err error) {
	answers := make([]string, 2)
	questions := []string{"Username:", "Password:"}
	for i := range answers {
		switch {
		case i == 0 && initial != nil:
			answers[i] = string(initial)
		case mechanism == "PLAIN":
			questions[0] = ""
			fallthrough
		default:
			got, err := ask([]byte(questions[i]))
			if err != nil {
				return "", "", err
			}
			answers[i] = string(got)
		}
		if mechanism == "PLAIN" {
			parts := strings.Split(answers[0], "\x00")
			if len(parts) != 3 {
				return "", "", nil
			}
			return parts[1], parts[2], nil
		}
	}
	for mechanism == "X-ENDLESS" {
		if _, err := ask(nil); err != nil {
			return "", "", err
		}
	}
	return answers[0], answers[1], nil
}
