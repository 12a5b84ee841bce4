package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/mailauth"
)

type signARC struct {
	dnsFlags
	signFlags
}

// Help implements kong.HelpProvider.
func (signARC) Help() string {
	return `Seals the Authentication-Results fields of --authserv-id. The chain's status is the arc result in them; when they
have none, the chain is validated. A message without such fields, or whose chain has ended, is printed as it is, and
the exit code is 1. Example:

  gapura sign arc --key s1.pem --domain example.org --selector s1 --authserv-id mx.example.org --message mail.eml`
}

func (c *signARC) Run(a *app) error {
	if c.AuthservID == "" {
		return usageError{errors.New("sign arc needs --authserv-id: whose Authentication-Results to seal")}
	}
	s, err := c.signer()
	if err != nil {
		return err
	}
	m, err := a.hashMessage(c.Message, s.BodyForm())
	if err != nil {
		return err
	}
	fields, err := c.seal(a, s, m)
	if err != nil && !errors.Is(err, mailauth.ErrChainEnded) && !errors.Is(err, errNoResults) {
		return err
	}
	return errors.Join(err, m.write(a.stdout, fields))
}

var errNoResults = errors.New("nothing to seal")

func (c *signARC) seal(a *app, s *mailauth.Signer, m *signed) ([]byte, error) {
	payload, cv, ok := mailauth.CollectAuthResults(m.header, c.AuthservID)
	if !ok {
		return nil, fmt.Errorf("%w: the message has no Authentication-Results of %s", errNoResults, c.AuthservID)
	}
	if cv == mailauth.None && m.header.Count("ARC-Seal") > 0 {
		r, err := c.open()
		if err != nil {
			return nil, err
		}
		chain, err := mailauth.VerifyARC(a.ctx, m.header, bytes.NewReader(m.bytes), r, mailauth.VerifyOptions{})
		if err != nil {
			return nil, err
		}
		cv = chain.CV
	}
	return s.Seal(m.header, cv, payload, m.hash)
}
