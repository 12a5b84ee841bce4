package imap

// Command is how a command begins.
type Command struct {
	Tag  []byte // aliases the command
	Name Name
	UID  bool // it came as UID COPY, UID FETCH and so on
}

// Name is a command's name in upper case.
type Name string

// The commands that this package knows by name. UID is no name but a flag of
// Command.
const (
	CmdAppend         Name = "APPEND"
	CmdAuthenticate   Name = "AUTHENTICATE"
	CmdCapability     Name = "CAPABILITY"
	CmdCheck          Name = "CHECK"
	CmdClose          Name = "CLOSE"
	CmdCompress       Name = "COMPRESS"
	CmdCopy           Name = "COPY"
	CmdCreate         Name = "CREATE"
	CmdDelete         Name = "DELETE"
	CmdDeleteACL      Name = "DELETEACL"
	CmdEnable         Name = "ENABLE"
	CmdExamine        Name = "EXAMINE"
	CmdExpunge        Name = "EXPUNGE"
	CmdFetch          Name = "FETCH"
	CmdGetACL         Name = "GETACL"
	CmdGetMetadata    Name = "GETMETADATA"
	CmdGetQuota       Name = "GETQUOTA"
	CmdGetQuotaRoot   Name = "GETQUOTAROOT"
	CmdID             Name = "ID"
	CmdIdle           Name = "IDLE"
	CmdList           Name = "LIST"
	CmdListRights     Name = "LISTRIGHTS"
	CmdLogin          Name = "LOGIN"
	CmdLogout         Name = "LOGOUT"
	CmdLsub           Name = "LSUB"
	CmdMove           Name = "MOVE"
	CmdMyRights       Name = "MYRIGHTS"
	CmdNamespace      Name = "NAMESPACE"
	CmdNoop           Name = "NOOP"
	CmdNotify         Name = "NOTIFY"
	CmdRename         Name = "RENAME"
	CmdSearch         Name = "SEARCH"
	CmdSelect         Name = "SELECT"
	CmdSetMetadata    Name = "SETMETADATA"
	CmdSetQuota       Name = "SETQUOTA"
	CmdSort           Name = "SORT"
	CmdStartTLS       Name = "STARTTLS"
	CmdStatus         Name = "STATUS"
	CmdStore          Name = "STORE"
	CmdSubscribe      Name = "SUBSCRIBE"
	CmdThread         Name = "THREAD"
	CmdUnauthenticate Name = "UNAUTHENTICATE"
	CmdUnselect       Name = "UNSELECT"
	CmdUnsubscribe    Name = "UNSUBSCRIBE"
)

const (
	maxName         = 16
	maxTag          = 128
	wantCommandName = "a command that is known"
)

// Command expects tag, space and the command's name; what follows the name is
// left. Where it returns false c.Tag is the tag nevertheless if there was a
// good one.
func (d *Decoder) Command(c *Command) bool {
	*c = Command{}
	var tag []byte
	if !d.Tag(&tag) {
		return false
	}
	if len(tag) > maxTag {
		return d.Fail("a shorter tag")
	}
	c.Tag = tag
	if !d.SP() {
		return false
	}
	var w []byte
	if !d.Atom(&w) {
		return false
	}
	if equalFold(w, "UID") {
		c.UID = true
		if !d.SP() || !d.Atom(&w) {
			return false
		}
	}
	c.Name = nameOf(w)
	if c.Name == "" || c.UID && !hasUID(c.Name) {
		d.pos -= len(w)
		return d.Fail(wantCommandName)
	}
	return true
}

// hasUID says that a command has a form with UID (RFC 9051 section 6.4.9,
// RFC 4315, RFC 6851, RFC 5256).
func hasUID(n Name) bool {
	switch n {
	case CmdCopy, CmdExpunge, CmdFetch, CmdMove, CmdSearch, CmdSort, CmdStore, CmdThread:
		return true
	}
	return false
}

// nameOf returns the constant for w, "" for what is not known, without
// allocating.
func nameOf(w []byte) Name {
	var up [maxName]byte
	if len(w) > maxName {
		return ""
	}
	for i, c := range w {
		up[i] = upper(c)
	}
	switch string(up[:len(w)]) {
	case "APPEND":
		return CmdAppend
	case "AUTHENTICATE":
		return CmdAuthenticate
	case "CAPABILITY":
		return CmdCapability
	case "CHECK":
		return CmdCheck
	case "CLOSE":
		return CmdClose
	case "COMPRESS":
		return CmdCompress
	case "COPY":
		return CmdCopy
	case "CREATE":
		return CmdCreate
	case "DELETE":
		return CmdDelete
	case "DELETEACL":
		return CmdDeleteACL
	case "ENABLE":
		return CmdEnable
	case "EXAMINE":
		return CmdExamine
	case "EXPUNGE":
		return CmdExpunge
	case "FETCH":
		return CmdFetch
	case "GETACL":
		return CmdGetACL
	case "GETMETADATA":
		return CmdGetMetadata
	case "GETQUOTA":
		return CmdGetQuota
	case "GETQUOTAROOT":
		return CmdGetQuotaRoot
	case "ID":
		return CmdID
	case "IDLE":
		return CmdIdle
	case "LIST":
		return CmdList
	case "LISTRIGHTS":
		return CmdListRights
	case "LOGIN":
		return CmdLogin
	case "LOGOUT":
		return CmdLogout
	case "LSUB":
		return CmdLsub
	case "MOVE":
		return CmdMove
	case "MYRIGHTS":
		return CmdMyRights
	case "NAMESPACE":
		return CmdNamespace
	case "NOOP":
		return CmdNoop
	case "NOTIFY":
		return CmdNotify
	case "RENAME":
		return CmdRename
	case "SEARCH":
		return CmdSearch
	case "SELECT":
		return CmdSelect
	case "SETMETADATA":
		return CmdSetMetadata
	case "SETQUOTA":
		return CmdSetQuota
	case "SORT":
		return CmdSort
	case "STARTTLS":
		return CmdStartTLS
	case "STATUS":
		return CmdStatus
	case "STORE":
		return CmdStore
	case "SUBSCRIBE":
		return CmdSubscribe
	case "THREAD":
		return CmdThread
	case "UNAUTHENTICATE":
		return CmdUnauthenticate
	case "UNSELECT":
		return CmdUnselect
	case "UNSUBSCRIBE":
		return CmdUnsubscribe
	}
	return ""
}
