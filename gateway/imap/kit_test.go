package imap_test

import (
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// timeValue prints a time as IMAP does.
type timeValue struct{ t time.Time }

func (v timeValue) String() string { return string(imap.AppendDateTime(nil, v.t)) }
