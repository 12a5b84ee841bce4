package main

import (
	"context"
	"errors"
	"time"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// smtpAccounts are the accounts as SMTP asks about them.
type smtpAccounts struct {
	*account.Accounts
	may     *remembered[bool]
	targets *remembered[[]smtp.Address]
	// shown tells which certificate a client was shown who asked for a name.
	shown func(name string, connected time.Time) []byte
}

// accountsTime is how long an alias, or who may write as whom, is remembered
// at least, and at most twice that.
const (
	accountsTime = 2 * time.Second
	accountsMax  = 5000
)

func newSMTPAccounts(a *account.Accounts, shown func(string, time.Time) []byte) smtpAccounts {
	return smtpAccounts{a, remember[bool](accountsTime, accountsMax), remember[[]smtp.Address](accountsTime, accountsMax), shown}
}

var (
	_ inbound.Accounts = smtpAccounts{}
	_ inbound.Aliases  = smtpAccounts{}
)

// What clients hear of errors of accounts.
var (
	authFailed    = smtp.NewReply(535, smtp.EnhancedCode{5, 7, 8}, "Authentication failed")
	authThrottled = smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "Too many failures; try again later")
	authLater     = smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "Authentication is not possible now; try again later")
	authMalformed = smtp.NewReply(501, smtp.EnhancedCode{5, 5, 2}, "The exchange is malformed")
	aliasLoop     = smtp.NewReply(550, smtp.EnhancedCode{5, 4, 6}, "The aliases of this address lead in a circle, or to too many")
)

func (a smtpAccounts) peer(info smtpd.Info) account.Peer {
	p := account.Peer{Addr: info.Remote.Addr().Unmap(), TLS: info.TLS, Service: "smtp", Session: info.Session}
	if info.TLS != nil {
		p.Certificate = a.shown(info.TLS.ServerName, info.Started)
	}
	return p
}

// Mechanisms implements inbound.Accounts.
func (a smtpAccounts) Mechanisms(info smtpd.Info) []string {
	return a.Accounts.Mechanisms(a.peer(info))
}

// Authenticate implements inbound.Accounts.
func (a smtpAccounts) Authenticate(ctx context.Context, info smtpd.Info, mechanism string, initial []byte, ask func([]byte) ([]byte, error)) (smtpd.Login, smtp.Reply, error) {
	id, err := a.Accounts.Authenticate(ctx, a.peer(info), mechanism, initial, ask)
	switch {
	case err == nil:
		return smtpd.Login{User: id.User, By: id.Authenticated}, smtp.Reply{}, nil
	case errors.Is(err, account.ErrCredentials):
		return smtpd.Login{}, authFailed, nil
	case errors.Is(err, account.ErrThrottled):
		return smtpd.Login{}, authThrottled, nil
	case errors.Is(err, account.ErrExchange):
		return smtpd.Login{}, authMalformed, nil
	case errors.Is(err, account.ErrTemporary):
		return smtpd.Login{}, authLater, nil
	}
	return smtpd.Login{}, smtp.Reply{}, err
}

// MaySend implements inbound.Accounts.
func (a smtpAccounts) MaySend(ctx context.Context, user string, from smtp.Address) (bool, error) {
	address := from.String()
	return a.may.get(user+"\x00"+address, func() (bool, error) { return a.Accounts.MaySend(ctx, user, address) })
}

// Resolve implements inbound.Aliases.
func (a smtpAccounts) Resolve(ctx context.Context, to smtp.Address) ([]smtp.Address, error) {
	address := to.String()
	return a.targets.get(address, func() ([]smtp.Address, error) { return a.resolve(ctx, address) })
}

func (a smtpAccounts) resolve(ctx context.Context, address string) ([]smtp.Address, error) {
	targets, err := a.Accounts.Resolve(ctx, address)
	switch {
	case errors.Is(err, account.ErrAliasLoop):
		return nil, errors.Join(err, aliasLoop)
	case err != nil:
		return nil, err
	}
	list := make([]smtp.Address, len(targets))
	for i, t := range targets {
		list[i] = t.Address
	}
	return list, nil
}
