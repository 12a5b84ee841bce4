package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheReferenceIsUpToDate runs the generator as the directive does.
func TestTheReferenceIsUpToDate(t *testing.T) {
	text, err := os.ReadFile("../generate.go")
	if err != nil {
		t.Fatal(err)
	}
	_, args, ok := strings.Cut(string(text), "//go:generate go run ./fielddocs ")
	if !ok {
		t.Fatal("no directive")
	}
	words := strings.Fields(args)
	var dirs []string
	for _, d := range words[1:] {
		dirs = append(dirs, filepath.Join("..", d))
	}
	got, err := generate(dirs)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("..", words[0]))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is old: run go generate ./config", words[0])
	}
}

func TestCommentsAreAboutKeys(t *testing.T) {
	keys := map[string]string{"TextLine": "text_line", "MinRate": "min_rate", "RateWindow": "rate_window", "Disable": "disable_extensions", "Errors": "errors", "NUL": "nul"}
	for _, c := range []struct{ field, comment, want string }{
		{"TextLine", "TextLine is the length of a line;\nlonger: 550.\n", "text_line is the length of a line; longer: 550."},
		{"MinRate", "MinRate is averaged over each RateWindow.", "min_rate is averaged over each rate_window."},
		{"Disable", "Disable lists extensions. Disable no more.", "disable_extensions lists extensions. disable_extensions no more."},
		{"Errors", "Errors of a client. NUL is none.", "Errors of a client. NUL is none."},
		{"MinRate", "How fast a client must be.", "How fast a client must be."},
	} {
		if got := rewrite(c.comment, c.field, keys); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
