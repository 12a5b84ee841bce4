package model

import (
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/filters/spam/text"
)

// linkShape looks at links in general: how many, of what kind, how they fit
// each other, the text and the author.
func (v *Vector) linkShape(m *anatomy.Message) {
	var kinds [16]int
	var all link.Flags
	domains, own, mismatch, hidden, https, mails, pages := 0, 0, 0, 0, 0, 0, 0
	author := ""
	if len(m.Header.From) > 0 {
		author, _ = link.Registrable(m.Header.From[0].Domain)
	}
	seen := v.seenDomains[:0]
	for i := range m.Links {
		l := &m.Links[i]
		kinds[min(int(l.Kind), len(kinds)-1)]++
		if !l.OK {
			continue
		}
		all |= l.URL.Flags
		switch l.URL.Scheme {
		case "mailto":
			mails++
			continue
		case "https":
			https++
		}
		if l.URL.Host == "" {
			continue
		}
		pages++
		if l.URL.Domain == author {
			own++
		}
		if l.Hidden {
			hidden++
		}
		if l.Kind == text.Anchor && link.Mismatch(l.Text, l.URL) {
			mismatch++
		}
		h := hash([]byte(l.URL.Domain))
		if !contains(seen, h) && len(seen) < 64 {
			seen = append(seen, h)
		}
	}
	v.seenDomains = seen
	v.num("QR codes", len(m.Codes))
	domains = len(seen)
	v.pairs(v.num("links", pages))
	v.pairs(v.num("domains linked", domains))
	v.num("mail links", mails)
	for k, n := range kinds {
		if n > 0 {
			v.num("links by "+text.Kind(k).String(), n)
		}
	}
	if pages > 0 {
		v.percent("links to the author's domain", own, pages)
		v.percent("links by https", https, pages)
		v.pairTag("no link to the author", own == 0)
		v.percent("hidden links", hidden, pages)
		v.num("links that show another domain", mismatch)
	}
	for name := range all.Names() {
		v.tags("link: ", name)
	}
}

func contains(list []uint64, h uint64) bool {
	for _, x := range list {
		if x == h {
			return true
		}
	}
	return false
}

// hostView adds where links lead and who writes, by name.
func (v *Vector) hostView(m *anatomy.Message) {
	v.begin(Hosts)
	for i := range m.Header.From {
		v.sender("from", &m.Header.From[i])
	}
	for i := range m.Header.ReplyTo {
		v.sender("reply-to", &m.Header.ReplyTo[i])
	}
	if _, host, ok := strings.Cut(m.Header.MessageID, "@"); ok {
		v.domain("message-id", strings.ToLower(host))
	}
	if m.Header.Mailer != "" {
		name, _, _ := strings.Cut(m.Header.Mailer, " ")
		v.tags("mailer ", strings.ToLower(name))
	}
	for i := range m.Links {
		l := &m.Links[i]
		if !l.OK || l.URL.Host == "" {
			continue
		}
		what := "link"
		switch {
		case l.URL.Scheme == "mailto":
			what = "mail link"
		case l.Kind == text.Image:
			what = "image"
		}
		v.domain(what, l.URL.Host)
		if what != "mail link" {
			v.path(l.URL.Path)
		}
	}
	v.end()
}

func (v *Vector) sender(what string, a *anatomy.Address) {
	v.domain(what, a.Domain)
	local := strings.ToLower(a.Local)
	v.tags(what, " ", local, "@", a.Domain)
	v.tags(what, " ", local, "@")
}

// domain adds a host, its registrable domain, its top-level domain and its
// words.
func (v *Vector) domain(what, host string) {
	reg, _ := link.Registrable(host)
	v.tags(what, " ", reg)
	if host != reg {
		v.tags(what, " ", host)
	}
	v.tags(what, " .", reg[strings.LastIndexByte(reg, '.')+1:])
}

// path adds the words of a path.
func (v *Vector) path(path string) {
	n := 0
	for w := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '.' || r == '-' || r == '_' }) {
		if n++; n > 6 {
			return
		}
		if len(w) <= 16 {
			v.tags("path ", strings.ToLower(w))
		}
	}
}
