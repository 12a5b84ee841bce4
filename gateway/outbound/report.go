package outbound

import (
	"errors"
	"net/netip"

	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// session is what TLS-RPT hears of a connection. Without a domain it hears
// nothing: two sites that report on the delivery of reports would do so for
// ever.
func (t *Transport) session(domain string, p *tlsPolicy, key *lineKey, local netip.Addr, err error) {
	if t.deps.Reports == nil || domain == "" || p.report.Type == "" {
		return
	}
	s := tlsrpt.Session{
		Policy: p.report, MX: key.host, Sending: local, Receiving: key.addr.Addr(), Result: p.result, Info: p.info,
	}
	s.Policy.Domain = domain
	if err != nil {
		s.Result, s.Info = tlsResult(err), err.Error()
	}
	t.deps.Reports.Add(s)
}

// tlsResult is RFC 8460 section 4.3.
func tlsResult(err error) tlsrpt.ResultType {
	var e *smtpc.Error
	if errors.Is(err, smtpc.ErrNoTLS) || errors.As(err, &e) && e.Step == smtpc.StepTLS && !e.Reply.IsZero() {
		return tlsrpt.NoSTARTTLS // not offered, or refused
	}
	return tlsrpt.Classify(err)
}

// ofTLS tells whether an error of a connection is about its TLS.
func ofTLS(err error) bool {
	var e *smtpc.Error
	return errors.As(err, &e) && e.Step == smtpc.StepTLS
}

// reportBlock tells of a host that was not used because of a policy.
func (t *Transport) reportBlock(domain string, h *hop) {
	if t.deps.Reports == nil {
		return
	}
	s := tlsrpt.Session{Policy: h.block.report, Result: h.block.result, MX: h.host, Info: h.block.Reply.Text}
	s.Policy.Domain = domain
	t.deps.Reports.Add(s)
}
