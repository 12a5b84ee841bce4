package wire

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// NewTransaction returns the snapshot that a plugin gets. Keys and certificates
// of TLS stay here; so does the header, which Begin carries.
func NewTransaction(tx *gateway.Transaction) (*Transaction, error) {
	facts, err := NewFacts(tx.Facts.All())
	if err != nil {
		return nil, err
	}
	t := &Transaction{
		Id:      tx.ID,
		Session: newSession(tx.Session),
		From:    newAddress(tx.From.Address),
		Params:  newMailParams(tx.Params),
		Rcpts:   make([]*Recipient, len(tx.Rcpts)),
		Size:    tx.Size,
		Facts:   facts,
		Now:     unixNano(tx.Now),
	}
	for i, r := range tx.Rcpts {
		facts, err := NewFacts(r.Facts.All())
		if err != nil {
			return nil, err
		}
		t.Rcpts[i] = &Recipient{
			To:              newAddress(r.To.Address),
			Notify:          uint32(r.Params.Notify),
			OriginalType:    []byte(r.Params.OriginalType),
			OriginalAddress: []byte(r.Params.OriginalAddress),
			Route:           r.Route,
			Facts:           facts,
		}
	}
	return t, nil
}

// Go returns the snapshot as package gateway has it.
func (t *Transaction) Go() *gateway.Transaction {
	tx := &gateway.Transaction{
		ID:      t.GetId(),
		Session: t.GetSession().Go(),
		From:    smtp.ReversePath{Address: t.GetFrom().Go()},
		Params:  t.GetParams().Go(),
		Rcpts:   make([]gateway.Recipient, len(t.GetRcpts())),
		Size:    t.GetSize(),
		Facts:   gateway.Facts{}.With(GoFacts(t.GetFacts())...),
		Now:     goTime(t.GetNow()),
	}
	for i, r := range t.GetRcpts() {
		tx.Rcpts[i] = gateway.Recipient{
			To: smtp.ForwardPath{Address: r.GetTo().Go()},
			Params: smtp.RcptParams{
				Notify:          smtp.Notify(r.GetNotify()),
				OriginalType:    string(r.GetOriginalType()),
				OriginalAddress: string(r.GetOriginalAddress()),
			},
			Route: r.GetRoute(),
			Facts: gateway.Facts{}.With(GoFacts(r.GetFacts())...),
		}
	}
	return tx
}

func newSession(s *gateway.Session) *Session {
	if s == nil {
		return nil
	}
	w := &Session{
		Id: s.ID, Listener: s.Listener,
		Remote: addrPort(s.Remote), Local: addrPort(s.Local),
		Helo: []byte(s.Helo), Extended: s.Extended,
		User: []byte(s.User), Relay: s.Relay,
		Started: unixNano(s.Started),
	}
	if s.TLS != nil {
		w.Tls = &TLS{
			Version:     uint32(s.TLS.Version),
			CipherSuite: uint32(s.TLS.CipherSuite),
			ServerName:  []byte(s.TLS.ServerName),
		}
	}
	return w
}

// Go returns the session as package gateway has it; an empty one for nil, so
// that a filter need not look.
func (s *Session) Go() *gateway.Session {
	g := &gateway.Session{
		ID: s.GetId(), Listener: s.GetListener(),
		Helo: string(s.GetHelo()), Extended: s.GetExtended(),
		User: string(s.GetUser()), Relay: s.GetRelay(),
		Started: goTime(s.GetStarted()),
	}
	g.Remote, _ = netip.ParseAddrPort(s.GetRemote())
	g.Local, _ = netip.ParseAddrPort(s.GetLocal())
	if t := s.GetTls(); t != nil {
		g.TLS = &tls.ConnectionState{
			Version:           uint16(t.GetVersion()),
			HandshakeComplete: true,
			CipherSuite:       uint16(t.GetCipherSuite()),
			ServerName:        string(t.GetServerName()),
		}
	}
	return g
}

func newMailParams(p smtp.MailParams) *MailParams {
	w := &MailParams{
		Size: p.Size, Body: uint32(p.Body), Smtputf8: p.SMTPUTF8, RequireTls: p.RequireTLS,
		Return: uint32(p.Return), EnvelopeId: []byte(p.EnvelopeID), Prdr: p.PRDR,
		Priority: int32(p.Priority), HoldFor: int64(p.HoldFor),
	}
	if p.Auth != nil {
		w.Auth = newAddress(*p.Auth)
	}
	if !p.HoldUntil.IsZero() {
		w.HoldUntil = p.HoldUntil.UnixNano()
	}
	if by := p.DeliverBy; by.Set {
		w.DeliverBy = &DeliverBy{Within: int64(by.Within), Return: by.Return, Trace: by.Trace}
	}
	return w
}

// Go returns the parameters as package smtp has them.
func (p *MailParams) Go() smtp.MailParams {
	g := smtp.MailParams{
		Size: p.GetSize(), Body: smtp.BodyType(p.GetBody()),
		SMTPUTF8: p.GetSmtputf8(), RequireTLS: p.GetRequireTls(),
		Return: smtp.Return(p.GetReturn()), EnvelopeID: string(p.GetEnvelopeId()), PRDR: p.GetPrdr(),
		Priority: int(p.GetPriority()), HoldFor: time.Duration(p.GetHoldFor()),
	}
	if a := p.GetAuth(); a != nil {
		addr := a.Go()
		g.Auth = &addr
	}
	if at := p.GetHoldUntil(); at != 0 {
		g.HoldUntil = time.Unix(0, at)
	}
	if by := p.GetDeliverBy(); by != nil {
		g.DeliverBy = smtp.DeliverBy{Within: time.Duration(by.GetWithin()), Return: by.GetReturn(), Trace: by.GetTrace(), Set: true}
	}
	return g
}

func newAddress(a smtp.Address) *Address {
	return &Address{Local: []byte(a.Local), Domain: []byte(a.Domain)}
}

// Go returns the address as package smtp has it.
func (a *Address) Go() smtp.Address {
	return smtp.Address{Local: string(a.GetLocal()), Domain: string(a.GetDomain())}
}

func addrPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func goTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
