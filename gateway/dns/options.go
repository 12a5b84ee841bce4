package dns

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Defaults and bounds of Options.
const (
	defaultTimeout  = 2 * time.Second
	defaultAttempts = 3
	maxAttempts     = 10
	maxResolvers    = 16
	resolvConf      = "/etc/resolv.conf"
)

// Options of a Client. The zero value asks the system's resolvers.
type Options struct {
	// Resolvers are the recursive name servers to ask, in order of preference,
	// as address or address:port. Default: those of /etc/resolv.conf, without
	// its search list; 127.0.0.1:53 when there is none.
	Resolvers []string `yaml:"resolvers"`
	// Whether the resolvers are believed when they say that DNSSEC proved an
	// answer, which DANE needs. Set it only when they validate and the network
	// between is safe. Resolvers on a loopback address are always believed.
	TrustAD bool `yaml:"trust_ad"`
	// Timeout is how long the first try waits for a server; it doubles with
	// every round over all servers. Default 2s, or what resolv.conf says.
	Timeout time.Duration `yaml:"timeout"`
	// Attempts is the number of rounds over all servers. Default 3, or what
	// resolv.conf says.
	Attempts int `yaml:"attempts"`
	// Whether names are sent in lower case, for resolvers that mind the random
	// mixture which makes answers hard to forge.
	KeepCase bool `yaml:"keep_case"`
	// Metrics counts queries; nil counts nothing.
	Metrics *Metrics `yaml:"-"`
}

// DefaultOptions returns the default of every option; Resolvers are the
// system's.
func DefaultOptions() Options {
	return Options{Timeout: defaultTimeout, Attempts: defaultAttempts}
}

// servers checks the options, fills in what they leave out, and returns the
// name servers.
func (o *Options) servers() ([]*server, error) {
	if len(o.Resolvers) == 0 {
		text, err := os.ReadFile(resolvConf)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("dns: the system's resolvers: %w", err)
		}
		o.system(text)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	o.Attempts = min(o.Attempts, maxAttempts)
	if len(o.Resolvers) > maxResolvers {
		return nil, fmt.Errorf("dns: %d resolvers are more than %d", len(o.Resolvers), maxResolvers)
	}
	list := make([]*server, len(o.Resolvers))
	for i, r := range o.Resolvers {
		addr, err := resolverAddr(r)
		if err != nil {
			return nil, err
		}
		list[i] = &server{addr: addr.String(), trusted: o.TrustAD || addr.Addr().IsLoopback()}
	}
	return list, nil
}

// resolverAddr reads an address with or without a port.
func resolverAddr(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return a, fmt.Errorf("dns: resolver %q is no address or address:port", s)
	}
	return a, nil
}

// system takes from the text of resolv.conf(5) what o leaves open.
func (o *Options) system(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if _, err := netip.ParseAddr(words[1]); err == nil && len(o.Resolvers) < maxResolvers {
				o.Resolvers = append(o.Resolvers, words[1])
			}
		case "options":
			o.systemOptions(words[1:])
		}
	}
	if len(o.Resolvers) == 0 {
		o.Resolvers = []string{"127.0.0.1"}
	}
}

func (o *Options) systemOptions(words []string) {
	for _, w := range words {
		key, value, _ := strings.Cut(w, ":")
		n, _ := strconv.Atoi(value)
		switch {
		case key == "trust-ad":
			o.TrustAD = true
		case key == "timeout" && o.Timeout == 0 && n > 0:
			o.Timeout = time.Duration(min(n, 30)) * time.Second
		case key == "attempts" && o.Attempts == 0 && n > 0:
			o.Attempts = n
		}
	}
}
