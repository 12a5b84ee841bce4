package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// What a row holds beside its columns is one BLOB: a version, then fields in a
// fixed order, integers as varints and strings with their length before them.
// A later version may add fields at the end of each part; it reads all before.
const rowVersion = 1

// Bounds of a row.
const (
	maxRecipients = 1000 // of an entry
	maxEntries    = 1 << 20
	maxName       = 255  // octets of a label, user, lane or domain
	maxEnvelopeID = 1000 // RFC 3461 section 4.4 allows 100
	maxReplyText  = 500  // octets of a reply that are remembered
	maxHoldReason = 500
	maxLocal      = 255 // octets of a local part
	maxOriginal   = 1000
	maxKeptText   = 500 // octets of each text about why it is in quarantine
	maxKeptFacts  = 30
)

// errRow tells that a row cannot be read.
var errRow = errors.New("queue: the row is damaged")

// Bits of a message.
const (
	flagEightBit = 1 << iota
	flagUTF8Header
	flagSMTPUTF8
	flagRequireTLS
	flag8BitMIME
	flagAuth
	flagPRDR
	flagByReturn
	flagByTrace
	flagBySet
	flagReport
	flagNotice
)

// Bits of a recipient.
const (
	flagWarned = 1 << iota
	flagReply
	flagLocal
)

type encoder struct{ b []byte }

func (w *encoder) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *encoder) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }
func (w *encoder) string(s string, limit int) {
	s = s[:min(len(s), limit)]
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *encoder) address(a smtp.Address) {
	w.string(a.Local, maxLocal)
	w.string(a.Domain, maxName)
}

// appendRow appends what the BLOB column of e's row holds.
func appendRow(dst []byte, e *entry) []byte {
	w := encoder{append(dst, rowVersion)}
	w.message(e.msg)
	w.string(e.route, maxName)
	w.string(e.domain, maxName)
	w.uint(uint64(e.attempts))
	w.int(e.tried)
	w.int(e.since)
	w.string(e.hold, maxHoldReason)
	w.int(e.heldAt)
	w.uint(uint64(len(e.rcpts)))
	for i := range e.rcpts {
		w.recipient(&e.rcpts[i])
	}
	if e.byHand > 0 || e.kept != nil { // versions before did not have these, and pass them over
		w.uint(uint64(e.byHand))
	}
	if e.kept != nil {
		w.int(e.freed)
		w.kept(e.kept)
	}
	return w.b
}

func (w *encoder) kept(k *gateway.Kept) {
	for _, s := range [...]string{k.Rule, k.Stage, k.Reason, k.Author, k.Subject} {
		w.string(s, maxKeptText)
	}
	facts := k.Facts[:min(len(k.Facts), maxKeptFacts)]
	w.uint(uint64(len(facts)))
	for _, f := range facts {
		w.string(f.Name, maxName)
		w.string(f.Value, maxKeptText)
	}
}

func (w *encoder) message(m *message) {
	p := &m.params
	w.uint(m.flags())
	w.int(m.first)
	w.int(m.entries)
	w.string(m.trace, maxName)
	w.address(m.from.Address)
	w.string(m.user, maxName)
	w.string(m.queue.Lane, maxName)
	w.string(m.queue.Pool, maxName)
	w.int(int64(m.queue.Priority))
	w.int(m.queued)
	w.int(m.notBefore)
	w.int(p.Size)
	w.uint(uint64(p.Return))
	w.string(p.EnvelopeID, maxEnvelopeID)
	if p.Auth != nil {
		w.address(*p.Auth)
	}
	w.int(int64(p.Priority))
	if p.DeliverBy.Set {
		w.int(int64(p.DeliverBy.Within / time.Second))
	}
}

// flags returns what is yes or no about a message.
func (m *message) flags() (f uint64) {
	p := &m.params
	for i, is := range [...]bool{
		m.eightBit, m.utf8Header, p.SMTPUTF8, p.RequireTLS, p.Body == smtp.Body8BitMIME, p.Auth != nil, p.PRDR,
		p.DeliverBy.Return, p.DeliverBy.Trace, p.DeliverBy.Set, m.queue.Report, m.notice,
	} {
		if is {
			f |= 1 << i
		}
	}
	return f
}

func (w *encoder) recipient(r *recipient) {
	w.address(r.to.Address)
	w.uint(uint64(r.params.Notify))
	w.string(r.params.OriginalType, maxName)
	w.string(r.params.OriginalAddress, maxOriginal)
	flags := uint64(0)
	if r.warned {
		flags |= flagWarned
	}
	if r.last.IsZero() {
		w.uint(flags)
		return
	}
	if r.last.local {
		flags |= flagLocal
	}
	w.uint(flags | flagReply)
	w.uint(uint64(r.last.Code))
	for _, n := range r.last.Enhanced {
		w.uint(uint64(n))
	}
	w.string(r.last.Text, maxReplyText)
	w.string(r.last.mta, maxName)
}

// decoder reads fields; after the first that is not there all are zero.
type decoder struct {
	b   []byte
	err error
}

func (r *decoder) fail() { r.b, r.err = nil, errRow }

func (r *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *decoder) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// within reads an integer that is not negative and at most limit.
func (r *decoder) within(low, high int64) int64 {
	v := r.int()
	if v < low || v > high {
		r.fail()
		return 0
	}
	return v
}

func (r *decoder) string(limit int) string {
	n := r.uint(uint64(limit))
	if n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *decoder) address() smtp.Address {
	return smtp.Address{Local: r.string(maxLocal), Domain: r.string(maxName)}
}

// maxTime bounds times that are stored: later ones, and earlier ones than
// their negative, cannot be.
const maxTime = 1 << 52

// parseRow reads what appendRow wrote, into e.
func parseRow(b []byte, e *entry) error {
	if len(b) == 0 || b[0] != rowVersion {
		return errRow
	}
	r := &decoder{b: b[1:]}
	e.msg = r.message()
	e.route = r.string(maxName)
	e.domain = r.string(maxName)
	e.attempts = int(r.uint(1 << 30))
	e.tried = r.within(0, maxTime)
	e.since = r.within(0, maxTime)
	e.hold = r.string(maxHoldReason)
	e.heldAt = r.within(0, maxTime)
	n := int(r.uint(maxRecipients))
	if r.err != nil || n == 0 || n > len(r.b) {
		return errRow
	}
	e.rcpts = make([]recipient, n)
	for i := range e.rcpts {
		r.recipient(&e.rcpts[i])
	}
	if len(r.b) > 0 {
		e.byHand = int(r.uint(1 << 30))
	}
	if len(r.b) > 0 {
		e.freed = r.within(0, maxTime)
		e.kept = r.kept()
	}
	e.flow = flowOf(e.route, e.domain, e.msg.lane(), e.msg.priority(), e.msg.sender())
	return r.err
}

func (r *decoder) kept() *gateway.Kept {
	k := &gateway.Kept{}
	for _, s := range [...]*string{&k.Rule, &k.Stage, &k.Reason, &k.Author, &k.Subject} {
		*s = r.string(maxKeptText)
	}
	for range r.uint(maxKeptFacts) {
		k.Facts = append(k.Facts, gateway.KeptFact{Name: r.string(maxName), Value: r.string(maxKeptText)})
	}
	return k
}

func (r *decoder) message() *message {
	flags := r.uint(1<<32 - 1)
	m := &message{eightBit: flags&flagEightBit != 0, utf8Header: flags&flagUTF8Header != 0}
	m.first = r.within(1, 1<<62)
	m.entries = r.within(1, maxEntries)
	m.trace = r.string(maxName)
	m.from.Address = r.address()
	m.user = r.string(maxName)
	m.queue.Lane = r.string(maxName)
	m.queue.Pool = r.string(maxName)
	m.queue.Priority = int(r.within(-9, 9))
	m.queue.Report, m.notice = flags&flagReport != 0, flags&flagNotice != 0
	m.queued = r.within(0, maxTime)
	m.notBefore = r.within(0, maxTime)
	p := &m.params
	p.Size = r.within(0, 1<<62)
	p.Return = smtp.Return(r.uint(uint64(smtp.ReturnHeaders)))
	p.EnvelopeID = r.string(maxEnvelopeID)
	p.SMTPUTF8, p.RequireTLS, p.PRDR = flags&flagSMTPUTF8 != 0, flags&flagRequireTLS != 0, flags&flagPRDR != 0
	if flags&flag8BitMIME != 0 {
		p.Body = smtp.Body8BitMIME
	}
	if flags&flagAuth != 0 {
		a := r.address()
		p.Auth = &a
	}
	p.Priority = int(r.within(-9, 9))
	if flags&flagBySet != 0 {
		p.DeliverBy = smtp.DeliverBy{
			Within: time.Duration(r.within(-1<<31, 1<<31)) * time.Second,
			Return: flags&flagByReturn != 0, Trace: flags&flagByTrace != 0, Set: true,
		}
	}
	return m
}

func (r *decoder) recipient(x *recipient) {
	x.to.Address = r.address()
	x.params.Notify = smtp.Notify(r.uint(255))
	x.params.OriginalType = r.string(maxName)
	x.params.OriginalAddress = r.string(maxOriginal)
	flags := r.uint(255)
	x.warned = flags&flagWarned != 0
	if flags&flagReply == 0 {
		return
	}
	x.last.local = flags&flagLocal != 0
	x.last.Code = int(r.uint(999))
	for i := range x.last.Enhanced {
		x.last.Enhanced[i] = uint16(r.uint(999))
	}
	x.last.Text = r.string(maxReplyText)
	x.last.mta = r.string(maxName)
}
