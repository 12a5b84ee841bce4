package dns

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"
)

// Type is a record type by its number (RFC 1035 section 3.2.2).
type Type uint16

const (
	TypeA     Type = 1
	TypeNS    Type = 2
	TypeCNAME Type = 5
	TypeSOA   Type = 6
	TypePTR   Type = 12
	TypeMX    Type = 15
	TypeTXT   Type = 16
	TypeAAAA  Type = 28
	TypeSRV   Type = 33
	TypeTLSA  Type = 52
)

// String returns the type's mnemonic.
func (t Type) String() string {
	for _, n := range typeNames {
		if n.t == t {
			return n.name
		}
	}
	return "TYPE" + strconv.Itoa(int(t)) // RFC 3597 section 5
}

var typeNames = [...]struct {
	t    Type
	name string
}{
	{TypeA, "A"},
	{TypeNS, "NS"},
	{TypeCNAME, "CNAME"},
	{TypeSOA, "SOA"},
	{TypePTR, "PTR"},
	{TypeMX, "MX"},
	{TypeTXT, "TXT"},
	{TypeAAAA, "AAAA"},
	{TypeSRV, "SRV"},
	{TypeTLSA, "TLSA"},
}

// typeByName returns the type of a mnemonic, 0 for none of ours.
func typeByName(name string) Type {
	for _, n := range typeNames {
		if n.name == name {
			return n.t
		}
	}
	return 0
}

// Resolver answers a question. Names are in A-label form, with or without the
// final dot; Normal says what is a name, for all else the answer is
// ErrNXDomain. An Answer without error has at least one record of the asked
// type; CNAMEs have been followed. Answers are shared: do not change them.
type Resolver interface {
	Lookup(ctx context.Context, name string, t Type) (Answer, error)
}

// Answer is the records of one name and type.
type Answer struct {
	Name      string // canonical name: the end of the CNAME chain, without the final dot
	Records   []Record
	Authentic bool          // AD from a trusted resolver (RFC 4035 section 3.2.3)
	TTL       time.Duration // the least of the records'
}

// Record is the data of one record; which fields are set depends on its type.
type Record struct {
	IP         netip.Addr // A, AAAA
	Text       string     // TXT: its strings joined without a space
	Host       string     // MX, SRV, PTR, NS, CNAME, SOA's server: without the final dot, lower case; "" is the root
	Preference uint16     // MX; SRV's priority
	Weight     uint16     // SRV
	Port       uint16     // SRV
	TLSA       *TLSA
}

// TLSA is a TLSA record (RFC 6698 section 2.1).
type TLSA struct {
	Usage, Selector, MatchingType uint8
	Data                          []byte
}

// The ways a look-up ends without records. ErrNXDomain and ErrNoData are
// answers; all else that Lookup returns is temporary.
var (
	ErrNXDomain = errors.New("no such domain")              // RFC 8020
	ErrNoData   = errors.New("no record of this type")      // RFC 2308 section 2.2
	ErrServFail = errors.New("name server failure")         // SERVFAIL, REFUSED, bogus, or no usable answer
	ErrTimeout  = errors.New("name servers did not answer") // every server, every try
)

// IsNotFound tells whether err says that the asked records do not exist.
func IsNotFound(err error) bool {
	return errors.Is(err, ErrNXDomain) || errors.Is(err, ErrNoData)
}
