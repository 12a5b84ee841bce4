package message

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Mailbox is one mailbox of an address list (RFC 5322 section 3.4).
type Mailbox struct {
	Name    string // display name, decoded (RFC 2047); or, with none, a comment after the address
	Address smtp.Address
	Group   string // display name of the group that it is in, "" : none
}

// MaxMailboxes bounds the mailboxes of one field.
const MaxMailboxes = 5000

// ErrAddress tells that an address list is not of RFC 5322's syntax.
var ErrAddress = errors.New("message: malformed address list")

// ParseAddressList parses the value of From, Sender, Reply-To, To and the
// like: RFC 5322 section 3.4 with its obsolete forms, groups, UTF-8 (RFC
// 6532) and, as people's software writes them, dots and @ in unquoted display
// names. With an error, which wraps ErrAddress or is a *LimitError, the
// mailboxes are those that a generous reader finds, with names as he shows
// them: a comma in a name that is not quoted parts it from no address. It is
// linear.
func ParseAddressList(value string) ([]Mailbox, error) {
	p := addressParser{lexer: lexer{s: value}}
	p.list()
	switch {
	case p.err != nil:
		return p.boxes, p.err
	case p.bad:
		return p.boxes, fmt.Errorf("%w: not closed", ErrAddress)
	}
	return p.boxes, nil
}

// addressParser collects the words of an element until it is clear what they
// are: a display name, a local part or the name of a group.
type addressParser struct {
	lexer
	boxes []Mailbox
	err   error
	group string
	open  bool // in a group

	before  []byte // what elements without an address say: the next name begins with it
	phrase  []byte // the words as a display name
	local   []byte // and as a local part
	apart   bool   // something was skipped before what comes now
	word    bool   // the last thing was a word: another makes no local part
	spaced  bool   // two words without a dot between them
	bare    *smtp.Address
	comment string
	closed  bool // an address in angle brackets ended the element

	each  func(AddressItem) // told of everything, if not nil
	route []byte            // of the address at hand, for each
	n     int               // mailboxes that it was told of
}

// gap skips white space and comments; a comment may be a name.
func (p *addressParser) gap() {
	from := p.pos
	if c := p.skip(); c != "" {
		p.comment = c
	}
	p.apart = p.pos > from
}

func (p *addressParser) malformed(why string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s at octet %d", ErrAddress, why, p.pos)
	}
}

func (p *addressParser) list() {
	for {
		p.gap()
		if p.end() || len(p.boxes)+p.n > MaxMailboxes {
			break
		}
		p.next()
	}
	p.flush()
	if p.open {
		p.malformed("group is not closed")
		p.tell(AddressItem{Kind: GroupEnd})
	}
	if len(p.boxes) > MaxMailboxes {
		p.boxes = p.boxes[:MaxMailboxes]
		p.err = &LimitError{"mailboxes", MaxMailboxes}
	}
}

// next takes one token.
func (p *addressParser) next() {
	c := p.peek()
	switch c {
	case ',':
		p.pos++
		p.flush()
	case ';':
		p.pos++
		p.flush()
		if !p.open {
			p.malformed("no group is open")
		} else {
			p.tell(AddressItem{Kind: GroupEnd})
		}
		p.open, p.group, p.before = false, "", p.before[:0]
	case ':':
		p.pos++
		if p.open || len(p.phrase) == 0 && !p.word || p.bare != nil {
			p.malformed("colon")
		}
		if p.each == nil {
			p.group = DecodeText(string(p.phrase))
		} else if p.open {
			p.tell(AddressItem{Kind: GroupEnd})
		}
		p.open, p.before = true, p.before[:0]
		p.tell(AddressItem{Kind: GroupBegin, Name: string(p.phrase)})
		p.reset()
	case '<':
		p.angle()
	case '@':
		p.pos++
		p.addrSpec()
	case '"':
		p.addWord(p.quoted())
	case '.':
		p.pos++
		p.addDot()
	default:
		w := p.run(specials)
		if w == "" {
			p.malformed("character")
			p.pos++
			return
		}
		p.addWord(w)
	}
}

// addWord adds an atom or the text of a quoted string.
func (p *addressParser) addWord(w string) {
	if p.closed {
		p.malformed("text after an address")
	}
	if p.word {
		p.spaced = true
		p.local = p.local[:0]
	}
	if len(p.phrase) > 0 && (p.apart || p.word) {
		p.phrase = append(p.phrase, ' ')
	}
	p.phrase = append(p.phrase, w...)
	p.local = append(p.local, w...)
	p.word = true
}

func (p *addressParser) addDot() {
	p.phrase = append(p.phrase, '.')
	p.local = append(p.local, '.')
	p.word = false
}

// addrSpec reads the domain after the @ of an address without brackets.
func (p *addressParser) addrSpec() {
	domain := p.domain()
	if p.bare != nil || p.closed {
		p.malformed("second @")
	}
	a := smtp.Address{Local: string(p.local), Domain: domain}
	if domain == "" || len(p.local) == 0 {
		p.malformed("address")
	}
	p.phrase = append(append(p.phrase, '@'), domain...)
	if p.bare != nil {
		p.emit("", *p.bare)
	}
	p.bare, p.word = &a, true
}

// domain reads a domain or an address literal, white space and comments left
// out (obs-domain).
func (p *addressParser) domain() string {
	p.skip()
	if p.peek() == '[' {
		return p.literal()
	}
	first := p.run(specials)
	if p.gap(); p.peek() != '.' {
		return first
	}
	d := []byte(first)
	for {
		if p.gap(); !p.accept('.') {
			return string(d)
		}
		p.skip()
		d = append(append(d, '.'), p.run(specials)...)
	}
}

// angle reads an address in brackets; a route before it (obs-route) is left out.
func (p *addressParser) angle() {
	if p.closed {
		p.malformed("second address")
	}
	p.pos++
	p.skip()
	for p.peek() == '@' || p.peek() == ',' { // obs-route
		p.malformed("route")
		if p.accept(',') {
			p.skip()
			continue
		}
		p.pos++
		if d := p.domain(); p.each != nil {
			p.route = append(append(p.route, '@'), d...)
			p.route = append(p.route, ',')
		}
		p.skip()
		p.accept(':')
		p.skip()
	}
	var local []byte
	word := false
	for {
		p.skip()
		switch c := p.peek(); {
		case p.end() || c == '>' || c == '@' || c == '<':
			p.angleEnd(local)
			return
		case c == '.':
			p.pos++
			local = append(local, '.')
			word = false
			continue
		case c == '"':
			local = append(local, p.quoted()...)
		default:
			w := p.run(specials)
			if w == "" {
				p.malformed("local part")
				p.pos++
			}
			local = append(local, w...)
		}
		if word {
			p.malformed("local part")
		}
		word = true
	}
}

// angleEnd reads domain and bracket after the local part.
func (p *addressParser) angleEnd(local []byte) {
	a := smtp.Address{Local: string(local)}
	if p.accept('@') {
		a.Domain = p.domain()
		p.skip()
	}
	if a.Local == "" || a.Domain == "" {
		p.malformed("address")
	}
	for !p.end() && p.peek() != '>' && p.peek() != '<' {
		p.malformed("text in brackets")
		p.pos++
	}
	if !p.accept('>') {
		p.malformed("bracket is not closed")
	}
	if !a.IsZero() || p.each != nil {
		p.emit(string(append(p.before, p.phrase...)), a)
	}
	group, open := p.group, p.open
	p.reset()
	p.group, p.open, p.closed = group, open, true
}

// flush ends an element.
func (p *addressParser) flush() {
	switch {
	case p.bare != nil:
		if p.spaced {
			p.malformed("local part")
		}
		p.emit(p.comment, *p.bare)
	case len(p.phrase) > 0 && !p.closed:
		p.malformed("no address")
		switch {
		case p.each == nil:
			p.before = append(append(p.before, p.phrase...), ", "...)
		case p.spaced:
			p.emit(string(p.phrase), smtp.Address{})
		default:
			p.emit("", smtp.Address{Local: string(p.phrase)})
		}
	}
	p.reset()
}

func (p *addressParser) emit(name string, a smtp.Address) {
	if p.each != nil {
		p.n++
		p.each(AddressItem{Name: name, Address: a, Route: strings.TrimSuffix(string(p.route), ",")})
		return
	}
	p.before = p.before[:0]
	p.boxes = append(p.boxes, Mailbox{Name: DecodeText(strings.TrimSuffix(name, ", ")), Address: a, Group: p.group})
}

// AddressKind tells what an AddressItem is.
type AddressKind uint8

// The kinds.
const (
	MailboxItem AddressKind = iota
	GroupBegin
	GroupEnd
)

// AddressItem is a piece of an address list as IMAP's ENVELOPE shows it (RFC
// 9051 section 7.5.2): nothing is decoded or left out.
type AddressItem struct {
	Kind    AddressKind
	Name    string       // display name of a mailbox or group, unquoted but not decoded
	Address smtp.Address // of a mailbox; a part that is missing is empty
	Route   string       // before a mailbox (RFC 5322 obs-route): "@a.example,@b.example"
}

// EachAddress calls f for what ParseAddressList would find in value, and for
// groups and halves of addresses; at most about MaxMailboxes times.
func EachAddress(value string, f func(AddressItem)) {
	p := addressParser{lexer: lexer{s: value}, each: f}
	p.list()
}

func (p *addressParser) tell(i AddressItem) {
	if p.each != nil {
		p.n++
		p.each(i)
	}
}

func (p *addressParser) reset() {
	p.phrase, p.local, p.route = p.phrase[:0], p.local[:0], p.route[:0]
	p.word, p.spaced, p.closed, p.bare, p.comment = false, false, false, nil, ""
}

// AuthorDomains returns the domain of every mailbox in all From fields, in
// lower case, each once, as DMARC needs them (RFC 9989). There is an error
// when there is not exactly one From with at least one well-formed mailbox;
// the domains are then all that any reader might take for the author's.
func AuthorDomains(h *Header) ([]string, error) {
	var domains []string
	var err error
	seen := map[string]bool{}
	add := func(d string) {
		d = strings.ToLower(strings.TrimSuffix(d, "."))
		if d != "" && !seen[d] && len(seen) < MaxMailboxes {
			seen[d] = true
			domains = append(domains, d)
		}
	}
	n := 0
	for _, f := range h.fields {
		if !f.Is("From") {
			continue
		}
		n++
		v := f.Value()
		boxes, e := ParseAddressList(v)
		for _, b := range boxes {
			add(b.Address.Domain)
		}
		if e == nil && len(boxes) == 0 {
			e = fmt.Errorf("%w: empty", ErrAddress)
		}
		if e != nil {
			err = fmt.Errorf("field From: %w", e)
			anyDomain(v, add)
			anyDomain(DecodeText(v), add) // some clients decode first, and parse then
		}
	}
	if n != 1 {
		err = fmt.Errorf("%w: %d From fields", ErrAddress, n)
	}
	return domains, err
}

// anyDomain calls add with whatever follows an @, wherever it is.
func anyDomain(v string, add func(string)) {
	for {
		i := strings.IndexByte(v, '@')
		if i < 0 {
			return
		}
		v = strings.TrimLeft(v[i+1:], " \t\"")
		n := 0
		for n < len(v) && n < 256 && (v[n] == '-' || v[n] == '.' || v[n] == '_' || v[n] >= 0x80 ||
			v[n] >= '0' && v[n] <= '9' || v[n]|0x20 >= 'a' && v[n]|0x20 <= 'z') {
			n++
		}
		add(v[:n])
	}
}
