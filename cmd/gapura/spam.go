package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
)

// spamCmd is `gapura spam`.
type spamCmd struct {
	Learn   spamLearn   `cmd:"" help:"Teach what is spam and what is not."`
	Unlearn spamUnlearn `cmd:"" help:"Take back what was taught."`
	Score   spamScore   `cmd:"" help:"Score messages without learning them."`
	Online  spamOnline  `cmd:"" help:"Score each message of an index, then learn it: to measure."`
	Train   spamTrain   `cmd:"" help:"Make a base model of an organisation's own mail."`
	Eval    spamEval    `cmd:"" help:"Measure scores of messages whose class is known."`
	Explain spamExplain `cmd:"" help:"Why a message has its score."`
	Rules   spamRules   `cmd:"" help:"The readable signals, and tests of them and of your own."`
}

// spamJobs bounds how many messages are looked at at a time.
type spamJobs struct {
	Jobs int `default:"0" placeholder:"N" help:"Messages that are read at a time; 0: as many as there are processors."`
}

func (j spamJobs) count() int {
	if j.Jobs > 0 {
		return j.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// spamReader reads messages into features; it is used again.
type spamReader struct {
	m   anatomy.Message
	v   *model.Vector
	buf bytes.Buffer

	rules *rule.Set
	hits  []rule.Hit // of the message at hand
}

// take makes features of a whole message.
func (r *spamReader) take(raw []byte) error {
	if err := r.m.Parse(raw); err != nil {
		return err
	}
	r.hits = r.rules.Match(&r.m, gateway.Facts{})
	model.Features(&r.m, r.v, spam.Signals(r.hits)...)
	return nil
}

// spamReaders keeps readers that nobody uses.
type spamReaders struct{ sync.Pool }

// newSpamReaders returns readers that know the shipped rules.
func newSpamReaders() (*spamReaders, error) {
	rules, err := rule.Load(nil, nil)
	if err != nil {
		return nil, err
	}
	return &spamReaders{sync.Pool{New: func() any { return &spamReader{v: model.NewVector(), rules: rules} }}}, nil
}

// with calls f with the features of a message, which are valid until it
// returns.
func (p *spamReaders) with(x *spamMessage, f func(r *spamReader)) error {
	r := p.Get().(*spamReader)
	defer p.Put(r)
	raw, err := x.read(&r.buf)
	if err != nil {
		return err
	}
	if err := r.take(raw); err != nil {
		return err
	}
	f(r)
	return nil
}

// scoredMessage is a line of output.
type scoredMessage struct {
	Label       string  `json:"label,omitempty"`
	Score       float64 `json:"score"`
	Probability float64 `json:"probability"`
	Class       string  `json:"class"`
	Path        string  `json:"path"`
	By          string  `json:"by,omitempty"` // what has judged
}

// printScore prints one line: label, if there is one, score and path.
func (a *app) printScore(x *spamMessage, s model.Score, by string) error {
	if a.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(scoredMessage{x.label, s.Score, s.Probability, s.Class, x.path, by})
	}
	line := make([]byte, 0, 128)
	if x.label != "" {
		line = append(append(line, x.label...), ' ')
	}
	line = strconv.AppendFloat(line, s.Score, 'f', 5, 64)
	line = append(append(append(line, ' '), x.path...), '\n')
	_, err := a.stdout.Write(line)
	return err
}

// scoreBar is a bar, where it is not in the way of the scores that are printed.
func (a *app) scoreBar(what string, total int64) bar {
	if o, ok := a.stdout.(*output); ok && o.terminal() {
		return bar{}
	}
	return a.newBar(what, total)
}

// noteFailed tells of a message that could not be read; the others go on.
func (a *app) noteFailed(b bar, x *spamMessage, err error) {
	var perr *os.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	name := x.path
	if x.at != "" {
		name = x.at + ": " + name
	}
	b.note(a.stderr, "gapura: %s: %v", name, err)
}

// failedSome is the error of a command that could not read so many messages,
// each of which it has told of.
func failedSome(n int) error {
	if n > 0 {
		return errNo
	}
	return nil
}

// needSource wants messages to be named.
func needSource(indexes, paths []string) error {
	if len(indexes)+len(paths) == 0 {
		return usageError{errors.New("no messages: name files, folders or, with --index, an index")}
	}
	return nil
}

// printReasons prints why, one reason a line.
func printReasons(w io.Writer, reasons []model.Reason) {
	for _, r := range reasons {
		fmt.Fprintf(w, "  %+6.2f  %s\n", r.Weight, r.Text)
	}
}
