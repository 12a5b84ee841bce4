package smtpd

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// xclient lets a peer that is trusted say for whom it speaks (Postfix's
// XCLIENT_README). All that was said before is forgotten and the handler is
// asked as for a new connection.
func (c *conn) xclient(arg string) smtp.Reply {
	switch {
	case !c.mayXClient:
		return smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "you may not use XCLIENT")
	case c.tx != nil || c.chunking:
		return replyNested
	}
	info := c.info
	info.Helo, info.Extended, info.User = "", false, ""
	if !parseXClient(arg, &info) || info.Helo != "" && !c.heloName(info.Helo) {
		return smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "bad XCLIENT attribute")
	}
	if c.session != nil {
		s := c.session
		c.session = nil
		s.Close()
	}
	c.info, c.Remote = info, info.Remote
	c.greeted = false
	c.errors, c.failed, c.idle, c.mails = 0, 0, 0, 0
	if !c.connect() {
		c.closing = true
		return smtp.Reply{}
	}
	if info.Helo == "" {
		return smtp.Reply{}
	}
	// The client it speaks for has said hello already. A refusal of that is
	// told when the peer says it again.
	r, err := c.session.Helo(c.Context(), c.info)
	c.greeted = c.answer(r, err, smtp.Reply{Code: 250}).Positive()
	return smtp.Reply{}
}

// parseXClient reads NAME=value pairs, values in xtext.
func parseXClient(arg string, info *Info) bool {
	info.Extended = true
	words := strings.Fields(arg)
	for _, w := range words {
		name, raw, ok := strings.Cut(w, "=")
		value, isText := smtp.ParseXtext(raw)
		if !ok || !isText {
			return false
		}
		known := !strings.EqualFold(value, "[UNAVAILABLE]") && !strings.EqualFold(value, "[TEMPUNAVAIL]")
		switch strings.ToUpper(name) {
		case "NAME":
		case "ADDR":
			ok = setAddr(&info.Remote, value, known)
		case "PORT":
			ok = setPort(&info.Remote, value, known)
		case "DESTADDR":
			ok = setAddr(&info.Local, value, known)
		case "DESTPORT":
			ok = setPort(&info.Local, value, known)
		case "PROTO":
			info.Extended = !strings.EqualFold(value, "SMTP")
			ok = !info.Extended || strings.EqualFold(value, "ESMTP") || !known
		case "HELO":
			if info.Helo = ""; known {
				info.Helo = value
			}
		case "LOGIN":
			if info.User = ""; known {
				info.User = value
			}
			ok = !strings.ContainsFunc(value, unicode.IsControl)
		default:
			return false
		}
		if !ok {
			return false
		}
	}
	if info.Helo == "" {
		info.Extended = false
	}
	return len(words) > 0
}

func setAddr(a *netip.AddrPort, value string, known bool) bool {
	if !known {
		*a = netip.AddrPort{}
		return true
	}
	if len(value) > 5 && strings.EqualFold(value[:5], "IPV6:") {
		value = value[5:]
	}
	ip, err := netip.ParseAddr(value)
	if err != nil || ip.Zone() != "" {
		return false
	}
	*a = netip.AddrPortFrom(ip.Unmap(), a.Port())
	return true
}

func setPort(a *netip.AddrPort, value string, known bool) bool {
	port, err := strconv.ParseUint(value, 10, 16)
	if !known {
		port, err = 0, nil
	}
	*a = netip.AddrPortFrom(a.Addr(), uint16(port))
	return err == nil
}
