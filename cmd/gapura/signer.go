package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// signatureFault tells of a signature, or seal, that was found wrong before it
// left: none may be seen, and a processor or memory that fails is to be.
func (s *server) signatureFault(domain, selector string) {
	if s.faults != nil {
		s.faults.Inc()
	}
	s.log.Warn("an RSA signature was wrong and made anew before it left: processor or memory may fail", "domain", domain, "selector", selector)
}

// signer signs what is submitted.
type signer struct{ keys *signing.Keys }

// Active implements inbound.Signer.
func (s signer) Active() bool { return s.keys.Active() }

// Form implements inbound.Signer.
func (s signer) Form() mailauth.BodyForm { return s.keys.Form() }

// Sign implements inbound.Signer.
func (s signer) Sign(_ context.Context, m *inbound.Unsigned) ([]byte, error) {
	return s.keys.Sign(signing.Message{User: m.User, Header: m.Header, Body: m.Body, Not: m.Others, Time: m.Time})
}

// mailer queues mail that the gateway itself writes, signed.
type mailer struct {
	keys  *signing.Keys
	queue *queue.Queue
	leads func(context.Context, smtp.Address) ([]gateway.Recipient, error)
	// report: what it queues reports on deliveries.
	report bool
}

// Send implements tlsrpt.Mailer.
func (m mailer) Send(ctx context.Context, from, to string, msg []byte) error {
	sender, err := smtp.ParseMailbox(from, 0)
	if err != nil {
		return fmt.Errorf("from %q: %w", from, err)
	}
	rcpt, err := smtp.ParseMailbox(to, 0)
	if err != nil {
		return fmt.Errorf("to %q: %w", to, err)
	}
	if msg, err = m.sign(msg); err != nil {
		return err
	}
	rcpts, err := m.leads(ctx, rcpt)
	if err != nil {
		return err
	}
	return m.queue.Submit(ctx, &gateway.Copy{
		ID: ulid.Make().String(), From: smtp.ReversePath{Address: sender}, Rcpts: rcpts,
		Queue: gateway.Queueing{Report: m.report},
		Size:  int64(len(msg)), Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(msg)) },
	}, "")
}

// sign puts signatures on top.
func (m mailer) sign(msg []byte) ([]byte, error) {
	head, body := message.Split(msg)
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		return nil, err
	}
	hasher := mailauth.NewBodyHasher(m.keys.Form())
	if _, err := hasher.Write(body); err != nil {
		return nil, err
	}
	sum, ok := hasher.Sum(m.keys.Form())
	if !ok {
		return nil, errors.New("body was not hashed")
	}
	fields, err := m.keys.Sign(signing.Message{Header: h, Body: sum, Time: time.Now()})
	return append(fields, msg...), err
}
