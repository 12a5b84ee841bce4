package mailbox

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

var errUnfinished = errors.New("mailbox: not finished yet")

// Store keeps the mail of all users. Its methods, and those of User, may be
// called by many at once.
type Store struct {
	deps Deps
	opt  Options
}

// LiveBlobs lists, segment by segment, what lives in the blob store of the
// mailboxes, for opening it before the Store.
func LiveBlobs(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Ref, error] {
	return func(func(blob.Ref, error) bool) {}
}

// Open opens the store, and makes its tables where they are not there.
func Open(ctx context.Context, opt Options, deps Deps) (*Store, error) {
	return &Store{deps, opt.withDefaults()}, opt.Check()
}

// Configure takes new options; what is running goes on with the old ones.
func (s *Store) Configure(opt Options) {}

// Close ends the store. Views must not be used after it.
func (s *Store) Close() error { return nil }

// User returns the user of a name such as bob@example.com, in any case, and
// makes it with the default folders on first use.
func (s *Store) User(ctx context.Context, name string) (*User, error) { return nil, errUnfinished }

// Find returns a user that is there; ErrNoUser.
func (s *Store) Find(ctx context.Context, name string) (*User, error) { return nil, errUnfinished }

// Users lists the names of all users, in order.
func (s *Store) Users(ctx context.Context) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

// DeleteUser removes a user with all mail.
func (s *Store) DeleteUser(ctx context.Context, name string) error { return errUnfinished }

// Room tells whether a message of so many octets (0: any) fits into the user's
// and the domain's quota now: nil, or ErrQuota. It is for RCPT: it costs no
// statement for users seen lately, and knows of no user that is not there yet.
func (s *Store) Room(ctx context.Context, name string, size int64) error { return errUnfinished }

// Object is a message's octets, durable and indexed, that no folder has yet.
type Object struct{}

// Put makes the octets of a message durable: CRLF line ends, size octets or -1.
// The Object is to be delivered or discarded.
func (s *Store) Put(ctx context.Context, size int64, src io.Reader) (*Object, error) {
	return nil, errUnfinished
}

// Size is how many octets there are.
func (o *Object) Size() int64 { return 0 }

// Indexed is what the Indexer made of it.
func (o *Object) Indexed() Indexed { return Indexed{} }

// Discard gives up an object; it does nothing when it was delivered. It may be
// called twice.
func (o *Object) Discard() {}

// Item is a message to be stored in a folder.
type Item struct {
	User   *User
	Folder string
	// Create has the folder made where it is not there.
	Create bool
	Object *Object
	// Flags are names: system flags and keywords.
	Flags []string
	// Date is INTERNALDATE; zero: now.
	Date time.Time
	// Key makes storing idempotent: what was stored with the same key for the
	// same user in the same folder within a week is not stored again. "": no
	// key. A delivery has transaction id and recipient here.
	Key string
	// Over stores it even where the quota is exceeded.
	Over bool
}

// Deliver stores messages, all of them or none, and returns when that is
// durable. An object may be in several items. Quota is judged for all
// together.
func (s *Store) Deliver(ctx context.Context, items ...Item) ([]Place, error) {
	return nil, errUnfinished
}

// User is one user's mail.
type User struct{}

// Name is the name in lower case.
func (u *User) Name() string { return "" }

// Folders lists the folders by name, INBOX first. It must not be changed.
func (u *User) Folders(ctx context.Context) ([]Folder, error) { return nil, errUnfinished }

// Folder returns one; ErrNoFolder.
func (u *User) Folder(ctx context.Context, name string) (Folder, error) {
	return Folder{}, errUnfinished
}

// WithRole returns the folder of a role; ErrNoFolder.
func (u *User) WithRole(ctx context.Context, role Role) (Folder, error) {
	return Folder{}, errUnfinished
}

// Create makes a folder, and those above it that are not there. ErrExists,
// ErrName, ErrRole, ErrLimit.
func (u *User) Create(ctx context.Context, name string, role Role) (Folder, error) {
	return Folder{}, errUnfinished
}

// SetRole gives a folder a role, or takes it (RoleNone).
func (u *User) SetRole(ctx context.Context, name string, role Role) error { return errUnfinished }

// Rename renames a folder and those below it. Renaming INBOX moves its messages
// to a new folder of that name, and leaves INBOX empty. Subscriptions stay with
// the old names (RFC 9051 section 6.3.6).
func (u *User) Rename(ctx context.Context, from, to string) error { return errUnfinished }

// Delete removes a folder with its messages. Folders below it stay.
func (u *User) Delete(ctx context.Context, name string) error { return errUnfinished }

// Subscribe adds a name to those subscribed to, or takes it away (on false).
// There need not be such a folder.
func (u *User) Subscribe(ctx context.Context, name string, on bool) error { return errUnfinished }

// Subscriptions lists the names subscribed to, with and without a folder.
func (u *User) Subscriptions(ctx context.Context) ([]string, error) { return nil, errUnfinished }

// Usage is what a user's mail takes, and may.
type Usage struct {
	Octets, Messages int64
	Limits           Limits
}

// Usage tells it.
func (u *User) Usage(ctx context.Context) (Usage, error) { return Usage{}, errUnfinished }

// Append stores messages in one folder: the Items' User and Folder are set
// from u and folder. An error says that nothing was stored.
func (u *User) Append(ctx context.Context, folder string, items ...Item) ([]Place, error) {
	return nil, errUnfinished
}

// Annotation is an entry of METADATA; Value nil: it is removed, or not there.
type Annotation struct {
	Name  string // in lower case, such as /private/comment
	Value []byte
}

// Annotations lists those of a folder, "": of the server, by name.
func (u *User) Annotations(ctx context.Context, folder string) ([]Annotation, error) {
	return nil, errUnfinished
}

// Annotate changes annotations of a folder, "": of the server; all or none.
// ErrLimit (TOOMANY), ErrTooBig (MAXSIZE).
func (u *User) Annotate(ctx context.Context, folder string, list ...Annotation) error {
	return errUnfinished
}

// Script is a Sieve script.
type Script struct {
	Name    string
	Active  bool
	Size    int64
	Changed time.Time
	// Version is another for every content that any script ever had: what is
	// compiled may be kept by it.
	Version int64
	Data    []byte // not in lists
}

// Scripts lists the user's scripts by name, without Data.
func (u *User) Scripts(ctx context.Context) ([]Script, error) { return nil, errUnfinished }

// Script returns one; ErrNoScript.
func (u *User) Script(ctx context.Context, name string) (Script, error) {
	return Script{}, errUnfinished
}

// ActiveScript returns the active one, from memory where it was asked for
// lately; ErrNoScript.
func (u *User) ActiveScript(ctx context.Context) (Script, error) { return Script{}, errUnfinished }

// PutScript stores a script, new or instead of the one of that name, which
// stays active if it was. ErrName, ErrLimit (QUOTA/MAXSCRIPTS), ErrTooBig
// (QUOTA/MAXSIZE). That it is a script is the caller's to see.
func (u *User) PutScript(ctx context.Context, name string, data []byte) error { return errUnfinished }

// RoomForScript tells what PutScript would say of a script of size octets
// (HAVESPACE).
func (u *User) RoomForScript(ctx context.Context, name string, size int64) error {
	return errUnfinished
}

// RenameScript renames a script; ErrNoScript, ErrExists.
func (u *User) RenameScript(ctx context.Context, from, to string) error { return errUnfinished }

// DeleteScript removes a script; ErrNoScript, ErrActive.
func (u *User) DeleteScript(ctx context.Context, name string) error { return errUnfinished }

// ActivateScript makes a script the active one, "": none is; ErrNoScript.
func (u *User) ActivateScript(ctx context.Context, name string) error { return errUnfinished }

// Once remembers key until a time and tells whether it was not remembered yet:
// for Sieve's vacation and duplicate. With extend a key that was remembered
// gets the new time.
func (u *User) Once(ctx context.Context, key string, until time.Time, extend bool) (first bool, err error) {
	return false, errUnfinished
}

// Lock gives the maildrop to one session (POP3) until release is called;
// ErrInUse. IMAP sessions and deliveries go on.
func (u *User) Lock(ctx context.Context) (release func(), err error) { return nil, errUnfinished }

// Watch tells of what changes in any of the user's folders (NOTIFY).
func (u *User) Watch(ctx context.Context) (*Watch, error) { return nil, errUnfinished }

// Watch gathers what changes in a user's folders. It is for one goroutine.
type Watch struct{}

// FolderChange is one folder's news since the last Take.
type FolderChange struct {
	Folder Folder // as it is now; after Removed: as it was
	// What happened. Renamed: Old is the name before.
	Created, Removed, Subscribed, Annotated bool
	Old                                     string
	// Appended, Expunged, Flagged: messages came, went, or changed.
	Appended, Expunged, Flagged bool
}

// Changed has a token when there is something to Take.
func (w *Watch) Changed() <-chan struct{} { return nil }

// Take returns what changed since it was called last, each folder once.
func (w *Watch) Take(ctx context.Context) ([]FolderChange, error) { return nil, errUnfinished }

// Close ends it.
func (w *Watch) Close() {}

// Select opens a View of a folder; ErrNoFolder. Close it.
func (u *User) Select(ctx context.Context, name string, readOnly bool) (*View, error) {
	return nil, errUnfinished
}

// View is what one session sees of one folder. Its methods are for one
// goroutine at a time, but for Changed. Wherever it takes UIDs, those that are
// not in the View are passed over.
type View struct{}

// Folder returns the folder as of the last Sync: counters, UIDNEXT,
// HIGHESTMODSEQ, Keywords fit the messages of the View.
func (v *View) Folder() Folder { return Folder{} }

// User returns whose it is.
func (v *View) User() *User { return nil }

// ReadOnly tells whether it was selected for reading.
func (v *View) ReadOnly() bool { return false }

// Len is how many messages the View has: EXISTS.
func (v *View) Len() uint32 { return 0 }

// UID returns the UID of a sequence number; 0: there is none.
func (v *View) UID(seq uint32) uint32 { return 0 }

// Seq returns the sequence number of a UID; 0: there is none.
func (v *View) Seq(uid uint32) uint32 { return 0 }

// UIDsOf returns the UIDs of sequence numbers; those beyond the last one are
// passed over.
func (v *View) UIDsOf(seqs UIDs) UIDs { return nil }

// SeqsOf returns the sequence numbers of UIDs.
func (v *View) SeqsOf(uids UIDs) UIDs { return nil }

// Only returns those of the UIDs that are in the View.
func (v *View) Only(uids UIDs) UIDs { return nil }

// Messages calls f for each message in ascending order, with Record where
// records is set. Flags are the newest ones, which Sync may tell again. Messages
// that have gone meanwhile are passed over; missed is how many. The Message is
// good during the call. f may take its time.
func (v *View) Messages(ctx context.Context, uids UIDs, records bool, f func(m *Message) error) (missed int, err error) {
	return 0, errUnfinished
}

// Open reads a message's octets; ErrExpunged.
func (v *View) Open(ctx context.Context, m *Message) (blob.Reader, error) {
	return nil, errUnfinished
}

// FirstUnseen returns the sequence number of the first message without \Seen;
// 0: there is none, or it would cost too much to tell.
func (v *View) FirstUnseen(ctx context.Context) (uint32, error) { return 0, errUnfinished }

// ChangedSince returns those of the UIDs whose modification sequence is above
// modseq.
func (v *View) ChangedSince(ctx context.Context, modseq uint64, uids UIDs) (UIDs, error) {
	return nil, errUnfinished
}

// VanishedSince returns those of the UIDs (all below UIDNEXT that have gone, if
// AllUIDs) that were expunged after modseq. Where that is not remembered any
// more, it is all of those that are not there.
func (v *View) VanishedSince(ctx context.Context, modseq uint64, uids UIDs) (UIDs, error) {
	return nil, errUnfinished
}

// BySent lists messages in the order of Sent, then UID (SORT DATE; reverse:
// SORT REVERSE DATE), skip of them left out, most of them at most.
func (v *View) BySent(ctx context.Context, reverse bool, skip, most int) ([]uint32, error) {
	return nil, errUnfinished
}

// WithObjects returns the UIDs of the messages that have one of the objects:
// what a full-text search found.
func (v *View) WithObjects(ctx context.Context, objects map[ObjectID]struct{}) (UIDs, error) {
	return nil, errUnfinished
}

// How says what Change does with flags.
type How uint8

// Values of How.
const (
	AddFlags How = iota
	RemoveFlags
	SetFlags
)

// Changed is what Change did. Own changes are not told by Sync again.
type Changed struct {
	// Done are the messages that have the flags now, whether they changed or
	// not, in ascending order: UID, Seq, Flags, ModSeq.
	Done []Message
	// Modified are those that were not changed because their modification
	// sequence is above unchangedSince.
	Modified UIDs
	// Missed is how many had gone.
	Missed int
	ModSeq uint64 // HIGHESTMODSEQ now
}

// Change changes flags, of all or none of the UIDs, and returns when that is
// durable. unchangedSince: RFC 7162's UNCHANGEDSINCE; nil: none. ErrLimit: too
// many keywords.
func (v *View) Change(ctx context.Context, uids UIDs, how How, flags []string, unchangedSince *uint64) (*Changed, error) {
	return nil, errUnfinished
}

// Expunge removes those of the UIDs that have \Deleted, or all of them
// (always). The View has them until Sync.
func (v *View) Expunge(ctx context.Context, uids UIDs, always bool) (UIDs, error) {
	return nil, errUnfinished
}

// Copied is what Copy and Move did: From[i] is To[i] in the other folder, in
// ascending order.
type Copied struct {
	Validity uint32
	From, To []uint32
}

// Copy copies messages to another folder of the user, or to the same;
// ErrNoFolder, ErrQuota. Flags, dates and ids stay.
func (v *View) Copy(ctx context.Context, uids UIDs, to string) (*Copied, error) {
	return nil, errUnfinished
}

// Move moves messages to another folder. The View has them until Sync.
func (v *View) Move(ctx context.Context, uids UIDs, to string) (*Copied, error) {
	return nil, errUnfinished
}

// Changed has a token when there may be something for Sync to tell.
func (v *View) Changed() <-chan struct{} { return nil }

// Changes is what Sync tells.
type Changes struct {
	// Expunged are the sequence numbers that have gone, in descending order, so
	// that each is right when it is told after those before it; Vanished are
	// their UIDs.
	Expunged []uint32
	Vanished UIDs
	// Appended is how many messages came; Exists is how many there are now.
	Appended int
	Exists   uint32
	// Flags are messages whose flags were changed by others, in ascending
	// order, with their new sequence numbers, without those appended.
	Flags []Message
	// Keywords tells that Folder().Keywords has grown.
	Keywords bool
	ModSeq   uint64 // HIGHESTMODSEQ now
}

// Any tells whether there is anything in it.
func (c *Changes) Any() bool { return false }

// Sync takes up what happened to the folder since the last Sync: what others
// did, and this session's Expunge, Move, Append and Copy. With keep nothing is
// taken away: messages that have gone stay in the View until a Sync without it
// (while FETCH, STORE and SEARCH may be answered by sequence numbers). ErrGone
// when the folder was deleted. It costs nothing when nothing happened. The
// Changes are good until the next Sync.
func (v *View) Sync(ctx context.Context, keep bool) (*Changes, error) { return nil, errUnfinished }

// Rest gives back what the View holds in memory and can get again: for a
// session that is going to wait.
func (v *View) Rest() {}

// Close ends the View.
func (v *View) Close() {}

// Event is a change of what there is: for indexes of other kinds.
type Event struct {
	Seq     int64
	Object  ObjectID
	Removed bool // the last message that had it has gone
}

// Events lists what happened after the event of a Seq, in order, most at most.
// An object that several folders got is added once. Events are kept until
// ForgetEvents.
func (s *Store) Events(ctx context.Context, after int64, most int) ([]Event, error) {
	return nil, errUnfinished
}

// ForgetEvents forgets those up to seq.
func (s *Store) ForgetEvents(ctx context.Context, seq int64) error { return errUnfinished }

// EventsChanged has a token when there are new events.
func (s *Store) EventsChanged() <-chan struct{} { return nil }

// Objects lists the objects behind one, in order, most at most: for building
// an index anew. Take the last event's Seq before.
func (s *Store) Objects(ctx context.Context, after ObjectID, most int) ([]ObjectID, error) {
	return nil, errUnfinished
}

// OpenObject reads an object's octets; ErrExpunged.
func (s *Store) OpenObject(ctx context.Context, id ObjectID) (blob.Reader, error) {
	return nil, errUnfinished
}

// RecordOf returns an object's index record; ErrExpunged.
func (s *Store) RecordOf(ctx context.Context, id ObjectID) ([]byte, error) {
	return nil, errUnfinished
}

// LastEvent returns the Seq of the newest event; 0: there was none.
func (s *Store) LastEvent(ctx context.Context) (int64, error) { return 0, errUnfinished }

// Problem is something that Check found.
type Problem struct {
	User, Folder string
	UID          uint32
	Object       ObjectID
	What         string
	Repaired     bool
}

// Check compares every row with every other and with its octets, and calls f
// with what does not fit; with repair it mends what can be mended. done is told
// now and then of how many of all objects are through; nil: nobody.
func (s *Store) Check(ctx context.Context, repair bool, f func(Problem), done func(n, of int64)) error {
	return errUnfinished
}
