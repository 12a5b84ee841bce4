package smtp

import (
	"strconv"
	"time"
)

// Append appends the parameters as they follow the path in MAIL, each after a
// space, in a fixed order. What the server does not offer must be taken out
// before.
func (p MailParams) Append(dst []byte) []byte {
	if p.Size > 0 {
		dst = append(dst, " SIZE="...)
		dst = strconv.AppendInt(dst, p.Size, 10)
	}
	if p.Body == Body8BitMIME {
		dst = append(dst, " BODY=8BITMIME"...)
	}
	if p.SMTPUTF8 {
		dst = append(dst, " SMTPUTF8"...)
	}
	switch p.Return {
	case ReturnFull:
		dst = append(dst, " RET=FULL"...)
	case ReturnHeaders:
		dst = append(dst, " RET=HDRS"...)
	}
	if p.EnvelopeID != "" {
		dst = append(dst, " ENVID="...)
		dst = AppendXtext(dst, p.EnvelopeID)
	}
	if p.Auth != nil {
		dst = append(dst, " AUTH="...)
		if p.Auth.IsZero() {
			dst = append(dst, "<>"...)
		} else {
			dst = AppendXtext(dst, p.Auth.String())
		}
	}
	if p.RequireTLS {
		dst = append(dst, " REQUIRETLS"...)
	}
	if p.PRDR {
		dst = append(dst, " PRDR"...)
	}
	if p.Priority != 0 {
		dst = append(dst, " MT-PRIORITY="...)
		dst = strconv.AppendInt(dst, int64(p.Priority), 10)
	}
	if p.HoldFor > 0 {
		dst = append(dst, " HOLDFOR="...)
		dst = strconv.AppendInt(dst, int64(p.HoldFor/time.Second), 10)
	}
	if !p.HoldUntil.IsZero() {
		dst = append(dst, " HOLDUNTIL="...)
		dst = p.HoldUntil.UTC().AppendFormat(dst, time.RFC3339Nano)
	}
	if p.DeliverBy.Set {
		dst = append(dst, " BY="...)
		dst = p.DeliverBy.append(dst)
	}
	return dst
}

// Append appends the parameters as they follow the path in RCPT.
func (p RcptParams) Append(dst []byte) []byte {
	if p.Notify != 0 {
		dst = append(dst, " NOTIFY="...)
		dst = append(dst, p.Notify.String()...)
	}
	if p.OriginalType != "" {
		dst = append(dst, " ORCPT="...)
		dst = append(dst, p.OriginalType...)
		dst = append(dst, ';')
		if p.OriginalType == "utf-8" {
			dst = AppendUTF8Xtext(dst, p.OriginalAddress)
		} else {
			dst = AppendXtext(dst, p.OriginalAddress)
		}
	}
	return dst
}

// String returns the value of NOTIFY, "" when it was not said.
func (n Notify) String() string {
	if n&NotifyNever != 0 {
		return "NEVER"
	}
	s := ""
	for _, w := range []struct {
		bit  Notify
		word string
	}{{NotifySuccess, "SUCCESS"}, {NotifyFailure, "FAILURE"}, {NotifyDelay, "DELAY"}} {
		if n&w.bit == 0 {
			continue
		}
		if s != "" {
			s += ","
		}
		s += w.word
	}
	return s
}
