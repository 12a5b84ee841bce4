package mtasts

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/record"
)

// Bounds of policies.
const (
	MaxPolicy   = 64 << 10 // octets (RFC 8461 section 3.3)
	maxLines    = 2048
	maxPatterns = 1024
	// MaxAge is the most that max_age counts (RFC 8461 section 3.2).
	MaxAge = 31557600 * time.Second
)

// ErrPolicy says that a policy does not follow the grammar.
var ErrPolicy = errors.New("invalid MTA-STS policy")

// Mode says what to do with a server that does not match (RFC 8461 section 5).
type Mode string

// The modes.
const (
	Enforce Mode = "enforce" // it is not used
	Testing Mode = "testing" // it is used, and reported
	Off     Mode = "none"    // the domain has no policy any more
)

// Policy is the text at https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC
// 8461 section 3.2).
type Policy struct {
	Mode       Mode
	MaxAge     time.Duration // 0 to MaxAge
	MX         []string      // patterns in lower case: a host name or "*." and one
	Extensions []Pair        // other fields, in order
	Lines      []string      // the text as it came, for reports
}

// ParsePolicy reads a policy. Of repeated fields other than mx the first
// counts; unknown ones are allowed. Errors wrap ErrPolicy.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > MaxPolicy {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrPolicy, MaxPolicy)
	}
	if n := bytes.Count(text, []byte("\n")); n > maxLines {
		return nil, fmt.Errorf("%w: more than %d lines", ErrPolicy, maxLines)
	}
	p := policyParser{seen: map[string]bool{}, policy: new(Policy)}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if i < len(lines)-1 {
			line = strings.TrimSuffix(line, "\r")
		}
		if i == len(lines)-1 && line == "" {
			break // the last line's end
		}
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrPolicy, i+1, err)
		}
	}
	return p.end()
}

type policyParser struct {
	policy *Policy
	seen   map[string]bool
}

// line reads one field.
func (p *policyParser) line(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%q has no colon", record.Shorten(line))
	}
	p.policy.Lines = append(p.policy.Lines, strings.TrimRight(line, " \t"))
	value = strings.Trim(value, " \t")
	if p.seen[name] && name != "mx" {
		return nil
	}
	p.seen[name] = true
	switch name {
	case "version":
		if value != "STSv1" {
			return fmt.Errorf("version %q is not STSv1", record.Shorten(value))
		}
	case "mode":
		p.policy.Mode = Mode(value)
		if m := p.policy.Mode; m != Enforce && m != Testing && m != Off {
			return fmt.Errorf("unknown mode %q", record.Shorten(value))
		}
	case "max_age":
		return p.maxAge(value)
	case "mx":
		return p.mx(value)
	default:
		return p.extension(name, value)
	}
	return nil
}

func (p *policyParser) maxAge(value string) error {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || len(value) > 10 {
		return fmt.Errorf("max_age %q is not 1 to 10 digits", record.Shorten(value))
	}
	p.policy.MaxAge = min(time.Duration(min(n, 1<<32))*time.Second, MaxAge)
	return nil
}

func (p *policyParser) mx(value string) error {
	name, ok := dns.Normal(strings.TrimPrefix(value, "*."))
	if !ok || strings.HasSuffix(value, ".") || !hostName(name) {
		return fmt.Errorf("mx %q is no host name, nor *. and one", record.Shorten(value))
	}
	if len(p.policy.MX) == maxPatterns {
		return fmt.Errorf("more than %d mx", maxPatterns)
	}
	p.policy.MX = append(p.policy.MX, strings.ToLower(value))
	return nil
}

// hostName checks a name in lower case (RFC 5321 section 4.1.2, Domain).
func hostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.IndexFunc(label, func(c rune) bool { return !record.Alphanumeric(c) && c != '-' }) >= 0 {
			return false
		}
	}
	return true
}

func (p *policyParser) extension(name, value string) error {
	if !record.ValidName(name) {
		return fmt.Errorf("%q is no field name", record.Shorten(name))
	}
	if value == "" || !utf8.ValidString(value) || strings.IndexFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
		return fmt.Errorf("the value of %s is empty or has a character that is not allowed", name)
	}
	p.policy.Extensions = append(p.policy.Extensions, Pair{name, value})
	return nil
}

// end checks that nothing is missing.
func (p *policyParser) end() (*Policy, error) {
	for _, name := range []string{"version", "mode", "max_age"} {
		if !p.seen[name] {
			return nil, fmt.Errorf("%w: it has no %s", ErrPolicy, name)
		}
	}
	if len(p.policy.MX) == 0 && p.policy.Mode != Off {
		return nil, fmt.Errorf("%w: mode %s and no mx", ErrPolicy, p.policy.Mode)
	}
	return p.policy, nil
}

// Match tells whether a host, as an MX record names it, is one of the policy's
// (RFC 8461 section 4.1). A wildcard stands for one label.
func (p *Policy) Match(host string) bool {
	name, ok := dns.Normal(host)
	if !ok {
		return false
	}
	_, parent, _ := strings.Cut(name, ".")
	for _, pattern := range p.MX {
		rest, wild := strings.CutPrefix(pattern, "*.")
		if wild && parent == rest || !wild && name == pattern {
			return true
		}
	}
	return false
}

// String returns the policy as it is published.
func (p *Policy) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: STSv1\r\nmode: %s\r\n", p.Mode)
	for _, mx := range p.MX {
		fmt.Fprintf(&b, "mx: %s\r\n", mx)
	}
	fmt.Fprintf(&b, "max_age: %d\r\n", int64(p.MaxAge/time.Second))
	for _, e := range p.Extensions {
		fmt.Fprintf(&b, "%s: %s\r\n", e.Name, e.Value)
	}
	return b.String()
}
