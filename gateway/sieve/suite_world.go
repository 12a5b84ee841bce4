package sieve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func bytesBody(b []byte) func() (io.Reader, error) {
	return func() (io.Reader, error) { return bytes.NewReader(b), nil }
}

// Exists implements Mailboxes.
func (t *suite) Exists(_ context.Context, name string) (bool, error) {
	return t.boxes[boxName(name)] != nil, nil
}

func boxName(name string) string {
	if strings.EqualFold(name, Inbox) {
		return Inbox
	}
	return name
}

// SpecialUse implements Mailboxes: nothing is assigned.
func (t *suite) SpecialUse(context.Context, string) ([]string, error) { return nil, nil }

// Metadata implements Mailboxes.
func (t *suite) Metadata(_ context.Context, mailbox, annotation string) (string, bool, error) {
	if b := t.boxes[boxName(mailbox)]; b != nil {
		v, ok := b.metadata[strings.ToLower(annotation)]
		return v, ok, nil
	}
	return "", false, nil
}

// Script implements Scripts: they are in the folders included and
// included-global beside the test script.
func (t *suite) Script(_ context.Context, where Location, name string) (*Script, error) {
	dir := "included"
	if where == Global {
		dir = "included-global"
	}
	s, err := t.load(filepath.Join(dir, name+".sieve"))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", name, ErrNoScript)
	}
	return s, err
}

// suiteDuplicates has seen nothing.
type suiteDuplicates struct{}

// Seen implements Duplicates.
func (suiteDuplicates) Seen(context.Context, string) (bool, error) { return false, nil }

// Known implements Lists.
func (t *suite) Known(_ context.Context, list string) (bool, error) {
	return slices.Contains(strings.Fields(t.active["sieve_extlists_list"]), list), nil
}

// Contains implements Lists with files of "path/key" and value in turn.
func (t *suite) Contains(_ context.Context, list, value string) (bool, error) {
	file := t.active["sieve_extlists_list/"+list+"/dict/file/path"]
	if file == "" {
		return false, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, '/'); i >= 0 && strings.EqualFold(line[i+1:], value) {
			return true, nil
		}
	}
	return false, nil
}

// reload makes the configuration that was set take effect.
func (t *suite) reload() {
	t.active = map[string]string{}
	for k, v := range t.config {
		t.active[k] = v
	}
	o := t.base
	t.count(&o.Actions, "sieve_max_actions")
	t.count(&o.Redirects, "sieve_max_redirects")
	t.count(&o.Notifications, "sieve_notify_max_notifications")
	t.count(&o.VariableSize, "sieve_variables_max_value_size")
	t.count(&o.IncludeDepth, "sieve_include_max_nesting_depth")
	t.period(&o.Time, "sieve_max_cpu_time")
	t.period(&o.VacationMin, "sieve_vacation_min_period")
	t.period(&o.VacationMax, "sieve_vacation_max_period")
	t.period(&o.VacationDefault, "sieve_vacation_default_period")
	if d := t.active["recipient_delimiter"]; d != "" {
		o.Separators = d
	}
	t.opt = o
	t.env.Addresses = nil
	if a, err := smtp.ParseMailbox(strings.Trim(t.active["sieve_user_email"], "<>"), 0); err == nil {
		t.env.Addresses = []smtp.Address{a}
	}
	t.env.Items = map[string]string{
		"domain": "example.com", "host": "testsuite.example.com", "location": "MDA", "name": "Pigeonhole Sieve", "phase": "during", "version": "1",
		"vnd.dovecot.default-mailbox": Inbox, "vnd.dovecot.username": "user", "tst.path": t.dir,
	}
	for k, v := range t.active {
		if name, ok := strings.CutPrefix(k, "sieve_environment/"); ok {
			t.env.Items["vnd.dovecot.config."+strings.ToLower(name)] = v
		}
	}
}

// count takes a number; 0 means none, as in Pigeonhole.
func (t *suite) count(v *int, key string) {
	if n, err := strconv.Atoi(strings.TrimSpace(t.active[key])); err == nil {
		if *v = n; n == 0 {
			*v = -1
		}
	}
}

func (t *suite) period(v *time.Duration, key string) {
	text := strings.ReplaceAll(strings.TrimSpace(t.active[key]), " ", "")
	days, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(days)
	switch d, err2 := time.ParseDuration(text); {
	case isDays && err == nil:
		*v = time.Duration(n) * 24 * time.Hour
	case err2 == nil:
		*v = max(d, time.Nanosecond)
	}
}

func (t *suite) vacationSubject(r *run) string {
	subject := r.subject()
	if subject == "" {
		if s := t.active["sieve_vacation_default_subject"]; s != "" {
			return s
		}
		return "Automated reply"
	}
	if s := t.active["sieve_vacation_default_subject_template"]; s != "" {
		return strings.ReplaceAll(strings.ReplaceAll(s, "%{subject}", subject), "%$", subject)
	}
	return "Auto: " + subject
}

func (t *suite) ignoreEnvelope() bool {
	return yesSetting(t.active["sieve_vacation_to_header_ignore_envelope"])
}

func (t *suite) anyRecipient() bool { return t.active["sieve_vacation_check_recipient"] == "no" }

func (t *suite) originalRecipient() bool {
	return yesSetting(t.active["sieve_vacation_use_original_recipient"])
}

// protected tells whether the configuration keeps scripts from a field.
func (t *suite) protected(name string, add bool) bool {
	if strings.EqualFold(name, "Subject") { // it cannot be (RFC 5293 section 6)
		return false
	}
	what := "forbid_delete"
	if add {
		what = "forbid_add"
	}
	for h := range strings.FieldsSeq(t.active["sieve_editheader_header"]) {
		if strings.EqualFold(h, name) && yesSetting(t.active["sieve_editheader_header/"+h+"/"+what]) {
			return true
		}
	}
	return false
}

func yesSetting(v string) bool { return v == "yes" }

// rate sets the facts of spamtest and virustest from the header, as the
// configuration says.
func (t *suite) rate(r *run) {
	ratio, ok := t.score(r, "sieve_spamtest")
	t.env.SpamTested, t.env.Spam = ok, int(ratio*100+1e-9)
	if v, ok := t.score(r, "sieve_virustest"); ok {
		t.env.Virus = 1 + int(v*4+0.5)
	} else {
		t.env.Virus = 0
	}
}

// score returns a share of 1, clamped.
func (t *suite) score(r *run, prefix string) (float64, bool) {
	text, ok := t.statusValue(r, prefix+"_status_header")
	if !ok {
		return 0, false
	}
	var v float64
	switch t.active[prefix+"_status_type"] {
	case "text":
		limit := 10
		if prefix == "sieve_virustest" {
			limit = 5
		}
		for i := 1; i <= limit; i++ {
			if s, ok := t.active[prefix+"_text_value/"+strconv.Itoa(i)]; ok && s == text {
				// Rounded up, so that the value comes out again.
				return (float64(i-1) + 0.005) / float64(limit-1), true
			}
		}
		return 0, false
	case "strlen":
		v = float64(len(text))
	default:
		var err error
		if v, err = strconv.ParseFloat(text, 64); err != nil {
			return 0, false
		}
	}
	top, err := strconv.ParseFloat(t.active[prefix+"_score_max_value"], 64)
	if err != nil {
		text, ok := t.statusValue(r, prefix+"_score_max_header")
		if top, err = strconv.ParseFloat(text, 64); !ok || err != nil {
			return 0, false
		}
	}
	return min(max(v/top, 0), 1), true
}

// statusValue returns what "Header:regex" finds, or all of the header.
func (t *suite) statusValue(r *run, key string) (string, bool) {
	name, expr, _ := strings.Cut(t.active[key], ":")
	values, err := r.values(strings.ToLower(strings.TrimSpace(name)))
	if name == "" || err != nil || len(values) == 0 {
		return "", false
	}
	if expr == "" {
		return values[0], true
	}
	re, err := regexp.Compile("^" + strings.TrimLeft(expr, " "))
	if err != nil {
		return "", false
	}
	for _, v := range []string{values[0], " " + values[0]} { // the blank after the colon may be meant
		if m := re.FindStringSubmatch(v); len(m) > 1 {
			return m[1], true
		}
	}
	return "", false
}

// sender returns an envelope sender as a setting says.
func (t *suite) sender(setting string, otherwise smtp.Address) smtp.Address {
	e := &t.env.Envelope
	switch s := strings.TrimSpace(setting); {
	case s == "":
		return otherwise
	case s == "sender":
		return e.From.Address
	case s == "recipient":
		return e.To
	case s == "orig_recipient":
		if e.OriginalTo.IsZero() {
			return e.To
		}
		return e.OriginalTo
	case s == "user_email":
		if len(t.env.Addresses) > 0 {
			return t.env.Addresses[0]
		}
		return e.To
	default:
		a, _ := smtp.ParseMailbox(strings.Trim(s, "<> "), 0)
		return a
	}
}

// execute carries the result out; false when something failed.
func (t *suite) execute(r *run) bool {
	t.errs = nil
	res := t.result(r)
	from := t.done[res]
	t.done[res] = len(res.pending)
	for _, p := range res.pending[min(from, len(res.pending)):] {
		if p.withheld != "" {
			continue
		}
		if err := t.carryOut(p.action); err != nil {
			t.errs = append(t.errs, err.Error())
			t.store(Inbox, t.message(nil), nil)
			return false
		}
	}
	if res.keep && !res.keptAlready() {
		flags, _ := res.actionFlags(nil, false)
		t.store(Inbox, t.message(res.header.edited), flags)
	}
	return true
}

func (t *suite) carryOut(a Action) error {
	e := &t.env.Envelope
	switch a := a.(type) {
	case Keep:
		t.store(Inbox, t.message(a.Header), a.Flags)
	case FileInto:
		return t.fileInto(a)
	case Redirect:
		from := e.From.Address
		if !from.IsZero() {
			from = t.sender(t.active["sieve_redirect_envelope_from"], from)
		}
		t.sent = append(t.sent, sentMail{from, a.To, t.message(a.Header)})
	case Reject:
		t.send(a.Notice)
	case Vacation:
		if yesSetting(t.active["sieve_vacation_send_from_recipient"]) {
			a.Reply.From.Address = e.To
		}
		t.send(a.Reply)
	case Notify:
		if !a.Mail.From.IsNull() {
			a.Mail.From.Address = t.sender(t.active["sieve_notify_mailto_envelope_from"], a.Mail.From.Address)
		}
		t.send(a.Mail)
	}
	return nil
}

func (t *suite) fileInto(a FileInto) error {
	name := boxName(a.Mailbox)
	switch {
	case strings.Contains(name, "//") || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/"):
		return fmt.Errorf("failed to store into mailbox '%s': invalid mailbox name", name)
	case t.boxes[name] == nil && !a.Create:
		return fmt.Errorf("failed to store into mailbox '%s': mailbox doesn't exist", name)
	}
	t.store(name, t.message(a.Header), a.Flags)
	return nil
}

func (t *suite) store(name string, raw []byte, flags []string) {
	b := t.box(name)
	b.messages = append(b.messages, suiteMessage{raw, flags})
}

// box returns a mailbox, made where there is none.
func (t *suite) box(name string) *suiteBox {
	name = boxName(name)
	if t.boxes[name] == nil {
		t.boxes[name] = &suiteBox{metadata: map[string]string{}}
	}
	if t.boxes[name].metadata == nil {
		t.boxes[name].metadata = map[string]string{}
	}
	return t.boxes[name]
}

func (t *suite) send(m Mail) {
	raw := m.Bytes(t.env.Now, "<test@example.com>")
	for _, to := range m.To {
		t.sent = append(t.sent, sentMail{m.From.Address, to, raw})
	}
}

// testPath parses an envelope address as test_set has it: source routes are
// dropped, and what is no path is kept apart by ok.
func testPath(s string, local bool) (a smtp.Address, ok bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "<") != strings.HasSuffix(s, ">") {
		return a, false
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	if rest, found := sourceRoute(s); found {
		s = rest
	}
	if s == "" {
		return a, !local
	}
	if local && !strings.ContainsAny(s, "@:,<> ") {
		return smtp.Address{Local: s}, true
	}
	if a, err := smtp.ParseMailbox(s, 0); err == nil {
		return a, true
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || strings.ContainsAny(s[:at], "@:,<> \"") || !isASCII(s) || smtp.CheckDomain(strings.NewReplacer("_", "x", "-", "x").Replace(s[at+1:]), 0) != nil {
		return smtp.Address{}, false
	}
	return smtp.Address{Local: s[:at], Domain: s[at+1:]}, true
}

// sourceRoute cuts "@a,@b:" off (RFC 5321 section 4.1.2).
func sourceRoute(s string) (string, bool) {
	if !strings.HasPrefix(s, "@") {
		return s, false
	}
	route, rest, ok := strings.Cut(s, ":")
	if !ok {
		return s, false
	}
	for d := range strings.SplitSeq(route, ",") {
		name, ok := strings.CutPrefix(d, "@")
		if !ok || smtp.CheckDomain(name, 0) != nil {
			return s, false
		}
	}
	return rest, true
}
