package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// commands returns the words of every command.
func commands(t *testing.T) [][]string {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Name("gapura"), kong.Vars{"version": "test"})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, n := range parser.Model.Leaves(true) {
		all = append(all, strings.Fields(strings.TrimPrefix(n.FullPath(), "gapura")))
	}
	return all
}

// runGapura runs the program in this process.
func runGapura(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestEveryCommandShowsAnExample: the help of each command says how it is
// called, by an example that the command line takes.
func TestEveryCommandShowsAnExample(t *testing.T) {
	all := commands(t)
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	for _, words := range all {
		name := strings.Join(words, " ")
		t.Run(name, func(t *testing.T) {
			code, help, errs := runGapura(append(words, "--help")...)
			if code != 0 || errs != "" {
				t.Fatalf("exit code %d, %s", code, errs)
			}
			_, examples, ok := strings.Cut(help, "Example")
			if !ok {
				t.Fatalf("no example:\n%s", help)
			}
			n := 0
			for line := range strings.SplitSeq(examples, "\n") {
				if i := strings.Index(line, "gapura "); strings.HasPrefix(line, "  ") && i >= 0 {
					line = line[i:]
					n++
					parses(t, line, words)
				}
			}
			if n == 0 {
				t.Errorf("no line of the example is a call of gapura:\n%s", help)
			}
		})
	}
}

// parses wants the command line of an example to be one of the command.
func parses(t *testing.T, line string, words []string) {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Name("gapura"), kong.Vars{"version": "test"}, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(shellWords(line)[1:])
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if got := k.Command(); !strings.HasPrefix(got, strings.Join(words, " ")) {
		t.Errorf("%s is an example of %s", line, got)
	}
}

// shellWords cuts a line into words as a shell does, up to a pipe, a
// redirection or a comment.
func shellWords(line string) (words []string) {
	quote := rune(0)
	word, in := "", false
	for _, c := range line + " " {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && c == ' ':
			if in {
				words = append(words, word)
			}
			word, in = "", false
		case quote == 0 && strings.ContainsRune("|<>#", c):
			return words
		default:
			word, in = word+string(c), true
		}
	}
	return words
}

// TestErrorsOfUsageAreOneLineWithAHint.
func TestErrorsOfUsageAreOneLineWithAHint(t *testing.T) {
	for _, words := range commands(t) {
		if strings.Join(words, " ") == "plugin test" {
			continue // what follows it is the plugin's command line
		}
		code, out, errs := runGapura(append(words, "--no-such-flag")...)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "gapura: ") || !strings.Contains(errs, "--help") {
			t.Errorf("%v: exit code %d, %q, %q", words, code, out, errs)
		}
	}
}
