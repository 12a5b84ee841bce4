package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// Target is where a backend is and how it is spoken to.
type Target struct {
	Network string // tcp or unix
	Address string // host:port or a path
	Host    string // for TLS and Literals; "localhost" on a unix socket
	LMTP    bool
	TLS     smtpc.TLSMode
	User    string
	Pass    string
	url     string
}

// String returns the URL without user and password.
func (t *Target) String() string { return t.url }

var schemes = []struct {
	name string
	lmtp bool
	tls  smtpc.TLSMode
	port string // "" : a unix socket
}{
	{"smtp", false, smtpc.TLSOff, "25"},
	{"smtp+starttls", false, smtpc.TLSRequired, "25"},
	{"smtps", false, smtpc.TLSImplicit, "465"},
	{"lmtp", true, smtpc.TLSOff, "24"},
	{"lmtp+starttls", true, smtpc.TLSRequired, "24"},
	{"lmtp+unix", true, smtpc.TLSOff, ""},
}

const schemeHint = "smtp://, smtp+starttls://, smtps://, lmtp://, lmtp+starttls:// and lmtp+unix:///path are known"

// ParseURL reads a backend's URL. Its errors never hold a password.
func ParseURL(s string) (*Target, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return nil, fmt.Errorf("backend %q: a URL is wanted, such as smtp://%s; %s", redact(s), "10.0.0.5:25", schemeHint)
	}
	for _, k := range schemes {
		if k.name != strings.ToLower(scheme) {
			continue
		}
		t := &Target{Network: "tcp", LMTP: k.lmtp, TLS: k.tls}
		var err error
		if k.port == "" {
			err = t.unix(rest)
		} else {
			err = t.tcp(rest, k.port)
		}
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", redact(s), err)
		}
		t.url = k.name + "://" + t.Address
		return t, nil
	}
	return nil, fmt.Errorf("backend %q: unknown scheme %q; %s", redact(s), scheme, schemeHint)
}

// redact takes user and password out.
func redact(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		scheme, _, ok := strings.Cut(s[:at], "://")
		if ok {
			scheme += "://"
		} else {
			scheme = ""
		}
		return scheme + "...@" + s[at+1:]
	}
	return s
}

func (t *Target) unix(path string) error {
	if !strings.HasPrefix(path, "/") || len(path) < 2 {
		return fmt.Errorf("a path that begins with / is wanted, such as lmtp+unix:///run/dovecot/lmtp")
	}
	t.Network, t.Address, t.Host = "unix", path, "localhost"
	return nil
}

func (t *Target) tcp(rest, port string) error {
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := t.user(rest[:at]); err != nil {
			return err
		}
		rest = rest[at+1:]
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#") {
		return fmt.Errorf("nothing may follow host and port")
	}
	host, p, err := net.SplitHostPort(rest)
	if err != nil {
		host, p = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"), port
		if bracket := strings.HasPrefix(rest, "["); strings.Contains(host, ":") != bracket || strings.HasSuffix(rest, "]") != bracket {
			return fmt.Errorf("an IPv6 address is written in brackets: [::1]:%s", port)
		}
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("port %q is not a number from 1 to 65535", p)
	}
	if host == "" {
		return fmt.Errorf("the host is missing")
	}
	if _, err := netip.ParseAddr(host); err != nil {
		if err := smtp.CheckDomain(host, smtp.Underscore); err != nil {
			return fmt.Errorf("host %q is neither an address nor a name", host)
		}
	}
	t.Host, t.Address = host, net.JoinHostPort(host, p)
	return nil
}

func (t *Target) user(s string) error {
	user, pass, ok := strings.Cut(s, ":")
	var err error
	if t.User, err = url.PathUnescape(user); err == nil {
		t.Pass, err = url.PathUnescape(pass)
	}
	if err != nil || !ok || t.User == "" || t.Pass == "" {
		return fmt.Errorf("user:password@ is wanted before the host, with %% before hexadecimal digits for special characters")
	}
	if t.TLS == smtpc.TLSOff {
		return fmt.Errorf("a password is not sent in plaintext: use smtp+starttls:// or smtps://")
	}
	return nil
}
