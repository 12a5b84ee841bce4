package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// target is a smart host.
type target struct {
	host string // name or address
	port uint16
	tls  smtpc.TLSMode
	user string
	pass string

	tokens     *tokens // instead of pass
	mechanism  string
	unverified bool   // the certificate is not checked
	login      string // tells logins apart
}

// String returns the URL without user and password.
func (t *target) String() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return [...]string{"smtp", "smtp", "smtp+starttls", "smtps"}[t.tls] + "://" + host + ":" + strconv.Itoa(int(t.port))
}

var errURL = errors.New("a URL is wanted: smtp://host:port, smtp+starttls://user:password@host:port or smtps://user:password@host:port")

// parseTarget reads a smart host's URL. Its errors never hold a password.
func parseTarget(s string) (*target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errURL
	}
	t := &target{host: strings.ToLower(u.Hostname())}
	switch u.Scheme {
	case "smtp":
		t.tls, t.port = smtpc.TLSOff, 25
	case "smtp+starttls":
		t.tls, t.port = smtpc.TLSRequired, 587
	case "smtps":
		t.tls, t.port = smtpc.TLSImplicit, 465
	default:
		return nil, errURL
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("port %q is not a number from 1 to 65535", p)
		}
		t.port = uint16(n)
	}
	if _, err := netip.ParseAddr(t.host); err != nil {
		if smtp.CheckDomain(t.host, smtp.Underscore) != nil {
			return nil, fmt.Errorf("host %q is neither an address nor a name", t.host)
		}
	}
	if u.User == nil {
		return t, nil
	}
	t.user = u.User.Username()
	t.pass, _ = u.User.Password()
	switch {
	case t.user == "":
		return nil, errors.New("user:password@ is wanted before the host, with % before hexadecimal digits for special characters")
	case t.tls == smtpc.TLSOff:
		return nil, errors.New("a password is not sent in plaintext: use smtp+starttls:// or smtps://")
	}
	return t, nil
}
