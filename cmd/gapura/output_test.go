package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// full is a standard output without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestAnAnswerThatFindsNoRoomFails: `gapura ... > list` on a full disk must not
// look as if the list were empty.
func TestAnAnswerThatFindsNoRoomFails(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"config", "reference"}, {"spam", "rules"}, {"spam", "rules", "--json"}} {
		var stderr bytes.Buffer
		if code := run(args, strings.NewReader(""), full{}, &stderr); code != 1 {
			t.Errorf("%v: exit code %d", args, code)
		}
		if !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%v says %q", args, stderr.String())
		}
	}
}

// TestAnInterruptIsToldAsOne: who pressed Ctrl-C knows no contexts.
func TestAnInterruptIsToldAsOne(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	if code := exitCode(fmt.Errorf("spam: 3 learned: %w", context.Canceled), &stderr); code != 1 || stderr.String() != "gapura: spam: 3 learned: interrupted\n" {
		t.Errorf("%d %q", code, stderr.String())
	}
}
