package specimen

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// fresh are the slots that are drawn anew each time when no #tag names them.
var fresh = map[string]bool{
	"n": true, "price": true, "hex": true, "tok": true, "dig": true, "b64": true, "click": true, "link": true, "ext": true, "bad": true, "img": true, "word": true, "cid": true, "uuid": true,
}

// value returns what a slot stands for: "name:arg#tag".
func (m *mail) value(slot string, depth int) string {
	if v, ok := m.memo[slot]; ok {
		return v
	}
	body, tag, _ := strings.Cut(slot, "#")
	name, arg, _ := strings.Cut(body, ":")
	v := m.draw(name, arg, depth)
	if !fresh[name] || tag != "" {
		m.memo[slot] = v
	}
	return v
}

func (m *mail) draw(name, arg string, depth int) string {
	whole := name
	if name != "b64" {
		name = strings.TrimRight(name, ".0123456789")
	}
	switch name {
	case "n":
		return strconv.Itoa(m.number(arg))
	case "money", "price":
		return m.money(float64(m.number(arg)*100+m.r.IntN(100)) / 100)
	case "usd":
		return fmt.Sprintf("$%d.%02d", m.number(arg), m.oneIn99())
	case "hex":
		return m.token("0123456789abcdef", arg)
	case "dig":
		return m.token("0123456789", arg)
	case "tok":
		return m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", arg)
	case "b64":
		return m.token("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", arg)
	case "uuid":
		h := m.token("0123456789abcdef", "32")
		return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
	case "date", "day", "time", "year", "month", "weekday", "stamp":
		return m.dateSlot(name, arg)
	case "click", "link", "ext", "img", "bad", "baddomain", "badmail", "freemail", "site":
		return m.url(name, arg)
	case "word":
		return m.fromList(arg, depth)
	}
	if v, ok := m.nameSlot(whole, depth); ok {
		return v
	}
	return m.fromList(name, depth)
}

func (m *mail) fromList(key string, depth int) string {
	base := strings.TrimRight(key, ".0123456789")
	l := m.list(base)
	if len(l) == 0 {
		m.fail("unknown slot or list %q", key)
		return ""
	}
	return m.expandAt(m.pick(l), depth+1)
}

// nameSlot answers the slots of people and brands; ".2" asks for another one.
func (m *mail) nameSlot(slot string, depth int) (string, bool) {
	base := strings.TrimRight(slot, ".0123456789")
	n := slot[len(base):]
	at := func(name string) string { return m.value(name+n, depth) }
	switch base {
	case "name":
		if l := m.lang(); l == "ja" || l == "zh" {
			return at("last") + at("first"), true
		}
		return at("first") + " " + at("last"), true
	case "initials":
		return ascii(at("first"))[:1] + ascii(at("last"))[:1], true
	case "user":
		f, l := ascii(at("first")), ascii(at("last"))
		return m.oneOf(f+"."+l, f[:1]+l, f, f+l[:1], f+"_"+l), true
	case "my.first", "my.last":
		return m.fromList(strings.TrimPrefix(base, "my."), depth), true
	case "my.name":
		if l := m.lang(); l == "ja" || l == "zh" {
			return m.value("my.last", depth) + m.value("my.first", depth), true
		}
		return m.value("my.first", depth) + " " + m.value("my.last", depth), true
	case "my.user":
		f, l := ascii(m.value("my.first", depth)), ascii(m.value("my.last", depth))
		return m.oneOf(f+"."+l, f[:1]+l, f, f+l), true
	case "my.domain":
		return m.fromList("recipientdomain", depth), true
	case "my.email":
		return m.value("my.user", depth) + "@" + m.value("my.domain", depth), true
	case "brand":
		return m.brand(depth), true
	case "domain":
		switch {
		case m.t.class == Lure && n == "":
			return at("baddomain"), true
		case m.isFamous() && n == "":
			return at("famous.domain"), true
		}
		return m.domainOf(at("brand")), true
	case "famous":
		return m.famous(0), true
	case "famous.domain":
		return m.famous(1), true
	case "office.domain":
		return m.domainOf(at("company")), true
	case "phone":
		return m.digits(m.pick(m.list("phone"))), true
	case "tollfree":
		return m.digits(m.oneOf("+1 (8#8) ###-####", "1-8#8-###-####", "+1 8#8 ### ####", "(8#5) ###-####", "+1-8#0-###-####", "+1 (2#9) ###-####")), true
	}
	return "", false
}

// isFamous says whether the message speaks in the name of a known service.
func (m *mail) isFamous() bool {
	return m.t.head["famous"] != "" || strings.Contains(m.t.head["from"], "{{famous}}")
}

// from is the From field, expanded once.
func (m *mail) from() string {
	if m.memo["from"] == "" {
		s := m.t.head["from"]
		if s == "" {
			s = "{{brand}} <info@{{domain}}>"
		}
		m.memo["from"] = m.expand(s)
	}
	return m.memo["from"]
}

// famous returns column i of the well-known service that the template names
// with "famous: key", or of one of chance: name, domain.
func (m *mail) famous(i int) string {
	key := m.t.head["famous"]
	if key == "" {
		key = m.value("word:famouskeys#famous", 0)
	}
	l := m.lib.lists["famous."+key]
	if len(l) < 2 {
		m.fail("unknown famous %q", key)
		return ""
	}
	return l[i]
}

// brand invents a sender of the kind that the template names.
func (m *mail) brand(depth int) string {
	kind := m.t.head["brand"]
	switch {
	case kind == "" && m.isFamous():
		return m.famous(0)
	case kind == "" && !strings.Contains(m.t.head["from"], "{{domain") && !strings.Contains(m.t.head["from"], "{{brand"):
		name, _, _ := strings.Cut(m.from(), " <")
		return name
	case kind == "":
		kind = "company"
	}
	stem := m.fromList("stem", depth)
	for k := range strings.SplitSeq(kind, ",") {
		if l := m.list("brand." + k); l != nil {
			return strings.ReplaceAll(m.expandAt(m.pick(l), depth+1), "*", stem)
		}
	}
	m.fail("no brand list for %q", kind)
	return stem
}

func (m *mail) domainOf(brand string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(ascii(brand)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		}
	}
	if b.Len() == 0 {
		b.WriteString(ascii(m.fromList("stem", 0)))
	}
	if m.chance(12) {
		return b.String() + ".example"
	}
	return b.String() + m.pick(m.list("tld"))
}

// number draws from "a-b".
func (m *mail) number(arg string) int {
	from, to, _ := strings.Cut(arg, "-")
	a, err1 := strconv.Atoi(from)
	b, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || b < a {
		m.fail("bad range %q", arg)
		return 0
	}
	return m.between(a, b)
}

func (m *mail) oneIn99() int {
	if m.chance(60) {
		return []int{99, 0, 50, 95, 49}[m.r.IntN(5)]
	}
	return m.r.IntN(100)
}

func (m *mail) token(alphabet, arg string) string {
	n, err := strconv.Atoi(arg)
	if err != nil || n > 1<<16 {
		m.fail("bad length %q", arg)
		return ""
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[m.r.IntN(len(alphabet))]
	}
	return string(b)
}

func (m *mail) digits(pattern string) string {
	b := []byte(pattern)
	for i := range b {
		if b[i] == '#' {
			b[i] = byte('0' + m.r.IntN(10))
		}
	}
	return string(b)
}

func (m *mail) money(v float64) string {
	s := fmt.Sprintf("%.2f", v)
	whole, cents, _ := strings.Cut(s, ".")
	group, point := ",", "."
	pattern := m.pick(m.list("currency"))
	if strings.HasSuffix(pattern, ",") {
		group, point = ".", ","
		pattern = pattern[:len(pattern)-1]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + group + whole[i:]
	}
	amount := whole + point + cents
	if strings.HasSuffix(pattern, "0") { // a currency without cents
		amount, pattern = whole, pattern[:len(pattern)-1]
	}
	return strings.ReplaceAll(pattern, "*", amount)
}

func (m *mail) dateSlot(name, arg string) string {
	t := m.at
	if arg != "" {
		days, err := strconv.Atoi(strings.TrimPrefix(arg, "+"))
		if err != nil {
			m.fail("bad days %q", arg)
		}
		t = t.AddDate(0, 0, days)
	}
	months, weekdays := m.list("months"), m.list("weekdays")
	switch name {
	case "day":
		return t.Format("2006-01-02")
	case "stamp":
		return t.Format("20060102T150405Z")
	case "time":
		return fmt.Sprintf("%02d:%02d", m.between(7, 20), 5*m.r.IntN(12))
	case "year":
		return t.Format("2006")
	case "month":
		return months[t.Month()-1]
	case "weekday":
		return weekdays[t.Weekday()]
	}
	form := m.pick(m.list("dateform"))
	return strings.NewReplacer("DD", t.Format("02"), "D", strconv.Itoa(t.Day()), "N", months[t.Month()-1], "M", t.Format("01"),
		"Y", t.Format("2006"), "W", weekdays[t.Weekday()]).Replace(form)
}

// ascii makes the local part or host label of a name: letters without
// marks, other scripts by their sound where the lists know it.
func ascii(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case folds[c] != "":
			b.WriteString(folds[c])
		case unicode.Is(unicode.Han, c) || unicode.Is(unicode.Arabic, c) || unicode.Is(unicode.Hiragana, c) || unicode.Is(unicode.Katakana, c):
			b.WriteByte("aeiou"[int(c)%5])
			b.WriteByte("kstnhmr"[int(c)%7])
		}
	}
	if b.Len() == 0 {
		return "info"
	}
	return b.String()
}

var folds = foldTable("äaeöoeüueßss", "àaáaâaãaåaçcèeéeêeëeìiíiîiïiñnòoóoôoõoøoùuúuûuýyąaćcęełlńnśsźzżzıiğgšsčcřrěeůuďdťtňnşs"+
	"аaбbвvгgдdеeжzзzиiйjкkлlмmнnоoпpрrсsтtуuфfхhцcчcшsыyэeюuяaьjъj")

func foldTable(pairs, single string) map[rune]string {
	t := map[rune]string{}
	r := []rune(pairs)
	for i := 0; i+2 < len(r); i += 3 {
		t[r[i]] = string(r[i+1 : i+3])
	}
	r = []rune(single)
	for i := 0; i+1 < len(r); {
		if r[i] < 128 {
			i++
			continue
		}
		t[r[i]] = string(r[i+1])
		i += 2
	}
	return t
}
