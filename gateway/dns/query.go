package dns

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

// Flags of the message header (RFC 1035 section 4.1.1, RFC 4035 section 3.2).
const (
	flagQR = 1 << 15
	flagTC = 1 << 9
	flagRD = 1 << 8
	flagAD = 1 << 5
	opcode = 0xF << 11
)

const (
	headerLen = 12
	classIN   = 1
	typeOPT   = 41
	// ednsSize is the UDP size that passes everywhere unfragmented (DNS flag
	// day 2020).
	ednsSize = 1232
)

// query is one question as it is sent.
type query struct {
	wire []byte // from the third octet on the message, length in front of it for TCP
	qlen int    // octets of the question section
}

// newQuery builds the message of a question with a random id. name is Normal.
// AD in a query asks for AD in the answer (RFC 6840 section 5.7) without the
// signatures that DO would bring.
func newQuery(name string, t Type, edns, ad, mix bool) query {
	flags, extra := uint16(flagRD), uint16(0)
	if ad {
		flags |= flagAD
	}
	if edns {
		extra = 1
	}
	b := make([]byte, 2, 2+headerLen+len(name)+2+4+11)
	b = binary.BigEndian.AppendUint16(b, uint16(rand.Uint32()))
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, 0, 1, 0, 0, 0, 0, 0, byte(extra))
	for label := range strings.SplitSeq(name, ".") {
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	b = append(b, 0)
	if mix {
		mixCase(b[2+headerLen:])
	}
	b = binary.BigEndian.AppendUint16(b, uint16(t))
	b = binary.BigEndian.AppendUint16(b, classIN)
	qlen := len(b) - 2 - headerLen
	if edns { // RFC 6891 section 6.1.2
		b = append(b, 0, 0, typeOPT, ednsSize>>8, ednsSize&0xFF, 0, 0, 0, 0, 0, 0)
	}
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	return query{b, qlen}
}

// mixCase turns letters of a name in wire form to upper case at random
// (draft-vixie-dnsext-dns0x20): an answer must repeat what only its server
// saw. Length octets are below 64 and no letters.
func mixCase(b []byte) {
	bits, left := uint64(0), 0
	for i, c := range b {
		if c < 'a' || c > 'z' {
			continue
		}
		if left == 0 {
			bits, left = rand.Uint64(), 64
		}
		b[i] = c &^ byte(bits&1<<5)
		bits, left = bits>>1, left-1
	}
}

func (q query) udp() []byte      { return q.wire[2:] }
func (q query) tcp() []byte      { return q.wire }
func (q query) question() []byte { return q.wire[2+headerLen:][:q.qlen] }

// match says how well a message answers a query.
type match int

const (
	stray  match = iota // not an answer to this query
	folded              // the name came back in other case
	exact
)

// answeredBy compares id, header and question of a response with the query's
// (RFC 5452 section 9.1). Servers that could not read the question may leave
// it out when they say so.
func (q query) answeredBy(b []byte) match {
	if len(b) < headerLen || !bytes.Equal(b[:2], q.udp()[:2]) {
		return stray
	}
	flags := binary.BigEndian.Uint16(b[2:])
	if flags&flagQR == 0 || flags&opcode != 0 {
		return stray
	}
	rest := b[headerLen:]
	switch n := binary.BigEndian.Uint16(b[4:]); {
	case n == 0 && flags&0xF != 0 && flags&0xF != 3:
		return exact
	case n != 1 || len(rest) < q.qlen:
		return stray
	case bytes.Equal(rest[:q.qlen], q.question()):
		return exact
	case equalFold(rest[:q.qlen], q.question()):
		return folded
	}
	return stray
}

// equalFold compares ASCII; type and class, which are last, must be the same.
func equalFold(a, b []byte) bool {
	n := len(a) - 4
	if !bytes.Equal(a[n:], b[n:]) {
		return false
	}
	for i := range n {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 32
	}
	return c
}

func truncated(b []byte) bool { return binary.BigEndian.Uint16(b[2:])&flagTC != 0 }
