package expr

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/gapura-mail/gapura/gateway"
)

// Function is one function of conditions.
type Function struct {
	Name  string
	Usage string
	Doc   string
}

// Functions lists every function of conditions. CEL libraries know more; those
// below are the language, so that a new version of a library does not change
// it, and none makes texts much longer than they came.
func Functions() []Function {
	return []Function{
		{"header", `header("Subject")`, `the topmost field of the name, unfolded and decoded; "" when there is none`},
		{"headers", `headers("Received")`, "all fields of the name, the topmost first"},
		{"ip_in", `ip_in(client.ip, "10.0.0.0/8")`, "the address is in the network, or in one of a list of networks"},
		{"domain_in", `domain_in(mail.from, "example.com")`, "the domain, or that of the address, is example.com or below it, or below one of a list of domains"},
		{"contains", `header("Subject").contains("x")`, "the text is inside; case matters"},
		{"startsWith", `rcpt.local.startsWith("x")`, "the text begins so"},
		{"endsWith", `helo.name.endsWith(".x")`, "the text ends so"},
		{"matches", `helo.name.matches("^[0-9]+$")`, "the regular expression (RE2) matches somewhere"},
		{"lowerAscii", `mail.from.lowerAscii()`, "the text with A-Z in lower case"},
		{"upperAscii", `mail.from.upperAscii()`, "the text with a-z in upper case"},
		{"trim", `header("X").trim()`, "the text without white space at either end"},
		{"split", `header("X").split(",")`, "the pieces between the separators, a list"},
		{"substring", `rcpt.local.substring(0, 3)`, "a part of the text, by character positions"},
		{"indexOf", `mail.from.indexOf("+")`, "position of the first such text, -1: none"},
		{"size", `size(header("Subject"))`, "characters of a text, items of a list"},
		{"int", `int(header("X-Level"))`, "the number that a text is; fails when it is none"},
		{"double", `double(header("X-Score"))`, "the same with a fraction"},
		{"string", `string(message.size)`, "the text of a number"},
		{"timestamp", `timestamp("2030-01-01T00:00:00Z")`, "a point in time, to compare now with"},
		{"duration", `now - duration("24h")`, "a length of time: h, m, s"},
		{"getHours", `now.getHours("Europe/Paris")`, "hour, 0 to 23; without a zone in UTC"},
		{"getDayOfWeek", `now.getDayOfWeek()`, "0 is Sunday"},
		{"getDayOfMonth", `now.getDayOfMonth()`, "0 is the first day"},
		{"getMonth", `now.getMonth()`, "0 is January"},
		{"getFullYear", `now.getFullYear()`, "the year"},
		{"exists", `headers("To").exists(t, t.contains("x"))`, "true for at least one item of a list"},
		{"all", `dkim.domains.all(d, domain_in(d, "x"))`, "true for every item"},
		{"filter", `size(headers("To").filter(t, t == ""))`, "the items for which it is true"},
		{"map", `headers("To").map(t, t.trim())`, "every item changed"},
	}
}

// literals holds what texts written into conditions mean, worked out while
// loading; it is only read while mail is judged.
type literals struct {
	networks map[string]netip.Prefix
	domains  map[string]string
}

// options declares the functions that CEL does not have.
func (l *literals) options() []cel.EnvOption {
	text, list := cel.StringType, cel.ListType(cel.StringType)
	both := func(name string, in func(x, y string) (bool, error)) cel.EnvOption {
		return cel.Function(name,
			cel.Overload(name+"_string", []*cel.Type{text, text}, cel.BoolType, cel.BinaryBinding(inOne(in))),
			cel.Overload(name+"_list", []*cel.Type{text, list}, cel.BoolType, cel.BinaryBinding(inList(in))))
	}
	return []cel.EnvOption{
		cel.Function("header", cel.Overload("header_string", []*cel.Type{text}, text, cel.LateFunctionBinding())),
		cel.Function("headers", cel.Overload("headers_string", []*cel.Type{text}, list, cel.LateFunctionBinding())),
		both("ip_in", l.ipIn),
		both("domain_in", l.domainIn),
	}
}

func inOne(in func(x, y string) (bool, error)) func(x, y ref.Val) ref.Val {
	return func(x, y ref.Val) ref.Val {
		xs, ok := x.(types.String)
		ys, good := y.(types.String)
		if !ok || !good {
			return types.MaybeNoSuchOverloadErr(y)
		}
		found, err := in(string(xs), string(ys))
		if err != nil {
			return types.NewErr("%v", err)
		}
		return types.Bool(found)
	}
}

func inList(in func(x, y string) (bool, error)) func(x, y ref.Val) ref.Val {
	one := inOne(in)
	return func(x, y ref.Val) ref.Val {
		list, ok := y.(traits.Lister)
		if !ok {
			return types.MaybeNoSuchOverloadErr(y)
		}
		for it := list.Iterator(); it.HasNext() == types.True; {
			if r := one(x, it.Next()); r != types.False {
				return r
			}
		}
		return types.False
	}
}

// ipIn tells whether an address is in a network; "" and what is no address are
// in none.
func (l *literals) ipIn(ip, network string) (bool, error) {
	n, ok := l.networks[network]
	if !ok {
		var err error
		if n, err = parseNetwork(network); err != nil {
			return false, err
		}
	}
	addr, err := netip.ParseAddr(ip)
	return err == nil && n.Contains(addr.Unmap().WithZone("")), nil
}

// parseNetwork reads an address or a network with its length.
func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("%.50q is no address or network", s)
}

// domainIn tells whether a domain, or that of an address, is the other or
// below it.
func (l *literals) domainIn(name, domain string) (bool, error) {
	d, ok := l.domains[domain]
	if !ok {
		d = DomainName(domain)
	}
	name = DomainName(name[strings.LastIndexByte(name, '@')+1:])
	if d == "" || len(name) < len(d) || !strings.HasSuffix(name, d) {
		return false, nil
	}
	return len(name) == len(d) || name[len(name)-len(d)-1] == '.', nil
}

// domainSyntax is a host name, or an address literal.
var domainSyntax = regexp.MustCompile(`^(\[[0-9A-Za-z.:]+\]|[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*)$`)

// parseDomain reads a domain written into a condition.
func parseDomain(s string) (string, error) {
	if d := DomainName(s); domainSyntax.MatchString(d) {
		return d, nil
	}
	return "", fmt.Errorf("%.50q is no domain", s)
}

// HeaderArg returns the argument of header() and headers(), which activations
// implement.
func HeaderArg(args []ref.Val) (string, bool) {
	if len(args) != 1 {
		return "", false
	}
	s, ok := args[0].(types.String)
	return string(s), ok
}

// stageOf returns the first stage at which a function has something to say.
func stageOf(function string) gateway.Stage {
	if function == "header" || function == "headers" {
		return gateway.StageHeader
	}
	return gateway.StageConnect
}
