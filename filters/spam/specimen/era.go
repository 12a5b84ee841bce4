package specimen

import (
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// old says whether the message is made as twenty years ago: "era: old", or
// half of the messages of "era: mixed". Both classes have such mail, as
// neither age nor fashion of the markup tells one from the other.
func (m *mail) old() bool {
	if m.memo["era"] == "" {
		switch e := m.t.head["era"]; e {
		case "mixed":
			m.memo["era"] = m.oneOf("old", "new")
		case "", "old":
			m.memo["era"] = "era:" + e
			if e == "old" {
				m.memo["era"] = e
			}
		default:
			m.fail("unknown era %q", e)
		}
	}
	return m.memo["era"] == "old"
}

// oldStyles are the layouts of such mail for those of today.
var oldStyles = map[string]string{"bulk": "oldbulk", "notice": "oldbulk", "person": "oldperson", "office": "oldperson"}

// oldMailers are the programs that wrote it; lists/old.txt has their names.
var oldMailers = map[string][]string{
	"bulk":   {"list", "list", "script", "none"},
	"notice": {"script", "none", "script"},
	"person": {"desk"},
	"office": {"desk"},
	"plain":  {"desk", "desk", "script", "list", "none"},
}

// oldCharset encodes text as programs did before all wrote UTF-8; nil where
// its letters are none of western Europe.
func (m *mail) oldCharset(data []byte) (string, []byte) {
	ascii := true
	for _, c := range data {
		ascii = ascii && c < 128
	}
	if ascii && m.chance(50) {
		return m.oneOf("us-ascii", "US-ASCII", `"us-ascii"`), data
	}
	name, enc := m.oneOf("iso-8859-1", "ISO-8859-1", `"iso-8859-1"`, "windows-1252"), charmap.Windows1252
	if !strings.Contains(name, "1252") {
		enc = charmap.ISO8859_1
	}
	out, err := enc.NewEncoder().Bytes(data)
	if err != nil {
		return "", nil
	}
	return name, out
}

// oldListFields are what list software added to its mail.
func (m *mail) oldListFields(from string) (fields []string) {
	domain := strings.TrimSuffix(from[strings.LastIndexByte(from, '@')+1:], ">")
	if m.chance(35) {
		fields = append(fields, "Precedence: "+m.oneOf("bulk", "bulk", "list", "normal"))
	}
	if m.chance(25) {
		fields = append(fields, "Errors-To: bounce-"+m.token("0123456789", "7")+"@"+domain)
	}
	if m.chance(20) {
		u := m.value("unsublink", 0)
		fields = append(fields, "List-Unsubscribe: <"+u+">")
	}
	if m.chance(15) {
		fields = append(fields, "X-Priority: "+m.oneOf("3", "3", "1"))
	}
	return fields
}

func (m *mail) oldMessageID(domain string) string {
	hex := func(n string) string { return m.token("0123456789ABCDEF", n) }
	dig := func(n string) string { return m.token("0123456789", n) }
	switch m.mailer() {
	case "desk":
		return m.oneOf("00"+dig("4")+strings.ToLower("01c1"+hex("4"))+"$"+strings.ToLower(hex("8"))+"$"+strings.ToLower(hex("8"))+"@"+m.oneOf("home", "desktop", "office", domain),
			"3D"+hex("6")+"."+hex("8")+"@"+domain, "5.1.0.14.0."+m.at.Format("20060102150405")+".00"+strings.ToLower(hex("6"))+"@mail."+domain)
	case "list":
		return m.oneOf("LYRIS-"+dig("7")+"-"+dig("6")+"-"+m.at.Format("2006.01.02-15.04.05")+"--user#"+"lists@"+domain, dig("8")+"."+dig("13")+".JavaMail."+m.oneOf("root", "mailer", "app")+"@"+m.oneOf("mta", "node", "out")+dig("2")+"."+domain,
			m.at.Format("20060102150405")+"."+hex("10")+"@"+domain)
	case "script":
		return m.at.Format("200601021504") + "." + m.token("abcdefghijklmnopqrstuvwxyz0123456789", "10") + "@" + m.oneOf("www", "web", "mail", "db1") + "." + domain
	}
	return m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "12") + dig("10") + "@" + m.oneOf("", "smtp.", "mx1.", "relay.") + domain
}

// oldURL answers the slots that are addresses; "" where they are those of
// today.
func (m *mail) oldURL(slot, arg string) string {
	switch slot {
	case "site":
		return "http://www." + m.value("domain", 0)
	case "ext":
		return m.foreignLink("http://")
	case "link":
		return m.oldLink(arg)
	case "click":
		return m.oldClick()
	case "img":
		return m.oldImage(arg)
	case "bad":
		return m.oldBad()
	}
	return ""
}

func (m *mail) oldImage(name string) string {
	d := m.value("domain", 0)
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "/"), ".png"), ".jpg") + m.oneOf(".gif", ".gif", ".jpg")
	return "http://" + m.oneOf("www."+d+"/images", "images."+d, "graphics."+d+"/email", "www."+d+"/newsletter/img", d+"/i", "a"+m.hexOf("edge", "3")+".g."+m.value("word:stemhost#cdn", 0)+"cdn.net/"+d) +
		m.oneOf("/", "/", "/nav/", "/"+m.at.Format("200601")+"/") + name
}

func (m *mail) oldLink(path string) string {
	d := m.value("domain", 0)
	if path == "" {
		path = m.oneOf(m.some("oldpath"), m.webPath())
	}
	return "http://" + m.oneOf("www.", "www.", "", "news.", "shop.", "members.") + d + "/" + strings.TrimPrefix(path, "/") + m.oneOf("", "", ".html", "/", ".asp?e="+m.token("0123456789", "6"))
}

// oldClick is a counted link as mailing houses made them; each message stays
// with one way.
func (m *mail) oldClick() string {
	if m.memo["clickkind"] == "" {
		m.memo["clickkind"] = m.oneOf("direct", "direct", "t", "redirect", "house", "house", "cgi")
	}
	d, id := m.value("domain", 0), m.hexOf("clickid", "6")
	dig := func(n string) string { return m.token("0123456789", n) }
	switch m.memo["clickkind"] {
	case "t":
		return "http://" + m.oneOf("clicks", "click", "track", "go", "dispatch") + "." + d + "/" + m.oneOf("t", "r", "c", "click") + "?" + m.oneOf("id", "l", "ctl") + "=" + dig("8") + "." + id + "." + dig("6")
	case "redirect":
		return "http://www." + d + "/" + m.oneOf("redirect.asp", "redir.php", "jump.cgi", "go.jsp", "out.cfm") + "?" + m.oneOf("url", "destination", "to", "u") + "=" + url.QueryEscape(m.oldLink(""))
	case "house":
		return "http://" + m.oneOf("r", "click", "links", "www") + "." + m.value("word:stemhost#house", 0) + m.oneOf("mail", "direct", "post", "reply") + ".net/" + m.oneOf("UM/T.asp", "cgi-bin/gx.cgi", "go.php", "rd/cts") + "?A" + dig("1") + "." + dig("2") + "." + dig("4") + "." + id
	case "cgi":
		return "http://" + d + "/cgi-bin/" + m.oneOf("nl.pl", "track.cgi", "mail/link", "r.cgi") + "?" + dig("5") + "&" + id
	}
	return m.oldLink("")
}

// foreignLink is a page of somebody else: an advertiser, a site that is
// written about.
func (m *mail) foreignLink(scheme string) string {
	host := m.oneOf("www.", "www.", "", "blog.", "news.") + strings.ToLower(ascii(m.pick(m.list("stem")))) + m.pick(m.list("foreignword")) + m.pick(m.list("tld"))
	return scheme + host + "/" + m.oneOf("", m.some("oldpath"), m.some("path"), m.some("path"))
}

// oldBad is a link as spam had it: numbers for a host, a free page, a domain
// bought for the day, a wish to be removed that leads to the same place.
func (m *mail) oldBad() string {
	d, path := m.value("baddomain", 0), m.some("oldbadpath")
	if m.chance(30) {
		path = m.webPath()
	}
	dig := func(n string) string { return m.token("0123456789", n) }
	switch m.r.IntN(6) {
	case 0:
		return fmt.Sprintf("http://%s%d/%s", m.oneOf("192.0.2.", "198.51.100.", "203.0.113."), m.between(2, 250), path)
	case 1:
		return "http://" + m.some("oldfreehost") + "/" + path
	case 2:
		return fmt.Sprintf("http://%d/%s", 3221225984+int64(m.between(2, 250)), path)
	case 3:
		return "http://" + m.oneOf("www.", "") + d + ":" + m.oneOf("81", "8080", "8095", "280") + "/" + path
	case 4:
		return "http://" + m.token("abcdefghijklmnopqrstuvwxyz0123456789", "9") + "." + d + "/" + dig("4") + "/"
	}
	return "http://" + m.oneOf("www.", "www.", "") + d + "/" + path
}
