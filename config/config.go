package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// Config is the whole configuration.
type Config struct {
	// Name of this gateway: in the greeting, in Received, and as the
	// authserv-id of Authentication-Results. Default: the machine's name.
	Hostname string `yaml:"hostname"`
	// Folder of all state: certificates, spool files. Default: data, beside
	// the configuration file.
	Data string `yaml:"data"`
	// Where clients connect.
	Listeners []Listener `yaml:"listeners"`
	// Certificates of the listeners.
	TLS cert.Options `yaml:"tls"`
	// How the DNS is asked.
	DNS DNS `yaml:"dns"`
	// Where mail of which domain goes: a domain, "*.domain" for its
	// subdomains, or default for what no other names.
	Domains Domains `yaml:"domains"`
	// Networks with rights of their own.
	Networks Networks `yaml:"networks"`
	// Bounds on messages, connections and resources.
	Limits Limits `yaml:"limits"`
	// Bounds and habits of the SMTP dialogue.
	SMTP SMTP `yaml:"smtp"`
	// What judges the mail, asked in this order. Absent: nothing.
	Filters []Filter `yaml:"filters"`
	// Policy files, in order. Default: the built-in policy, which `gapura
	// policy default` prints.
	Policy []string `yaml:"policy"`
	// What is logged.
	Log Log `yaml:"log"`

	// File is the name of the file that this was read from.
	File string `yaml:"-"`
}

// Listener is one address that clients connect to.
type Listener struct {
	// smtp, lmtp or http.
	Protocol string `yaml:"protocol"`
	// HOST:PORT, :PORT, or unix:PATH.
	Address string `yaml:"address"`
	// Peers that begin with a PROXY protocol header, v1 or v2. They must;
	// from others it is refused.
	ProxyProtocol []netip.Prefix `yaml:"proxy_protocol"`
	// Peers that may use XCLIENT.
	XClient []netip.Prefix `yaml:"xclient"`

	pos position
}

type position struct{ line, col int }

// positionOf tells where a node begins.
func positionOf(n ast.Node) position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return position{t.Position.Line, t.Position.Column}
	}
	return position{1, 1}
}

// DNS says how the DNS is asked.
type DNS struct {
	// Servers, as ADDR:PORT, asked in order. Default: the system's.
	Resolvers []string `yaml:"resolvers"`
	// Whether their DNSSEC verdict (AD) counts. One on loopback is always
	// trusted.
	TrustAD bool `yaml:"trust_ad"`
	// How long one look-up may take with all its tries.
	Timeout time.Duration `yaml:"timeout"`
	// Bytes that the cache may use.
	Cache int64 `yaml:"cache"`
}

// Networks name clients with rights of their own.
type Networks struct {
	// May relay without AUTH. Default: nobody.
	Relay []netip.Prefix `yaml:"relay"`
}

// Limits bound messages, connections and resources.
type Limits struct {
	// Octets of a message.
	Message int64 `yaml:"message"`
	// Recipients of a transaction; at least 100 (RFC 5321 section
	// 4.5.3.1.8).
	Recipients int `yaml:"recipients"`
	// Open connections of all listeners.
	Connections int `yaml:"connections"`
	// Open connections from one IPv4 address or IPv6 /64.
	ConnectionsPerIP int `yaml:"connections_per_ip"`
	// Received fields of a message; more are a loop.
	Hops int `yaml:"hops"`
	// Octets of the header block, and of one field with its folds.
	Header int `yaml:"header"`
	Field  int `yaml:"field"`
	// Octets of one message that stay in memory; the rest is spooled.
	BodyMemory int64 `yaml:"body_memory"`
	// Octets that all messages in transit may use in memory; past it they
	// are spooled.
	Memory int64 `yaml:"memory"`
	// Octets that they may use on disk; past it the client gets 452.
	Spool int64 `yaml:"spool"`
}

// Log says what is logged; lines are JSON on standard error.
type Log struct {
	// debug, info, warn or error.
	Level string `yaml:"level"`
}

// Default returns the configuration that an empty file stands for.
func Default() *Config {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return &Config{
		Hostname: host,
		Data:     "data",
		TLS:      cert.Options{Mode: cert.ModeSelfSigned},
		DNS:      DNS{Timeout: 20 * time.Second, Cache: 64 << 20},
		Limits: Limits{
			Message: 50 << 20, Recipients: 100, Connections: 2000, ConnectionsPerIP: 20, Hops: 50,
			Header: 512 << 10, Field: 256 << 10, BodyMemory: 2 << 20, Memory: 1 << 30, Spool: 10 << 30,
		},
		SMTP: SMTP{Options: smtpd.Options{Limits: smtpd.DefaultLimits()}},
		Log:  Log{Level: "info"},
	}
}

// Load reads the file called name over the defaults. Relative paths in it
// count from its folder. Its error is Errors where the file has mistakes.
func Load(name string) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w; a first one is printed by `gapura config reference`", err)
	}
	return Parse(name, data)
}

// Parse reads data as Load does.
func Parse(name string, data []byte) (*Config, error) {
	c := Default()
	c.File = name
	d := &decoder{file: name, getenv: os.LookupEnv, places: map[string]position{}}
	if root := d.parse(data); root != nil {
		d.decode(root, reflect.ValueOf(c).Elem(), 0)
		c.check(d)
	}
	if len(d.errs) > 0 {
		slices.SortStableFunc(d.errs, func(a, b Error) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Col - b.Col
		})
		return nil, d.errs
	}
	c.resolvePaths(filepath.Dir(name))
	return c, nil
}

// resolvePaths makes relative paths count from the file's folder.
func (c *Config) resolvePaths(dir string) {
	abs := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	abs(&c.Data)
	for i := range c.Policy {
		abs(&c.Policy[i])
	}
	for i := range c.Domains {
		t := &c.Domains[i].Options.TLS
		abs(&t.CA)
		abs(&t.Certificate)
		abs(&t.Key)
	}
	abs(&c.TLS.Certificate)
	abs(&c.TLS.Key)
	for i := range c.TLS.Certificates {
		abs(&c.TLS.Certificates[i].Certificate)
		abs(&c.TLS.Certificates[i].Key)
	}
}

// Errorf returns a mistake at a filter's place, for what only shows when the
// filter is made.
func (c *Config) Errorf(p position, format string, args ...any) error {
	return Errors{{File: c.File, Line: p.line, Col: p.col, Msg: fmt.Sprintf(format, args...)}}
}

// Path returns a path of the configuration: relative ones count from the
// file's folder.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(c.File), p)
}
