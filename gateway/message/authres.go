package message

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// AuthResult is one method's result in an Authentication-Results field (RFC
// 8601 section 2.2).
type AuthResult struct {
	Method string     // spf, dkim, arc, dmarc, ...
	Result string     // pass, fail, none, ... (RFC 8601 section 2.7)
	Reason string     // "" : none is written
	Props  []AuthProp // in order
}

// AuthProp is one property: ptype.property=value, as in smtp.mailfrom=a@b.
type AuthProp struct {
	Type, Name, Value string
}

// AuthResults is what an Authentication-Results field says.
type AuthResults struct {
	ID      string // authserv-id, unquoted
	Results []AuthResult
}

// Bounds of one Authentication-Results field that is parsed or written.
const (
	MaxAuthResults = 100  // results
	MaxAuthProps   = 50   // properties of a result
	maxPropValue   = 1024 // octets of a value that we write
)

// ErrAuthResults tells that a value is no Authentication-Results.
var ErrAuthResults = errors.New("message: malformed Authentication-Results")

// Field returns a whole Authentication-Results field, one result a line, with
// a final CRLF.
func (a *AuthResults) Field() []byte {
	return AppendFolded(nil, "Authentication-Results: "+a.Value())
}

// Value returns the payload of RFC 8601 section 2.2, without final CRLF, each
// result on a folded line of its own; ARC puts its own words before it.
// Nothing in a brings a line end of its own. Results without a method or
// result are left out.
func (a *AuthResults) Value() string {
	var b strings.Builder
	b.WriteString(token(a.ID))
	n := 0
	for _, r := range a.Results {
		if !isToken(r.Method) || !isToken(r.Result) || n == MaxAuthResults {
			continue
		}
		n++
		b.WriteString(";\r\n\t" + r.Method + "=" + r.Result)
		if r.Reason != "" {
			b.WriteString(" reason=" + token(cut(r.Reason)))
		}
		for i, p := range r.Props {
			if i < MaxAuthProps && isToken(p.Type) && isToken(p.Name) {
				b.WriteString(" " + p.Type + "." + p.Name + "=" + pvalue(cut(p.Value)))
			}
		}
	}
	if n == 0 {
		b.WriteString("; none")
	}
	return b.String()
}

// token returns s as RFC 2045's value: a token or a quoted string.
func token(s string) string {
	if isToken(s) {
		return s
	}
	return quote(s)
}

// pvalue is as token, but a mailbox or @domain may stand bare.
func pvalue(s string) string {
	if isToken(s) {
		return s
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 && s == CleanValue(s) &&
		(i == 0 || isDotAtom(s[:i])) && isDotAtom(s[i+1:]) {
		return s
	}
	return quote(s)
}

// cut bounds a value that somebody else may have chosen.
func cut(s string) string { return s[:min(len(s), maxPropValue)] }

// ParseAuthResults parses the value of an Authentication-Results field or,
// without its instance, of an ARC-Authentication-Results. It is bounded and
// linear. The error wraps ErrAuthResults or is a *LimitError; what was parsed
// before it is returned.
func ParseAuthResults(value string) (*AuthResults, error) {
	l := &lexer{s: value}
	a := &AuthResults{}
	var ok bool
	if a.ID, ok = authservID(l); !ok {
		return a, fmt.Errorf("%w: authserv-id", ErrAuthResults)
	}
	for first := true; ; first = false {
		l.skip()
		if l.end() {
			if first || l.bad {
				return a, fmt.Errorf("%w: no results", ErrAuthResults)
			}
			return a, nil
		}
		if !l.accept(';') {
			return a, fmt.Errorf("%w: at octet %d", ErrAuthResults, l.pos)
		}
		l.skip()
		if l.end() && !first { // a final semicolon is common
			return a, nil
		}
		r, none, ok := resinfo(l)
		switch {
		case !ok || l.bad:
			return a, fmt.Errorf("%w: at octet %d", ErrAuthResults, l.pos)
		case none:
		case len(a.Results) == MaxAuthResults:
			return a, &LimitError{"authentication results", MaxAuthResults}
		default:
			a.Results = append(a.Results, r)
		}
	}
}

// authservID reads the authserv-id and a version after it.
func authservID(l *lexer) (string, bool) {
	l.skip()
	id, ok := value(l)
	if !ok || l.bad {
		return "", false
	}
	l.skip()
	for c := l.peek(); c >= '0' && c <= '9'; c = l.peek() {
		l.pos++
	}
	l.skip()
	return id, !l.bad && (l.end() || l.peek() == ';')
}

// value reads a token, more generously than RFC 2045, or a quoted string.
func value(l *lexer) (string, bool) {
	if l.peek() == '"' {
		s := l.quoted()
		return s, !l.bad
	}
	s := l.run(`();"`)
	return s, s != ""
}

// resinfo reads one result: "none" alone, or method=result with reason and
// properties.
func resinfo(l *lexer) (r AuthResult, none, ok bool) {
	r.Method = lower(l.run(`()/;="`))
	l.skip()
	if r.Method == "none" && (l.end() || l.peek() == ';') {
		return r, true, true
	}
	if l.accept('/') { // method-version
		l.skip()
		l.run(`()/;="`)
		l.skip()
	}
	if r.Method == "" || !l.accept('=') {
		return r, false, false
	}
	l.skip()
	if r.Result, ok = value(l); !ok {
		return r, false, false
	}
	r.Result = lower(r.Result)
	for {
		l.skip()
		if l.end() || l.peek() == ';' {
			return r, false, true
		}
		if len(r.Props) == MaxAuthProps || !propspec(l, &r) {
			return r, false, false
		}
	}
}

// propspec reads reason=value or ptype.property=value.
func propspec(l *lexer, r *AuthResult) bool {
	key := l.run(`().;="`)
	l.skip()
	name := ""
	if l.accept('.') {
		l.skip()
		name = l.run(`();="`)
		l.skip()
	}
	if key == "" || !l.accept('=') {
		return false
	}
	l.skip()
	v, ok := value(l)
	if !ok && (l.end() || l.peek() == ';' || l.peek() == ' ') {
		ok = true // smtp.mailfrom= is how the null sender is often written
	}
	if strings.HasSuffix(v, "@") || l.peek() == '@' {
		v += l.run("();") // "local part"@domain
	}
	if name == "" {
		r.Reason = v
	} else {
		r.Props = append(r.Props, AuthProp{lower(key), lower(name), v})
	}
	return ok && !l.bad
}

// hostName returns an authserv-id as names are compared: white space that a
// fold left, other writings of letters and dots, and a final dot do not count.
func hostName(s string) string {
	s = strings.TrimSuffix(strings.Join(strings.Fields(s), ""), ".")
	if a, err := smtp.ASCIIDomain(s); err == nil {
		return a
	}
	return lower(s)
}

// claimsAuthserv tells whether the body of an Authentication-Results field
// names one of the ids, or is so malformed that a reader might find one there.
func claimsAuthserv(body []byte, ids []string) bool {
	v := lower(string(body))
	l := &lexer{s: v}
	id, ok := authservID(l)
	if !ok {
		return true
	}
	head := v[:l.pos]
	id, decoded := hostName(id), hostName(DecodeText(head))
	for _, want := range ids {
		want = hostName(want)
		// Anywhere before the results: a reader that does not know comments
		// or versions might take that for the id.
		if want != "" && (id == want || decoded == want || strings.Contains(head, want)) {
			return true
		}
	}
	return false
}
