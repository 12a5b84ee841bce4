package sieve

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Bounds of regular expressions.
const (
	maxPattern      = 4 << 10 // octets
	maxInstructions = 20_000  // of the compiled program
	maxPatterns     = 100     // with variables that a run remembers
)

// pattern is a regular expression (draft-ietf-sieve-regex), matched in time
// linear in the value (RE2): the longest match counts, as POSIX says.
type pattern struct {
	re   *regexp.Regexp
	cost int // steps for each 64 octets
}

// compilePattern compiles a pattern; the program's size is bounded.
func compilePattern(text string, foldCase bool) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("longer than %d octets: %w", maxPattern, ErrLimit)
	}
	flags := syntax.Perl
	if foldCase {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(text, flags)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxInstructions {
		return nil, fmt.Errorf("too complex: %w", ErrLimit)
	}
	if foldCase {
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	re.Longest()
	return &pattern{re: re, cost: 1 + 4*len(prog.Inst)}, nil
}

// reason returns why a pattern is none, without the words of a package.
func reason(err error) string {
	var e *syntax.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("%s: `%s`", e.Code, e.Expr)
	}
	return strings.TrimSuffix(err.Error(), ": "+ErrLimit.Error())
}

// match matches a value and sets the match variables to the groups.
func (p *pattern) match(r *run, value string) (bool, error) {
	if err := r.spend((len(value) + 64) * p.cost); err != nil {
		return false, err
	}
	if !r.capture {
		return p.re.MatchString(value), nil
	}
	at := p.re.FindStringSubmatchIndex(value)
	if at == nil {
		return false, nil
	}
	groups := make([]string, 0, len(at)/2)
	for i := 0; i < len(at) && len(groups) <= maxMatch; i += 2 {
		if at[i] < 0 {
			groups = append(groups, "")
		} else {
			groups = append(groups, value[at[i]:at[i+1]])
		}
	}
	r.setMatch(groups)
	return true, nil
}

// pattern compiles a pattern that has variables.
func (r *run) pattern(text string, foldCase bool) (*pattern, error) {
	name := text
	if foldCase {
		name = "(?i)" + text
	}
	if p := r.patterns[name]; p != nil {
		return p, nil
	}
	if err := r.spend(64 * len(text)); err != nil {
		return nil, err
	}
	p, err := compilePattern(text, foldCase)
	if err == nil && len(r.patterns) < maxPatterns {
		if r.patterns == nil {
			r.patterns = map[string]*pattern{}
		}
		r.patterns[name] = p
	}
	return p, err
}
