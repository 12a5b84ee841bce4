package inbound

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// target is where a copy for one recipient goes: to the recipient, or to whom
// an alias leads.
type target struct {
	gateway.Recipient
	queued    bool // by way of the queue, not in session
	forwarded bool // an address of ours leads to somebody elsewhere
}

var (
	noSuchDomain = smtp.NewReply(550, smtp.EnhancedCode{5, 1, 2}, "The domain of this address cannot exist")
	aliasRefused = smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "Nobody behind this address takes mail")
)

// maxTargets bounds whom one address may lead to, whatever Aliases say;
// maxLed whom all addresses of a transaction may, since one alias has many
// names (alias+a, alias+b).
const (
	maxTargets = 1000
	maxLed     = 2 * maxTargets
)

// RFC 5321 section 4.5.3.1.10: the client sends the rest again.
var tooManyLed = smtp.NewReply(452, smtp.EnhancedCode{4, 5, 3}, "The addresses of this transaction lead to too many; send this one again")

// route returns the route to an address, ok is false where there is none:
// the key of a configured domain or, for whom may send through us, Outbound.
func (t *transaction) route(to smtp.ForwardPath, ours bool) (key string, ok bool) {
	key, ok = t.s.h.opt.Routes.For(to)
	if ours && t.s.h.opt.Queue != nil && to.Domain != "" && (!ok || key == route.Default) {
		return route.Outbound, true
	}
	return key, ok
}

// queued tells whether mail of a route is always queued.
func (t *transaction) queued(key string) bool {
	return key == route.Outbound || t.s.h.opt.Queued[key]
}

// cannotExist tells whether no mail can ever be delivered to a domain.
func cannotExist(domain string) bool {
	name, err := smtp.ASCIIDomain(domain)
	if err != nil || name == "" || name[0] == '[' {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	last := labels[len(labels)-1]
	return len(labels) < 2 || slices.Contains([]string{"invalid", "localhost", "onion"}, last) ||
		strings.Trim(last, "0123456789") == ""
}

// targets resolves a recipient whom the policy let through, and asks the
// backends. reply is the client's when there are none.
func (t *transaction) targets(ctx context.Context, r gateway.Recipient) (list []target, reply smtp.Reply, err error) {
	to, isAlias, err := t.resolve(ctx, r)
	if err != nil {
		return nil, smtp.Reply{}, err
	}
	if !isAlias {
		one := target{Recipient: r, queued: t.queued(r.Route)}
		reply, err := t.verify(ctx, &one, true)
		if err != nil || !reply.Positive() {
			return nil, reply, err
		}
		return []target{one}, reply, nil
	}
	if t.led > 0 && t.led+len(to) > maxLed {
		return nil, t.refusal(tooManyLed, r.To), nil
	}
	return t.verifyAll(ctx, r, to)
}

// resolve follows aliases; only addresses of our domains have any.
func (t *transaction) resolve(ctx context.Context, r gateway.Recipient) (to []smtp.Address, isAlias bool, err error) {
	a := t.s.h.opt.Aliases
	if a == nil || r.Route == route.Outbound || r.To.Domain == "" {
		return nil, false, nil
	}
	to, err = a.Resolve(ctx, r.To.Address)
	if err != nil {
		return nil, false, err
	}
	if len(to) > maxTargets {
		return nil, false, fmt.Errorf("inbound: %s leads to %d addresses", r.To.Path(), len(to))
	}
	same := len(to) == 1 && strings.EqualFold(to[0].Local, r.To.Local) && smtp.EqualDomain(to[0].Domain, r.To.Domain)
	return to, !same, nil
}

// verifyAll asks about everybody behind an alias. One who cannot be asked now
// brings the client back; those who are refused are left out while others
// take the mail.
func (t *transaction) verifyAll(ctx context.Context, r gateway.Recipient, to []smtp.Address) ([]target, smtp.Reply, error) {
	var list []target
	for _, a := range to {
		one := target{Recipient: r}
		one.To = smtp.ForwardPath{Address: a}
		if one.Params.OriginalType == "" && r.To.IsASCII() { // RFC 3461 section 5.2.7.2
			one.Params.OriginalType, one.Params.OriginalAddress = "rfc822", r.To.String()
		}
		key, ok := t.route(one.To, true)
		if !ok {
			t.s.h.opt.Log.Warn("an alias leads to where nothing goes", "id", t.id, "alias", r.To.Path(), "to", a.Path())
			continue
		}
		one.Route = key
		one.queued, one.forwarded = t.queued(key), key == route.Outbound
		reply, err := t.verify(ctx, &one, false)
		switch {
		case err != nil:
			return nil, smtp.Reply{}, err
		case reply.Temporary():
			return nil, hidden(reply), nil
		case !reply.Positive():
			t.s.h.opt.Log.Info("a target of an alias is refused", "id", t.id, "alias", r.To.Path(), "to", a.Path(), "reply", reply.Error())
			continue
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, aliasRefused, nil
	}
	return list, recipientOk, nil
}

// hidden is a reply about somebody behind an alias, whose address is nobody's
// business.
func hidden(r smtp.Reply) smtp.Reply {
	r.Text = "The server behind this address cannot take it now; try again later"
	return r
}
