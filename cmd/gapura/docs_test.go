package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the documents for people.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{"../../README.md", "../../deploy/README.md", "../../plugins/example/README.md"}
	more, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(more) == 0 {
		t.Fatal(more, err)
	}
	return append(list, more...)
}

func page(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var link = regexp.MustCompile(`\]\(([^):#]+)[^):]*\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	n := 0
	for _, name := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page(t, name), -1) {
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d links", n)
	}
}

// TestCommandsInThePagesAreRight: every call of gapura in an indented block is
// one that the command line takes.
func TestCommandsInThePagesAreRight(t *testing.T) {
	n := 0
	for _, name := range pages(t) {
		for line := range strings.Lines(page(t, name)) {
			if line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    gapura "); ok {
				n++
				parses(t, "gapura "+line, nil)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d commands", n)
	}
}

var (
	rfcName = regexp.MustCompile(`RFC ([0-9]{4})\b`)
	number  = regexp.MustCompile(`\b[0-9]{4}\b`)
	cell    = regexp.MustCompile(`(?m)^\|[^|]*\| (Yes|Partial|No) \| ?([^|]*)\|`)
)

// TestEveryRFCIsOnItsPage: an RFC that a comment of the code names is in
// docs/rfc.md, whose packages exist.
func TestEveryRFCIsOnItsPage(t *testing.T) {
	text := page(t, "../../docs/rfc.md")
	there := number.FindAllString(text, -1)
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		for _, m := range rfcName.FindAllStringSubmatch(page(t, name), -1) {
			if !slices.Contains(there, m[1]) {
				t.Errorf("%s names RFC %s, docs/rfc.md does not", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range cell.FindAllStringSubmatch(text, -1) {
		for p := range strings.SplitSeq(m[2], ", ") {
			if p = strings.TrimSpace(p); p == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join("../..", p)); err != nil {
				t.Errorf("docs/rfc.md: %v", err)
			}
		}
	}
}
