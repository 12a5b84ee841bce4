package specimen

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func texts(t *testing.T, raw []byte) string {
	t.Helper()
	var b strings.Builder
	for p := range parse(raw, 0).texts() {
		text, ok := p.content()
		if !ok {
			t.Fatalf("broken encoding in\n%s", raw)
		}
		b.Write(bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r"), nil)))
	}
	return b.String()
}

func lures(t *testing.T) []Message {
	t.Helper()
	all, err := Generate(Train, 9, 120)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(m Message) bool { return m.Class == Ham })
}

// What is not changed keeps its bytes.
func TestParsedMessagesPrintAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, m := range lures(t) {
		if got := parse(m.Raw, 0).bytes(); !bytes.Equal(got, m.Raw) {
			t.Fatalf("%s changed:\n%s\n---\n%s", m.Origin, m.Raw, got)
		}
	}
}

// Another encoding is another dress: the decoded text is the same.
func TestRecodingKeepsTheText(t *testing.T) {
	t.Parallel()
	for _, m := range lures(t) {
		for _, name := range []string{"base64", "qp"} {
			got, err := Attack(name, m.Raw, nil, 1)
			if err != nil {
				t.Fatal(err)
			}
			if texts(t, got) != texts(t, m.Raw) {
				t.Errorf("%s: text changed by %s", m.Origin, name)
			}
		}
	}
}

func TestEveryAttackChangesMailThatStillParses(t *testing.T) {
	t.Parallel()
	words := []string{"kernel", "patch", "reviewed", "thread"}
	for _, m := range lures(t) {
		for _, name := range Attacks() {
			got, err := Attack(name, m.Raw, words, 1)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(got, m.Raw) && name != "base64" { // it may be in base64 already
				t.Errorf("%s: %s changes nothing", m.Origin, name)
			}
			check(t, Message{Origin: m.Origin + " " + name, Raw: bytes.ReplaceAll(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))})
			if strings.HasPrefix(name, "words-") && !strings.Contains(texts(t, got), "kernel") {
				t.Errorf("%s: %s adds no words", m.Origin, name)
			}
		}
	}
	if _, err := Attack("none", nil, nil, 1); err == nil {
		t.Error("an unknown attack is no error")
	}
}

func TestLettersChangeWhatIsReadAndNoLink(t *testing.T) {
	t.Parallel()
	raw := []byte("Subject: Verify account\r\nContent-Type: text/html\r\n\r\n<p>Please verify https://pay.example/login or <a href=\"https://pay.example/\">sign in now</a></p>\r\n")
	for _, name := range []string{"zero-width", "homoglyphs"} {
		got, err := Attack(name, raw, nil, 5)
		if err != nil {
			t.Fatal(err)
		}
		s := string(got)
		if strings.Count(s, "https://pay.example/") != 2 || !strings.Contains(s, "<a href=") {
			t.Errorf("%s: links changed: %s", name, s)
		}
		if strings.Contains(s, "sign in now") || strings.Contains(s, "Verify account") {
			t.Errorf("%s: words are as they were: %s", name, s)
		}
	}
}

func TestTopWordsAreThoseOfMostMessages(t *testing.T) {
	t.Parallel()
	var w WordCounter
	w.Add([]byte("Subject: x\n\nalpha alpha beta"))
	w.Add([]byte("Content-Type: text/html\n\n<p class=gamma>beta</p>"))
	if got := w.Top(0, 2); !slices.Equal(got, []string{"beta", "alpha"}) {
		t.Error(got)
	}
	if got := w.Top(5, 2); len(got) != 0 {
		t.Error(got)
	}
}

func FuzzAttack(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\n\n--a\n\nhello\n--a--\n"))
	f.Add([]byte("Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, name := range Attacks() {
			if _, err := Attack(name, raw, []string{"word"}, 1); err != nil {
				t.Fatal(err)
			}
		}
	})
}
