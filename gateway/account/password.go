package account

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// Bounds of passwords.
const (
	MinPassword = 10   // characters of a new one
	maxPassword = 1024 // octets
)

// ErrWeak: a password is too easy to guess.
var ErrWeak = errors.New("account: the password is too weak")

// errPassword: a password that cannot be typed alike everywhere.
var errPassword = errors.New("account: the password is empty, too long, or has control or unassigned characters")

// common are the passwords that are guessed first, those of MinPassword
// characters and more; digits at their end are left off.
//
//go:embed common.txt
var common string

// prepare returns a password as it is compared: SASLprep (RFC 4013), as PLAIN
// and SCRAM both want it.
func prepare(password string) (string, error) {
	if password == "" || len(password) > maxPassword || !utf8.ValidString(password) {
		return "", errPassword
	}
	if isASCII(password) && !strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return password, nil
	}
	p, err := stringprep.SASLprep.Prepare(password)
	if err != nil || p == "" {
		return "", errPassword
	}
	return p, nil
}

// CheckPassword refuses passwords that are guessed first. The error wraps
// ErrWeak and says what is wrong.
func CheckPassword(user, password string) error {
	p, err := prepare(password)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(p) < MinPassword {
		return fmt.Errorf("%w: it has fewer than %d characters", ErrWeak, MinPassword)
	}
	p = strings.ToLower(p)
	bare := strings.TrimRight(p, "0123456789!.-_*")
	local, domain := split(strings.ToLower(user))
	for _, name := range []string{user, local, domain} {
		if bare == strings.ToLower(name) || p == strings.ToLower(name) {
			return fmt.Errorf("%w: it is the user's name", ErrWeak)
		}
	}
	if strings.Count(p, p[:1]) == len(p) {
		return fmt.Errorf("%w: it is one character again and again", ErrWeak)
	}
	for word := range strings.FieldsSeq(common) {
		if p == word || bare == word {
			return fmt.Errorf("%w: it is one of the first that are tried", ErrWeak)
		}
	}
	return nil
}

// letters are those of generated passwords: none that is taken for another.
const letters = "abcdefghjkmnpqrstuvwxyz23456789"

// GeneratePassword returns a random password of four groups of five letters
// and digits, 99 bits.
func GeneratePassword() string {
	var b strings.Builder
	buf := make([]byte, 1)
	for b.Len() < 23 {
		if b.Len()%6 == 5 {
			b.WriteByte('-')
			continue
		}
		rand.Read(buf)
		if n := int(buf[0]); n < 256/len(letters)*len(letters) { // all equally often
			b.WriteByte(letters[n%len(letters)])
		}
	}
	return b.String()
}
