package rule

import (
	"math/bits"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/filters/spam/text"
	"github.com/gapura-mail/gapura/gateway"
)

// fact is one thing that conditions may speak of, and how it is read from a
// message. One reader is set, by the type.
type fact struct {
	gateway.Field
	text  func(l *look) string
	flag  func(l *look) bool
	count func(l *look) int64
	real  func(l *look) float64
	list  func(l *look) []string

	foreign bool // of another filter
}

// Facts lists what conditions may speak of besides the facts of other filters.
func Facts() ([]gateway.Field, error) {
	t, err := tables()
	if err != nil {
		return nil, err
	}
	own := ownFacts(t)
	fields := make([]gateway.Field, len(own))
	for i := range own {
		fields[i] = own[i].Field
	}
	return fields, nil
}

// usualFacts are those of other filters that the shipped rules speak of. They
// have their default values where Parse is not given them.
func usualFacts() []gateway.Field {
	fields := []gateway.Field{
		field("spf.result", gateway.String, ""), field("spf.domain", gateway.String, ""),
		field("dmarc.result", gateway.String, ""), field("dmarc.domain", gateway.String, ""), field("dmarc.list_mail", gateway.Bool, ""),
		field("dmarc.forwarder", gateway.Bool, ""), field("dmarc.dkim_aligned", gateway.Bool, ""),
		field("dnsbl.listed", gateway.Bool, ""), field("dnsbl.allowed", gateway.Bool, ""), field("dnsbl.zones", gateway.Strings, ""),
		field("antivirus.infected", gateway.Bool, ""), field("antivirus.virus", gateway.String, ""),
		field("attachment.encrypted", gateway.Bool, ""), field("attachment.deceptive", gateway.Bool, ""), field("attachment.bomb", gateway.Bool, ""),
		field("attachment.ambiguous", gateway.Bool, ""), field("attachment.executable", gateway.Bool, ""), field("attachment.dangerous", gateway.Strings, ""),
	}
	fields[0].Default, fields[2].Default = "none", "none"
	return fields
}

// facts collects facts while they are declared.
type facts []fact

func field(name string, t gateway.FactType, doc string) gateway.Field {
	return gateway.Field{Name: name, Type: t, Stage: gateway.StageMessage, Doc: doc}
}

func (f *facts) text(name, doc string, read func(l *look) string) {
	*f = append(*f, fact{Field: field(name, gateway.String, doc), text: read})
}

func (f *facts) flag(name, doc string, read func(l *look) bool) {
	*f = append(*f, fact{Field: field(name, gateway.Bool, doc), flag: read})
}

func (f *facts) count(name, doc string, read func(l *look) int) {
	*f = append(*f, fact{Field: field(name, gateway.Int, doc), count: func(l *look) int64 { return int64(read(l)) }})
}

func (f *facts) list(name, doc string, read func(l *look) []string) {
	*f = append(*f, fact{Field: field(name, gateway.Strings, doc), list: read})
}

// ownFacts declares everything that is read from the message.
func ownFacts(t *table) []fact {
	var f facts
	f.authorFacts()
	f.headerFacts()
	f.subjectFacts()
	f.textFacts()
	f.linkFacts()
	f.partFacts()
	f.pageFacts()
	for i, name := range t.lists {
		f.count("words."+name, "how many phrases of the list the subject and the visible text have, each once: "+t.docs[i],
			func(l *look) int { return int(l.words.total[i]) })
		f.count("name_words."+name, "those that the author's name has", func(l *look) int { return int(l.words.name[i]) })
		f.count("subject_words."+name, "those of words."+name+" that the subject has",
			func(l *look) int { return int(l.words.subject[i]) })
	}
	return f
}

func (f *facts) authorFacts() {
	f.text("from.name", "display name of the author, decoded", func(l *look) string { return l.from.name })
	f.text("from.local", "local part of the author's address", func(l *look) string { return l.from.local })
	f.text("from.domain", "domain of the author's address, lower case", func(l *look) string { return l.from.domain })
	f.text("from.org", "registrable domain of from.domain", func(l *look) string { return l.from.org })
	f.flag("from.freemail", "anyone gets an address at from.domain for nothing", func(l *look) bool { return l.from.freemail })
	f.text("from.brand", `brand that the author's name has, "" : none`, func(l *look) string { return l.from.brand })
	f.text("from.foreign_brand", "the same, where from.domain is not the brand's", func(l *look) string { return l.from.foreign })
	f.text("from.shown_domain", "domain of an address in the author's name, where it is another than the author's", func(l *look) string { return l.from.shown })
	f.flag("from.capitals", "the author's name is in capitals", func(l *look) bool { return capitals(l.from.name) })
	f.flag("from.mixed", "a word of the author's name mixes Latin letters with Cyrillic or Greek ones", func(l *look) bool { return mixedScripts(l.from.name) })
	f.flag("from.malformed", "the field From is no list of addresses (RFC 5322 section 3.4)", func(l *look) bool { return l.m.Header.FromMalformed })
	f.flag("from.random", "the local part looks made by a program: letters and digits in turn", func(l *look) bool { return randomLocal(l.from.local) })
	f.flag("from.random_domain", "the author's domain looks made by a program", func(l *look) bool { return l.host.Flags.Has(link.RandomHost) })
	f.flag("from.cheap_tld", "the author's domain is below a top-level domain in which most new names are bought for abuse", func(l *look) bool { return l.host.Flags.Has(link.CheapTLD) })
	f.text("from.look_alike", "brand whose domain the author's domain resembles and is not", func(l *look) string {
		if l.host.Flags.Has(link.LookAlike) {
			return l.host.Brand
		}
		return ""
	})
	f.flag("from.named_recipient", "the author's name has a recipient's domain, and the author is elsewhere", (*look).namesRecipient)
	f.count("from.count", "authors", func(l *look) int { return len(l.m.Header.From) })
	f.count("from.fields", "From fields", func(l *look) int { return l.m.Header.FromCount })
	f.flag("from.to_self", "the author is also a recipient", func(l *look) bool {
		for i := range l.m.Header.To {
			if to := &l.m.Header.To[i]; to.Domain == l.from.domain && strings.EqualFold(to.Local, l.from.local) {
				return true
			}
		}
		return false
	})
	f.flag("from.to_org", "a recipient is of the author's registrable domain, and that is no freemail", func(l *look) bool {
		if l.from.freemail || l.from.org == "" {
			return false
		}
		for i := range l.m.Header.To {
			if d := l.m.Header.To[i].Domain; d == l.from.domain || registrable(d, &l.from) == l.from.org {
				return true
			}
		}
		return false
	})
	f.text("sender.org", `registrable domain of Sender, "" : no such field`, func(l *look) string { return l.sender })
	f.count("reply_to.count", "addresses in Reply-To", func(l *look) int { return len(l.m.Header.ReplyTo) })
	f.text("reply_to.local", "local part of the address that replies go to", func(l *look) string { return l.reply.local })
	f.text("reply_to.domain", "domain that replies go to, where Reply-To says one", func(l *look) string { return l.reply.domain })
	f.text("reply_to.org", "registrable domain of reply_to.domain", func(l *look) string { return l.reply.org })
	f.flag("reply_to.freemail", "replies go to a freemail", func(l *look) bool { return l.reply.freemail })
	f.flag("reply_to.elsewhere", "replies go to another registrable domain than the author's", func(l *look) bool { return l.reply.org != "" && l.reply.org != l.from.org })
	f.count("to.count", "addresses in To and Cc", func(l *look) int { return len(l.m.Header.To) })
	f.flag("to.undisclosed", "To is a group without members, or empty", func(l *look) bool { return l.m.Header.UndisclosedTo })
}

func (f *facts) headerFacts() {
	f.text("message_id", "Message-ID without brackets", func(l *look) string { return l.m.Header.MessageID })
	f.text("message_id_org", "registrable domain in message_id", func(l *look) string { return l.messageOrg })
	f.flag("date.missing", "there is no Date", func(l *look) bool { return l.m.Header.DateRaw == "" })
	f.flag("date.malformed", "Date cannot be read", func(l *look) bool { return l.m.Header.DateRaw != "" && l.m.Header.Date.IsZero() })
	f.text("mailer", "X-Mailer or User-Agent", func(l *look) string { return l.m.Header.Mailer })
	f.flag("priority", "marked as urgent", func(l *look) bool {
		return strings.ContainsAny(l.m.Header.Priority, "12") || strings.Contains(l.m.Header.Priority, "high")
	})
	f.flag("thread", "there is In-Reply-To or References", func(l *look) bool { return l.m.Header.Reply })
	f.flag("answers", "it says that it answers a message, and cites one: what the author writes himself is not believed alone", (*look).answers)
	f.flag("list.id", "there is List-Id or List-Post", func(l *look) bool { return l.m.Header.List })
	f.flag("list.unsubscribe", "there is List-Unsubscribe", func(l *look) bool { return l.m.Header.Unsubscribe })
	f.flag("list.one_click", "there is List-Unsubscribe-Post (RFC 8058)", func(l *look) bool { return l.m.Header.OneClick })
	f.flag("automatic", "Auto-Submitted or Precedence say that no person wrote it", func(l *look) bool { return l.m.Header.Auto })
	f.flag("malformed", "the header has lines that are no fields, or octets beyond ASCII that are no UTF-8", func(l *look) bool { return l.m.Header.Malformed })
}

func (f *facts) subjectFacts() {
	f.text("subject", "the subject decoded and folded: lower case, look-alike letters and invisible characters undone", func(l *look) string { return l.long(longSubject) })
	f.text("subject_raw", "the subject decoded, not folded", func(l *look) string { return l.m.Header.Subject })
	f.flag("subject_is.reply", "it begins as that of a reply, in any of many languages", func(l *look) bool { return l.subject.reply })
	f.flag("subject_is.forward", "it begins as that of a forward", func(l *look) bool { return l.subject.forward })
	f.flag("subject_is.capitals", "it is in capitals", func(l *look) bool { return l.subject.capitals })
	f.flag("subject_is.numbered", "its last word is one that a program made: letters and digits mixed", func(l *look) bool { return l.subject.id })
	f.flag("subject_is.personal", "it has the recipient's address or the local part of it", func(l *look) bool { return l.subject.recipient })
	f.flag("subject_is.gapped", "it has a long gap, with something behind", func(l *look) bool { return l.subject.gap })
	f.flag("subject_is.pictured", "it has emoji", func(l *look) bool { return l.subject.pictures })
}

func (f *facts) textFacts() {
	f.text("text", "what a reader sees, folded, without what is quoted", func(l *look) string { return l.long(longText) })
	f.text("hidden", "what is in the markup and no reader sees, folded", func(l *look) string { return l.long(longHidden) })
	f.text("quoted", "what is cited from an earlier message, folded", func(l *look) string { return l.long(longQuoted) })
	f.count("text_size", "octets of text", func(l *look) int { return len(l.m.Text) })
	f.count("hidden_size", "octets of hidden", func(l *look) int { return len(l.m.Hidden) })
	f.count("quoted_size", "octets of quoted", func(l *look) int { return len(l.m.Quoted) })
	f.text("language", `language of the text, ISO 639-1, "" : not known`, func(l *look) string { return l.m.Language })
	f.list("phones", "telephone numbers in the text", func(l *look) []string { return l.m.Phones })
	f.count("phone_count", "how many those are", func(l *look) int { return len(l.m.Phones) })
	f.flag("text_has.wallet", "the text has the address of a crypto wallet", func(l *look) bool { return l.wallet })
	f.flag("text_has.recipient", "the text has a recipient's address", func(l *look) bool { return l.shows })
	for _, x := range []struct {
		name, doc string
		read      func(m *text.Marks) int
	}{
		{"invisible", "characters that show nothing", (*text.Marks).Invisible},
		{"in_word", "of the invisible ones those between two letters", func(m *text.Marks) int { return m.InWord }},
		{"homoglyphs", "letters of other scripts in Latin words, and the reverse", func(m *text.Marks) int { return m.Homoglyphs }},
		{"disguised", "words wholly of another script's look-alikes", func(m *text.Marks) int { return m.Disguised }},
		{"mathematical", "letters of mathematical alphabets", func(m *text.Marks) int { return m.Math }},
		{"enclosed", "letters and digits in circles and squares", func(m *text.Marks) int { return m.Enclosed }},
		{"full_width", "full-width and half-width forms", func(m *text.Marks) int { return m.FullWidth }},
		{"reversed", "runs that are written backwards and shown forwards", func(m *text.Marks) int { return m.Reversed }},
		{"combining", "combining marks over Latin and Greek letters", func(m *text.Marks) int { return m.Combining }},
	} {
		f.count("marks."+x.name, x.doc+", in subject and text", func(l *look) int { return x.read(&l.m.Marks) })
	}
}

func (f *facts) linkFacts() {
	n := func(name, doc string, read func(s *linkSum) int) {
		f.count("links."+name, doc, func(l *look) int { return read(&l.links) })
	}
	n("count", "links that a reader can follow to the web", func(s *linkSum) int { return s.count })
	n("foreign", "of them those to another registrable domain than the author's", func(s *linkSum) int { return s.foreign })
	n("own", "of them those to the author's", func(s *linkSum) int { return s.own })
	n("mismatch", "of them those that show another domain than they lead to", func(s *linkSum) int { return s.mismatch })
	n("images", "of them images", func(s *linkSum) int { return s.images })
	n("mail", "links that begin a mail", func(s *linkSum) int { return s.mail })
	n("calls", "links that call a number", func(s *linkSum) int { return s.tel })
	n("domain_count", "distinct registrable domains of links", func(s *linkSum) int { return len(s.domains) })
	f.flag("links.recipient", "a link carries a recipient's address, or one so encoded that it cannot be seen", func(l *look) bool { return l.links.recipient })
	f.list("links.domains", "those domains, in order", func(l *look) []string { return l.links.domains })
	f.list("links.hosts", "distinct hosts of links, in order", func(l *look) []string { return l.links.hosts })
	f.list("links.targets", "links as written", func(l *look) []string { return l.links.targets })
	f.text("links.brand", "brand that a link's host or path resembles", func(l *look) string { return l.links.brand })
	f.text("links.mismatched", "domain that the first mismatching link leads to", func(l *look) string { return l.links.mismatched })
	for flags := ^link.Flags(0); flags != 0; flags &= flags - 1 {
		bit := bits.TrailingZeros64(uint64(flags))
		for name := range (link.Flags(1) << bit).Names() {
			n(name, (link.Flags(1) << bit).Doc(), func(s *linkSum) int { return int(s.flags[bit]) })
		}
	}
}

func (f *facts) partFacts() {
	n := func(name, doc string, read func(s *partSum) int) {
		f.count("parts."+name, doc, func(l *look) int { return read(&l.parts) })
	}
	f.count("parts.count", "leaves of the MIME tree", func(l *look) int { return len(l.m.Parts) })
	f.list("parts.types", "their media types, in order", func(l *look) []string {
		list := make([]string, len(l.m.Parts))
		for i := range l.m.Parts {
			list[i] = l.m.Parts[i].Type
		}
		return list
	})
	f.list("parts.names", "names of files, in order", func(l *look) []string {
		var list []string
		for i := range l.m.Parts {
			if name := l.m.Parts[i].Name; name != "" {
				list = append(list, name)
			}
		}
		return list
	})
	n("html", "HTML parts that are shown", func(s *partSum) int { return s.html })
	n("plain", "plain text parts that are shown", func(s *partSum) int { return s.plain })
	n("images", "images, SVG not counted", func(s *partSum) int { return s.images })
	n("files", "attached or named parts", func(s *partSum) int { return s.files })
	n("calendar", "calendar entries", func(s *partSum) int { return s.calendar })
	n("pdf", "files named .pdf", func(s *partSum) int { return s.pdf })
	n("office", "office documents", func(s *partSum) int { return s.office })
	n("macro", "office documents of the kinds that hold macros or programs", func(s *partSum) int { return s.macro })
	n("program", "files that run when opened, disk images and shortcuts", func(s *partSum) int { return s.program })
	n("archive", "archives", func(s *partSum) int { return s.archive })
	n("svg", "SVG images", func(s *partSum) int { return s.svg })
	n("html_file", "attached HTML files", func(s *partSum) int { return s.htmlFile })
	n("mail", "attached messages", func(s *partSum) int { return s.mail })
	n("disguised", "files of two endings, as invoice.pdf.exe", func(s *partSum) int { return s.disguised })
}

func (f *facts) pageFacts() {
	for _, x := range []struct {
		name, doc string
		read      func(s *text.Shape) int
	}{
		{"size", "octets of HTML source", func(s *text.Shape) int { return s.SourceBytes }},
		{"markup", "of them in tags, comments, styles and scripts", func(s *text.Shape) int { return s.MarkupBytes }},
		{"images", "images", func(s *text.Shape) int { return s.Images }},
		{"pixels", "images of at most 2x2 pixels", func(s *text.Shape) int { return s.Pixels }},
		{"attached_images", "images that are parts of the message", func(s *text.Shape) int { return s.CIDs }},
		{"data_urls", "data: URLs", func(s *text.Shape) int { return s.DataURLs }},
		{"data_size", "octets in them", func(s *text.Shape) int { return s.DataBytes }},
		{"anchors", "links", func(s *text.Shape) int { return s.Anchors }},
		{"tables", "tables", func(s *text.Shape) int { return s.Tables }},
		{"forms", "forms", func(s *text.Shape) int { return s.Forms }},
		{"inputs", "places to type in", func(s *text.Shape) int { return s.Inputs }},
		{"passwords", "places for a password", func(s *text.Shape) int { return s.Passwords }},
		{"frames", "frames and embedded objects", func(s *text.Shape) int { return s.Frames }},
		{"scripts", "scripts", func(s *text.Shape) int { return s.Scripts }},
		{"handlers", "attributes that hold a script", func(s *text.Shape) int { return s.Handlers }},
		{"script_links", "javascript: links", func(s *text.Shape) int { return s.JSLinks }},
		{"refresh", "pages that lead elsewhere by themselves", func(s *text.Shape) int { return s.Refresh }},
		{"base", "base addresses", func(s *text.Shape) int { return s.Bases }},
		{"svg_script", "scripts inside SVG", func(s *text.Shape) int { return s.SVGScript }},
		{"split_words", "comments and empty elements inside of words", func(s *text.Shape) int { return s.Splits }},
		{"letter_entities", "letters and digits written as character references", func(s *text.Shape) int { return s.LetterRefs }},
		{"lone_letters", "elements that hold a single letter", func(s *text.Shape) int { return s.Letters }},
		{"tiny", "elements with letters of at most 1 px", func(s *text.Shape) int { return s.HideTiny }},
		{"same_colour", "elements with letters in the colour of the background", func(s *text.Shape) int { return s.HideColour }},
		{"off_screen", "elements moved or clipped out of sight", func(s *text.Shape) int { return s.HideOffscreen }},
		{"boxed", "elements without width or height", func(s *text.Shape) int { return s.HideBox }},
		{"not_shown", "elements with display:none or the like", func(s *text.Shape) int { return s.HideDisplay + s.HideVisible }},
		{"small", "elements with letters of 2 to 6 px", func(s *text.Shape) int { return s.SmallFonts }},
		{"backwards", "elements that turn the writing direction", func(s *text.Shape) int { return s.BidiOverride }},
		{"unknown", "tags that HTML does not know", func(s *text.Shape) int { return s.Unknown }},
		{"preheader", "octets of hidden text before what is seen, as newsletters have", func(s *text.Shape) int { return s.Preheader }},
		{"comments_size", "octets of comments", func(s *text.Shape) int { return s.CommentLen }},
	} {
		f.count("html."+x.name, x.doc, func(l *look) int { return x.read(&l.m.Page.Shape) })
	}
	f.flag("html.smuggles", "its scripts build something: a file, another page", func(l *look) bool { return l.m.Page.Shape.Smuggle.Any() })
}
