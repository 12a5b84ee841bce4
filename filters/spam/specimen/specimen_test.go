package specimen

import (
	"bytes"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every template renders, in several variants, to a message that Go's own
// reader takes apart.
func TestEveryTemplateRendersMailThatParses(t *testing.T) {
	t.Parallel()
	for _, split := range []Split{Train, Test} {
		g, err := New(split, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, origin := range g.Origins() {
			for i := range 3 {
				m, err := g.Render(origin, i)
				if err != nil {
					t.Fatal(err)
				}
				check(t, m)
			}
		}
	}
}

func check(t *testing.T, m Message) {
	t.Helper()
	if left := leftovers(m.Raw); left != "" {
		t.Errorf("%s: markup left: %q", m.Origin, left)
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatalf("%s: %v\n%s", m.Origin, err, m.Raw)
	}
	for _, name := range []string{"From", "To", "Reply-To"} {
		if v := msg.Header.Get(name); v != "" {
			if _, err := netmail.ParseAddressList(v); err != nil {
				t.Errorf("%s: %s: %v in %q", m.Origin, name, err, v)
			}
		}
	}
	if _, err := msg.Header.Date(); err != nil {
		t.Errorf("%s: %v", m.Origin, err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("%s: %v", m.Origin, err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		r := multipart.NewReader(msg.Body, params["boundary"])
		parts := 0
		for ; ; parts++ {
			if _, err := r.NextPart(); err != nil {
				break
			}
		}
		if parts == 0 {
			t.Errorf("%s: no parts", m.Origin)
		}
	}
	if bytes.Contains(bytes.ReplaceAll(m.Raw, []byte("\r\n"), nil), []byte("\n")) {
		t.Errorf("%s: bare LF", m.Origin)
	}
}

func leftovers(raw []byte) string {
	for _, mark := range []string{"{{", ">$1<", "\"$2\"", "[b "} {
		if i := bytes.Index(raw, []byte(mark)); i >= 0 {
			return string(raw[max(0, i-30):min(len(raw), i+30)])
		}
	}
	return ""
}

// The same split, seed and number give the same bytes; another seed, others.
func TestMessagesDependOnSeedAlone(t *testing.T) {
	t.Parallel()
	one, err := Generate(Train, 3, 60)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := Generate(Train, 3, 60)
	other, _ := Generate(Train, 4, 60)
	differ := 0
	for i := range one {
		if !bytes.Equal(one[i].Raw, two[i].Raw) {
			t.Errorf("message %d (%s) differs from run to run", i, one[i].Origin)
		}
		if !bytes.Equal(one[i].Raw, other[i].Raw) {
			differ++
		}
	}
	if differ < 58 {
		t.Errorf("only %d of 60 messages change with the seed", differ)
	}
}

// Each template comes as often as the others, both classes equally.
func TestGenerateUsesAllTemplates(t *testing.T) {
	t.Parallel()
	for _, split := range []Split{Train, Test} {
		g, err := New(split, 1)
		if err != nil {
			t.Fatal(err)
		}
		n := 2 * max(len(g.templates[Ham]), len(g.templates[Lure]))
		list, err := Generate(split, 1, n)
		if err != nil {
			t.Fatal(err)
		}
		seen, classes := map[string]bool{}, map[Class]int{}
		for _, m := range list {
			seen[m.Origin] = true
			classes[m.Class]++
		}
		if len(seen) != len(g.Origins()) {
			t.Errorf("%s: %d of %d templates seen in %d messages", split, len(seen), len(g.Origins()), n)
		}
		if classes[Ham] != classes[Lure] {
			t.Errorf("%s: %v", split, classes)
		}
	}
}

// There are enough templates of each class, lures of today apart from those in
// the dress of twenty years ago, and each belongs to one split alone.
func TestTemplatesAreManyAndOfOneSplit(t *testing.T) {
	t.Parallel()
	lib, err := library()
	if err != nil {
		t.Fatal(err)
	}
	count := map[Class]int{}
	for _, t := range lib.templates {
		if t.class == Ham || t.head["era"] == "" {
			count[t.class]++
		}
	}
	if count[Ham] < 200 || count[Lure] < 200 {
		t.Errorf("%d ham and %d lures of today, want 200 of each", count[Ham], count[Lure])
	}
	seen := map[string]Split{}
	for _, split := range []Split{Train, Test} {
		g, err := New(split, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, origin := range g.Origins() {
			if other, ok := seen[origin]; ok {
				t.Errorf("%s is in %s and %s", origin, other, split)
			}
			seen[origin] = split
		}
	}
	if len(seen) != len(lib.templates) {
		t.Errorf("the splits have %d templates of %d", len(seen), len(lib.templates))
	}
}

// No template is a copy of one of the other split: the words they share are
// a small part of the words they have.
func TestSplitsShareNoText(t *testing.T) {
	t.Parallel()
	lib, err := library()
	if err != nil {
		t.Fatal(err)
	}
	grams := func(t *template) map[string]bool {
		words := strings.Fields(t.body + t.html)
		set := map[string]bool{}
		for i := 0; i+4 <= len(words); i++ {
			set[strings.Join(words[i:i+4], " ")] = true
		}
		return set
	}
	sets := make([]map[string]bool, len(lib.templates))
	for i, t := range lib.templates {
		sets[i] = grams(t)
	}
	for i, a := range lib.templates {
		for j, b := range lib.templates {
			if a.split != Train || b.split != Test {
				continue
			}
			common := 0
			for g := range sets[i] {
				if sets[j][g] {
					common++
				}
			}
			if common*6 > min(len(sets[i]), len(sets[j])) && common > 3 {
				t.Errorf("%s and %s share %d of %d runs of four words", a.origin(), b.origin(), common, len(sets[i]))
			}
		}
	}
}

// Text that came out of the templates is whole: valid UTF-8, dates as people
// write them.
func TestTextIsWhole(t *testing.T) {
	t.Parallel()
	for _, split := range []Split{Train, Test} {
		list, err := Generate(split, 5, 140)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			for p := range parse(m.Raw, 0).texts() {
				if text, ok := p.contentUTF8(); !ok || !utf8.ValidString(text) {
					t.Errorf("%s: broken text", m.Origin)
				}
			}
		}
	}
}
