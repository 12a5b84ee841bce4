package sieve

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxNotified is how many recipients the notifications of one run may have.
const maxNotified = 100

// notifySpecs is RFC 5435.
func notifySpecs() []spec {
	one := func(name string, fixed bool) []param { return []param{{aString, name, fixed}} }
	return []spec{
		{
			name: "notify", ext: "enotify", tags: append([]tagSpec{
				{name: "from", param: one("from", false)},
				{name: "importance", param: one("importance", false)},
				{name: "options", param: []param{{aStrings, "options", false}}},
				{name: "message", param: one("message", false)},
			}, fccTags()...), pos: one("method", false), command: compileNotify,
		},
		{name: "valid_notify_method", ext: "enotify", test: true, pos: []param{{aStrings, "notification URIs", false}}, check: func(_ *compiler, _ *node, a *args) test {
			return &validMethodTest{a.pos[0].strs}
		}},
		{
			name: "notify_method_capability", ext: "enotify", test: true, tags: matchTags(),
			pos: []param{{aString, "notification URI", false}, {aString, "notification capability", false}, {aStrings, "key list", false}}, check: compileCapability,
		},
	}
}

// NotifyMethods returns the URI schemes that notify takes.
func NotifyMethods() []string { return []string{"mailto"} }

type validMethodTest struct{ methods []*str }

func (t *validMethodTest) eval(r *run) (bool, error) {
	methods, err := evalAll(r, t.methods)
	if err != nil {
		return false, err
	}
	for _, m := range methods {
		if err := r.spend(len(m)); err != nil {
			return false, err
		}
		if _, err := parseMailto(m); err != nil {
			return false, nil
		}
	}
	return true, nil
}

type capabilityTest struct {
	method, capability *str
	m                  *matcher
}

func compileCapability(c *compiler, n *node, a *args) test {
	m := c.matcher(n.Pos, a, a.pos[2].strs)
	if m == nil {
		return nil
	}
	return &capabilityTest{a.pos[0].strs[0], a.pos[1].strs[0], m}
}

// eval answers for mailto: whether somebody is online cannot be known (RFC
// 5436 section 2.5).
func (t *capabilityTest) eval(r *run) (bool, error) {
	method, err := t.method.eval(r)
	if err != nil {
		return false, err
	}
	capability, err := t.capability.eval(r)
	if err != nil {
		return false, err
	}
	if _, err := parseMailto(method); err != nil || !strings.EqualFold(capability, "online") {
		return false, nil
	}
	return t.m.any(r, []string{"maybe"})
}

type notifyCommand struct {
	Pos
	method, from, importance, message *str
	options                           []*str
	fcc                               *fileIntoCommand
}

func compileNotify(c *compiler, n *node, a *args) command {
	t := &notifyCommand{
		Pos: n.Pos, method: a.pos[0].strs[0], from: a.str("from"), importance: a.str("importance"),
		message: a.str("message"), options: a.tags["options"].strs,
	}
	if c.opt.Notifications < 0 {
		c.errorf(n.Pos, "local policy prohibits the use of a notify action")
		return nil
	}
	if m, ok := t.method.constant(); ok {
		if _, err := parseMailto(m); err != nil {
			c.add(t.method.Pos, fmt.Sprintf("invalid notification URI '%s': %s", cut(m, 100), plain(err)), "like mailto:name@example.org")
			return nil
		}
	}
	if t.from != nil && !c.outAddress(t.from, "address of :from") {
		return nil
	}
	for _, s := range t.options {
		if o, ok := s.constant(); ok && !validOption(o) {
			c.add(s.Pos, fmt.Sprintf("invalid notification option '%s'", cut(o, 100)), "name=value")
			return nil
		}
	}
	if t.importance != nil {
		if v, ok := t.importance.constant(); ok && v != "1" && v != "2" && v != "3" {
			c.add(t.importance.Pos, fmt.Sprintf("invalid importance '%s'", cut(v, 100)), "1, 2 or 3")
			return nil
		}
	}
	var ok bool
	if t.fcc, ok = c.fcc(n, a); !ok {
		return nil
	}
	return t
}

// validOption tells whether o is name=value (RFC 5435 section 3.5).
func validOption(o string) bool {
	name, value, ok := strings.Cut(o, "=")
	if !ok || name == "" || !isAlnum(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isAlnum(name[i]) && strings.IndexByte(".-_", name[i]) < 0 {
			return false
		}
	}
	return !strings.ContainsAny(value, "\r\n\x00")
}

func isAlnum(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func (t *notifyCommand) exec(r *run) error {
	method, err := t.method.eval(r)
	if err != nil {
		return r.at(t.Pos, err)
	}
	uri, err := parseMailto(method)
	if err != nil {
		return r.fail(t.Pos, err, "invalid notification URI '%s': %s", cut(method, 100), plain(err))
	}
	if r.counts.notifications++; r.counts.notifications > max(0, r.opt.Notifications) {
		if r.opt.Notifications < 0 {
			return r.limit(t.Pos, "local policy prohibits the use of a notify action")
		}
		return r.limit(t.Pos, "number of notify actions exceeds policy limit (%d)", r.opt.Notifications)
	}
	a := Notify{Method: method, Importance: 2}
	if t.importance != nil {
		v, err := t.importance.eval(r)
		if err != nil {
			return r.at(t.Pos, err)
		}
		if v == "1" || v == "3" {
			a.Importance = int(v[0] - '0')
		}
	}
	p := pending{Pos: t.Pos, name: "notify", withheld: r.noNotify()}
	if a.Mail, err = t.mail(r, uri, a.Importance); err != nil {
		return r.at(t.Pos, err)
	}
	if len(a.Mail.To) == 0 && p.withheld == "" {
		p.withheld = "all recipients were notified already"
	}
	if t.fcc != nil {
		if a.Fcc, err = t.fcc.action(r); err != nil {
			return err
		}
	}
	p.action = a
	return r.add(p)
}

// noNotify says why there is no notification: of automatic mail there is none,
// so that two users do not notify each other for ever (RFC 5436 section
// 2.7.1).
func (r *run) noNotify() string {
	for _, f := range r.env.Message.Header.Fields() {
		if f.Is("Auto-Submitted") {
			return automatic(f)
		}
	}
	return ""
}

// mail makes the message (RFC 5436 section 2.7).
func (t *notifyCommand) mail(r *run, uri *mailto, importance int) (Mail, error) {
	var err error
	eval := func(s *str) (out string) {
		if s != nil && err == nil {
			out, err = s.eval(r)
		}
		return out
	}
	text, fromText := eval(t.message), eval(t.from)
	if err != nil {
		return Mail{}, err
	}
	from := message.Mailbox{Name: "Postmaster", Address: r.postmaster()}
	if fromText != "" {
		if from, err = parseOutAddress(fromText); err != nil {
			return Mail{}, r.fail(t.from.Pos, err, "the address of :from '%s' is invalid", cut(fromText, 100))
		}
	}
	m := Mail{From: smtp.ReversePath{Address: from.Address}}
	if r.env.Envelope.From.IsNull() {
		m.From = smtp.ReversePath{}
	}
	to, cc := r.notYet(&m, uri.to), r.notYet(&m, uri.cc)
	if len(r.notified) > maxNotified {
		return m, r.limit(t.Pos, "notifications have more than %d recipients", maxNotified)
	}
	subject := text
	if uri.subject != "" {
		subject = uri.subject
	} else if subject == "" {
		subject = "Notification: " + r.subject()
	}
	var f fields
	f.add("From", mailbox(from))
	if len(to) > 0 {
		f.add("To", strings.Join(to, ", "))
	}
	if len(cc) > 0 {
		f.add("Cc", strings.Join(cc, ", "))
	}
	f.text("Subject", ellipsis(subject))
	f.add("Auto-Submitted", autoNotified(r.self()))
	f.add("X-Sieve", "Gapura")
	f.priority(importance)
	r.references(&f)
	for _, h := range uri.fields {
		f.text(h[0], h[1])
	}
	m.Body = f.textBody(t.text(r, uri, text))
	m.Header = f.b
	return m, nil
}

// text is the body of the notification.
func (t *notifyCommand) text(r *run, uri *mailto, message string) string {
	switch {
	case uri.body != "":
		return uri.body
	case message != "":
		return message
	}
	from := r.env.Envelope.From.String()
	if v, err := r.values("from"); err == nil && len(v) > 0 {
		from = v[0]
	}
	return "You have mail.\r\n\r\nFrom: " + cut(from, 500) + "\r\nSubject: " + cut(r.subject(), 500)
}

func autoNotified(own smtp.Address) string {
	if own.IsZero() {
		return "auto-notified"
	}
	return `auto-notified; owner-email="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(message.CleanValue(own.String())) + `"`
}

// priority adds the fields that clients show importance by.
func (f *fields) priority(n int) {
	switch n {
	case 1:
		f.add("X-Priority", "1 (Highest)")
		f.add("Importance", "high")
	case 2:
		f.add("X-Priority", "3 (Normal)")
		f.add("Importance", "normal")
	case 3:
		f.add("X-Priority", "5 (Lowest)")
		f.add("Importance", "low")
	}
}

// notYet adds those to the recipients who hear of the message for the first
// time, and returns them as they are written.
func (r *run) notYet(m *Mail, list []message.Mailbox) []string {
	var out []string
	for _, b := range list {
		if key := addressKey(b.Address); !slices.Contains(r.notified, key) {
			r.notified = append(r.notified, key)
			m.To = append(m.To, b.Address)
			out = append(out, mailbox(b))
		}
	}
	return out
}

// mailto is a parsed URI (RFC 6068).
type mailto struct {
	to, cc        []message.Mailbox
	subject, body string
	fields        [][2]string
}

// maxMailto is the length of a URI.
const maxMailto = 8 << 10

// parseMailto parses a mailto URI (RFC 6068 section 2).
func parseMailto(s string) (*mailto, error) {
	scheme, rest, _ := strings.Cut(s, ":")
	switch {
	case !strings.EqualFold(scheme, "mailto"):
		return nil, fmt.Errorf("unknown method %s", strconv.Quote(cut(scheme, 20)))
	case len(s) > maxMailto:
		return nil, fmt.Errorf("longer than %d octets", maxMailto)
	}
	to, query, _ := strings.Cut(rest, "?")
	m := &mailto{}
	for w := range strings.SplitSeq(to, ",") {
		if w == "" && to == "" {
			break
		}
		v, err := unescape(w)
		if err != nil {
			return nil, err
		}
		if m.to, err = appendAddresses(m.to, v); err != nil {
			return nil, err
		}
	}
	for pair := range strings.SplitSeq(query, "&") {
		if query == "" {
			break
		}
		if err := m.field(pair); err != nil {
			return nil, err
		}
	}
	if len(m.to)+len(m.cc) == 0 {
		return nil, fmt.Errorf("no recipients")
	}
	return m, nil
}

// field takes one header field of the query.
func (m *mailto) field(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return fmt.Errorf("header field %q without value", cut(pair, 50))
	}
	name, err := unescape(name)
	if err != nil {
		return err
	}
	if value, err = unescape(value); err != nil {
		return err
	}
	switch strings.ToLower(name) {
	case "to", "bcc":
		m.to, err = appendAddresses(m.to, value)
		return err
	case "cc":
		m.cc, err = appendAddresses(m.cc, value)
		return err
	case "subject":
		m.subject = message.DecodeText(value)
		return nil
	case "body":
		m.body = value
		return nil
	}
	if !message.ValidFieldName(name) || strings.ContainsAny(value, "\r\n") {
		return fmt.Errorf("invalid header field %q", cut(name, 50))
	}
	if allowedField(name) {
		m.fields = append(m.fields, [2]string{name, value})
	}
	return nil
}

// allowedField tells whether a URI may set the field (RFC 5436 section 2.3).
func allowedField(name string) bool {
	switch name = strings.ToLower(name); name {
	case "comments", "keywords", "organization", "reply-to":
		return true
	}
	return strings.HasPrefix(name, "x-") && name != "x-sieve" && name != "x-priority" && !strings.EqualFold(name, LoopField)
}

// unescape decodes percent escapes; other characters must be such as a URI
// has.
func unescape(s string) (string, error) {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>[]\\^`{|};", c) >= 0 {
			return "", fmt.Errorf("invalid character %q", c)
		}
	}
	v, err := url.PathUnescape(s)
	if err != nil {
		return "", fmt.Errorf("invalid percent escape")
	}
	return v, nil
}

// appendAddresses parses a list of addresses.
func appendAddresses(all []message.Mailbox, value string) ([]message.Mailbox, error) {
	if m, err := parseOutAddress(value); err == nil {
		return append(all, m), nil
	}
	list, err := message.ParseAddressList(value)
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("invalid address %q", cut(value, 100))
	}
	for _, m := range list {
		if !goodAddress(m.Address) {
			return nil, fmt.Errorf("invalid address %q", cut(value, 100))
		}
		all = append(all, m)
	}
	return all, nil
}
