package imap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxMailbox is the longest mailbox name, in octets of UTF-8.
const MaxMailbox = 1024

// Inbox is the name under which mailbox INBOX is known, however it is written.
const Inbox = "INBOX"

// Mailbox expects a mailbox name, and returns it in UTF-8. Without UTF8 it is
// in modified UTF-7 (RFC 3501 section 5.1.3); what is not good UTF-7 is taken
// as it is, as is a name in UTF-8: no other name can be meant by it.
func (d *Decoder) Mailbox(out *string) bool {
	var b []byte
	if !d.Astring(&b) {
		return false
	}
	return d.name(b, out)
}

// ListMailbox expects a mailbox name in which * and % are wildcards, in UTF-8
// as Mailbox.
func (d *Decoder) ListMailbox(out *string) bool {
	if c := d.Peek(); c == '"' || c == '{' {
		return d.Mailbox(out)
	}
	if d.err != nil {
		return false
	}
	w := d.word(classList)
	if len(w) == 0 {
		return d.Fail("a mailbox name or pattern")
	}
	return d.name(w, out)
}

func (d *Decoder) name(b []byte, out *string) bool {
	if len(b) > MaxMailbox {
		return d.Refuse("CANNOT", "the mailbox name is too long")
	}
	if !utf8.Valid(b) {
		return d.Fail("a mailbox name in UTF-8")
	}
	if equalFold(b, Inbox) {
		*out = Inbox
		return true
	}
	s := string(b)
	if !d.UTF8 {
		if dec, ok := DecodeUTF7(s); ok {
			s = dec
		}
	}
	if len(s) > MaxMailbox {
		return d.Refuse("CANNOT", "the mailbox name is too long")
	}
	*out = s
	return true
}

// utf7 is the alphabet of modified BASE64.
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// DecodeUTF7 returns a name in modified UTF-7 as UTF-8. ok is false for what
// is not in the one right form (RFC 3501 section 5.1.3).
func DecodeUTF7(s string) (name string, ok bool) {
	amp := strings.IndexByte(s, '&')
	if amp < 0 {
		return s, isPrintable(s)
	}
	out := make([]byte, 0, len(s))
	for amp >= 0 {
		if !isPrintable(s[:amp]) {
			return "", false
		}
		out = append(out, s[:amp]...)
		end := strings.IndexByte(s[amp:], '-')
		if end < 0 {
			return "", false
		}
		if out, ok = appendShifted(out, s[amp+1:amp+end]); !ok {
			return "", false
		}
		more := end > 1
		s = s[amp+end+1:]
		amp = strings.IndexByte(s, '&')
		// "&AOQ-&AOQ-" should have been one: superfluous shifts are not allowed.
		if more && amp == 0 && len(s) > 1 && s[1] != '-' {
			return "", false
		}
	}
	if !isPrintable(s) {
		return "", false
	}
	return string(append(out, s...)), true
}

// appendShifted writes what stands between & and -.
func appendShifted(out []byte, enc string) ([]byte, bool) {
	if enc == "" {
		return append(out, '&'), true
	}
	raw, err := utf7.DecodeString(enc)
	if err != nil || len(raw)%2 != 0 || len(raw) == 0 {
		return nil, false
	}
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return nil, false
			}
			r = utf16.DecodeRune(r, rune(raw[i+2])<<8|rune(raw[i+3]))
			if r == utf8.RuneError {
				return nil, false
			}
			i += 2
		} else if r >= ' ' && r < 0x7f || r == 0 {
			return nil, false
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// EncodeUTF7 returns a name in UTF-8 in modified UTF-7.
func EncodeUTF7(name string) string {
	if isPrintable(name) && strings.IndexByte(name, '&') < 0 {
		return name
	}
	out := make([]byte, 0, len(name)+16)
	var units []byte
	flush := func() {
		if len(units) > 0 {
			out = append(utf7.AppendEncode(append(out, '&'), units), '-')
			units = units[:0]
		}
	}
	for _, r := range name {
		if r >= ' ' && r <= 0x7e {
			flush()
			out = append(out, byte(r))
			if r == '&' {
				out = append(out, '-')
			}
			continue
		}
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			units = append(units, byte(r1>>8), byte(r1), byte(r2>>8), byte(r2))
		} else {
			units = append(units, byte(r>>8), byte(r))
		}
	}
	flush()
	return string(out)
}
