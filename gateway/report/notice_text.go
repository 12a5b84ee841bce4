package report

import (
	"bufio"
	"bytes"
	_ "embed"
	"mime/quotedprintable"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
)

const (
	maxToldRecipients = 50  // that the text names; the part for programs has all
	maxToldReply      = 500 // octets of a reply that the text repeats
	maxToldSubject    = 150 // octets of the message's subject
	textWidth         = 72
)

//go:embed notice.tmpl
var noticeTemplates string

// texts are the words of a notice: what people read is in notice.tmpl alone.
var texts = template.Must(template.New("notice").Parse(noticeTemplates))

// told is what the templates see.
type told struct {
	Host    string // ours
	Contact string
	Subject string // of the message
	Date    string
	Action  Action // of all recipients; "" : they differ
	Groups  []toldGroup
	More    int    // recipients that the text does not name
	Returns string // what is attached of the message: full, header, none
}

// toldGroup is recipients of whom the same is said.
type toldGroup struct {
	Action     Action
	Status     string
	Recipients []string
	Server     string // that said it
	Reply      string
	Local      bool
	Until      string // when trying ends
	class      string
	key        string
}

// What returns what happened in plain words.
func (g toldGroup) What() (string, error) { return g.words("what") }

// Do returns what the sender may do about it.
func (g toldGroup) Do() (string, error) { return g.words("do") }

// words returns the most special words there are for the status: those of
// 5.1.1, else of 5.1, else of 5; a delay and a success have words of their own.
func (g toldGroup) words(kind string) (string, error) {
	names := []string{string(g.Action)}
	if g.Action == Failed || g.Action == Delayed {
		subject, _, _ := strings.Cut(g.class, ".")
		names = []string{g.class, subject, "other"}
	}
	for _, name := range names {
		if t := texts.Lookup(kind + " " + name); t != nil {
			var b strings.Builder
			err := t.Execute(&b, g)
			return fill(strings.TrimSpace(b.String()), "    "), err
		}
	}
	return "", nil
}

// tell gathers what the text says.
func (n *Notice) tell(o *original) told {
	t := told{Host: n.ReportingMTA, Contact: n.Contact, Subject: o.subject, Date: o.date, Returns: "none"}
	if t.Contact == "" {
		t.Contact = "postmaster@" + n.ReportingMTA
	}
	if n.full() {
		t.Returns = "full"
	} else if n.Open != nil {
		t.Returns = "header"
	}
	for i := range n.Recipients {
		r := &n.Recipients[i]
		if i == 0 {
			t.Action = r.Action
		} else if t.Action != r.Action {
			t.Action = ""
		}
		if i >= maxToldRecipients {
			t.More++
			continue
		}
		g := r.group()
		if k := len(t.Groups) - 1; k >= 0 && t.Groups[k].key == g.key {
			t.Groups[k].Recipients = append(t.Groups[k].Recipients, g.Recipients...)
			continue
		}
		t.Groups = append(t.Groups, g)
	}
	return t
}

// group returns what is said of one recipient.
func (r *NoticeRecipient) group() toldGroup {
	s := r.status()
	who := r.Final.String()
	if o := r.Original.OriginalAddress; o != "" && !strings.EqualFold(o, who) {
		who = o + " (" + who + ")"
	}
	g := toldGroup{
		Action: r.Action, Status: s.String(), Recipients: []string{who}, Server: r.RemoteMTA, Local: r.Local,
		class: s.String()[len("5."):],
	}
	if !r.Reply.IsZero() {
		g.Reply = shorten(r.Reply.Error(), maxToldReply)
		if r.Local {
			g.Reply = shorten(strings.ReplaceAll(r.Reply.Text, "\n", " "), maxToldReply)
		}
	}
	if !r.WillRetryUntil.IsZero() {
		g.Until = r.WillRetryUntil.Format("Monday, 2 January 2006 at 15:04 MST")
	}
	g.key = strings.Join([]string{string(g.Action), g.Status, g.Server, g.Reply, g.Until}, "\x00")
	return g
}

// subject returns the Subject of the notice.
func (t told) subject() string {
	var b strings.Builder
	if err := texts.ExecuteTemplate(&b, "subject", t); err != nil {
		return "Delivery report"
	}
	return strings.TrimSpace(b.String())
}

// writeText writes the part for people.
func (n *Notice) writeText(out *bufio.Writer, t told) {
	var b bytes.Buffer
	if err := texts.ExecuteTemplate(&b, "text", t); err != nil {
		b.WriteString("\n") // the part for programs still tells all
	}
	text := bytes.ReplaceAll(bytes.TrimSpace(cleanText(b.Bytes())), []byte("\n"), []byte("\r\n"))
	text = append(text, "\r\n"...)
	switch {
	case isText7(text):
		n.part(out, "text/plain; charset=us-ascii", "Notification", "")
		out.Write(text)
	case n.SMTPUTF8:
		n.part(out, "text/plain; charset=utf-8", "Notification", "8bit")
		out.Write(text)
	default:
		n.part(out, "text/plain; charset=utf-8", "Notification", "quoted-printable")
		writeQuoted(out, text)
	}
}

// cleanText keeps controls out of the text, which repeats what others wrote.
func cleanText(b []byte) []byte {
	lines := strings.Split(string(b), "\n")
	for i, l := range lines {
		pad := l[:len(l)-len(strings.TrimLeft(l, " "))]
		lines[i] = strings.TrimRight(pad+message.CleanValue(l[len(pad):]), " ")
	}
	return []byte(strings.Join(lines, "\n"))
}

func isText7(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func writeQuoted(out *bufio.Writer, b []byte) {
	q := quotedprintable.NewWriter(out)
	q.Write(b)
	q.Close() // what it writes to keeps its error until Flush
}

// fill breaks text into lines that begin with the indent.
func fill(text, indent string) string {
	var b strings.Builder
	col := 0
	for _, w := range strings.Fields(text) {
		switch {
		case col == 0:
			b.WriteString(indent)
		case col+1+utf8.RuneCountInString(w) > textWidth:
			b.WriteString("\n" + indent)
			col = 0
		default:
			b.WriteString(" ")
			col++
		}
		if col == 0 {
			col = len(indent)
		}
		b.WriteString(w)
		col += utf8.RuneCountInString(w)
	}
	return b.String()
}

// Quote returns a text of others, filled, as the templates show it.
func (g toldGroup) Quote() string { return fill(g.Reply, "      ") }

// shorten cuts s to at most n octets, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("...")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
