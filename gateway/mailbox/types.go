package mailbox

import (
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// FolderID, ObjectID and ThreadID are what RFC 8474 calls MAILBOXID, EMAILID
// and THREADID. They are never used twice.
type (
	FolderID int64
	ObjectID int64
	ThreadID uint64 // 0: none
)

// String returns the id as RFC 8474 has it.
func (id FolderID) String() string { return "F" + strconv.FormatInt(int64(id), 36) }

// String returns the id as RFC 8474 has it.
func (id ObjectID) String() string { return "M" + strconv.FormatInt(int64(id), 36) }

// String returns the id as RFC 8474 has it.
func (id ThreadID) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return "T" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// Role is the special use of a folder (RFC 6154). A user has one folder of
// each at most.
type Role uint8

// The roles. RoleInbox is INBOX's, and no other folder's.
const (
	RoleNone Role = iota
	RoleInbox
	RoleArchive
	RoleDrafts
	RoleJunk
	RoleSent
	RoleTrash
	roles
)

var roleNames = [roles]string{"", "inbox", "archive", "drafts", "junk", "sent", "trash"}

// String returns the role's name in configuration and logs.
func (r Role) String() string {
	if r < roles {
		return roleNames[r]
	}
	return "unknown"
}

// Attribute returns the attribute of LIST, such as \Junk; "": none.
func (r Role) Attribute() string {
	switch r {
	case RoleNone, RoleInbox:
		return ""
	}
	s := r.String()
	return `\` + strings.ToUpper(s[:1]) + s[1:]
}

// RoleOf returns the role of an attribute such as \Junk, in any case; RoleNone:
// there is none.
func RoleOf(attribute string) Role {
	s, ok := strings.CutPrefix(attribute, `\`)
	if r := roleNamed(s); ok && r != RoleInbox {
		return r
	}
	return RoleNone
}

func roleNamed(s string) Role {
	for r := RoleInbox; r < roles; r++ {
		if strings.EqualFold(roleNames[r], s) {
			return r
		}
	}
	return RoleNone
}

// Folder is what LIST and STATUS tell of a folder.
type Folder struct {
	ID          FolderID
	Name        string // UTF-8, levels parted by "/"; INBOX is "INBOX"
	Role        Role
	Subscribed  bool
	Validity    uint32 // UIDVALIDITY
	Next        uint32 // UIDNEXT
	ModSeq      uint64 // HIGHESTMODSEQ, 1 at least
	Messages    uint32
	Unseen      uint32
	Deleted     uint32 // with \Deleted
	Recent      uint32 // that the next session to SELECT it sees as \Recent; a View's Folder has 0
	Size        int64  // octets of all messages
	DeletedSize int64  // DELETED-STORAGE
	Keywords    Keywords
}

// Message is what a folder says of one message.
type Message struct {
	UID    uint32
	Seq    uint32 // of the View that it came from
	Flags  Flags
	ModSeq uint64
	Size   int64
	Object ObjectID // EMAILID
	Thread ThreadID
	// Date is INTERNALDATE, Saved is SAVEDATE, Sent the Date field (Date's
	// value where there is none): seconds since 1970.
	Date, Saved, Sent int64
	// Record is the index record, where it was asked for (gateway/mailbox/index
	// reads it). It must not be changed.
	Record []byte
}

// InternalDate returns Date as a time.
func (m *Message) InternalDate() time.Time { return time.Unix(m.Date, 0).UTC() }

// Place says where a message was stored: APPENDUID, COPYUID.
type Place struct {
	Folder   FolderID
	Validity uint32
	UID      uint32
	// Known says that Item.Key had been stored there before: nothing was
	// stored now, and UID is 0 where the message has gone or moved since.
	Known bool
}
