package smtp

import "bytes"

// ParseCommand splits a command line, without its line end, into the verb in
// upper case and its argument (RFC 5321 section 4.1.1). Spaces around the
// argument are taken off. Text is only what is printable: ASCII and valid
// UTF-8; ok is false for anything else and when there is no verb.
func ParseCommand(line []byte) (verb, arg string, ok bool) {
	line = bytes.TrimRight(line, " \t")
	n := 0
	for n < len(line) && isAlpha(line[n]) {
		n++
	}
	if n == 0 || n > maxVerb || n < len(line) && line[n] != ' ' {
		return "", "", false
	}
	rest := bytes.TrimLeft(line[n:], " ")
	for _, c := range rest {
		if c < ' ' || c == 0x7f {
			return "", "", false
		}
	}
	return verbOf(line[:n]), string(rest), true
}

const maxVerb = 12

// verbOf returns b in upper case, without allocating for verbs in use.
func verbOf(b []byte) string {
	var up [maxVerb]byte
	for i, c := range b {
		up[i] = c &^ 0x20
	}
	switch string(up[:len(b)]) {
	case "EHLO":
		return "EHLO"
	case "HELO":
		return "HELO"
	case "LHLO":
		return "LHLO"
	case "MAIL":
		return "MAIL"
	case "RCPT":
		return "RCPT"
	case "DATA":
		return "DATA"
	case "BDAT":
		return "BDAT"
	case "RSET":
		return "RSET"
	case "NOOP":
		return "NOOP"
	case "QUIT":
		return "QUIT"
	case "VRFY":
		return "VRFY"
	case "STARTTLS":
		return "STARTTLS"
	case "AUTH":
		return "AUTH"
	case "XCLIENT":
		return "XCLIENT"
	}
	return string(up[:len(b)])
}
