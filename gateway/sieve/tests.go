package sieve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// coreTests are those of RFC 5228 section 5.
func coreTests() []spec {
	return []spec{
		{name: "true", test: true, check: func(*compiler, *node, *args) test { return constTest(true) }},
		{name: "false", test: true, check: func(*compiler, *node, *args) test { return constTest(false) }},
		{name: "not", test: true, tests: 1, check: compileNot},
		{name: "allof", test: true, tests: manyTests, check: compileAll},
		{name: "anyof", test: true, tests: manyTests, check: compileAll},
		{name: "size", test: true, tags: []tagSpec{{name: "over", group: "of :over and :under"}, {name: "under", group: "of :over and :under"}}, pos: []param{{aNumber, "limit", false}}, check: compileSize},
		{name: "exists", test: true, tags: mimeTags()[:2], pos: []param{{aStrings, "header names", false}}, check: compileExists},
		{name: "header", test: true, tags: slices.Concat(matchTags(), indexTags(), mimeTags()), pos: []param{{aStrings, "header names", false}, {aStrings, "key list", false}}, check: compileHeader},
		{name: "address", test: true, tags: slices.Concat(matchTags(), partTags(), indexTags(), mimeTags()[:2]), pos: []param{{aStrings, "header list", false}, {aStrings, "key list", false}}, check: compileAddress},
		{name: "envelope", ext: "envelope", test: true, tags: slices.Concat(matchTags(), partTags()), pos: []param{{aStrings, "envelope part", false}, {aStrings, "key list", false}}, check: compileEnvelope},
	}
}

type notTest struct{ test }

func (t notTest) eval(r *run) (bool, error) {
	ok, err := t.test.eval(r)
	return !ok, err
}

func compileNot(c *compiler, n *node, _ *args) test {
	if t := c.test(n.tests[0]); t != nil {
		return notTest{t}
	}
	return nil
}

// allTest is allof, or anyof with stop true: it ends at the first test that
// comes out as stop.
type allTest struct {
	tests []test
	stop  bool
}

func (t *allTest) eval(r *run) (bool, error) {
	for _, sub := range t.tests {
		ok, err := sub.eval(r)
		if err != nil {
			return false, err
		}
		if ok == t.stop {
			return t.stop, nil
		}
	}
	return !t.stop, nil
}

func compileAll(c *compiler, n *node, _ *args) test {
	t := &allTest{stop: n.name == "anyof"}
	for _, sub := range n.tests {
		s := c.test(sub)
		if s == nil {
			continue
		}
		t.tests = append(t.tests, s)
	}
	return t
}

// sizeTest compares the size of the message as edited.
type sizeTest struct {
	over  bool
	limit uint64
}

func (t *sizeTest) eval(r *run) (bool, error) {
	size := r.env.Message.Size
	if e := r.header.edited; e != nil {
		size += int64(len(e) - len(r.env.Message.Header.Raw()))
	}
	n := uint64(max(0, size))
	if t.over {
		return n > t.limit, nil
	}
	return n < t.limit, nil
}

func compileSize(c *compiler, n *node, a *args) test {
	if !a.has("over") && !a.has("under") {
		c.errorf(n.Pos, "the size test requires :over or :under")
		return nil
	}
	return &sizeTest{over: a.has("over"), limit: a.pos[0].num}
}

type existsTest struct {
	names fieldNames
	mime  *mimeOption
}

func (t *existsTest) eval(r *run) (bool, error) {
	names, err := t.names.get(r)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		values, err := t.mime.values(r, name)
		if err != nil || len(values) == 0 {
			return false, err
		}
	}
	return true, nil
}

func compileExists(c *compiler, n *node, a *args) test {
	mime, ok := c.mime(n, a)
	if !ok {
		return nil
	}
	return &existsTest{newFieldNames(a.pos[0].strs), mime}
}

type headerTest struct {
	names fieldNames
	index index
	mime  *mimeOption
	m     *matcher
}

func (t *headerTest) eval(r *run) (bool, error) {
	names, err := t.names.get(r)
	if err != nil {
		return false, err
	}
	var all []string // for :count
	for _, name := range names {
		values, err := t.mime.values(r, name)
		if err != nil {
			return false, err
		}
		values = t.index.of(values)
		if t.m.typ == matchCount {
			all = append(all, values...)
			continue
		}
		if ok, err := t.m.any(r, values); ok || err != nil {
			return ok, err
		}
	}
	if t.m.typ == matchCount {
		return t.m.any(r, all)
	}
	return false, nil
}

func compileHeader(c *compiler, n *node, a *args) test {
	m := c.matcher(n.Pos, a, a.pos[1].strs)
	x, ok := c.index(n, a)
	mime, ok2 := c.mime(n, a)
	if m == nil || !ok || !ok2 {
		return nil
	}
	return &headerTest{newFieldNames(a.pos[0].strs), x, mime, m}
}

// addressFields are the fields that the address test looks at: those of RFC
// 5322 and of RFC 2076 that hold addresses.
var addressFields = strings.Fields(`from to cc bcc sender reply-to resent-from resent-to resent-cc resent-bcc
	resent-sender resent-reply-to for-approval for-handling for-comment apparently-to errors-to delivered-to
	return-receipt-to x-admin read-receipt-to x-confirm-reading-to return-receipt-requested
	registered-mail-reply-requested-by mail-followup-to mail-reply-to abuse-reports-to x-complaints-to
	x-report-abuse-to x-beenthere x-original-from x-original-to envelope-to disposition-notification-to
	return-path x-envelope-to x-forwarded-to list-post`)

// addressPart is which part of an address is compared.
type addressPart uint8

const (
	partAll addressPart = iota
	partLocal
	partDomain
	partUser
	partDetail
)

func (a *args) part() addressPart {
	for i, tag := range []string{"all", "localpart", "domain", "user", "detail"} {
		if a.has(tag) {
			return addressPart(i)
		}
	}
	return partAll
}

// of returns the part of an address; false where it has none.
func (p addressPart) of(a smtp.Address, separators string) (string, bool) {
	switch p {
	case partLocal:
		return a.Local, true
	case partDomain:
		return a.Domain, true
	case partUser, partDetail: // RFC 5233 section 4
		i := strings.IndexAny(a.Local, separators)
		if i < 0 {
			return a.Local, p == partUser
		}
		if p == partUser {
			return a.Local[:i], true
		}
		return a.Local[i+1:], true
	}
	return a.String(), true
}

type addressTest struct {
	names fieldNames
	index index
	part  addressPart
	mime  *mimeOption
	m     *matcher
}

func (t *addressTest) eval(r *run) (bool, error) {
	names, err := t.names.get(r)
	if err != nil {
		return false, err
	}
	var all []string
	for _, name := range names {
		if !slices.Contains(addressFields, name) {
			continue
		}
		values, err := t.mime.raw(r, name)
		if err != nil {
			return false, err
		}
		for _, v := range t.index.of(values) {
			if all, err = t.addresses(r, all, v); err != nil {
				return false, err
			}
		}
		if t.m.typ == matchCount {
			continue
		}
		if ok, err := t.m.any(r, all); ok || err != nil {
			return ok, err
		}
		all = all[:0]
	}
	if t.m.typ == matchCount {
		return t.m.any(r, all)
	}
	return false, nil
}

// addresses appends the part of each address in a value. What is no address is
// compared as a whole, with :all only (RFC 5228 section 2.7.4).
func (t *addressTest) addresses(r *run, all []string, value string) ([]string, error) {
	if err := r.spend(4 * len(value)); err != nil {
		return nil, err
	}
	list, err := message.ParseAddressList(value)
	for _, m := range list {
		if m.Address.Local == "" || m.Address.Domain == "" {
			continue
		}
		if v, ok := t.part.of(m.Address, r.opt.Separators); ok {
			all = append(all, v)
		}
	}
	if t.part == partAll && (err != nil || len(list) == 0 && strings.IndexByte(value, ':') < 0) {
		all = append(all, message.DecodeText(value))
	}
	return all, nil
}

func compileAddress(c *compiler, n *node, a *args) test {
	names := newFieldNames(a.pos[0].strs)
	for i, name := range names.fixed {
		if !slices.Contains(addressFields, name) {
			c.add(a.pos[0].strs[i].Pos, fmt.Sprintf("header '%s' is not allowed for the address test", a.pos[0].strs[i].text), "it holds no addresses: use the header test")
			return nil
		}
	}
	m := c.matcher(n.Pos, a, a.pos[1].strs)
	x, ok := c.index(n, a)
	mime, ok2 := c.mime(n, a)
	if m == nil || !ok || !ok2 {
		return nil
	}
	return &addressTest{names, x, a.part(), mime, m}
}

type envelopeTest struct {
	parts fieldNames
	part  addressPart
	m     *matcher
}

// envelopeParts are those that the envelope test knows.
var envelopeParts = []string{"from", "to", "auth", "orig_to"}

func (t *envelopeTest) eval(r *run) (bool, error) {
	parts, err := t.parts.get(r)
	if err != nil {
		return false, err
	}
	var values []string
	for _, p := range parts {
		if v, ok := r.envelopeValue(p, t.part); ok {
			values = append(values, v)
		}
	}
	return t.m.any(r, values)
}

// envelopeValue returns one part of the envelope. The null path is empty
// whichever part of it is asked for (RFC 5228 section 5.4).
func (r *run) envelopeValue(name string, part addressPart) (string, bool) {
	e := &r.env.Envelope
	a := e.To
	switch name {
	case "auth":
		return e.Auth, e.Auth != ""
	case "from":
		if a = e.From.Address; a.IsZero() {
			return "", true
		}
	case "to":
	case "orig_to":
		if a = e.OriginalTo; a.IsZero() {
			a = e.To
		}
	default:
		return "", false
	}
	if a.IsZero() || part != partAll && (a.Domain == "" || a.Local == "") {
		return "", false
	}
	return part.of(a, r.opt.Separators)
}

func compileEnvelope(c *compiler, n *node, a *args) test {
	parts := newFieldNames(a.pos[0].strs)
	for i, p := range parts.fixed {
		if !slices.Contains(envelopeParts, p) {
			c.add(a.pos[0].strs[i].Pos, fmt.Sprintf("unknown envelope part '%s'", p), "from, to or auth")
			return nil
		}
	}
	m := c.matcher(n.Pos, a, a.pos[1].strs)
	if m == nil {
		return nil
	}
	return &envelopeTest{parts, a.part(), m}
}
