package sieve

import (
	"errors"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// errOutAddress tells that something is no single address.
var errOutAddress = errors.New("it must be one address, like name@example.org")

// parseOutAddress parses the one address that mail goes to or comes from (RFC
// 5228 section 2.4.2.3): "name@domain" or "Phrase <name@domain>", ASCII but
// for the phrase. Dots may be anywhere in the local part, as some systems have
// them.
func parseOutAddress(text string) (message.Mailbox, error) {
	text = strings.Trim(text, " \t\r\n")
	if i := strings.LastIndexByte(text, '<'); i >= 0 {
		m, err := parseAngle(text, i)
		if err == nil {
			return m, nil
		}
	} else if a, ok := bareAddress(text); ok {
		return message.Mailbox{Address: a}, nil
	}
	list, err := message.ParseAddressList(text)
	if err != nil || len(list) != 1 || list[0].Group != "" || !goodAddress(list[0].Address) {
		return message.Mailbox{}, errOutAddress
	}
	return list[0], nil
}

// parseAngle parses a phrase and an address in angle brackets, the first of
// which is at i.
func parseAngle(text string, i int) (message.Mailbox, error) {
	if !strings.HasSuffix(text, ">") || strings.ContainsAny(text[:i], ",;:<>()@") && !strings.HasPrefix(text, `"`) {
		return message.Mailbox{}, errOutAddress
	}
	a, ok := bareAddress(text[i+1 : len(text)-1])
	if !ok {
		return message.Mailbox{}, errOutAddress
	}
	if strings.HasPrefix(text, `"`) { // what is in quotes is the parser's
		list, err := message.ParseAddressList(text)
		if err != nil || len(list) != 1 {
			return message.Mailbox{}, errOutAddress
		}
		return list[0], nil
	}
	return message.Mailbox{Name: message.DecodeText(strings.TrimSpace(text[:i])), Address: a}, nil
}

// bareAddress parses local@domain with an unquoted local part, in which dots
// may be anywhere.
func bareAddress(s string) (smtp.Address, bool) {
	local, domain, ok := strings.Cut(s, "@")
	a := smtp.Address{Local: strings.Trim(local, " \t"), Domain: strings.Trim(domain, " \t")}
	if !ok || strings.ContainsAny(a.Local, " \t\"\\()<>[]:;,@") {
		return a, false
	}
	return a, goodAddress(a)
}

// goodAddress tells whether mail can be sent there without SMTPUTF8.
func goodAddress(a smtp.Address) bool {
	if a.Local == "" || a.Domain == "" || len(a.Local) > smtp.MaxLocalPart || !a.IsASCII() {
		return false
	}
	for i := range len(a.Local) {
		if a.Local[i] < ' ' || a.Local[i] == 0x7f {
			return false
		}
	}
	return smtp.CheckDomain(a.Domain, 0) == nil
}
