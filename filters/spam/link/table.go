package link

import (
	"embed"
	"hash/maphash"
	"strings"
	"sync"
)

//go:embed lists/*.txt
var files embed.FS

// tables are the lists in memory. They are built once, when first used, and
// never change but for the memos.
type tables struct {
	hosts    map[string]*entry // by name: it and what is below it
	wild     map[string]*entry // by first label: under com and suffixes of countries
	cheap    map[string]bool
	files    map[string]bool
	freemail map[string]bool
	freeWild map[string]bool
	brands   brands
	known    memo[*facts]
	suffixes memo[suffix]
	names    memo[string]
}

// entry is what is known of a host.
type entry struct {
	flags Flags
	rules []rule
}

// rule is what holds below a path.
type rule struct {
	path string
	kind Flags
	how  []string // how the inner URL is carried, nil for other kinds
}

var lists = sync.OnceValue(func() *tables {
	t := &tables{
		hosts: make(map[string]*entry, 4096), wild: map[string]*entry{}, cheap: set("cheaptlds"),
		files: set("filetlds"), freemail: make(map[string]bool, 1024), freeWild: map[string]bool{},
	}
	for name, flag := range map[string]Flags{
		"shorteners": Shortener, "freehosts": FreeHost, "storage": Storage, "forms": Form, "tunnels": Tunnel,
		"dyndns": DynamicDNS, "messengers": Messenger,
	} {
		for line := range lines(name) {
			t.addHost(line, rule{kind: flag})
		}
	}
	for line := range lines("redirectors") {
		t.addRedirector(strings.Fields(line))
	}
	for word := range set("freemail") {
		if name, ok := strings.CutSuffix(word, ".*"); ok {
			t.freeWild[name] = true
		} else {
			t.freemail[word] = true
		}
	}
	t.brands.read()
	seed := maphash.MakeSeed()
	t.known.seed, t.suffixes.seed, t.names.seed = seed, seed, seed
	return t
})

// lines yields the lines of a list without comments.
func lines(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		b, err := files.ReadFile("lists/" + name + ".txt")
		if err != nil {
			panic(err) // embedded: a misspelt name
		}
		for line := range strings.Lines(string(b)) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}

// set returns the words of a list.
func set(name string) map[string]bool {
	m := map[string]bool{}
	for line := range lines(name) {
		for word := range strings.FieldsSeq(line) {
			m[word] = true
		}
	}
	return m
}

// addHost adds host or host/path-prefix.
func (t *tables) addHost(s string, r rule) {
	host, path, hasPath := strings.Cut(s, "/")
	m := t.hosts
	if name, ok := strings.CutSuffix(host, ".*"); ok {
		// The rule for google.* holds for its subdomains too; translate.yandex.* is looked up by yandex.
		host, m = name[strings.LastIndexByte(name, '.')+1:], t.wild
	}
	e := m[host]
	if e == nil {
		e = &entry{}
		m[host] = e
	}
	if !hasPath && r.how == nil {
		e.flags |= r.kind
		return
	}
	if hasPath {
		r.path = "/" + path
	}
	e.rules = append(e.rules, r)
}

func (t *tables) addRedirector(f []string) {
	kind := map[string]Flags{"redirector": Redirector, "tracker": Tracker, "rewritten": Rewritten}[f[1]]
	t.addHost(f[0], rule{kind: kind, how: strings.Split(f[2], ",")})
}

// national reports whether suffix is one under which brands register their own
// names: com, and those of countries but for the ones given away.
func national(suffix string) bool {
	last := suffix[strings.LastIndexByte(suffix, '.')+1:]
	if len(last) != 2 {
		return suffix == "com" || suffix == "net" || suffix == "org"
	}
	switch last {
	case "tk", "ml", "ga", "cf", "gq", "cc", "pw", "ws", "su", "to", "la", "st", "nu", "cm", "im", "so", "vu", "sc", "gg", "cd", "ly":
		return false
	}
	return true
}

// Freemail reports whether anyone gets a mailbox at domain for nothing, or
// domain is an access provider's for its customers.
func Freemail(domain string) bool {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	t := lists()
	if t.freemail[domain] {
		return true
	}
	name, suffix, _ := strings.Cut(domain, ".")
	return t.freeWild[name] && national(suffix) && suffix != "net" && suffix != "org"
}
