package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/bounce"
	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/lda"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
	"github.com/gapura-mail/gapura/gateway/outbound"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/pop3d"
	"github.com/gapura-mail/gapura/gateway/quarantine"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/quota"
	"github.com/gapura-mail/gapura/gateway/sieve"
	"github.com/gapura-mail/gapura/gateway/sieved"
	"github.com/gapura-mail/gapura/gateway/signing"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// Config is the whole configuration.
type Config struct {
	// Name of this gateway: in the greeting, in Received, and as the
	// authserv-id of Authentication-Results. Default: the machine's name.
	Hostname string `yaml:"hostname"`
	// Folder of all state: certificates, spool files. A relative path, like
	// all in this file, counts from this file's folder.
	Data string `yaml:"data"`
	// Where clients connect.
	Listeners []Listener `yaml:"listeners"`
	// Certificates of the listeners.
	TLS TLS `yaml:"tls"`
	// How the DNS is asked.
	DNS DNS `yaml:"dns"`
	// Stores for what the gateway keeps itself.
	Storage Storage `yaml:"storage"`
	// Where mail of which domain goes: a domain, "*.domain" for its
	// subdomains, or default for what no other names.
	Domains Domains `yaml:"domains"`
	// Mail that is kept here, of domains with deliver: mailbox.
	Mailboxes Mailboxes `yaml:"mailboxes"`
	// Bounds of users' Sieve scripts.
	Sieve sieve.Options `yaml:"sieve"`
	// How IMAP is spoken.
	IMAP imapd.Options `yaml:"imap"`
	// How POP3 is spoken.
	POP3 pop3d.Options `yaml:"pop3"`
	// How ManageSieve is spoken.
	ManageSieve sieved.Options `yaml:"managesieve"`
	// How mail leaves for other servers.
	Outbound outbound.Options `yaml:"outbound"`
	// Mail that waits to be delivered.
	Queue queue.Options `yaml:"queue"`
	// Mail that a rule of the policy, or a refusal that its sender could not be
	// told, keeps apart; gapura quarantine shows it.
	Quarantine quarantine.Options `yaml:"quarantine"`
	// Networks with rights of their own.
	Networks Networks `yaml:"networks"`
	// How users log in; gapura user keeps them.
	Accounts account.Options `yaml:"accounts"`
	// What is done for mail of our own users and machines: of clients that
	// have logged in, and of networks.relay.
	Submission Submission `yaml:"submission"`
	// Return addresses, and what is done when mail comes back to them.
	Bounces bounce.Options `yaml:"bounces"`
	// How much users and machines may send; gapura quota shows it.
	Quota quota.Options `yaml:"quota"`
	// Addresses that are not to be written to; gapura suppress keeps them.
	Suppression suppress.Options `yaml:"suppression"`
	// DKIM signatures of our mail; gapura dkim keeps the keys.
	Signing signing.Options `yaml:"signing"`
	// Which servers of a domain to trust: policies of others, which are
	// fetched, and our own (MTA-STS, RFC 8461).
	MTASTS mtasts.Options `yaml:"mta_sts"`
	// Reports to domains that ask how TLS with their servers went (TLS-RPT,
	// RFC 8460).
	TLSRPT tlsrpt.Options `yaml:"tls_rpt"`
	// Bounds on messages, connections and resources.
	Limits Limits `yaml:"limits"`
	// Bounds and habits of the SMTP dialogue.
	SMTP SMTP `yaml:"smtp"`
	// What judges the mail, asked in this order; what is not listed is not
	// asked. Every filter also takes timeout, on_error and mail.
	Filters []Filter `yaml:"filters"`
	// Policy files, in order. Default: the built-in policy, which gapura
	// policy default prints.
	Policy []string `yaml:"policy"`
	// What is logged.
	Log Log `yaml:"log"`

	// File is the name of the file that this was read from.
	File string `yaml:"-"`

	places map[string]position
	hide   *strings.Replacer // takes secrets out of texts
}

// Listener is one address that clients connect to.
type Listener struct {
	// Protocol that is spoken: smtp, lmtp, submission (clients must begin TLS
	// and log in), submissions (the same, inside TLS from the start); imap, imaps,
	// pop3, pop3s and managesieve for mail that is kept here; http (metrics,
	// health and what mail programs ask a domain for), or https (the latter
	// alone, for everybody).
	Protocol string `yaml:"protocol"`
	// Where it is spoken: HOST:PORT, :PORT, or unix:PATH.
	Address string `yaml:"address"`
	// Who may connect to unix:PATH, as chmod has it: "0660" is owner and
	// group. Default: everybody, as to a port; to http only the owner.
	Mode string `yaml:"mode"`
	// Peers that begin with a PROXY protocol header, v1 or v2. They must;
	// from others it is refused.
	ProxyProtocol []netip.Prefix `yaml:"proxy_protocol"`
	// Whether clients of smtp may log in, inside TLS; those of submission and
	// submissions must.
	Auth bool `yaml:"auth"`
	// Peers that may use XCLIENT.
	XClient []netip.Prefix `yaml:"xclient"`
}

// FileMode returns Mode, or its default.
func (l Listener) FileMode() os.FileMode {
	m, err := strconv.ParseUint(l.Mode, 8, 9)
	switch {
	case err == nil:
		return os.FileMode(m)
	case l.Protocol == "http":
		return 0o600
	}
	return 0o666
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

// TLS says where the listeners' certificates come from.
type TLS struct {
	cert.Options `yaml:",inline"`
}

// DNS says how the DNS is asked.
type DNS struct {
	dns.Options `yaml:",inline"`
	// Octets of answers that are kept in memory.
	Cache int64 `yaml:"cache"`
}

// Storage names the stores.
type Storage struct {
	// Where accounts, keys and the queue are listed: sqlite, in the data
	// folder; or PostgreSQL as postgres://user@host/name, with the password in
	// the environment (PGPASSWORD). A database serves one gateway: another is
	// refused while that one runs. A change needs a restart.
	Database string `yaml:"database"`
	// Where octets of mail are: files, in the data folder; or S3 as
	// s3://bucket/prefix?endpoint=https://host&region=name, with
	// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment. Bucket and
	// prefix belong to the database that they were first used with. A change
	// needs a restart.
	Objects string `yaml:"objects"`
}

// Networks name clients with rights of their own.
type Networks struct {
	// Networks that may relay without AUTH. Default: nobody.
	Relay []netip.Prefix `yaml:"relay"`
}

// Mailboxes say how mail is kept.
type Mailboxes struct {
	Store    mailbox.Options `yaml:",inline"`
	Delivery lda.Options     `yaml:",inline"`
	// Full-text search.
	Search search.Options `yaml:"search"`
}

// Submission is what is done for mail of our own users and machines.
type Submission struct {
	inbound.Submission `yaml:",inline"`
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
	// Octets of the header block.
	Header int `yaml:"header"`
	// Octets of one header field with its folds.
	Field int `yaml:"field"`
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
	// Least severe lines that are written: debug, info, warn or error.
	Level string `yaml:"level"`
}

// Default returns the configuration that an empty file stands for.
func Default() *Config {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	wire := smtpd.DefaultLimits()
	wire.TextLine = 64 << 10
	c := &Config{
		Hostname:    host,
		Data:        "data",
		TLS:         TLS{cert.DefaultOptions()},
		DNS:         DNS{Cache: 64 << 20}, // the rest is resolv.conf's to say
		Outbound:    outbound.DefaultOptions(),
		Queue:       queue.DefaultOptions(),
		Quarantine:  quarantine.DefaultOptions(),
		Mailboxes:   Mailboxes{mailbox.DefaultOptions(), lda.DefaultOptions(), search.DefaultOptions()},
		Sieve:       sieve.DefaultOptions(),
		IMAP:        imapd.Options{Limits: imapd.DefaultLimits()},
		POP3:        pop3d.Options{Limits: pop3d.DefaultLimits()},
		ManageSieve: sieved.Options{Limits: sieved.DefaultLimits()},
		Storage:     Storage{Database: "sqlite", Objects: "files"},
		Accounts:    account.DefaultOptions(),
		Signing:     signing.DefaultOptions(),
		MTASTS:      mtasts.DefaultOptions(),
		TLSRPT:      tlsrpt.DefaultOptions(),
		Limits: Limits{
			Message: 50 << 20, Recipients: 100, Connections: 2000, ConnectionsPerIP: 20, Hops: 50,
			Header: 512 << 10, Field: 256 << 10, BodyMemory: 2 << 20, Memory: 1 << 30, Spool: 10 << 30,
		},
		Submission: Submission{inbound.DefaultSubmission()}, Suppression: suppress.DefaultOptions(), Quota: quota.DefaultOptions(), Bounces: bounce.DefaultOptions(),
		SMTP: SMTP{Options: smtpd.Options{Limits: wire}},
		Log:  Log{Level: "info"},
	}
	c.inherit(&decoder{})
	return c
}

// Load reads the file called name over the defaults. Relative paths in it
// count from its folder. Its error is Errors where the file has mistakes.
func Load(name string) (*Config, error) {
	data, err := readFile(name, maxFile)
	if err != nil {
		return nil, missingFile(err)
	}
	return Parse(name, data)
}

// LoadWithoutSecrets reads a file as Load does, but minds no ${NAME} that the
// environment lacks, where it is not about what is kept and where: the gateway's
// process may have a smart host's password alone, and who looks at the queue
// needs none. Such a value means nothing.
func LoadWithoutSecrets(name string) (*Config, error) {
	data, err := readFile(name, maxFile)
	if err != nil {
		return nil, missingFile(err)
	}
	return parse(name, data, true)
}

func missingFile(err error) error {
	return fmt.Errorf("%w (a first one is printed by `gapura config reference`)", err)
}

// Parse reads data as Load does.
func Parse(name string, data []byte) (*Config, error) {
	return parse(name, data, false)
}

func parse(name string, data []byte, withoutSecrets bool) (*Config, error) {
	c := Default()
	c.File = name
	d := &decoder{file: name, getenv: os.LookupEnv, places: map[string]position{}, withoutSecrets: withoutSecrets}
	if root := d.parse(data); root != nil {
		d.decode(root, reflect.ValueOf(c).Elem(), 0)
		d.typed = len(d.errs)
		c.inherit(d)
		c.check(d)
	}
	c.places, c.hide = d.places, strings.NewReplacer(d.secrets...)
	if len(d.errs) > 0 {
		d.errs = append(d.errs, d.missing...)
		slices.SortStableFunc(d.errs, byPlace)
		for i := range d.errs {
			d.errs[i].Msg = c.hide.Replace(d.errs[i].Msg)
		}
		errs := slices.Compact(d.errs)
		return nil, errs[:min(len(errs), MaxErrors)]
	}
	c.resolvePaths(filepath.Dir(name))
	return c, nil
}

// Bounds of imap.message.
const (
	minAppend = 64 << 10
	maxAppend = 2 << 30
)

// inherit gives what is not written the value of what is: a message that SMTP
// takes can be kept with the fields that are added on its way, and appended.
func (c *Config) inherit(d *decoder) {
	written := func(path string) bool {
		_, ok := d.places[path]
		return ok
	}
	if !written("imap.message") {
		c.IMAP.Limits.Message = min(max(c.Limits.Message, minAppend), maxAppend)
	}
	if !written("mailboxes.max_size") {
		c.Mailboxes.Store.MaxSize = min(max(c.Limits.Message, c.IMAP.Limits.Message), 1<<60) + int64(c.Limits.Header)
	}
	c.Queue.Quarantine, c.Queue.Refused = c.Quarantine.Expire, cmp.Or(c.Quarantine.Refused, -1)
}

// resolvePaths makes relative paths count from the file's folder.
func (c *Config) resolvePaths(dir string) {
	abs := func(paths ...*string) {
		for _, p := range paths {
			if *p != "" && !filepath.IsAbs(*p) {
				*p = filepath.Join(dir, *p)
			}
		}
	}
	abs(&c.Data)
	for i := range c.Policy {
		abs(&c.Policy[i])
	}
	for i := range c.Outbound.Rules {
		abs(&c.Outbound.Rules[i])
	}
	abs(&c.TLS.Certificate, &c.TLS.Key, &c.Outbound.CA)
	for i := range c.TLS.Certificates {
		abs(&c.TLS.Certificates[i].Certificate, &c.TLS.Certificates[i].Key)
	}
	for i := range c.Signing.Keys {
		abs(&c.Signing.Keys[i].Key)
	}
	if x := c.Accounts.LDAP; x != nil {
		abs(&x.CA)
	}
	if x := c.Accounts.Certificates; x != nil {
		abs(&x.CA)
	}
	for i := range c.Domains {
		t := &c.Domains[i].TLS
		abs(&t.CA, &t.Certificate, &t.Key)
	}
}

// Errorf returns a mistake at a filter's or a domain's place, for what only
// shows when the filter or the domain is made.
func (c *Config) Errorf(p position, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if c.hide != nil {
		msg = c.hide.Replace(msg)
	}
	return Errors{{File: c.File, Line: p.line, Col: p.col, Msg: msg}}
}

// Mistake returns an error in the value of a key, written like
// listeners[0].address; where the file does not have it, the place is that of
// what is above it. The hint may be "".
func (c *Config) Mistake(key, hint, format string, args ...any) error {
	d := decoder{places: c.places}
	e := c.Errorf(d.place(key), format, args...).(Errors)
	e[0].Hint = hint
	return e
}

// Path returns a path of the configuration: relative ones count from the
// file's folder.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(c.File), p)
}
