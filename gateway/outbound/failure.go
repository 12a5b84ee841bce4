package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// failure is why something was not delivered: the Outcome of whom it
// concerns, with the word for it in metrics.
type failure struct {
	queue.Outcome
	reason string
	known  bool // a rule says what it means
}

// obey makes of the failure what a rule says of the refusal. How the
// destination is treated from now on is the site's matter.
func (f *failure) obey(a *action) {
	if a == nil {
		return
	}
	f.Result, f.Retry, f.known = a.counts(f.Result), a.retry, true
	if a.slow || a.fewer || a.pause > 0 {
		f.Destination = false
	}
}

// The words for deferrals and failures in metrics.
const (
	reasonDNS     = "dns"
	reasonRoute   = "route" // the DNS leads nowhere
	reasonConnect = "connect"
	reasonSession = "session" // greeting, EHLO, 421
	reasonTLS     = "tls"
	reasonAuth    = "auth"
	reasonLost    = "lost" // the connection broke
	reasonReply   = "reply"
	reasonCheck   = "check"   // the next hop does not offer what the message needs
	reasonShape   = "shape"   // we wait of our own accord
	reasonSource  = "message" // the message could not be read
	reasonEnded   = "ended"   // our time is over
)

// ours returns a failure with a reply of ours.
func ours(result queue.Result, reason string, destination bool, code int, enhanced smtp.EnhancedCode, text string) *failure {
	return &failure{Outcome: queue.Outcome{
		Result: result, Reply: smtp.NewReply(code, enhanced, text), Local: true, Destination: destination,
	}, reason: reason}
}

func deferred(reason string, code int, enhanced smtp.EnhancedCode, text string) *failure {
	return ours(queue.Deferred, reason, true, code, enhanced, text)
}

func failed(reason string, code int, enhanced smtp.EnhancedCode, text string) *failure {
	return ours(queue.Failed, reason, true, code, enhanced, text)
}

// worse returns the failure to tell of two at different hosts: what may still
// go well over what may not, what a host said over what we think, then the
// earlier one, which was the preferred host's.
func worse(a, b *failure) *failure {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.Result != b.Result:
		if a.Result == queue.Deferred {
			return a
		}
		return b
	case a.Local && !b.Local, a.Untried && !b.Untried:
		return b
	case b.Untried && !a.Untried, b.Local && !a.Local:
		return a
	case a.Untried: // both: whichever is sooner
		if b.Retry < a.Retry {
			return b
		}
	}
	return a
}

// unreachable tells whether other servers might be tried instead.
func (f *failure) unreachable() bool {
	if f == nil || f.Result != queue.Deferred || f.Untried {
		return false
	}
	switch f.reason {
	case reasonDNS, reasonConnect, reasonSession, reasonAuth:
		return true
	case reasonLost:
		return f.Destination // else the message may have arrived
	}
	return false
}

// sessionFailure is the failure of a connection that could not be used for a
// transaction, or broke in one.
func sessionFailure(ctx context.Context, err error) *failure {
	var e *smtpc.Error
	var noToken *tokenError
	if !errors.As(err, &e) {
		return deferred(reasonConnect, 451, smtp.EnhancedCode{4, 4, 1}, "No connection to the next server")
	}
	switch {
	case e.Source:
		f := deferred(reasonSource, 451, smtp.EnhancedCode{4, 3, 0}, "The message could not be read from the queue")
		f.Destination = false
		return f
	case !e.Reply.IsZero():
		return refusedSession(e)
	case context.Cause(ctx) != nil:
		f := deferred(reasonEnded, 451, smtp.EnhancedCode{4, 4, 7}, "The attempt took too long or was ended")
		f.Destination = errors.Is(ctx.Err(), context.DeadlineExceeded)
		return f
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return noSource()
	case e.Step == smtpc.StepConnect:
		return deferred(reasonConnect, 451, smtp.EnhancedCode{4, 4, 1}, "No connection to the next server: "+plainly(e.Err))
	case e.Step == smtpc.StepTLS:
		return deferred(reasonTLS, 451, smtp.EnhancedCode{4, 7, 5}, "TLS with the next server failed: "+plainly(e.Err))
	case errors.As(e.Err, &noToken):
		return deferred(reasonAuth, 451, smtp.EnhancedCode{4, 7, 0}, "There is no token for the login at the smart host; the token endpoint: "+plainly(noToken.err))
	case e.Step == smtpc.StepAuth:
		return deferred(reasonAuth, 451, smtp.EnhancedCode{4, 7, 0}, "The login at the next server failed: "+plainly(e.Err))
	case errors.Is(e.Err, smtpc.ErrProtocol):
		return deferred(reasonSession, 451, smtp.EnhancedCode{4, 5, 0}, "The next server does not keep to SMTP: "+plainly(e.Err))
	}
	return deferred(reasonLost, 451, smtp.EnhancedCode{4, 4, 2}, "The connection to the next server was lost at "+e.Step.String()+": "+plainly(e.Err))
}

// noSource is for mail whose source cannot be used: no destination's fault.
func noSource() *failure {
	f := deferred(reasonConnect, 451, smtp.EnhancedCode{4, 4, 0}, "This gateway cannot use the address that the mail is to leave from")
	f.Destination = false
	return f
}

// ofSource tells whether a connection failed for want of the address that it
// was to come from.
func ofSource(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == "bind" && errors.Is(call.Err, syscall.EADDRNOTAVAIL)
}

// refusedSession is the failure of a server that told us to go away. A 5yz to
// a greeting is no verdict on the message (RFC 5321 section 3.1).
func refusedSession(e *smtpc.Error) *failure {
	f := &failure{Outcome: queue.Outcome{Result: queue.Deferred, Reply: derive(e.Reply, e.Step), Destination: true}, reason: reasonSession}
	switch e.Step {
	case smtpc.StepTLS:
		f.reason = reasonTLS
	case smtpc.StepAuth:
		return deferred(reasonAuth, 451, smtp.EnhancedCode{4, 7, 0}, "The smart host does not take our login: "+e.Reply.Error())
	}
	return f
}

// plainly says in a few words why a connection failed.
func plainly(err error) string {
	var op *net.OpError
	switch {
	case err == nil:
		return "unknown"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "it timed out"
	case errors.As(err, &op):
		err = op.Err
	}
	return fmt.Sprintf("%.200s", strings.ToValidUTF8(err.Error(), "?"))
}

// derive gives a reply without an enhanced code the one that its code and the
// step of the dialogue come nearest to (RFC 3463).
func derive(r smtp.Reply, step smtpc.Step) smtp.Reply {
	if r.Enhanced != (smtp.EnhancedCode{}) || r.Code < 200 || r.Code > 599 || r.Code/100 == 3 {
		return r
	}
	class := uint16(r.Code / 100)
	r.Enhanced = smtp.EnhancedCode{class, 0, 0}
	if class == 2 {
		return r
	}
	rcpt := step == smtpc.StepRcpt
	for _, d := range derived {
		if d.code == r.Code && (rcpt || !d.rcpt) {
			r.Enhanced = smtp.EnhancedCode{class, d.subject, d.detail}
			break
		}
	}
	return r
}

// derived codes; those for recipients come first.
var derived = [...]struct {
	code            int
	rcpt            bool
	subject, detail uint16
}{
	{550, true, 1, 1},
	{551, true, 1, 6},
	{552, true, 2, 2},
	{553, true, 1, 3},
	{450, true, 2, 0},
	{452, true, 2, 2},
	{421, false, 3, 2},
	{450, false, 2, 0},
	{451, false, 3, 0},
	{452, false, 3, 1},
	{454, false, 7, 0},
	{500, false, 5, 2},
	{501, false, 5, 4},
	{502, false, 5, 1},
	{503, false, 5, 1},
	{504, false, 5, 4},
	{521, false, 3, 2},
	{530, false, 7, 0},
	{534, false, 7, 9},
	{535, false, 7, 8},
	{538, false, 7, 11},
	{552, false, 3, 4},
	{553, false, 1, 7},
	{555, false, 5, 4},
	{556, false, 1, 10},
}
