package imapd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// TestDialogues runs the files of testdata; testdata/README.md tells the
// format.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.imap")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".imap"), func(t *testing.T) {
			t.Parallel()
			runDialogue(t, f)
		})
	}
}

func runDialogue(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opt := mailbox.Options{}
	if strings.Contains(string(data), "%quota\n") {
		opt.User = mailbox.Limits{Octets: 100 << 10, Messages: 5}
	}
	s := newServer(t, imapd.Options{Version: "1.0", Limits: imapd.Limits{Message: 64 << 10, Messages: 3}}, openStore(t, opt))
	clients := make(map[string]*client)
	at := func(name string) *client {
		c := clients[name]
		if c == nil {
			c = login(t, s, "bob@example.test")
			clients[name] = c
		}
		return c
	}
	for i, line := range strings.Split(string(data), "\n") {
		who, text, ok := strings.Cut(line, ": ")
		if !ok && strings.HasSuffix(line, ":") {
			who, ok = strings.TrimSuffix(line, ":"), true
		}
		if line == "" || line[0] == '#' || line[0] == '%' {
			continue
		}
		if !ok || len(who) < 1 || len(who) > 2 {
			t.Fatalf("%s:%d: %q", file, i+1, line)
		}
		c := at(who[1:])
		switch who[0] {
		case 'C':
			c.send(unescape(text) + "\r\n")
		case 'R': // without line end
			c.send(unescape(text))
		case 'S':
			l := c.line()
			if !like(text).MatchString(l) {
				t.Fatalf("%s:%d: got %q, want %q", file, i+1, l, text)
			}
		default:
			t.Fatalf("%s:%d: %q", file, i+1, line)
		}
	}
}

func unescape(s string) string {
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", `\\`, `\`).Replace(s)
}

// like makes a pattern: <n> is a number, <...> is anything.
func like(s string) *regexp.Regexp {
	s = regexp.QuoteMeta(s)
	s = strings.NewReplacer("<n>", `\d+`, `<\.\.\.>`, ".*", "<id>", `[A-Za-z0-9]+`).Replace(s)
	return regexp.MustCompile("^" + s + "$")
}
