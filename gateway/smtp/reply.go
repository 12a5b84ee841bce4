package smtp

import (
	"errors"
	"strconv"
	"strings"
)

// EnhancedCode is an enhanced status code: class, subject, detail (RFC 3463).
// The zero value means none.
type EnhancedCode [3]uint16

// String returns the dotted form, or "" for the zero value.
func (e EnhancedCode) String() string {
	if e == (EnhancedCode{}) {
		return ""
	}
	return strconv.Itoa(int(e[0])) + "." + strconv.Itoa(int(e[1])) + "." + strconv.Itoa(int(e[2]))
}

// A Reply is what a server answers to a command (RFC 5321 section 4.2). The
// zero value is no reply. A Reply is also an error, so that a refusal can be
// returned, wrapped and found again with AsReply.
type Reply struct {
	Code     int          // 200 to 599
	Enhanced EnhancedCode // zero: none is sent
	Text     string       // lines separated by \n; no other control characters leave
}

// NewReply is short for a Reply literal.
func NewReply(code int, enhanced EnhancedCode, text string) Reply {
	return Reply{Code: code, Enhanced: enhanced, Text: text}
}

// Positive tells whether the command was done or may go on (2yz, 3yz).
func (r Reply) Positive() bool { return r.Code >= 200 && r.Code < 400 }

// Temporary tells whether the client should try again later (4yz).
func (r Reply) Temporary() bool { return r.Code >= 400 && r.Code < 500 }

// Permanent tells whether the client should not repeat the command (5yz).
func (r Reply) Permanent() bool { return r.Code >= 500 && r.Code < 600 }

// IsZero tells whether r is no reply at all.
func (r Reply) IsZero() bool { return r.Code == 0 }

// Error returns the reply on one line.
func (r Reply) Error() string {
	s := strconv.Itoa(r.Code)
	if e := r.Enhanced.String(); e != "" {
		s += " " + e
	}
	return s + " " + strings.ReplaceAll(r.Text, "\n", " ")
}

// AsReply finds the Reply in err's chain.
func AsReply(err error) (Reply, bool) {
	var r Reply
	ok := errors.As(err, &r)
	return r, ok
}
