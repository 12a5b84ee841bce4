package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMistakesAreToldAllAtOnce: each line of want is one mistake.
func TestMistakesAreToldAllAtOnce(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"unknown key", "hostnam: a.test\nlisteners: []\n", `f.yaml:1:1: unknown key "hostnam" (did you mean "hostname"?)`},
		{"several", "limits: {recipients: many, hops: 2.5}\nlog: {level: loud}\n", `f.yaml:1:22: "many" is no number (write it like 100 or 50MiB)
f.yaml:1:34: "2.5" is no number (write it like 100 or 50MiB)
f.yaml:2:14: log.level: unknown level "loud" (debug, info, warn or error)`},
		{"protocol unknown", "listeners:\n  - {protocol: stmp, address: ':25'}\n", `f.yaml:2:16: unknown protocol "stmp" (did you mean "smtp"?)`},
		{"address", "listeners:\n  - {protocol: http, address: '25'}\n", `f.yaml:2:31: address "25" is no HOST:PORT (write it like 0.0.0.0:25, :25 or unix:/path)`},
		{"filter to come", "filters:\n  - rspamd: {}\n", `f.yaml:2:5: filter "rspamd" is not built yet`},
		{"twice", "data: a\ndata: b\n", `f.yaml:2:1: key "data" is there already at 1:1 (keep one of the two)`},
		{"anchor", "data: &x a\n", `f.yaml:1:7: anchors, aliases and tags are not read (write the value out)`},
		{"list for mapping", "tls: [a]\n", `f.yaml:1:6: want a mapping of keys to values, found a list`},
		{"environment", "data: ${GAPURA_SURELY_UNSET}\n", `f.yaml:1:7: the environment has no GAPURA_SURELY_UNSET`},
		{"syntax", "data: [a\n", `f.yaml:1:7: sequence end token ']' not found (brackets and braces are closed where they were opened)`},
		{"domain", "domains:\n  a.test: {deliver: porxy}\n  b.test: {deliver: proxy}\n", `f.yaml:2:21: a.test: unknown deliver "porxy" (did you mean "proxy"?)
f.yaml:3:3: b.test: deliver: proxy needs backends (backends: ["smtp://10.0.0.5:25"])`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(c.in))
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Setenv("GAPURA_TEST_HOST", "mx.example.org")
	c, err := Parse("/etc/gapura/gapura.yaml", []byte(`
hostname: ${GAPURA_TEST_HOST}
data: state
listeners:
  - {protocol: smtp, address: "0.0.0.0:25", proxy_protocol: [10.0.0.0/8]}
limits: {message: 10MiB}
dns: {timeout: 3s}
domains:
  b.test: {deliver: proxy, backends: ["smtp://127.0.0.1:2626"]}
  a.test: {deliver: proxy, backends: ["lmtp://127.0.0.1:24"], tls: {verify: true}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Hostname != "mx.example.org" || c.Data != "/etc/gapura/state" || c.Limits.Message != 10<<20 || c.DNS.Timeout != 3*time.Second {
		t.Errorf("got %+v", c)
	}
	if c.Limits.Recipients != 100 {
		t.Errorf("default lost: %d", c.Limits.Recipients)
	}
	if len(c.Domains) != 2 || c.Domains[0].Name != "b.test" || !*c.Domains[1].TLS.Verify {
		t.Errorf("domains %+v", c.Domains)
	}
	if p := c.Listeners[0].ProxyProtocol; len(p) != 1 || p[0].String() != "10.0.0.0/8" {
		t.Errorf("proxy_protocol %v", p)
	}
}

func TestTheSizeOfMessagesIsThatOfSMTPEverywhere(t *testing.T) {
	t.Parallel()
	const domains = "domains: {a.test: {deliver: mailbox}}\n"
	for _, x := range []struct {
		file           string
		append, stored int64
	}{
		{"", 50 << 20, 50<<20 + 512<<10},
		{"limits: {message: 10MiB, header: 1MiB}\n", 10 << 20, 11 << 20},
		{"limits: {message: 10MiB}\nimap: {message: 20MiB}\n", 20 << 20, 20<<20 + 512<<10},
		{"limits: {message: 10MiB}\nimap: {message: 5MiB}\nmailboxes: {max_size: 7MiB}\n", 5 << 20, 7 << 20},
		{"limits: {message: 4GiB}\n", 2 << 30, 4<<30 + 512<<10},
		{"imap: {message: 50MiB}\nlimits: {message: 1MiB}\n", 50 << 20, 50<<20 + 512<<10},
	} {
		c, err := Parse("x.yaml", []byte(domains+x.file))
		if err != nil {
			t.Errorf("%q: %v", x.file, err)
			continue
		}
		if a, s := c.IMAP.Limits.Message, c.Mailboxes.Store.MaxSize; a != x.append || s != x.stored {
			t.Errorf("%q: %d are appended, %d stored", x.file, a, s)
		}
	}
	if c := Default(); c.Mailboxes.Store.MaxSize <= c.Limits.Message {
		t.Errorf("default: %d", c.Mailboxes.Store.MaxSize)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	file := t.TempDir() + "/secret"
	writeFile(t, file, "hush.example.org\n")
	c, err := Parse("x.yaml", []byte("hostname: {file: "+file+"}\n"))
	if err != nil || c.Hostname != "hush.example.org" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := Parse("x.yaml", []byte("hostname: {file: /nonexistent}\n")); err == nil || !strings.Contains(err.Error(), "x.yaml:1:18: cannot read it") {
		t.Errorf("got %v", err)
	}
}

// TestNestingHasABound: the YAML parser's memory and time grow with depth.
func TestNestingHasABound(t *testing.T) {
	for _, in := range []string{strings.Repeat("[", 1<<19), strings.Repeat("{a: ", 1<<17), strings.Repeat("- ", 1<<18) + "a", strings.Repeat("? ", 1<<18)} {
		_, err := Parse("f.yaml", []byte("data: a\n"+in))
		if err == nil || err.Error() != "f.yaml:2:1: nested too deeply" {
			t.Errorf("%.10s: %v", in, err)
		}
	}
	_, err := Parse("f.yaml", []byte("# "+strings.Repeat("-", 300)+"\nfilters: [spf, {dnsbl: {zones: [{zone: a.test, on: []}]}}]\n"))
	if err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("hostname: a\nlisteners: [{protocol: smtp, address: ':25'}]\n"))
	f.Add([]byte("domains: {a: {deliver: proxy}}\nfilters: [spf, {dkim: {timeout: 3s}}]\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 1<<12 {
			Parse("f", in)
		}
	})
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRelativePathsCountFromTheFilesFolder, those of secrets and of the
// backends' certificates too, wherever the program runs.
func TestRelativePathsCountFromTheFilesFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "name"), []byte("mx.secret.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(filepath.Join(dir, "f.yaml"), []byte(`hostname: {file: name}
tls: {mode: files, certificate: a.pem, key: /etc/a.key}
domains:
  a.test: {deliver: proxy, backends: ["smtps://10.0.0.1:465"], tls: {ca: ca.pem, certificate: c.pem, key: c.key}}
`))
	if err != nil {
		t.Fatal(err)
	}
	b := c.Domains[0].TLS
	for got, want := range map[string]string{
		c.Hostname: "mx.secret.test", c.TLS.Certificate: filepath.Join(dir, "a.pem"), c.TLS.Key: "/etc/a.key",
		b.CA: filepath.Join(dir, "ca.pem"), b.Certificate: filepath.Join(dir, "c.pem"), b.Key: filepath.Join(dir, "c.key"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLongLinesAreTaken: much mail made by programs has lines longer than RFC
// 5321 allows, and the servers behind us take them.
func TestLongLinesAreTaken(t *testing.T) {
	if n := Default().SMTP.Limits.TextLine; n != 64<<10 {
		t.Errorf("text_line is %d", n)
	}
}

// TestNoTimeIsNoDefault: where a time span that is not written has a default,
// 0 is how to have none.
func TestNoTimeIsNoDefault(t *testing.T) {
	t.Parallel()
	c, err := Parse("gapura.yaml", []byte(`listeners: [{protocol: smtp, address: ":25"}]
domains: {example.org: {deliver: mailbox}}
queue: {warn: 0}
accounts:
  ldap: {servers: ["ldap://a.test"], base: dc=test, remember: 0s}
  oauth: {introspection: "https://a.test/", remember: "0"}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Queue.Warn >= 0 || c.Accounts.LDAP.Remember >= 0 || c.Accounts.OAuth.Remember >= 0 {
		t.Errorf("%v, %v, %v", c.Queue.Warn, c.Accounts.LDAP.Remember, c.Accounts.OAuth.Remember)
	}
}
