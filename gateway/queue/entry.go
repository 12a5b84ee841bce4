package queue

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// message is what all entries of one copy share. It does not change, but for
// ref, which is guarded by Queue.refs, and what is in memory of it.
type message struct {
	first     int64 // id of its first entry
	entries   int64 // it has those from first to first+entries-1
	trace     string
	from      smtp.ReversePath
	params    smtp.MailParams
	user      string
	queue     gateway.Queueing
	ref       blob.Ref
	data      atomic.Pointer[[]byte] // the octets, while it is new and there is room
	users     int                    // its entries in memory; guarded by Queue.mu
	queued    int64
	notBefore int64 // FUTURERELEASE (RFC 4865); 0: at once

	eightBit, utf8Header bool
	notice               bool // it is a notification of ours to a sender
}

// sender is whose turn it is when several wait for a destination: the account,
// or else the domain.
func (m *message) sender() string {
	if m.user != "" {
		return m.user
	}
	return domainOf(m.from.Address)
}

// lane returns the lane that was chosen.
func (m *message) lane() string {
	if m.queue.Lane == "" {
		return DefaultLane
	}
	return m.queue.Lane
}

// priority is the policy's, or else the one asked for (RFC 6710).
func (m *message) priority() int {
	p := m.queue.Priority
	if p == 0 {
		p = m.params.Priority
	}
	return max(-9, min(9, p))
}

// tag names the message's rows in the blob store.
func (m *message) tag() string {
	return strconv.FormatInt(m.first, 10) + "+" + strconv.FormatInt(m.entries, 10)
}

// parseTag reads what tag returned.
func parseTag(s string) (first, entries int64, ok bool) {
	a, b, ok := strings.Cut(s, "+")
	first, err1 := strconv.ParseInt(a, 10, 64)
	entries, err2 := strconv.ParseInt(b, 10, 64)
	return first, entries, ok && err1 == nil && err2 == nil && first > 0 && entries > 0 && entries <= maxEntries
}

// recipient is one recipient of an entry.
type recipient struct {
	to     smtp.ForwardPath
	params smtp.RcptParams
	warned bool  // the sender has been told that it is late
	last   reply // of the latest attempt
}

// reply is what is remembered of an outcome.
type reply struct {
	smtp.Reply
	mta   string
	local bool
}

// entry is a message for recipients of one destination: one row.
type entry struct {
	id       int64
	msg      *message
	route    string
	domain   string // the recipients', lower-case ASCII
	rcpts    []recipient
	attempts int   // made
	byHand   int   // of these, or of the next ones: an administrator wanted them, beside the schedule
	tried    int64 // when the latest began; 0: never
	due      int64 // when it may be tried
	since    int64 // from when on its age counts
	hold     string
	heldAt   int64
	kept     *gateway.Kept // why it is, or was, in quarantine; nil: it never was
	freed    int64         // when it was released from there; 0: it was not
	takes    int64         // octets of the bound on copies of refused mail; 0: it is none
	flow     uint64        // see flowOf

	// What follows is not stored, and guarded by Queue.mu.
	fresh   bool // its row is in queue_new, not in queue_waiting
	state   state
	wish    wish
	reason  string      // of toHold
	lost    atomic.Bool // its octets cannot be read any more
	unread  atomic.Bool // they could not just now
	began   int64       // of the attempt that runs
	slow    bool        // that attempt does not count among the quick ones
	dest    *dest
	lane    *lane
	next    *entry // in its flow
	newer   *entry // of attempts that run, by age
	older   *entry
	fate    fate     // what its row becomes
	notices []*entry // notifications that are stored with that
	loaded  bool     // it counts in its bucket
	was     State    // of a row that an administrator changes
	logged  bool     // it has no row yet: it is in the log; then fresh is true
	moving  bool     // its row is being written
	doubt   bool     // its row may have been written: nobody has heard
}

// state is where an entry in memory is.
type state uint8

const (
	storing  state = iota // its rows are being written
	ready                 // in the scheduler
	running               // an attempt runs
	settling              // what became of it is being written
)

// wish is what an administrator wants of an entry while it runs.
type wish uint8

const (
	noWish wish = iota
	toHold
	toRemove
	toRetry
)

// apart tells whether it is in quarantine.
func (e *entry) apart() bool { return e.kept != nil && e.freed == 0 }

// stays tells whether it is not tried until somebody lets it go.
func (e *entry) stays() bool { return e.hold != "" || e.apart() }

// inLog tells whether it is in the log alone, and no row is being written.
func (e *entry) inLog() bool { return e.logged && !e.moving }

// bucket is the part of a flow's number under which waiting rows are found.
func (e *entry) bucket() uint32 { return uint32(e.flow >> (64 - bucketBits)) }

// bucketBits is how many bits of a flow's number name a bucket: flows share
// one rarely, and all buckets together fit in a few MB.
const bucketBits = 20

// flowOf numbers the flows between which there is fairness. The number is
// stored, as bucket: it must not change from version to version.
func flowOf(route, domain, lane string, priority int, sender string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for _, s := range [...]string{route, domain, lane, sender} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	h = (h ^ uint64(byte(priority))) * prime
	// The high bits of FNV are mixed badly: finish as murmur3 does.
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// domainOf returns the domain of an address as it is compared, "" for none.
func domainOf(a smtp.Address) string {
	d, err := smtp.ASCIIDomain(a.Domain)
	if err != nil {
		return strings.ToLower(a.Domain)
	}
	return d
}
