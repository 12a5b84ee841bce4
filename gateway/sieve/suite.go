package sieve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// suiteExt is the extension of scripts that test scripts, as Pigeonhole has
// it: such a script sets a message and its envelope, compiles and runs other
// scripts or acts itself, carries the result out in an imagined mail store and
// looks at what came of it.
const suiteExt = "vnd.dovecot.testsuite"

// suiteKnown tells whether test scripts may require the extension.
func suiteKnown(ext string) bool {
	return ext == suiteExt || ext == "vnd.dovecot.environment" || ext == "vnd.dovecot.debug"
}

// TestResult is how one test of a test script came out.
type TestResult struct {
	Name   string
	OK     bool
	Reason string // why not, or that it was not reached
}

// RunTests runs a test script in the dialect of Pigeonhole's
// vnd.dovecot.testsuite; scripts that it names are found beside it. The error
// tells that the script itself does not compile, or cannot be read.
func RunTests(ctx context.Context, file string, opt Options) ([]TestResult, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	opt = opt.withDefaults()
	s, errs := compile(language, src, opt, true)
	if len(errs) > 0 {
		return nil, errs
	}
	t := newSuite(file, opt)
	t.lang = language
	r := newRun(ctx, &t.env, &t.opt)
	r.suite = t
	err = r.do(s)
	return t.finish(s, err), nil
}

// suite is the imagined world of a test script.
type suite struct {
	lang   specIndex
	dir    string
	base   Options
	opt    Options
	env    Env
	config map[string]string // as set
	active map[string]string // as reloaded
	script *Script
	errs   []string
	other  *run // that test_script_run made; nil: the result is the test script's own
	done   map[*run]int
	sent   []sentMail
	boxes  map[string]*suiteBox
	tests  []TestResult
}

// sentMail is a message to one recipient.
type sentMail struct {
	from, to smtp.Address
	raw      []byte
}

// suiteBox is an imagined mailbox.
type suiteBox struct {
	messages []suiteMessage
	metadata map[string]string
}

type suiteMessage struct {
	raw   []byte
	flags []string
}

// defaultTestMessage is the message before a test script sets one.
const defaultTestMessage = "From: sender@example.com\r\nTo: recipient@example.org\r\nSubject: Frop!\r\n\r\nFriep!\r\n"

func newSuite(file string, opt Options) *suite {
	t := &suite{
		dir: filepath.Dir(file), base: opt, opt: opt, config: map[string]string{}, active: map[string]string{},
		done: map[*run]int{}, boxes: map[string]*suiteBox{Inbox: {}},
	}
	t.env.Mailboxes, t.env.Scripts, t.env.Lists, t.env.Duplicates = t, t, t, suiteDuplicates{}
	t.env.Now = time.Now()
	t.reload()
	t.setMessage([]byte(defaultTestMessage))
	return t
}

// finish lists the results, those of tests that were not reached among them.
func (t *suite) finish(s *Script, err error) []TestResult {
	names := testNames(s.commands, nil)
	seen := map[string]int{}
	for _, r := range t.tests {
		seen[r.Name]++
	}
	if err != nil {
		t.tests = append(t.tests, TestResult{Name: "(script)", Reason: plain(err)})
	}
	for _, n := range names {
		if seen[n]--; seen[n] >= 0 {
			continue
		}
		t.tests = append(t.tests, TestResult{Name: n, OK: err == nil, Reason: "not reached"})
	}
	return t.tests
}

// testNames lists the tests in commands, those of branches too.
func testNames(commands []command, names []string) []string {
	for _, c := range commands {
		switch c := c.(type) {
		case *testCommand:
			names = append(names, c.name.text)
		case *ifCommand:
			for _, b := range c.branches {
				names = testNames(b.block, names)
			}
		}
	}
	return names
}

// setMessage makes raw the message, and its sender and recipient the envelope.
func (t *suite) setMessage(raw []byte) {
	end, body, hasBody := message.EndOfHeader(raw, 0)
	if !hasBody {
		end = len(raw)
	}
	h, _ := message.ParseHeader(raw[:end:end], message.HeaderLimits{})
	t.env.Message = Message{Header: h, Size: int64(len(raw))}
	if hasBody {
		t.env.Message.Body = bytesBody(raw[body:])
	}
	from := headerAddress(h, "Return-Path", "Sender", "From")
	if from.IsZero() {
		from = smtp.Address{Local: "sender", Domain: "example.com"}
	}
	to := headerAddress(h, "Envelope-To", "To")
	if to.IsZero() {
		to = smtp.Address{Local: "recipient", Domain: "example.com"}
	}
	t.env.Envelope = Envelope{From: smtp.ReversePath{Address: from}, To: to}
}

// headerAddress returns the first address in the first of the fields that has
// one.
func headerAddress(h *message.Header, names ...string) smtp.Address {
	for _, name := range names {
		for _, v := range rawValues(h, name) {
			list, _ := message.ParseAddressList(v)
			for _, m := range list {
				if m.Address.Local != "" {
					return m.Address
				}
			}
		}
	}
	return smtp.Address{}
}

// message returns the message as the run has edited it.
func (t *suite) message(header []byte) []byte {
	if header == nil {
		header = t.env.Message.Header.Raw()
	}
	out := append([]byte{}, header...)
	if t.env.Message.Body == nil {
		return out
	}
	out = append(out, "\r\n"...)
	in, err := t.env.Message.Body()
	if err != nil {
		return out
	}
	b, _ := io.ReadAll(in)
	return append(out, b...)
}

// fail notes an error of a script.
func (t *suite) fail(err error) {
	t.errs = append(t.errs, errorText(err))
}

// errorText is what test_error compares: without the place.
func errorText(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return plain(err)
	}
	text := e.Message
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// load compiles a script beside the test script.
func (t *suite) load(name string) (*Script, error) {
	src, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	s, errs := compile(t.lang, src, t.opt, false)
	if len(errs) > 0 {
		return nil, errs
	}
	return s, nil
}

// compileScript is test_script_compile.
func (t *suite) compileScript(name string) bool {
	t.errs, t.script = nil, nil
	s, err := t.load(name)
	var errs Errors
	switch {
	case errors.As(err, &errs):
		for _, e := range errs {
			t.fail(e)
		}
		t.errs = append(t.errs, fmt.Sprintf("script %s has %d errors", name, len(errs)))
	case err != nil:
		t.fail(err)
	}
	if t.script = s; err != nil {
		return false
	}
	if t.included(s, nil); len(t.errs) > 0 {
		t.errs = append(t.errs, "script "+name+" includes what does not compile")
		t.script = nil
		return false
	}
	return true
}

// included looks for errors in the scripts that s includes: in tests they are
// found when a script is compiled.
func (t *suite) included(s *Script, around []string) {
	for _, i := range includes(s.commands, nil) {
		id := string(i.where) + ":" + i.name
		if slices.Contains(around, id) {
			if !i.once {
				t.errs = append(t.errs, "circular include of script '"+i.name+"'")
			}
			continue
		}
		sub, err := t.Script(context.Background(), i.where, i.name)
		switch {
		case errors.Is(err, ErrNoScript) && i.optional:
		case errors.Is(err, ErrNoScript):
			t.errs = append(t.errs, fmt.Sprintf("included %s script '%s' does not exist", i.where, i.name), "script not found")
		case err != nil:
			t.errs = append(t.errs, err.Error(), "included script '"+i.name+"' does not compile")
		default:
			n := len(t.errs)
			if t.included(sub, append(slices.Clip(around), id)); len(t.errs) > n {
				t.errs = append(t.errs, "included script '"+i.name+"' does not compile")
			}
		}
	}
}

// includes lists the include commands, those of blocks too.
func includes(commands []command, all []*includeCommand) []*includeCommand {
	for _, c := range commands {
		switch c := c.(type) {
		case *includeCommand:
			all = append(all, c)
		case *loopCommand:
			all = includes(c.block, all)
		case *ifCommand:
			for _, b := range c.branches {
				all = includes(b.block, all)
			}
		}
	}
	return all
}

// runScript is test_script_run; with add the actions so far stay.
func (t *suite) runScript(r *run, add bool) bool {
	t.errs = nil
	if t.script == nil {
		t.errs = append(t.errs, "no script compiled yet")
		return false
	}
	n := t.newRun(r)
	if add {
		old := t.result(r)
		n.pending, n.keep, n.notified = old.pending, old.keep, old.notified
		t.done[n] = t.done[old]
	}
	err := n.do(t.script)
	if err != nil {
		t.fail(err)
	}
	t.other = n
	return err == nil
}

// newRun prepares a run of another script on the message as it is.
func (t *suite) newRun(r *run) *run {
	ctx, cancel := context.WithTimeout(r.ctx, t.opt.Time)
	context.AfterFunc(ctx, cancel)
	n := newRun(ctx, &t.env, &t.opt)
	n.suite = t
	return n
}

// multiscript runs several scripts one after the other, as an administrator's
// before and after a user's do: each sees the actions so far, and goes on
// while the implicit keep is in effect.
func (t *suite) multiscript(r *run, names []string) bool {
	t.errs = nil
	n := t.newRun(r)
	for _, name := range names {
		s, err := t.load(name)
		if err == nil {
			n.keep = true
			n.frame = newFrame("")
			err = n.do(s)
		}
		if err != nil {
			t.fail(err)
			return false
		}
		if !n.keep {
			break
		}
	}
	t.other = n
	return t.execute(r)
}

// result is the run whose result is looked at.
func (t *suite) result(r *run) *run {
	if t.other != nil {
		return t.other
	}
	return r
}

// reset is test_result_reset.
func (t *suite) reset(r *run) {
	r.pending, r.keep, r.notified = nil, true, nil
	r.counts.redirects, r.counts.notifications = 0, 0
	t.other, t.sent = nil, nil
	clear(t.done)
}

// seen makes the run look at the message anew.
func (r *run) seen() {
	r.header = header{now: r.env.Message.Header}
	r.body, r.recipients = nil, nil
	if r.suite != nil {
		r.suite.rate(r)
	}
}
