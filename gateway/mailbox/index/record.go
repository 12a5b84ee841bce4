package index

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

const (
	version   = 1
	maxFields = 64 // of a record
)

// ErrRecord tells that octets are no record that this program reads: damaged,
// or of a newer version. A new one can be made of the message.
var ErrRecord = errors.New("index: not a record of a known version")

// Flags are what a record tells of a message in a bit each.
type Flags uint32

// The flags. Their values are on disk.
const (
	FlagDate        Flags = 1 << iota // Date could be parsed
	FlagAttachment                    // a part that clients show as a file
	FlagHeader8Bit                    // octets above 127 in the header of the message or of a part
	FlagHeaderUTF8                    // and all of those are UTF-8 (RFC 6532)
	Flag8Bit                          // octets above 127 anywhere
	FlagNUL                           // a NUL anywhere
	FlagGlobal                        // a message/global part: BODYSTRUCTURE depends on the client's revision
	FlagHeaderCut                     // header texts were above a bound: Subject, From, To, Cc, Bcc or ENVELOPE are not whole
	FlagLimited                       // parts or depth were above a bound
	FlagReply                         // Subject is that of a reply or forward (RFC 5256 section 2.1)
	FlagBareLF                        // a line that ends in LF alone
	FlagSubjectSame                   // the base subject is the subject
)

const (
	fieldNumbers = iota
	fieldEnvelope
	fieldStructure
	fieldSections
	fieldPreview
	fieldBaseSubject
	fieldSortFrom
	fieldSortTo
	fieldSortCc
	fieldDisplayFrom
	fieldDisplayTo
	fieldMessageID
	fieldReferences
	fieldSubject
	fieldFrom
	fieldTo
	fieldCc
	fieldBcc
	fieldAuthor
	fieldCount
)

// Record is what was found out of a message. It refers to the octets that it
// was opened from; so do its results, which must not be changed. The zero
// Record is that of no message: everything is empty.
type Record struct {
	flags   Flags
	fields  int
	lengths []byte
	data    []byte
}

// Open reads a record that Make made. The error is ErrRecord.
func Open(b []byte) (Record, error) {
	if len(b) == 0 || b[0] != version {
		return Record{}, ErrRecord
	}
	r := reader{b: b[1:]}
	flags, n := r.number(), r.number()
	if r.bad || n > maxFields || flags>>32 != 0 {
		return Record{}, ErrRecord
	}
	lengths := r.b
	total := uint64(0)
	for range n {
		k := r.number()
		if k > uint64(len(b)) {
			return Record{}, ErrRecord
		}
		total += k
	}
	if r.bad || total != uint64(len(r.b)) {
		return Record{}, ErrRecord
	}
	return Record{flags: Flags(flags), fields: int(n), lengths: lengths, data: r.b}, nil
}

// field returns the octets of a field.
func (r Record) field(i int) []byte {
	if i >= r.fields {
		return nil
	}
	from := 0
	lengths := r.lengths
	for {
		n, k := uint64(lengths[0]), 1
		if n >= 0x80 {
			n, k = binary.Uvarint(lengths)
		}
		if i == 0 {
			return r.data[from : from+int(n) : from+int(n)]
		}
		from += int(n)
		lengths = lengths[k:]
		i--
	}
}

// Flags returns the flags.
func (r Record) Flags() Flags { return r.flags }

// Has tells whether all of the flags are set.
func (r Record) Has(f Flags) bool { return r.flags&f == f }

// Attachment tells whether clients show a file with the message.
func (r Record) Attachment() bool { return r.flags&FlagAttachment != 0 }

// Size is that of the message in octets: RFC822.SIZE.
func (r Record) Size() int64 {
	n := reader{b: r.field(fieldNumbers)}
	return int64(n.number())
}

// HeaderSize is the length of the header with its empty line, in octets.
func (r Record) HeaderSize() int64 {
	n := reader{b: r.field(fieldNumbers)}
	n.number()
	return int64(n.number())
}

// BodyLines is how many line ends the body has: POP3's TOP.
func (r Record) BodyLines() int64 {
	n := reader{b: r.field(fieldNumbers)}
	n.number()
	n.number()
	return int64(n.number())
}

// Sent returns the time of the Date field in the zone that it names, or the
// internal date where there is none that can be parsed (RFC 5256 section 2.2).
// SORT compares the instant; SENTBEFORE and the like the day as written (RFC
// 9051 section 6.4.4).
func (r Record) Sent(internal time.Time) time.Time {
	if r.flags&FlagDate == 0 {
		return internal
	}
	n := reader{b: r.field(fieldNumbers)}
	n.number()
	n.number()
	n.number()
	at, zone := n.signed(), n.signed()
	if zone == 0 {
		return time.Unix(at, 0).UTC()
	}
	return time.Unix(at, 0).In(time.FixedZone("", int(zone)*60))
}

// SentUnix is Sent in seconds since 1970, without allocating.
func (r Record) SentUnix(internal time.Time) int64 {
	if r.flags&FlagDate == 0 {
		return internal.Unix()
	}
	n := reader{b: r.field(fieldNumbers)}
	n.number()
	n.number()
	n.number()
	return n.signed()
}

// SentDay is the day of Sent as it is written, in days since 1970-01-01,
// without allocating. That of the internal date is in the zone it has.
func (r Record) SentDay(internal time.Time) int64 {
	if r.flags&FlagDate == 0 {
		_, zone := internal.Zone()
		return floorDay(internal.Unix() + int64(zone))
	}
	n := reader{b: r.field(fieldNumbers)}
	n.number()
	n.number()
	n.number()
	at := n.signed()
	return floorDay(at + n.signed()*60)
}

func floorDay(s int64) int64 {
	const day = 24 * 60 * 60
	if s < 0 {
		s -= day - 1
	}
	return s / day
}

// Preview is PREVIEW's text (RFC 8970): UTF-8 in one line, at most
// PreviewLength characters, empty where the message has no text.
func (r Record) Preview() []byte { return r.field(fieldPreview) }

// BaseSubject is the base subject folded, which SORT (SUBJECT) and THREAD
// compare (RFC 5256 section 2.1).
func (r Record) BaseSubject() []byte {
	if r.flags&FlagSubjectSame != 0 {
		return r.field(fieldSubject)
	}
	return r.field(fieldBaseSubject)
}

// IsReply tells whether the subject is that of a reply or forward.
func (r Record) IsReply() bool { return r.flags&FlagReply != 0 }

// SortFrom is the key of SORT (FROM): the folded mailbox of the first
// address; a group's is its name (RFC 5256 section 3).
func (r Record) SortFrom() []byte { return r.field(fieldSortFrom) }

// SortTo is the key of SORT (TO).
func (r Record) SortTo() []byte { return r.field(fieldSortTo) }

// SortCc is the key of SORT (CC).
func (r Record) SortCc() []byte { return r.field(fieldSortCc) }

// DisplayFrom is the key of SORT (DISPLAYFROM), RFC 5957.
func (r Record) DisplayFrom() []byte { return r.field(fieldDisplayFrom) }

// DisplayTo is the key of SORT (DISPLAYTO), RFC 5957.
func (r Record) DisplayTo() []byte { return r.field(fieldDisplayTo) }

// MessageID is the normalised Message-ID without its brackets; empty where
// there is none that is valid.
func (r Record) MessageID() []byte { return r.field(fieldMessageID) }

// References calls f with the normalised identifiers of References, or the
// first of In-Reply-To where there are none (RFC 5256 section 3, step 1), the
// oldest first, until it returns false. They are at most MaxReferences.
func (r Record) References(f func(id []byte) bool) {
	list := r.field(fieldReferences)
	for i := 0; i < len(list); i++ {
		if list[i] == 0 {
			if !f(list[:i:i]) {
				return
			}
			list, i = list[i+1:], -1
		}
	}
}

// Subject is the decoded and folded text that SEARCH SUBJECT compares; fields
// that occur several times are separated by LF.
func (r Record) Subject() []byte { return r.field(fieldSubject) }

// From is Subject's like for SEARCH FROM.
func (r Record) From() []byte { return r.field(fieldFrom) }

// To is Subject's like for SEARCH TO.
func (r Record) To() []byte { return r.field(fieldTo) }

// Cc is Subject's like for SEARCH CC.
func (r Record) Cc() []byte { return r.field(fieldCc) }

// Bcc is Subject's like for SEARCH BCC.
func (r Record) Bcc() []byte { return r.field(fieldBcc) }

// HeaderText returns what SEARCH HEADER compares for a field that the record
// keeps, in whatever case; false: it does not keep that field, or not whole.
func (r Record) HeaderText(name string) ([]byte, bool) {
	for i, n := range [...]string{"Subject", "From", "To", "Cc", "Bcc"} {
		if strings.EqualFold(n, name) {
			return r.field(fieldSubject + i), r.flags&FlagHeaderCut == 0
		}
	}
	return nil, false
}

// Author is the first address of From as it came, "local@domain".
func (r Record) Author() []byte { return r.field(fieldAuthor) }

// reader reads numbers.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) octet() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// Thread is a hash of the identifier that began the conversation, as far as
// the message itself says: its first reference, or its own Message-ID; 0
// where it has none. It is the same in every version of the program.
func (r Record) Thread() uint64 {
	id := r.MessageID()
	r.References(func(first []byte) bool {
		id = first
		return false
	})
	if len(id) == 0 {
		return 0
	}
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range id {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return max(h, 1)
}
