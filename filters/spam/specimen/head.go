package specimen

import (
	"strconv"
	"strings"
	"time"
)

// mailers are the programs that a style's mail is written with, in both
// classes alike.
var mailers = map[string][]string{
	"bulk":   {"esp", "esp", "esp", "php", "python"},
	"notice": {"app", "app", "esp", "php", "python", "outlook"},
	"person": {"gmail", "apple", "outlook", "thunderbird"},
	"office": {"outlook", "outlook", "gmail", "apple", "thunderbird"},
	"plain":  {"app", "python", "gmail", "thunderbird", "php"},
}

func (m *mail) mailer() string {
	if m.memo["mailer"] == "" {
		m.memo["mailer"] = m.t.head["mailer"]
		if m.memo["mailer"] == "" {
			l := mailers[m.t.head["style"]]
			if m.old() {
				l = oldMailers[m.t.head["style"]]
			}
			if l == nil {
				l = mailers["notice"]
			}
			m.memo["mailer"] = m.pick(l)
		}
	}
	return m.memo["mailer"]
}

// head returns the fields that stay with a message wherever it goes: no
// transport, no authentication, as those would tell one class from the other.
func (m *mail) head(style string) []string {
	from := m.addressOf(m.from())
	to := m.address(m.t.head["to"], "[[{{my.name}} <{{my.email}}>|{{my.email}}|{{my.email}}]]")
	fields := []string{"From: " + from, "To: " + to}
	if s := m.t.head["cc"]; s != "" {
		fields = append(fields, "Cc: "+m.address(s, ""))
	}
	if s := m.t.head["reply-to"]; s != "" {
		fields = append(fields, "Reply-To: "+m.address(s, ""))
	}
	if s := m.replyTo(from); s != "" {
		fields = append(fields, "Reply-To: "+s)
	}
	fields = append(fields, "Subject: "+m.word(m.subject()), "Date: "+m.date(), "Message-ID: <"+m.messageID(from)+">")
	if m.t.head["thread"] != "" {
		id := m.token("abcdefghijklmnopqrstuvwxyz0123456789", "22") + "@" + m.value("my.domain", 0)
		fields = append(fields, "In-Reply-To: <"+id+">", "References: <"+id+">")
	}
	if m.old() && m.t.head["style"] == "bulk" {
		m.footer()
		fields = append(fields, m.oldListFields(from)...)
	} else if m.bulk() {
		m.footer()
		u := m.value("unsublink", 0)
		if m.chance(50) {
			u += ">, <mailto:unsubscribe+" + m.token("0123456789abcdef", "16") + "@" + from[strings.LastIndexByte(from, '@')+1:len(from)-1]
		}
		fields = append(fields, "List-Unsubscribe: <"+u+">")
		if m.chance(70) {
			fields = append(fields, "List-Unsubscribe-Post: List-Unsubscribe=One-Click")
		}
		if m.chance(30) {
			fields = append(fields, m.oneOf("Precedence: bulk", "Feedback-ID: "+m.token("0123456789", "7")+":"+m.token("0123456789", "6")+":"+"campaign", "X-CSA-Complaints: csa-complaints@eco.example"))
		}
	}
	for _, h := range m.t.many["header"] {
		name, value, _ := strings.Cut(m.expand(h), ":")
		fields = append(fields, name+": "+m.word(strings.TrimSpace(value)))
	}
	if x := m.program(); x != "" && style != "" {
		fields = append(fields, x)
	}
	return append(fields, "MIME-Version: 1.0")
}

// replyTo is where a bulk mailer's answers go, which says nothing of it: its
// own domain mostly, or that of the house which does its mailings.
func (m *mail) replyTo(from string) string {
	style := m.t.head["style"]
	if m.t.head["reply-to"] != "" || style != "bulk" && style != "notice" || !m.chance(35) {
		return ""
	}
	domain := strings.TrimSuffix(from[strings.LastIndexByte(from, '@')+1:], ">")
	local := m.oneOf("reply", "info", "newsletter", "bounce-"+m.token("0123456789", "6"), "support", "feedback", "editor", "noreply")
	if m.chance(20) {
		domain = m.value("word:stemhost#house", 0) + m.oneOf("mail", "direct", "post", "reply") + ".net"
	}
	return "<" + local + "@" + domain + ">"
}

// address expands "Name <local@domain>" and encodes the name.
func (m *mail) address(s, def string) string {
	if s == "" {
		s = def
	}
	return m.addressOf(m.expand(s))
}

func (m *mail) addressOf(s string) string {
	name, addr, ok := strings.Cut(s, " <")
	if !ok {
		return "<" + strings.Trim(s, "<>") + ">"
	}
	if enc := m.word(name); enc != name {
		name = enc
	} else if strings.ContainsAny(name, `,.:;@()[]"`) || m.chance(35) {
		name = `"` + strings.ReplaceAll(name, `"`, "'") + `"`
	}
	return name + " <" + addr
}

func (m *mail) date() string {
	zone := m.pick(m.list("zone"))
	h, err := strconv.Atoi(zone[1:3]) // whole hours only
	if err != nil {
		m.fail("bad zone %q", zone)
	}
	if zone[0] == '-' {
		h = -h
	}
	return m.at.Add(time.Duration(h)*time.Hour).Format("Mon, 2 Jan 2006 15:04:05 ") + zone
}

func (m *mail) messageID(from string) string {
	domain := strings.TrimSuffix(from[strings.LastIndexByte(from, '@')+1:], ">")
	hex := func(n string) string { return m.token("0123456789abcdef", n) }
	if m.old() {
		return m.oldMessageID(domain)
	}
	switch m.mailer() {
	case "outlook":
		return strings.ToUpper(hex("2")) + "4PR01MB" + m.token("0123456789", "4") + strings.ToUpper(hex("28")) + "@" + strings.ToUpper(hex("2")) + "4PR01MB" + m.token("0123456789", "4") + ".eurprd01.prod.exchangelabs.example"
	case "gmail":
		return "CA" + m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=_-", "48") + "@mail.gmail.com"
	case "apple":
		return strings.ToUpper(hex("8")+"-"+hex("4")+"-"+hex("4")+"-"+hex("4")+"-"+hex("12")) + "@" + domain
	case "thunderbird":
		return hex("8") + "-" + hex("4") + "-" + hex("4") + "-" + hex("4") + "-" + hex("12") + "@" + domain
	case "python":
		return m.token("0123456789", "18") + "." + m.token("0123456789", "5") + "." + m.token("0123456789", "18") + "@" + m.oneOf("app-1", "web2", "worker", "mail", "localhost") + "." + domain
	case "php":
		return m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "40") + "@" + domain
	}
	return m.oneOf("0100"+hex("12")+"-"+hex("8")+"-000000@eu-west-1.amazonses.com", m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", "22")+"@geopod-ismtpd-"+m.token("0123456789", "2"), hex("32")+"@"+domain, m.token("0123456789", "10")+"."+hex("8")+"@mta"+m.token("0123456789", "1")+"."+domain)
}

func (m *mail) program() string {
	if m.old() {
		return m.some("oldmailer." + m.mailer())
	}
	switch m.mailer() {
	case "apple":
		return m.oneOf("X-Mailer: Apple Mail (2.3774.300.61.1.2)", "X-Mailer: iPhone Mail (21E236)", "X-Mailer: Apple Mail (2.3731.700.6)")
	case "thunderbird":
		return m.oneOf("User-Agent: Mozilla Thunderbird", "User-Agent: Mozilla Thunderbird Beta")
	case "php":
		return m.oneOf("X-Mailer: PHPMailer 6.9.1 (https://github.com/PHPMailer/PHPMailer)", "X-Mailer: PHP/8.2.14", "", "")
	case "esp":
		return m.oneOf("", "", "X-Mailer: Mailer "+m.token("0123456789", "2")+".4", "")
	case "outlook":
		return m.oneOf("", "", "X-Mailer: Microsoft Outlook 16.0", "Content-Language: "+m.lang())
	}
	return ""
}
