package dnstest

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	wire "github.com/miekg/dns"
)

// Fault is a way in which a Server misbehaves.
type Fault uint

// The faults; they may be added up.
const (
	SilentUDP     Fault = 1 << iota // UDP queries are dropped
	SilentTCP                       // TCP connections get no answer
	Truncate                        // UDP answers are empty and say TC
	WrongID                         // UDP answers have another id
	WrongQuestion                   // UDP answers repeat another question
	Lowercase                       // answers repeat the name in lower case
	Garbage                         // answers are cut in the middle of a record
	NoEDNS                          // queries with an OPT record get FORMERR
	Refuse                          // every query gets REFUSED
	Forge                           // a forged answer of another id and address comes first
	Flood                           // so many of those that none but TCP can tell
	Referral                        // denials look like those of a server that is not recursive
	Extra                           // answers carry records that nobody asked for
	ForceAD                         // every answer has AD
	WrongTCP                        // TCP answers repeat another question
)

// forged is the address in answers that must not be believed.
const forged = "192.0.2.66"

// Server is a name server on a loopback address, UDP and TCP on one port.
type Server struct {
	Addr   string // address:port
	zone   dns.Resolver
	mu     sync.Mutex
	faults Fault
	log    []string
}

// Serve starts a recursive-looking server that answers from z until the test
// ends. TIMEOUT in a zone is silence.
func Serve(t testing.TB, z dns.Resolver, faults ...Fault) *Server {
	t.Helper()
	udp, tcp, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: udp.LocalAddr().String(), zone: z}
	s.Break(faults...)
	var wg sync.WaitGroup
	for _, srv := range []*wire.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		wg.Go(func() { _ = srv.ActivateAndServe() })
		<-started
		t.Cleanup(func() { _ = srv.Shutdown() })
	}
	t.Cleanup(func() { _, _ = udp.Close(), tcp.Close() })
	return s
}

// listen opens the same port twice.
func listen() (net.PacketConn, net.Listener, error) {
	var errs []error
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp, nil
		}
		_ = udp.Close()
		errs = append(errs, err)
	}
	return nil, nil, errors.Join(errs...)
}

// Break replaces the server's faults.
func (s *Server) Break(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = 0
	for _, f := range faults {
		s.faults |= f
	}
}

// Queries returns the questions so far, as "udp Example.oRg TXT", with
// " noedns" when there was no OPT record, in order.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// note logs a query and returns the faults to answer it with.
func (s *Server) note(network string, q *wire.Msg) Fault {
	line := fmt.Sprintf("%s %s %s", network, strings.TrimSuffix(q.Question[0].Name, "."), wire.TypeToString[q.Question[0].Qtype])
	if q.IsEdns0() == nil {
		line += " noedns"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
	return s.faults
}

// ServeDNS answers one query.
func (s *Server) ServeDNS(w wire.ResponseWriter, q *wire.Msg) {
	if len(q.Question) != 1 {
		return
	}
	network := w.LocalAddr().Network()
	f, udp := s.note(network, q), network == "udp"
	if udp && f&SilentUDP != 0 || !udp && f&SilentTCP != 0 {
		return
	}
	m, ok := s.reply(q, f)
	if !ok {
		return
	}
	if udp {
		s.disturb(w, q, m, f)
		m.Truncate(limit(q))
	}
	if !udp && f&WrongTCP != 0 {
		m.Question[0].Name = "other.invalid."
	}
	if f&Lowercase != 0 {
		m.Question[0].Name = strings.ToLower(m.Question[0].Name)
	}
	b, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("dnstest: cannot pack the zone's answer: %v", err))
	}
	if f&Garbage != 0 {
		b = b[:len(b)-1]
	}
	_, _ = w.Write(b)
}

// limit is the size of UDP answers.
func limit(q *wire.Msg) int {
	if opt := q.IsEdns0(); opt != nil {
		return int(opt.UDPSize())
	}
	return wire.MinMsgSize
}

// disturb applies the faults that concern UDP alone.
func (s *Server) disturb(w wire.ResponseWriter, q, m *wire.Msg, f Fault) {
	forgeries := 0
	if f&Forge != 0 {
		forgeries = 3
	}
	if f&Flood != 0 {
		forgeries = 100
	}
	for i := range forgeries {
		fake := new(wire.Msg).SetReply(q)
		fake.Id += uint16(i) + 1
		fake.Answer = []wire.RR{&wire.A{Hdr: header(q.Question[0].Name, wire.TypeA, 60), A: net.ParseIP(forged)}}
		_ = w.WriteMsg(fake)
	}
	if f&Truncate != 0 && m.Rcode == wire.RcodeSuccess {
		m.Truncated, m.Answer = true, nil
	}
	if f&WrongID != 0 {
		m.Id++
	}
	if f&WrongQuestion != 0 {
		m.Question[0].Name = "other.invalid."
	}
}

// reply builds the honest answer; false: silence.
func (s *Server) reply(q *wire.Msg, f Fault) (*wire.Msg, bool) {
	m := new(wire.Msg).SetReply(q)
	m.RecursionAvailable = true
	opt := q.IsEdns0()
	switch {
	case f&Refuse != 0:
		m.Rcode = wire.RcodeRefused
		return m, true
	case f&NoEDNS != 0 && opt != nil:
		m.Rcode = wire.RcodeFormatError
		m.Question = nil
		return m, true
	}
	if opt != nil {
		m.SetEdns0(1232, false)
	}
	a, err := s.zone.Lookup(noDeadline, plain(q.Question[0].Name), dns.Type(q.Question[0].Qtype))
	var n *dns.NotFound
	switch {
	case errors.Is(err, dns.ErrTimeout):
		return nil, false
	case errors.As(err, &n):
		m.AuthenticatedData = n.Authentic && q.AuthenticatedData
		deny(m, n, f)
	case errors.Is(err, dns.ErrNXDomain):
		m.Rcode = wire.RcodeNameError
	case err != nil:
		m.Rcode = wire.RcodeServerFailure
	default:
		m.Answer = records(q.Question[0], a)
		m.AuthenticatedData = a.Authentic && q.AuthenticatedData
	}
	m.AuthenticatedData = m.AuthenticatedData || f&ForceAD != 0
	if f&Extra != 0 {
		m.Answer = append(m.Answer, &wire.A{Hdr: header("other.invalid.", wire.TypeA, 60), A: net.ParseIP(forged)},
			&wire.CNAME{Hdr: header("other.invalid.", wire.TypeCNAME, 60), Target: q.Question[0].Name})
	}
	return m, true
}

func deny(m *wire.Msg, n *dns.NotFound, f Fault) {
	if errors.Is(n, dns.ErrNXDomain) {
		m.Rcode = wire.RcodeNameError
	}
	if n.TTL > 0 {
		m.Ns = []wire.RR{&wire.SOA{Hdr: header(".", wire.TypeSOA, 86400), Ns: "ns.invalid.", Mbox: "m.invalid.", Minttl: uint32(n.TTL.Seconds())}}
	}
	if f&Referral != 0 {
		m.RecursionAvailable = false
		m.Ns = []wire.RR{&wire.NS{Hdr: header("invalid.", wire.TypeNS, 60), Ns: "ns.invalid."}}
	}
}
