package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy"
)

const policyPage = "../../docs/policy.md"

// TestPolicyPageIsUpToDate holds the tables of docs/policy.md to the code;
// UPDATE=1 rewrites them.
func TestPolicyPageIsUpToDate(t *testing.T) {
	page, err := os.ReadFile(policyPage)
	if err != nil {
		t.Fatal(err)
	}
	want := replaceSection(t, page, "functions", functionTable())
	want = replaceSection(t, want, "facts", factTable(t))
	if bytes.Equal(page, want) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s is not up to date: UPDATE=1 go test ./cmd/gapura -run PolicyPage", policyPage)
	}
	if err := os.WriteFile(policyPage, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// replaceSection puts text between the marks of a section.
func replaceSection(t *testing.T, page []byte, name, text string) []byte {
	begin, end := "<!-- "+name+": generated, do not edit -->\n", "<!-- end -->\n"
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section %s", policyPage, name)
	}
	return []byte(before + begin + text + end + after)
}

func functionTable() string {
	var b strings.Builder
	b.WriteString("| function | |\n|---|---|\n")
	for _, f := range policy.Functions() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Usage, f.Doc)
	}
	return b.String()
}

func factTable(t *testing.T) string {
	fields, err := policyFields()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	group := ""
	for _, f := range policy.Fields(fields) {
		if g, _, _ := strings.Cut(f.Name, "."); g != group && !strings.HasSuffix(f.Name, ".error") {
			group = g
			fmt.Fprintf(&b, "\n| %s | type | from | each | |\n|---|---|---|---|---|\n", g)
		} else if strings.HasSuffix(f.Name, ".error") {
			continue
		}
		each := ""
		if f.Rcpt {
			each = "each"
		}
		doc := strings.ReplaceAll(f.Doc, "|", `\|`)
		if f.Default != nil {
			doc += fmt.Sprintf(" Default: `%v`.", f.Default)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, f.Type, f.Stage, each, doc)
	}
	b.WriteString("\nEvery filter also has `FILTER.error`, and the look at the form of the message `message.error`: `\"timeout\"` when it was late, `\"passed-over\"` when too many of its calls were, `\"error\"` or `\"panic\"` when it failed, `\"\"` when it did its work. Where there was no room to unpack what is looked at, the message is deferred (452), whatever `on_error` says.\n`now` is the time, a timestamp in UTC.\n\n")
	return strings.TrimPrefix(b.String(), "\n")
}

// TestExampleRulesOfFiltersAreRight loads the rules in the package comments of
// the filters and in docs/policy.md.
func TestExampleRulesOfFiltersAreRight(t *testing.T) {
	fields, err := policyFields()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("../../filters/*/doc.go")
	if err != nil || len(names) == 0 {
		t.Fatal("no filters", err)
	}
	for _, name := range append(names, "../../policy/doc.go") {
		checkExample(t, name, commentRules(t, name), fields)
	}
	page, err := os.ReadFile(policyPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		if strings.HasPrefix(block, "rules:") {
			block, _, _ = strings.Cut(block, "```")
			checkExample(t, policyPage, block, fields)
		}
	}
}

func checkExample(t *testing.T, name, text string, fields []gateway.Field) {
	if text == "" {
		return
	}
	if _, err := policy.Parse([]policy.Source{{Name: name, Data: []byte(text)}}, policy.Env{Fields: fields}); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// commentRules returns the example rule of a package comment as a policy.
func commentRules(t *testing.T, name string) string {
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, line := range strings.Split(string(src), "\n") {
		line, ok := strings.CutPrefix(line, "//\t")
		switch {
		case ok && (line == "rules:" || len(rules) > 0):
			rules = append(rules, line)
		case len(rules) > 0:
			return strings.Join(rules, "\n") + "\n"
		}
	}
	if strings.Contains(string(src), "- name:") {
		t.Errorf("%s: an example begins with a line \"rules:\"", name)
	}
	return ""
}

// TestDefaultPolicyNamesOnlyFactsOfFilters loads the built-in policy with the
// facts that there really are.
func TestDefaultPolicyNamesOnlyFactsOfFilters(t *testing.T) {
	fields, err := policyFields()
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(nil, policy.Env{Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, f := range policy.Fields(fields) {
		known = append(known, f.Name)
	}
	for _, name := range p.Used() {
		if !slices.Contains(known, name) && name != "now" {
			t.Errorf("%s", name)
		}
	}
}

// TestEveryFilterDeclaresItsFacts holds the list of built-in filters to the
// folders.
func TestEveryFilterDeclaresItsFacts(t *testing.T) {
	filters, err := builtinFilters()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"filtertest": true}
	for _, f := range filters {
		known[f.Name()] = true
	}
	folders, err := filepath.Glob("../../filters/*/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range folders {
		if name = filepath.Base(filepath.Dir(name)); !known[name] {
			t.Errorf("filters/%s is not in builtinFilters", name)
		}
	}
}
