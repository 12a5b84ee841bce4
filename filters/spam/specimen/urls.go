package specimen

import (
	"fmt"
	"net/url"
	"strings"
)

// url answers the slots that are addresses of the web or of mailboxes.
func (m *mail) url(slot, arg string) string {
	if m.old() {
		if u := m.oldURL(slot, arg); u != "" {
			return u
		}
	}
	switch slot {
	case "ext":
		return m.foreignLink("https://")
	case "site":
		return "https://www." + m.value("domain", 0)
	case "link":
		return m.ownLink(arg)
	case "click":
		return m.click()
	case "img":
		return "https://" + m.oneOf("cdn", "img", "static", "images", "assets", "media") + "." + m.value("domain", 0) + "/" + m.oneOf(m.token("0123456789abcdef", "8"), m.token("0123456789abcdef", "8"), m.pick(m.list("webword")), m.pick(m.list("webword"))+"/"+m.pick(m.list("webword"))) + "/" + strings.TrimPrefix(arg, "/")
	case "baddomain":
		return m.badDomain()
	case "badmail":
		return m.pick(m.list("bulklocal")) + "@" + m.value("baddomain", 0)
	case "freemail":
		return m.value("user.9", 0) + m.token("0123456789", "5") + "@" + m.pick(m.list("freemail"))
	}
	return m.bad(arg)
}

// ownLink is a page of the sender's own site.
func (m *mail) ownLink(path string) string {
	if m.old() {
		return m.oldLink(path)
	}
	host := "www." + m.value("domain", 0)
	if m.chance(30) {
		host = m.oneOf("account", "app", "my", "shop", "portal", "help") + "." + m.value("domain", 0)
	}
	if m.chance(30) {
		path = m.webPath()
	}
	u := "https://" + host + "/" + strings.TrimPrefix(path, "/")
	if m.chance(45) {
		u += m.oneOf("?utm_source=newsletter&utm_medium=email&utm_campaign="+m.token("abcdefghijklmnop", "7"), "?ref=mail", "?id="+m.token("0123456789abcdef", "12"), "?token="+m.token("0123456789abcdefABCDEFghijkXYZ", "40"), "?lang="+m.lang())
	}
	return u
}

// click is a link as a bulk mailer rewrites it; each message stays with one
// mailer.
func (m *mail) click() string {
	if m.old() {
		return m.oldClick()
	}
	kind := m.memo["clickkind"]
	if kind == "" {
		kind = m.oneOf("own", "own", "sendgrid", "list", "hub", "path", "direct")
		m.memo["clickkind"] = kind
		m.memo["clickid"] = m.token("0123456789", "7")
	}
	d, id := m.value("domain", 0), m.memo["clickid"]
	b64 := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	switch kind {
	case "sendgrid":
		return "https://u" + id + ".ct.sendgrid.net/ls/click?upn=" + m.token(b64, "120")
	case "list":
		return "https://" + id[:3] + "mail.us" + id[4:5] + ".list-manage.com/track/click?u=" + m.hexOf("clicku", "25") + "&id=" + m.token("0123456789abcdef", "10") + "&e=" + m.hexOf("clicke", "10")
	case "hub":
		return "https://" + m.hexOf("clicku", "5") + ".eu1.hubspotlinks.com/Ctc/" + m.token("ABCDEFGH0123456789", "2") + "+113/" + m.token(b64, "90")
	case "path":
		return "https://links." + d + "/c/" + m.token(b64, "44") + "/" + m.token(b64, "22")
	case "direct":
		return m.ownLink(m.oneOf(m.some("path"), m.webPath()))
	}
	return "https://" + m.oneOf("click", "email", "track", "e") + "." + d + "/ls/click?upn=" + m.token(b64, "86")
}

// webPath is a path as sites have them, of whatever kind: none of its words
// tells an honest sender from another.
func (m *mail) webPath() string {
	var b strings.Builder
	for i := range m.between(1, 4) {
		if i > 0 {
			b.WriteString(m.oneOf("/", "/", "/", "-", "_"))
		}
		b.WriteString(m.pick(m.list("webword")))
	}
	b.WriteString(m.oneOf("", "", "/", ".html", ".htm", ".php", ".asp", ".aspx", ".jsp", ".cgi", "/"+m.token("0123456789", "5"), "/index.html"))
	if m.chance(30) {
		b.WriteString("?" + m.pick(m.list("webword")) + "=" + m.token("0123456789abcdef", "8"))
	}
	return b.String()
}

func (m *mail) hexOf(name, n string) string {
	if m.memo[name] == "" {
		m.memo[name] = m.token("0123456789abcdef", n)
	}
	return m.memo[name]
}

// badDomain is a domain as those who lure register them.
func (m *mail) badDomain() string {
	w := func() string { return ascii(m.pick(m.list("badword"))) }
	stem := strings.ToLower(ascii(m.pick(m.list("stem"))))
	tld := m.pick(m.list("badtld"))
	if m.chance(15) {
		tld = ".example"
	}
	switch m.r.IntN(6) {
	case 0:
		return w() + "-" + w() + m.token("0123456789", "2") + tld
	case 1:
		return stem + "-" + w() + tld
	case 2:
		return m.token("bcdfghjklmnpqrstvwxz", "6") + m.token("0123456789", "1") + tld
	case 3:
		return w() + stem + tld
	case 4:
		return stem + w() + "." + w() + m.token("0123456789", "3") + tld
	}
	return stem + ascii(m.pick(m.list("trade"))) + m.pick(m.list("tld")) // a business whose account was taken
}

// bad is a link of a lure, of the kind asked for or of any.
func (m *mail) bad(kind string) string {
	if kind == "" {
		kind = m.oneOf("look", "look", "look", "hacked", "host", "host", "redirect", "short", "tracker", "ip")
	}
	d := m.value("baddomain", 0)
	path := m.badPath()
	switch kind {
	case "look":
		return "https://" + m.oneOf("", "", "www.", "login.", "account.", "secure.") + d + path
	case "hacked":
		return m.oneOf("https://", "http://", "https://www.") + strings.ToLower(ascii(m.pick(m.list("stem")))) + ascii(m.pick(m.list("trade"))) + m.pick(m.list("tld")) + m.some("hackedpath") + m.token("0123456789abcdef", "6") + m.oneOf("/", "/index.html", ".php", "/login.php?e="+url.QueryEscape(m.value("my.email", 0)))
	case "host":
		return strings.NewReplacer("*", ascii(m.pick(m.list("badword")))+"-"+m.token("0123456789abcdef", "8"), "#", m.token("0123456789abcdef", "20")).Replace(m.some("freehost"))
	case "redirect":
		inner := "https://" + d + path
		return strings.NewReplacer("*", url.QueryEscape(inner), "$", strings.TrimPrefix(inner, "https://")).Replace(m.some("redirector"))
	case "short":
		return "https://" + m.pick(m.list("shortener")) + "/" + m.token("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", "7")
	case "tracker":
		return "https://u" + m.token("0123456789", "8") + ".ct.sendgrid.net/ls/click?upn=" + m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", "120")
	case "ip":
		return fmt.Sprintf("http://%s%d%s/%s", m.oneOf("192.0.2.", "198.51.100.", "203.0.113."), m.between(2, 250), m.oneOf("", ":8080", ":8443", "", ":3000"), strings.TrimPrefix(path, "/"))
	case "user":
		return "https://" + m.value("famous.domain", 0) + "@" + d + path
	}
	m.fail("unknown kind of bad link %q", kind)
	return ""
}

func (m *mail) badPath() string {
	if m.chance(30) {
		return "/" + m.webPath()
	}
	p := m.some("badpath")
	if m.chance(35) {
		p += m.oneOf("?e=", "#", "?email=", "?u=", "/#") + m.value("my.email", 0)
	} else if m.chance(40) {
		p += m.oneOf("?id=", "?s=", "/", "?track=", "?sid=") + m.token("0123456789abcdefghijkmnopqrstuv", "14")
	}
	return p
}
