package imapd

import "github.com/gapura-mail/gapura/gateway/imap"

// table has all commands. Whoever adds one writes its row here, its method in
// a file of its own, and its capability in capability.go.
var table = map[imap.Name]command{
	imap.CmdCapability:   {run: (*conn).capability, in: anyState},
	imap.CmdNoop:         {run: (*conn).noop, in: anyState},
	imap.CmdLogout:       {run: (*conn).logout, in: anyState, quiet: true},
	imap.CmdStartTLS:     {run: (*conn).starttls, in: notAuthenticated},
	imap.CmdLogin:        {run: (*conn).login, in: notAuthenticated},
	imap.CmdAuthenticate: {run: (*conn).authenticate, in: notAuthenticated},
	imap.CmdEnable:       {run: (*conn).enable, in: loggedIn, needs: "ENABLE"},
	imap.CmdIdle:         {run: (*conn).idle, in: loggedIn, needs: "IDLE"},
	imap.CmdCheck:        {run: (*conn).noop, in: inFolder},
	imap.CmdSelect:       {run: (*conn).selectFolder, in: loggedIn, quiet: true},
	imap.CmdExamine:      {run: (*conn).selectFolder, in: loggedIn, quiet: true},
	imap.CmdClose:        {run: (*conn).closeFolder, in: inFolder, quiet: true},
	imap.CmdUnselect:     {run: (*conn).unselectFolder, in: inFolder, quiet: true},
	imap.CmdFetch:        {run: (*conn).fetch, in: inFolder, keep: true},
	imap.CmdStore:        {run: (*conn).store, in: inFolder, keep: true},
	imap.CmdSearch:       {run: (*conn).search, in: inFolder, keep: true},
	imap.CmdSort:         {run: (*conn).sort, in: inFolder, keep: true, needs: "SORT"},
	imap.CmdThread:       {run: (*conn).thread, in: inFolder, keep: true},
	imap.CmdCopy:         {run: (*conn).copyMessages, in: inFolder},
	imap.CmdMove:         {run: (*conn).move, in: inFolder, needs: "MOVE"},
	imap.CmdExpunge:      {run: (*conn).expunge, in: inFolder},
}
