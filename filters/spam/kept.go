package spam

import (
	"context"
	"net/netip"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Kept is a message that is kept somewhere, to be judged once more.
type Kept struct {
	// Raw is the whole message. What the gateway called Hostname has put on top
	// of it tells how it came, and is no part of what is judged.
	Raw      []byte
	Hostname string
	// User is for whom it is judged; "" : for everybody.
	User string
}

// Opinion is what the filter thinks of a kept message.
type Opinion struct {
	model.Score         // with all that is known beside the message
	Threshold   float64 // the score from which on it is spam
	Reasons     []model.Reason
	// Came is what the gateway wrote into X-Spam-Status when the message came;
	// "" : nothing.
	Came string
}

// Opinion judges a kept message as it would be judged if it came now the way it
// came then: by what its header says of the client, of authentication and of
// lists. What is known of its sender and links is that of today, and nothing is
// asked of DNS lists. n is how many reasons are wanted.
func (f *Filter) Opinion(ctx context.Context, k Kept, n int) (o Opinion, err error) {
	r := f.pool.Get().(*reading)
	defer f.pool.Put(r)
	r.forget()
	arrived := AsArrived(k.Raw, k.Hostname)
	if err := r.m.Parse(arrived); err != nil {
		return o, err
	}
	tx := &gateway.Transaction{Session: &gateway.Session{}}
	block, _ := message.Split(arrived)
	if tx.Header, err = message.ParseHeader(block, message.HeaderLimits{}); err != nil {
		tx.Header = nil
	}
	if len(arrived) != len(k.Raw) {
		o.Came = tell(tx, k)
		r.came, _ = readClues(o.Came)
	}
	c := f.calibration()
	j, who, _ := r.forAll(ctx, tx, c, nil)
	if k.User != "" {
		if own, _ := r.judgeFor(ctx, k.User, who, c, j); own != nil {
			j = own
		}
	}
	o.Score, o.Threshold = j.score, c.threshold
	o.Class = j.class
	if n > 0 {
		o.Reasons = j.e.merge(f.deps.Model, r.explain(j.layers, n), n)
	}
	return o, nil
}

// tell takes up what the fields of our making on top of a kept message tell of
// how it came; it returns the status that it got then.
func tell(tx *gateway.Transaction, k Kept) (status string) {
	block, _ := message.Split(k.Raw)
	h, err := message.ParseHeader(block, message.HeaderLimits{})
	if err != nil || h == nil {
		return ""
	}
	results, received := false, false
	for _, x := range h.Fields()[:min(len(h.Fields()), maxOwn)] {
		switch {
		case x.Is("Received") && received: // that of the hop before
			return status
		case x.Is("Received"):
			received = true
			tx.Session.Remote = netip.AddrPortFrom(clientOf(x.Value()), 0)
		case x.Is("Authentication-Results") && !results && ours(x, k.Hostname):
			results = true
			tx.Facts = authenticated(x.Value())
		case x.Is("X-Spam-Status") && status == "":
			status = message.CleanValue(x.Value())
		}
	}
	return status
}

// clientOf is the address of the client in a trace field of ours; the zero
// Addr: there is none.
func clientOf(value string) netip.Addr {
	ip := ""
	from, _ := cutBy(value)
	for _, w := range from {
		if i := strings.LastIndexByte(w, '['); i >= 0 { // an earlier one is of HELO
			ip, _, _ = strings.Cut(w[i+1:], "]")
		}
	}
	addr, _ := netip.ParseAddr(strings.TrimPrefix(ip, "IPv6:"))
	return addr
}

// authenticated are the facts that a field Authentication-Results tells.
func authenticated(value string) (facts gateway.Facts) {
	a, err := message.ParseAuthResults(value)
	if err != nil {
		return facts
	}
	add := func(name, value string) {
		if value != "" {
			facts = facts.With(gateway.Fact{Name: name, Value: value})
		}
	}
	for _, x := range a.Results {
		switch x.Method {
		case "dmarc":
			add("dmarc.result", x.Result)
			add("dmarc.domain", property(x, "header", "from"))
			add("dmarc.policy", property(x, "policy", "dmarc"))
		case "spf":
			add("spf.result", x.Result)
			from := property(x, "smtp", "mailfrom")
			add("spf.domain", from[strings.LastIndexByte(from, '@')+1:])
		}
	}
	return facts
}

func property(x message.AuthResult, kind, name string) string {
	for _, p := range x.Props {
		if p.Type == kind && p.Name == name {
			return p.Value
		}
	}
	return ""
}
