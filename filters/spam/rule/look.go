package rule

import (
	"bytes"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/filters/spam/text"
	"github.com/gapura-mail/gapura/gateway"
)

// Bounds of one message's rules.
const (
	maxDomains = 64      // distinct hosts and domains of links that are kept
	maxWork    = 2 << 20 // octets that conditions may look through, see look.spend
	costOfExpr = 32      // a regular expression costs so much an octet
	costOfCEL  = 16      // a unit of CEL's cost in octets
)

// look is one message while rules are asked about it: what facts need, worked
// out once. It is used again for the next message.
type look struct {
	m     *anatomy.Message
	facts gateway.Facts
	work  int  // left of maxWork
	over  bool // a condition was not answered for want of work

	from, reply author
	sender      string // registrable domain
	links       linkSum
	parts       partSum
	subject     subjectSum
	words       wordCount
	wallet      bool
	shows       bool // the text has an address of a recipient
	messageOrg  string
	host        link.URL // the author's domain as a link would have it
	folded      []byte   // the author's name

	str [numLong]string // long texts, made when first asked for
	has [numLong]bool
}

// author is the first mailbox of From or Reply-To.
type author struct {
	name, local, domain, org string
	freemail                 bool
	brand, foreign           string // brand in the name; the same where the domain is not the brand's
	shown                    string // domain of another address that the name shows
}

// long numbers the texts that cost a copy.
type long int

const (
	longSubject long = iota
	longText
	longHidden
	longQuoted
	numLong
)

// reset readies l for a message.
func (l *look) reset(m *anatomy.Message, facts gateway.Facts) {
	l.m, l.facts, l.work, l.over = m, facts, maxWork, false
	l.str, l.has = [numLong]string{}, [numLong]bool{}
	l.from, l.reply, l.sender, l.messageOrg = author{}, author{}, "", ""
	l.host = link.URL{}
	h := &m.Header
	if len(h.From) > 0 {
		l.from.read(&h.From[0])
		if l.from.domain != "" {
			l.host, _ = link.Parse("https://" + l.from.domain)
			l.from.org = l.host.Domain
		}
		l.from.look()
	}
	if len(h.ReplyTo) > 0 {
		l.reply.read(&h.ReplyTo[0])
		l.reply.org = registrable(l.reply.domain, &l.from)
	}
	if len(h.Sender) > 0 {
		l.sender = registrable(h.Sender[0].Domain, &l.from)
	}
	if i := strings.LastIndexByte(h.MessageID, '@'); i >= 0 {
		l.messageOrg = registrable(strings.ToLower(h.MessageID[i+1:]), &l.from)
	}
	l.readLinks()
	l.readParts()
	l.readSubject()
	l.readText()
}

// done forgets the message.
func (l *look) done() {
	l.m, l.facts = nil, gateway.Facts{}
	l.links.forget()
}

func registrable(domain string, known *author) string {
	if domain == known.domain {
		return known.org
	}
	org, _ := link.Registrable(domain)
	return org
}

func (a *author) read(box *anatomy.Address) {
	a.name, a.local, a.domain = box.Name, box.Local, box.Domain
	a.freemail = link.Freemail(a.domain)
}

// look looks at the name, when the rest is known.
func (a *author) look() {
	if a.name == "" {
		return
	}
	if a.brand = link.Brand(a.name); a.brand != "" && !link.Owns(a.brand, a.domain) {
		a.foreign = a.brand
	}
	if i := strings.LastIndexByte(a.name, '@'); i >= 0 {
		host := a.name[i+1:]
		if end := strings.IndexFunc(host, notHost); end >= 0 {
			host = host[:end]
		}
		host = strings.ToLower(strings.Trim(host, ".-"))
		if org, _ := link.Registrable(host); i > 0 && strings.IndexByte(host, '.') > 0 && org != a.org {
			a.shown = host
		}
	}
}

func notHost(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r >= 0x80)
}

// namesRecipient tells whether the author's name has the domain of a recipient,
// or what of it its owner chose, and the author is elsewhere.
func (l *look) namesRecipient() bool {
	if l.from.name == "" {
		return false
	}
	for i := range min(len(l.m.Header.To), 3) {
		d := l.m.Header.To[i].Domain
		if d == "" || link.Freemail(d) {
			continue
		}
		org := registrable(d, &l.from)
		if org == l.from.org {
			continue
		}
		own, _, _ := strings.Cut(org, ".")
		name := strings.ToLower(l.from.name)
		if strings.Contains(name, org) || len(own) > 4 && hasWord(name, own) {
			return true
		}
	}
	return false
}

// hasWord tells whether w stands in s as a word of its own.
func hasWord(s, w string) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], w)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(w)
		if (i == 0 || !letter(s[i-1])) && (end == len(s) || !letter(s[end])) {
			return true
		}
		from = i + 1
	}
}

// randomLocal tells whether digits and letters take turns in a local part.
func randomLocal(s string) bool {
	if len(s) < 10 {
		return false
	}
	turns, digits := 0, 0
	for i := range len(s) {
		digit := '0' <= s[i] && s[i] <= '9'
		if !digit && !('a' <= s[i] && s[i] <= 'z') {
			return false
		}
		if digit {
			digits++
		}
		if i > 0 && digit != ('0' <= s[i-1] && s[i-1] <= '9') {
			turns++
		}
	}
	return turns >= 3 && digits >= 2
}

// mixedScripts tells whether a word has letters of another script that look like
// its own: a run of Latin ones, or of Cyrillic or Greek ones, all of which have
// twins there. A name made of words of two scripts (СберPrime) is none.
func mixedScripts(s string) bool {
	const latin, other = 1, 2
	last, twins := 0, true // the kind of the run at hand, and whether all of it looks like the other kind
	runs, suspect := 0, false
	for _, r := range s + " " {
		kind := 0
		switch {
		case 'a' <= r|0x20 && r|0x20 <= 'z':
			kind = latin
		case 0x370 <= r && r < 0x530 && r != 'µ':
			kind = other
		}
		if kind != last {
			if last != 0 {
				runs++
				suspect = suspect || twins
			}
			if kind == 0 {
				if runs > 1 && (suspect || runs > 2) {
					return true
				}
				runs, suspect = 0, false
			}
			last, twins = kind, true
		}
		twins = twins && strings.ContainsRune(twinLetters, r)
	}
	return false
}

// twinLetters are those of which another script has one that looks the same.
const twinLetters = "aceopxyijshbkmtABCEHIKMNOPTXYZvnu" + "асеорхуіјѕһкмтвАВСЕНІКМОРТХУЅЈ" + "οανικρτυχηΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"

// answers tells whether the message says that it answers another, and what it
// answers is to be seen in it: quoted, or below the fields that a mail program
// puts before what it cites.
func (l *look) answers() bool {
	return l.m.Header.Reply && (len(l.m.Quoted) > 0 || citesFields(l.m.Text))
}

// citesFields tells whether two lines that follow each other begin with the
// names of fields, as those do that a mail program puts before what it cites.
func citesFields(folded []byte) bool {
	last := false
	for n := 0; n < maxCited && len(folded) > 0; n++ {
		line := folded
		if i := bytes.IndexByte(folded, '\n'); i >= 0 {
			line, folded = folded[:i], folded[i+1:]
		} else {
			folded = nil
		}
		i := bytes.IndexByte(line[:min(len(line), maxFieldName)], ':')
		named := i > 0 && citedFields[string(bytes.TrimSpace(bytes.Trim(line[:i], "*> ")))]
		if named && last {
			return true
		}
		last = named
	}
	return false
}

const (
	maxCited     = 1 << 10 // lines in which the fields of a cited message are looked for
	maxFieldName = 24
)

// citedFields are From, Sent, To and the like in several languages, folded.
var citedFields = func() map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(`from sent date to cc subject von gesendet datum an betreff de envoye a objet enviado para asunto assunto da inviato oggetto
		van verzonden aan onderwerp fran skickat till amne od wyslano do temat от отправлено дата кому тема kimden gonderildi kime konu 发件人 发送时间 收件人 主题 差出人 送信日時 宛先 件名 من تاريخ إلى الموضوع`) {
		set[string(text.Fold(nil, []byte(name), nil))] = true
	}
	return set
}()

// spend takes the cost of looking through n octets; false: nothing is left,
// and the condition has no answer.
func (l *look) spend(n int) bool {
	if l.work -= n + 1; l.work < 0 {
		l.over = true
	}
	return !l.over
}

// long returns a long text.
func (l *look) long(i long) string {
	if !l.has[i] {
		l.has[i] = true
		l.str[i] = string([...][]byte{l.m.Subject, l.m.Text, l.m.Hidden, l.m.Quoted}[i])
	}
	return l.str[i]
}

// linkSum is what the links are together.
type linkSum struct {
	count, foreign, own, mismatch, mail, tel, anchors, images int
	flags                                                     [64]uint16 // links that have each flag
	domains, hosts, targets                                   []string
	brand, mismatched                                         string
	recipient                                                 bool
}

func (s *linkSum) forget() {
	clear(s.domains)
	clear(s.hosts)
	clear(s.targets)
	s.domains, s.hosts, s.targets = s.domains[:0], s.hosts[:0], s.targets[:0]
}

// readLinks sums up the links that a reader may follow; images and style
// sheets are none.
func (l *look) readLinks() {
	s := &l.links
	*s = linkSum{domains: s.domains[:0], hosts: s.hosts[:0], targets: s.targets[:0]}
	for i := range l.m.Links {
		x := &l.m.Links[i]
		if !x.OK || x.Quoted || !follows(x.Kind) {
			continue
		}
		switch x.URL.Scheme {
		case "mailto":
			s.mail++
			continue
		case "tel":
			s.tel++
			continue
		case "http", "https", "ftp":
		default:
			s.flag(x.URL.Flags)
			continue
		}
		if x.Kind == text.Plain && x.URL.Flags.Has(link.Bare) {
			continue // a word with a dot in it, as likely as not
		}
		s.web(x, l.from.org, l.m.Header.To)
	}
}

// follows tells whether a reader can get where a link of the kind leads.
func follows(k text.Kind) bool {
	switch k {
	case text.Anchor, text.Plain, text.Form, text.Area, text.Refresh, text.Frame:
		return true
	}
	return false
}

func (s *linkSum) web(x *anatomy.Link, from string, to []anatomy.Address) {
	s.count++
	s.flag(x.URL.Flags)
	if x.Kind == text.Anchor {
		s.anchors++
		if x.Image {
			s.images++
		}
	}
	if x.URL.Domain == from {
		s.own++
	} else {
		s.foreign++
	}
	if x.URL.Brand != "" && s.brand == "" {
		s.brand = x.URL.Brand
	}
	if x.Kind == text.Anchor && !x.Hidden && strings.IndexByte(x.Text, '.') > 0 && link.Mismatch(x.Text, x.URL) {
		s.mismatch++
		if s.mismatched == "" {
			s.mismatched = x.URL.Domain
		}
	}
	if x.URL.Flags.Has(link.MailAddress) && !s.recipient {
		s.recipient = carries(x.Target, to)
	}
	s.domains = appendNew(s.domains, x.URL.Domain)
	s.hosts = appendNew(s.hosts, x.URL.Host)
	if len(s.targets) < maxDomains {
		s.targets = append(s.targets, x.Target)
	}
}

// carries tells whether a target with some mail address in it may have that
// of a recipient: in plain, or so encoded that none is seen.
func carries(target string, to []anatomy.Address) bool {
	seen := strings.IndexByte(target, '@') >= 0 || strings.Contains(target, "%40")
	for i := range min(len(to), 3) {
		local := to[i].Local
		if seen && local != "" && (strings.Contains(target, local+"@") || strings.Contains(target, local+"%40")) {
			return true
		}
	}
	return !seen
}

func (s *linkSum) flag(f link.Flags) {
	for i := 0; f != 0; i, f = i+1, f>>1 {
		if f&1 != 0 {
			s.flags[i]++
		}
	}
}

// appendNew appends s unless it is there.
func appendNew(list []string, s string) []string {
	if s == "" || len(list) == maxDomains {
		return list
	}
	for _, t := range list {
		if t == s {
			return list
		}
	}
	return append(list, s)
}

// partSum is what the parts are together.
type partSum struct {
	images, files, html, plain, calendar, pdf, office, macro, program, archive, svg, htmlFile, mail, disguised int
}

// readParts sums up the parts by type and by the ends of their names.
func (l *look) readParts() {
	s := &l.parts
	*s = partSum{}
	for i := range l.m.Parts {
		p := &l.m.Parts[i]
		file := p.Disposition == "attachment" || p.Name != ""
		if file {
			s.files++
		}
		switch {
		case p.Type == "text/html" && !file:
			s.html++
		case p.Type == "text/plain" && !file:
			s.plain++
		case p.Type == "image/svg+xml":
			s.svg++
		case strings.HasPrefix(p.Type, "image/"):
			s.images++
		case p.Type == "text/calendar":
			s.calendar++
		case p.Type == "message/rfc822":
			s.mail++
		}
		if file {
			s.file(p)
		}
	}
}

func (s *partSum) file(p *anatomy.Part) {
	end := extension(p.Name)
	switch end {
	case "html", "htm", "shtml", "xhtml", "xht", "mht", "mhtml":
		s.htmlFile++
	case "svg", "svgz":
		if p.Type != "image/svg+xml" {
			s.svg++
		}
	case "ics", "vcs":
		if p.Type != "text/calendar" {
			s.calendar++
		}
	case "pdf":
		s.pdf++
	case "doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "odt", "ods":
		s.office++
	case "docm", "xlsm", "pptm", "dotm", "xltm", "xlsb", "xlam", "ppam", "one":
		s.macro++
	case "zip", "rar", "7z", "gz", "tgz", "tar", "bz2", "xz", "zst", "cab", "ace", "arj", "lz", "lzh", "r00", "z":
		s.archive++
	case "exe", "scr", "com", "pif", "bat", "cmd", "js", "jse", "vbs", "vbe", "wsf", "wsh", "hta", "lnk", "msi", "ps1", "cpl", "jar",
		"iso", "img", "vhd", "vhdx", "dll", "reg", "chm", "msc", "url", "application", "appref-ms", "library-ms", "search-ms", "xll":
		s.program++
	default:
		if p.Type == "text/html" {
			s.htmlFile++
		}
	}
	if before := strings.TrimSuffix(p.Name, "."+end); len(before) < len(p.Name) && end != "" {
		switch extension(strings.TrimRight(before, " _")) {
		case "pdf", "doc", "docx", "xls", "xlsx", "jpg", "png", "txt", "mp3", "mp4", "wav":
			if end != "gz" && end != "sig" && end != "asc" && end != "zip" && end != "p7s" && end != "bak" && end != "xz" {
				s.disguised++
			}
		}
	}
}

// extension returns what follows the last dot, in lower case.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 12 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(name[i+1:]))
}
