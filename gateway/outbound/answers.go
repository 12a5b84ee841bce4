package outbound

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// rulesFile is what is known of large operators. docs/outbound.md says how such
// files are written.
//
//go:embed rules.yaml
var rulesFile []byte

// RuleFile is a file of what operators want and of what their answers mean.
type RuleFile struct {
	// Limits of operators; the first one that says something counts.
	Shapes []Shape `yaml:"shapes"`
	// What refusals mean; the first one that fits counts.
	Answers []Answer `yaml:"answers"`
}

// Answer is a refusal that is known, and what to do then. All that is said of
// it must fit.
type Answer struct {
	// For people.
	Name string `yaml:"name"`
	// Hosts that say so; absent: any.
	MX []string `yaml:"mx"`
	// Reply codes, such as 421 or 4xx.
	Codes []string `yaml:"codes"`
	// Enhanced codes, such as 4.7.28 or 4.7.x.
	Enhanced []string `yaml:"enhanced"`
	// Regular expression (RE2) for the text, capitals or not. A group called
	// seconds or minutes says when to try again.
	Text string `yaml:"text"`

	// Slow sends half as many messages in a time.
	Slow bool `yaml:"slow"`
	// Fewer opens half as many connections.
	Fewer bool `yaml:"fewer"`
	// Pause sends nothing there for so long.
	Pause time.Duration `yaml:"pause"`
	// Retry tries the message again after that at the earliest.
	Retry time.Duration `yaml:"retry"`
	// Result is what the refusal counts as: temporary or permanent. Default:
	// what its code says.
	Result string `yaml:"result"`
}

// action is what to do after an answer.
type action struct {
	name         string
	slow, fewer  bool
	pause, retry time.Duration
	result       string
}

// answer is an Answer that was read.
type answer struct {
	mx       names
	codes    []string
	enhanced [][3]string
	text     *regexp.Regexp
	seconds  int // groups of text
	minutes  int
	act      action
}

// Bounds of rule files.
const (
	maxRuleFile = 1 << 20 // octets
	maxAnswers  = 2000
	maxPattern  = 1000 // octets of an expression
)

// readRules reads rule files, then the built-in one.
func readRules(files []string) ([]answer, []Shape, error) {
	var list []answer
	var shaped []Shape
	add := func(name string, data []byte) error {
		var f RuleFile
		if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
			return fmt.Errorf("rules: %w", inFile(name, err))
		}
		for i, x := range f.Answers {
			a, err := newAnswer(x)
			if err != nil {
				return fmt.Errorf("rules: %s: answers[%d] %q: %w", name, i, x.Name, err)
			}
			list = append(list, a)
		}
		if err := new(shapes).add(f.Shapes); err != nil {
			return fmt.Errorf("rules: %s: %w", name, err)
		}
		shaped = append(shaped, f.Shapes...)
		if len(list) > maxAnswers {
			return fmt.Errorf("rules: %s: more than %d answers", name, maxAnswers)
		}
		return nil
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err == nil && info.Size() > maxRuleFile {
			err = fmt.Errorf("%s is larger than %d octets", name, maxRuleFile)
		}
		var data []byte
		if err == nil {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("rules: %w", err)
		}
		if err := add(name, data); err != nil {
			return nil, nil, err
		}
	}
	return list, shaped, add("built-in", rulesFile)
}

// inFile gives a mistake in YAML its place.
func inFile(name string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p := at.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", name, p.Line, p.Column, at.GetMessage())
}

var (
	codePattern     = regexp.MustCompile(`^[245](\d\d|xx)$`)
	enhancedPattern = regexp.MustCompile(`^[245]\.(\d{1,3}|x)\.(\d{1,3}|x)$`)
)

func newAnswer(x Answer) (a answer, err error) {
	if a.mx, err = newNames(x.MX); err != nil {
		return a, err
	}
	for _, c := range x.Codes {
		if !codePattern.MatchString(c) {
			return a, fmt.Errorf("codes: %q is not like 421 or 4xx", c)
		}
		a.codes = append(a.codes, strings.TrimSuffix(c, "xx"))
	}
	for _, e := range x.Enhanced {
		if !enhancedPattern.MatchString(e) {
			return a, fmt.Errorf("enhanced: %q is not like 4.7.28 or 4.7.x", e)
		}
		a.enhanced = append(a.enhanced, [3]string(strings.Split(e, ".")))
	}
	switch {
	case len(x.Text) > maxPattern:
		return a, fmt.Errorf("text: longer than %d", maxPattern)
	case x.Text == "" && len(x.Codes) == 0 && len(x.Enhanced) == 0:
		return a, errors.New("needs codes, enhanced or text")
	case x.Result != "" && x.Result != "temporary" && x.Result != "permanent":
		return a, fmt.Errorf("result: %q is neither temporary nor permanent", x.Result)
	case x.Pause < 0 || x.Retry < 0:
		return a, errors.New("pause and retry cannot be negative")
	}
	if x.Text != "" {
		if a.text, err = regexp.Compile("(?is)" + x.Text); err != nil {
			return a, fmt.Errorf("text: %w", err)
		}
		a.seconds, a.minutes = a.text.SubexpIndex("seconds"), a.text.SubexpIndex("minutes")
	}
	a.act = action{x.Name, x.Slow, x.Fewer, x.Pause, x.Retry, x.Result}
	return a, nil
}

// means finds what a refusal by a host means; nil: nothing is known of it.
func means(list []answer, host string, r smtp.Reply) *action {
	if r.Positive() {
		return nil
	}
	code := strconv.Itoa(r.Code)
	for i := range list {
		a := &list[i]
		if !a.mx.empty() && !a.mx.has(host) ||
			len(a.codes) > 0 && !slices.ContainsFunc(a.codes, func(c string) bool { return strings.HasPrefix(code, c) }) ||
			len(a.enhanced) > 0 && !slices.ContainsFunc(a.enhanced, func(e [3]string) bool { return fits(e, r.Enhanced) }) {
			continue
		}
		if a.text == nil {
			return &a.act
		}
		if m := a.text.FindStringSubmatch(r.Text); m != nil {
			return a.wait(m)
		}
	}
	return nil
}

func fits(want [3]string, e smtp.EnhancedCode) bool {
	for i, w := range want {
		if w != "x" && w != strconv.Itoa(int(e[i])) {
			return false
		}
	}
	return true
}

// maxTold bounds the wait that a server may ask for in its text.
const maxTold = 4 * time.Hour

// wait takes the time that the text names, and a little more.
func (a *answer) wait(m []string) *action {
	told := time.Duration(0)
	for _, g := range []struct {
		index int
		unit  time.Duration
	}{{a.seconds, time.Second}, {a.minutes, time.Minute}} {
		if g.index > 0 && m[g.index] != "" {
			if n, err := strconv.Atoi(m[g.index]); err == nil {
				told += time.Duration(min(n, int(maxTold/g.unit))) * g.unit
			}
		}
	}
	if told == 0 {
		return &a.act
	}
	act := a.act
	act.retry = min(told, maxTold) + told/10 + time.Second
	return &act
}

// counts is what a refusal counts as.
func (a *action) counts(r queue.Result) queue.Result {
	switch a.result {
	case "temporary":
		return queue.Deferred
	case "permanent":
		return queue.Failed
	}
	return r
}
