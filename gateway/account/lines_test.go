package account

import (
	"errors"
	"io"
	"testing"
)

// TestLinesEndForGood: whatever ends an exchange, the client is asked for
// nothing more in it.
func TestLinesEndForGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line      string
		err       error
		cancelled bool
		lost      error
	}{
		"given up":  {line: "*", cancelled: true},
		"malformed": {err: ErrExchange},
		"lost":      {err: io.ErrUnexpectedEOF, lost: io.ErrUnexpectedEOF},
	} {
		turns := 0
		l := Lines{Turn: func(challenge string) ([]byte, error) {
			if turns++; challenge != "aGk=" {
				t.Errorf("%s: challenge %q", name, challenge)
			}
			return []byte(c.line), c.err
		}}
		for range 2 {
			if _, err := l.Ask([]byte("hi")); !errors.Is(err, ErrExchange) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if turns != 1 || l.Cancelled != c.cancelled || !errors.Is(l.Lost, c.lost) {
			t.Errorf("%s: %d turns, %+v", name, turns, l)
		}
	}
}

// TestLinesAreBounded: a mechanism that asks for ever does not.
func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	turns := 0
	line := []byte("aGk=")
	l := Lines{Turn: func(string) ([]byte, error) { turns++; return append(line[:0], "aGk="...), nil }}
	for range maxChallenges {
		if b, err := l.Ask(nil); string(b) != "hi" || err != nil {
			t.Fatal(b, err)
		}
		if string(line) != "\x00\x00\x00\x00" {
			t.Error("the response is left in memory")
		}
	}
	if _, err := l.Ask(nil); !errors.Is(err, ErrExchange) || turns != maxChallenges {
		t.Error(turns, err)
	}
}
