package sieve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// testsuiteSpecs are the commands and tests of test scripts.
func testsuiteSpecs() []spec {
	text := func(names ...string) (p []param) {
		for _, n := range names {
			p = append(p, param{aString, n, false})
		}
		return p
	}
	all := []spec{
		{name: "test", pos: text("name"), block: true, command: func(c *compiler, n *node, a *args) command {
			return &testCommand{n.Pos, a.pos[0].strs[0], c.block(n.block)}
		}},
		{name: "test_fail", pos: text("reason"), command: suiteCommand(func(r *run, s []string) error { return &testFailure{s[0]} })},
		{name: "test_set", pos: text("object", "value"), command: suiteCommand(suiteSet)},
		{name: "test_config_set", pos: text("name", "value"), command: suiteCommand(func(r *run, s []string) error {
			r.suite.config[s[0]] = s[1]
			return nil
		})},
		{name: "test_config_unset", pos: text("name"), command: suiteCommand(func(r *run, s []string) error {
			delete(r.suite.config, s[0])
			return nil
		})},
		{name: "test_config_reload", tags: []tagSpec{{name: "extension", param: text("extension")}}, command: suiteCommand(func(r *run, _ []string) error {
			r.suite.reload()
			r.suite.rate(r)
			return nil
		})},
		{name: "test_mailbox_create", pos: text("mailbox"), command: suiteCommand(func(r *run, s []string) error {
			r.suite.box(s[0])
			return nil
		})},
		{name: "test_mailbox_delete", pos: text("mailbox"), command: suiteCommand(func(r *run, s []string) error {
			delete(r.suite.boxes, boxName(s[0]))
			return nil
		})},
		{name: "test_binary_save", pos: text("name"), command: suiteCommand(nothingElse)},
		{name: "test_binary_load", pos: text("name"), command: suiteCommand(nothingElse)},
		{name: "test_result_reset", command: suiteCommand(func(r *run, _ []string) error { r.suite.reset(r); return nil })},
		{name: "test_result_print", command: suiteCommand(nothingElse)},
		{name: "test_message_print", command: suiteCommand(nothingElse)},
		{name: "test_imap_metadata_set", tags: []tagSpec{{name: "mailbox", param: text("mailbox")}}, pos: text("annotation", "value"), command: compileSuiteMetadata},
		{name: "test_script_compile", test: true, pos: text("file"), check: suiteTest(func(r *run, s []string) bool { return r.suite.compileScript(s[0]) })},
		{name: "test_compile", test: true, pos: text("file"), check: suiteTest(func(r *run, s []string) bool { return r.suite.compileScript(s[0]) })},
		{name: "test_multiscript", test: true, pos: []param{{aStrings, "scripts", false}}, check: suiteTest(func(r *run, s []string) bool { return r.suite.multiscript(r, s) })},
		{name: "test_script_run", test: true, tags: []tagSpec{{name: "append_result"}}, check: func(_ *compiler, _ *node, a *args) test {
			add := a.has("append_result")
			return suiteCheck{f: func(r *run, _ []string) bool { return r.suite.runScript(r, add) }}
		}},
		{name: "test_result_execute", test: true, check: suiteTest(func(r *run, _ []string) bool { return r.suite.execute(r) })},
		{name: "test_error", test: true, tags: suiteTags(), pos: []param{{aStrings, "key list", false}}, check: suiteMatch(func(r *run) []string { return r.suite.errs })},
		{name: "test_result_action", test: true, tags: suiteTags(), pos: []param{{aStrings, "key list", false}}, check: suiteMatch(func(r *run) []string { return r.suite.actionNames(r) })},
		{
			name: "test_message", test: true, tags: []tagSpec{{name: "smtp", group: "of :smtp and :folder"}, {name: "folder", group: "of :smtp and :folder", param: text("folder")}},
			pos: []param{{aNumber, "index", false}}, command: compileSuiteMessageCommand, check: compileSuiteMessage,
		},
		{name: "debug_log", pos: text("message"), command: suiteCommand(nothingElse)},
	}
	for i := range all {
		all[i].ext = suiteExt
	}
	all[len(all)-1].ext = "vnd.dovecot.debug"
	return all
}

func nothingElse(*run, []string) error { return nil }

// testCommand is one test.
type testCommand struct {
	Pos
	name  *str
	block []command
}

// testFailure ends a test.
type testFailure struct{ reason string }

// Error implements error.
func (f *testFailure) Error() string { return f.reason }

// exec runs the test; only what is wrong outside of tests ends the script.
func (c *testCommand) exec(r *run) error {
	t := r.suite
	name, err := c.name.eval(r)
	if err != nil {
		return err
	}
	t.other = nil
	r.steps = r.opt.Steps
	err = r.block(c.block)
	var f *testFailure
	res := TestResult{Name: name, OK: err == nil || err == errStop}
	switch {
	case errors.As(err, &f):
		res.Reason = f.reason
	case !res.OK:
		res.Reason = err.Error()
	}
	t.tests = append(t.tests, res)
	if err == errStop || r.ctx.Err() != nil {
		return err
	}
	return nil
}

// suiteAction is a command with strings.
type suiteAction struct {
	Pos
	strs []*str
	f    func(r *run, s []string) error
}

func suiteCommand(f func(r *run, s []string) error) func(*compiler, *node, *args) command {
	return func(_ *compiler, n *node, a *args) command {
		s := &suiteAction{Pos: n.Pos, f: f}
		for _, v := range a.pos {
			s.strs = append(s.strs, v.strs...)
		}
		return s
	}
}

func (s *suiteAction) exec(r *run) error {
	values, err := evalAll(r, s.strs)
	if err != nil {
		return err
	}
	return s.f(r, values)
}

// suiteCheck is a test with strings.
type suiteCheck struct {
	strs []*str
	f    func(r *run, s []string) bool
}

func suiteTest(f func(r *run, s []string) bool) func(*compiler, *node, *args) test {
	return func(_ *compiler, _ *node, a *args) test {
		s := suiteCheck{f: f}
		for _, v := range a.pos {
			s.strs = append(s.strs, v.strs...)
		}
		return s
	}
}

func (s suiteCheck) eval(r *run) (bool, error) {
	values, err := evalAll(r, s.strs)
	if err != nil {
		return false, err
	}
	return s.f(r, values), nil
}

func suiteTags() []tagSpec {
	return append(matchTags(), tagSpec{name: "index", param: []param{{aNumber, "index", true}}})
}

// suiteList compares the strings of a list.
type suiteList struct {
	index index
	m     *matcher
	f     func(r *run) []string
}

func suiteMatch(f func(r *run) []string) func(*compiler, *node, *args) test {
	return func(c *compiler, n *node, a *args) test {
		x, ok := c.index(n, a)
		m := c.matcher(n.Pos, a, a.pos[0].strs)
		if m == nil || !ok {
			return nil
		}
		return &suiteList{x, m, f}
	}
}

func (s *suiteList) eval(r *run) (bool, error) { return s.m.any(r, s.index.of(s.f(r))) }

// actionNames lists the actions of the result; fileinto is called store.
func (t *suite) actionNames(r *run) []string {
	var names []string
	for _, p := range t.result(r).pending {
		if p.name == "fileinto" {
			names = append(names, "store")
		} else {
			names = append(names, p.name)
		}
	}
	return names
}

// suiteSet is test_set.
func suiteSet(r *run, s []string) error {
	t, e := r.suite, &r.suite.env.Envelope
	switch strings.ToLower(s[0]) {
	case "message":
		t.setMessage([]byte(s[1]))
	case "envelope.from":
		a, ok := testPath(s[1], false)
		if !ok { // no sender is no null sender, either
			a = smtp.Address{}
		}
		e.From = smtp.ReversePath{Address: a}
	case "envelope.to":
		e.To, _ = testPath(s[1], true)
		e.OriginalTo = e.To
	case "envelope.orig_to":
		e.OriginalTo, _ = testPath(s[1], true)
	case "envelope.auth":
		e.Auth = s[1]
		return nil
	default:
		return fmt.Errorf("test_set knows no %q", s[0])
	}
	r.seen()
	return nil
}

type suiteMetadata struct {
	mailbox *str
	strs    []*str
}

func compileSuiteMetadata(_ *compiler, _ *node, a *args) command {
	return &suiteMetadata{a.str("mailbox"), slices.Concat(a.pos[0].strs, a.pos[1].strs)}
}

func (s *suiteMetadata) exec(r *run) error {
	v, err := evalAll(r, s.strs)
	if err != nil {
		return err
	}
	mailbox := ""
	if s.mailbox != nil {
		if mailbox, err = s.mailbox.eval(r); err != nil {
			return err
		}
	}
	r.suite.box(mailbox).metadata[strings.ToLower(v[0])] = v[1]
	return nil
}

// suiteMessageTest makes a message that was sent or stored the message.
type suiteMessageTest struct {
	Pos
	folder *str // nil: sent
	n      uint64
}

func compileSuiteMessage(c *compiler, n *node, a *args) test {
	if !a.has("smtp") && !a.has("folder") {
		c.errorf(n.Pos, "the test_message command requires :smtp or :folder")
		return nil
	}
	return &suiteMessageTest{n.Pos, a.str("folder"), a.pos[0].num}
}

func compileSuiteMessageCommand(c *compiler, n *node, a *args) command {
	if t := compileSuiteMessage(c, n, a); t != nil {
		return &suiteMessageCommand{t.(*suiteMessageTest)}
	}
	return nil
}

func (s *suiteMessageTest) eval(r *run) (bool, error) {
	t := r.suite
	if s.folder == nil {
		if s.n >= uint64(len(t.sent)) {
			return false, nil
		}
		m := t.sent[s.n]
		t.setMessage(m.raw)
		t.env.Envelope = Envelope{From: smtp.ReversePath{Address: m.from}, To: m.to}
		r.seen()
		return true, nil
	}
	name, err := s.folder.eval(r)
	if err != nil {
		return false, err
	}
	b := t.boxes[boxName(name)]
	if b == nil || s.n >= uint64(len(b.messages)) {
		return false, nil
	}
	t.setMessage(b.messages[s.n].raw)
	r.seen()
	r.flags = b.messages[s.n].flags
	return true, nil
}

type suiteMessageCommand struct{ t *suiteMessageTest }

func (s *suiteMessageCommand) exec(r *run) error {
	ok, err := s.t.eval(r)
	if err == nil && !ok {
		err = &testFailure{fmt.Sprintf("there is no message with index %d", s.t.n)}
	}
	return err
}
