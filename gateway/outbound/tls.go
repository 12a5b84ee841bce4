package outbound

import (
	"context"
	"crypto/tls"

	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// tlsPolicy is what a hop's connections need.
type tlsPolicy struct {
	key    string // tells policies of one host apart
	mode   smtpc.TLSMode
	config *tls.Config
	// demanded: without TLS that is as the policy wants it nothing is sent.
	demanded bool
	verified string // how the certificate is checked; "" : it is not
}

// opportunistic is TLS as far as it goes (RFC 7435).
func (t *Transport) opportunistic() *tlsPolicy {
	return &tlsPolicy{mode: smtpc.TLSOpportunistic, config: t.unverified}
}

// pendingPolicy is an MTA-STS policy that is being asked for.
type pendingPolicy struct{}

func (*pendingPolicy) stop() {}

func (t *Transport) askPolicy(context.Context, string) *pendingPolicy { return nil }

// secure gives the hops of a plan their TLS policies.
func (t *Transport) secure(ctx context.Context, p *plan, policy *pendingPolicy, domain string, authentic bool) {
	for _, h := range p.hops {
		h.tls = t.mxTLS(ctx, h, policy)
	}
}

func (t *Transport) mxTLS(context.Context, *hop, *pendingPolicy) *tlsPolicy { return t.opportunistic() }

// smartTLS is what the URL of a smart host says.
func (t *Transport) smartTLS(h *hop) *tlsPolicy {
	p := &tlsPolicy{mode: h.smart.tls}
	if p.mode != smtpc.TLSOff {
		p.config, p.demanded, p.verified = t.verifying, true, "pkix"
	}
	return p
}
