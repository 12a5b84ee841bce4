package policy

import (
	"crypto/tls"
	"fmt"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy/expr"
)

// BaseFields lists the facts that need no filter: what the session, the
// envelope and the pipeline say.
func BaseFields() []gateway.Field {
	base := baseFacts()
	fields := make([]gateway.Field, len(base))
	for i, b := range base {
		fields[i] = b.Field
	}
	return fields
}

// baseFact is a fact with the way to read it from a transaction; without one
// the pipeline gives it, as a filter would.
type baseFact struct {
	gateway.Field
	read func(a *activation) ref.Val
}

func baseFacts() []baseFact {
	const (
		connect, helo, mail = gateway.StageConnect, gateway.StageHelo, gateway.StageMail
		rcpt, header, msg   = gateway.StageRcpt, gateway.StageHeader, gateway.StageMessage
	)
	text := func(name string, at gateway.Stage, read func(a *activation) string, doc string) baseFact {
		return baseFact{
			gateway.Field{Name: name, Type: gateway.String, Stage: at, Rcpt: strings.HasPrefix(name, "rcpt."), Doc: doc},
			func(a *activation) ref.Val { return types.String(read(a)) },
		}
	}
	flag := func(name string, at gateway.Stage, read func(a *activation) bool, doc string) baseFact {
		return baseFact{
			gateway.Field{Name: name, Type: gateway.Bool, Stage: at, Doc: doc},
			func(a *activation) ref.Val { return types.Bool(read(a)) },
		}
	}
	number := func(name string, at gateway.Stage, read func(a *activation) int64, doc string) baseFact {
		return baseFact{
			gateway.Field{Name: name, Type: gateway.Int, Stage: at, Doc: doc},
			func(a *activation) ref.Val { return types.Int(read(a)) },
		}
	}
	given := func(name string, t gateway.FactType, at gateway.Stage, doc string) baseFact {
		return baseFact{gateway.Field{Name: name, Type: t, Stage: at, Doc: doc}, nil}
	}
	return []baseFact{
		text("client.ip", connect, clientIP, `address of the client, after PROXY or XCLIENT; "" on a unix socket; see ip_in`),
		text("client.listener", connect, func(a *activation) string { return a.session().Listener }, "protocol of the listener: smtp, lmtp, submission or submissions"),
		flag("client.relay", connect, func(a *activation) bool { return a.session().Relay }, "the client's network may relay (networks.relay)"),
		text("helo.name", helo, func(a *activation) string { return a.session().Helo }, "what the client calls itself in HELO, EHLO or LHLO"),
		flag("helo.extended", helo, func(a *activation) bool { return a.session().Extended }, "the client said EHLO or LHLO, not HELO"),
		flag("tls.used", mail, func(a *activation) bool { return a.session().TLS != nil }, "the session is encrypted"),
		text("tls.version", mail, tlsVersion, `"1.2", "1.3"; "" without TLS`),
		text("tls.cipher", mail, tlsCipher, `name of the cipher suite; "" without TLS`),
		text("auth.user", mail, func(a *activation) string { return a.session().User }, `who has logged in; "" : nobody`),
		text("mail.from", mail, func(a *activation) string { return address(a.tx.From.Address) }, `envelope sender, the domain in lower case and A-labels; "" for the null sender <>`),
		text("mail.from_domain", mail, func(a *activation) string { return expr.DomainName(a.tx.From.Domain) }, `domain of the envelope sender; "" for <>`),
		number("mail.size", mail, func(a *activation) int64 { return a.tx.Params.Size }, "size that the client declared with SIZE, in octets; 0: not said"),
		flag("mail.body8bit", mail, func(a *activation) bool { return a.tx.Params.Body == smtp.Body8BitMIME }, "BODY=8BITMIME was said"),
		flag("mail.smtputf8", mail, func(a *activation) bool { return a.tx.Params.SMTPUTF8 }, "SMTPUTF8 was said"),
		text("rcpt.to", rcpt, func(a *activation) string { return address(a.recipient().To.Address) }, "the recipient, the domain in lower case and A-labels"),
		text("rcpt.local", rcpt, func(a *activation) string { return a.recipient().To.Local }, "local part of the recipient, as sent, without quotes"),
		text("rcpt.domain", rcpt, func(a *activation) string { return expr.DomainName(a.recipient().To.Domain) }, `domain of the recipient; "" for <Postmaster>`),
		text("rcpt.route", rcpt, func(a *activation) string { return a.recipient().Route }, "the key under domains: in the configuration that takes the recipient"),
		number("rcpt.count", rcpt, func(a *activation) int64 { return int64(len(a.tx.Rcpts)) }, "number of recipients; at stage rcpt those so far, this one included"),
		number("message.hops", header, hops, "number of Received fields"),
		number("message.size", msg, func(a *activation) int64 { return a.tx.Size }, "octets of the whole message"),
		given("message.ambiguous", gateway.Bool, msg, "clients would read the message in different ways, and one of them shows what the others hide (docs/mime.md)"),
		given("message.defects", gateway.Strings, msg, "what is wrong with the form of the message, each defect once, by its name in docs/mime.md"),
		given("message.limited", gateway.Bool, msg, "a bound on parts, depth or headers kept Gapura from looking into all of the message"),
		given("message.error", gateway.String, msg, `"timeout", "panic" or "error" when the form of the message could not be found out; "" when it was`),
	}
}

func hops(a *activation) int64 {
	if a.tx.Header == nil {
		return 0
	}
	return int64(a.tx.Header.Count("Received"))
}

func clientIP(a *activation) string {
	if ip := a.session().Remote.Addr(); ip.IsValid() {
		return ip.Unmap().WithZone("").String()
	}
	return ""
}

func tlsVersion(a *activation) string {
	if state := a.session().TLS; state != nil {
		return strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
	}
	return ""
}

func tlsCipher(a *activation) string {
	if state := a.session().TLS; state != nil {
		return tls.CipherSuiteName(state.CipherSuite)
	}
	return ""
}

// address returns an address as policies compare it.
func address(a smtp.Address) string {
	if a.Domain == "" {
		return a.Local
	}
	return a.Local + "@" + expr.DomainName(a.Domain)
}

// Fields returns every fact that a policy may use where the filters have the
// fields given: BaseFields, those, and FILTER.error for each filter.
func Fields(filters []gateway.Field) []gateway.Field {
	all := append(BaseFields(), filters...)
	first := map[string]gateway.Stage{}
	var names []string
	for _, f := range filters {
		name, _, _ := strings.Cut(f.Name, ".")
		if s, ok := first[name]; !ok {
			names = append(names, name)
			first[name] = f.Stage
		} else {
			first[name] = min(s, f.Stage)
		}
	}
	for _, name := range names {
		all = append(all, gateway.Field{
			Name: name + ".error", Type: gateway.String, Stage: first[name],
			Doc: `"timeout" when the filter was late, "passed-over" when too many of its calls were, "error" or "panic" when it failed, "" when it did its work`,
		})
	}
	return all
}

// reader reads a fact that no filter gives.
type reader func(a *activation) ref.Val

// variables declares all facts, with the readers of those that have one, by
// slot. A wrong or repeated name is a mistake of the program or of a plugin,
// not of the policy.
func variables(filters []gateway.Field) (map[string]*expr.Variable, []reader, error) {
	read := map[string]reader{}
	for _, b := range baseFacts() {
		read[b.Name] = b.read
	}
	vars := map[string]*expr.Variable{}
	all := Fields(filters)
	readers := make([]reader, len(all), len(all)+1)
	for i, f := range all {
		switch {
		case !expr.IsFactName(f.Name) || !strings.Contains(f.Name, "."):
			return nil, nil, fmt.Errorf("policy: %q cannot be the name of a fact", f.Name)
		case vars[f.Name] != nil:
			return nil, nil, fmt.Errorf("policy: the fact %s is declared twice", f.Name)
		case f.Type < gateway.String || f.Type > gateway.Strings:
			return nil, nil, fmt.Errorf("policy: the fact %s has no type", f.Name)
		case f.Stage < gateway.StageConnect || f.Stage > gateway.StageMessage:
			return nil, nil, fmt.Errorf("policy: the fact %s has no stage", f.Name)
		}
		if read[f.Name] == nil && f.Stage == gateway.StageRcpt { // what is found there is about one recipient
			f.Rcpt = true
		}
		vars[f.Name], readers[i] = &expr.Variable{Field: f, Slot: i}, read[f.Name]
	}
	vars["now"] = &expr.Variable{
		Field: gateway.Field{Name: "now", Stage: gateway.StageConnect, Doc: "the time, a timestamp of CEL, in UTC"},
		Slot:  len(all),
	}
	return vars, append(readers, func(a *activation) ref.Val { return types.Timestamp{Time: a.tx.Now.UTC()} }), nil
}
