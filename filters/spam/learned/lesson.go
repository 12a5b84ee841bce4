package learned

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// Source is who, or what, taught a lesson.
type Source string

// The sources.
const (
	Move  Source = "move"  // a user moved it into, or out of, Junk
	Admin Source = "admin" // a command
	// Quarantine is a release from there: an administrator's word, for a recipient.
	Quarantine Source = "quarantine"
)

// Lesson is one message whose class somebody knows.
type Lesson struct {
	// User is the account that teaches, or for whom it is taught; "" : an
	// administrator teaches the whole installation.
	User string
	// Key names the message, see KeyOf: each user teaches it once.
	Key    string
	Spam   bool
	Source Source
	// Vector is that of the message as it is today; it is not kept.
	Vector *model.Vector
	// Sender is whose reputation the lesson is about; it may be empty.
	Sender Sender
	// Clues are what was known beside the message when it came, and teach what
	// such is worth here; the first MaxClues count.
	Clues []Clue
	// At is when it was taught; zero: now.
	At time.Time
}

// Errors that callers tell apart.
var (
	// ErrRate wraps the refusal of a lesson of a user who taught very many today.
	ErrRate = errors.New("learned: too many lessons of this user today")
	// ErrUnknown wraps that there is no such lesson, or that it is too old to
	// be undone.
	ErrUnknown = errors.New("learned: no such lesson is kept")
	// ErrLesson wraps what is wrong with a lesson.
	ErrLesson = errors.New("learned: not a lesson")
)

const maxKey = 200

// check brings a lesson into the form in which it is kept.
func (l *Lesson) check(now time.Time) error {
	bad := func(what string) error { return errors.Join(ErrLesson, errors.New(what)) }
	if l.User != "" {
		u, ok := account(l.User)
		if !ok {
			return bad("the user has no name")
		}
		l.User = u
	}
	if k, ok := normalName(l.Key); !ok || len(k) > maxKey {
		return bad("it has no key")
	}
	switch l.Source {
	case Move, Quarantine:
		if l.User == "" {
			return bad("a user is missing")
		}
	case Admin:
	default:
		return bad("unknown source")
	}
	if l.Vector == nil {
		return bad("it has no vector")
	}
	if l.At.IsZero() || l.At.After(now) {
		l.At = now
	}
	return nil
}

// domainOf is the domain of an account, "" for one without.
func domainOf(user string) string {
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		return user[at+1:]
	}
	return ""
}

// keyBody is how much of a body is part of the key.
const keyBody = 64 << 10

// KeyOf names a message by what stays the same wherever it is kept: who wrote
// it, when, its Message-ID and its body. Fields that gateways and mailboxes add do not
// change it.
func KeyOf(raw []byte) string {
	h := sha256.New()
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		head, body, _ = bytes.Cut(raw, []byte("\n\n"))
	}
	for line := range bytes.Lines(head[:min(len(head), keyBody)]) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(string(bytes.TrimSpace(name[:min(len(name), 20)]))) {
		case "from", "date", "message-id":
			h.Write(bytes.TrimSpace(value))
			h.Write([]byte{0})
		}
	}
	h.Write(bytes.TrimRight(body[:min(len(body), keyBody)], "\r\n"))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
