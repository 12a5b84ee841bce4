package imap_test

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// timeValue prints a time as IMAP does.
type timeValue struct{ t time.Time }

func (v timeValue) String() string { return string(imap.AppendDateTime(nil, v.t)) }

// isText says that s may be in a literal and in a mailbox name.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
