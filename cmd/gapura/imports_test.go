package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/gapura-mail/gapura/"

// leaves are the packages of words and bytes that many may import.
var leaves = []string{"gateway/smtp", "gateway/message", "gateway/body", "gateway/dns", "gateway/mailauth", "gateway/sqldb", "gateway/blob", "gateway/deadline", "gateway/crew", "gateway/cores", "gateway/dnslist"}

// mayImport says for each package which others of ours it may import. A
// package without a rule fails the test, as does any other arrow.
var mayImport = map[string][]string{
	"gateway/deadline":         {},
	"gateway/crew":             {},
	"gateway/cores":            {},
	"gateway/smtp":             {},
	"gateway/body":             {},
	"gateway/message":          {"gateway/smtp"},
	"gateway/dns":              {"gateway/smtp"},
	"gateway/dnslist":          {"gateway/dns"},
	"gateway/mailauth":         {"gateway/message", "gateway/dns", "gateway/smtp", "gateway/deadline"},
	"gateway/cert":             {"gateway/sqldb"},
	"gateway/sqldb":            {},
	"gateway/blob":             {},
	"gateway/account":          {"gateway/sqldb", "gateway/smtp", "gateway/cores"},
	"gateway/queue":            append([]string{"gateway", "gateway/trace", "gateway/report"}, leaves...),
	"gateway/quarantine":       append([]string{"gateway", "gateway/queue"}, leaves...),
	"gateway/outbound":         append([]string{"gateway", "gateway/queue", "gateway/smtpc", "gateway/outbound/mtasts", "gateway/outbound/dane", "gateway/outbound/tlsrpt"}, leaves...),
	"gateway/outbound/record":  {"gateway/dns"},
	"gateway/outbound/mtasts":  append([]string{"gateway/outbound/record"}, leaves...),
	"gateway/outbound/dane":    leaves,
	"gateway/outbound/tlsrpt":  append([]string{"gateway/outbound/record"}, leaves...),
	"gateway/report":           {"gateway/message", "gateway/smtp"},
	"gateway/suppress":         leaves,
	"gateway/bounce":           append([]string{"gateway", "gateway/queue", "gateway/report", "gateway/returnpath", "gateway/suppress"}, leaves...),
	"gateway/returnpath":       leaves,
	"gateway/quota":            leaves,
	"gateway/signing":          append([]string{"gateway/mailauth/rsa2048"}, leaves...),
	"gateway/mailauth/rsa2048": {},
	"gateway/autoconf":         {},
	"gateway/acceptor":         leaves,
	"gateway/imap":             {"gateway/smtp"},
	"gateway/mailbox":          append([]string{"gateway", "gateway/queue", "gateway/sieve", "gateway/mailbox/index", "gateway/mailbox/search"}, leaves...),
	"gateway/mailbox/index":    leaves,
	"gateway/mailbox/search":   append([]string{"gateway/mailbox/index"}, leaves...),
	"gateway/sieve":            {"gateway/message", "gateway/smtp"},
	"gateway/transfer":         append([]string{"gateway/imap", "gateway/mailbox", "gateway/mailbox/index"}, leaves...),
	"gateway/lda":              append([]string{"gateway", "gateway/mailbox", "gateway/sieve", "gateway/queue", "gateway/report"}, leaves...),
	"gateway/imapd":            append([]string{"gateway/acceptor", "gateway/imap", "gateway/mailbox", "gateway/mailbox/index", "gateway/mailbox/search", "gateway/account"}, leaves...),
	"gateway/pop3d":            append([]string{"gateway/acceptor", "gateway/mailbox", "gateway/account"}, leaves...),
	"gateway/sieved":           append([]string{"gateway/acceptor", "gateway/mailbox", "gateway/account", "gateway/sieve"}, leaves...),
	"gateway":                  {"gateway/smtp", "gateway/message"},
	"gateway/parts":            append([]string{"gateway"}, leaves...),
	"gateway/pipeline":         append([]string{"gateway", "gateway/parts"}, leaves...),
	"gateway/route":            append([]string{"gateway"}, leaves...),
	"gateway/smtpd":            {"gateway/smtp", "gateway/deadline", "gateway/crew", "gateway/acceptor"},
	"gateway/smtpc":            {"gateway/smtp"},
	"gateway/proxy":            append([]string{"gateway", "gateway/smtpc"}, leaves...),
	"gateway/inbound":          append([]string{"gateway", "gateway/smtpd", "gateway/pipeline", "gateway/route"}, leaves...),
	"filters/*":                append([]string{"gateway"}, leaves...),
	"filters/spam":             append([]string{"gateway", "filters/spam/anatomy", "filters/spam/link", "filters/spam/learned", "filters/spam/model", "filters/spam/rule", "filters/spam/urilist"}, leaves...),
	"filters/spam/link":        {},
	"filters/spam/qr":          {},
	"filters/spam/urilist":     {"gateway/dns", "gateway/dnslist", "filters/spam/link"},
	"policy":                   append([]string{"gateway", "policy/expr"}, leaves...),
	"policy/expr":              {"gateway", "gateway/smtp"},
	"plugins":                  {"gateway", "gateway/message", "plugins/wire"},
	"plugins/sdk":              {"gateway", "gateway/parts", "gateway/message", "gateway/smtp", "gateway/body", "plugins/wire"},
	"plugins/wire":             {"gateway", "gateway/message", "gateway/smtp"},
	"plugins/example":          {"gateway", "plugins/sdk"},
	"config":                   {"filters/*", "plugins", "gateway/smtpd", "gateway/cert", "gateway/proxy", "gateway/dns", "gateway/inbound", "gateway/account", "gateway/sqldb", "gateway/blob", "gateway/outbound", "gateway/outbound/mtasts", "gateway/outbound/tlsrpt", "gateway/queue", "gateway/quarantine", "gateway/signing", "gateway/suppress", "gateway/quota", "gateway/bounce", "gateway/mailbox", "gateway/mailbox/search", "gateway/sieve", "gateway/lda", "gateway/imapd", "gateway/pop3d", "gateway/sieved", "gateway/acceptor"},
	"config/fielddocs":         {},
	"filters/spam/text":        {},
	"filters/spam/specimen":    {},
	"filters/spam/anatomy":     {"gateway/message", "gateway/smtp", "filters/spam/text", "filters/spam/link", "filters/spam/qr"},
	"filters/spam/rule":        {"gateway", "gateway/message", "policy/expr", "filters/spam/anatomy", "filters/spam/text", "filters/spam/link"},
	"filters/spam/model":       {"filters/spam/anatomy", "filters/spam/text", "filters/spam/link"},
	"filters/spam/learned":     {"filters/spam/model", "gateway/sqldb"},
	"cmd/gapura":               {"*"},
	// Test kits: imported by tests alone.
	"gateway/dns/dnstest":            {"gateway/dns"},
	"gateway/blob/blobtest":          {"gateway/blob"},
	"gateway/blob/s3test":            {"test/peers"},
	"gateway/sqldb/sqldbtest":        {"gateway/sqldb", "test/peers"},
	"gateway/mailbox/mailboxtest":    append([]string{"gateway/mailbox", "gateway/mailbox/index", "gateway/mailbox/search", "gateway"}, leaves...),
	"gateway/acceptor/acceptortest":  {},
	"gateway/smtpd/smtpdtest":        {"gateway/smtpd", "gateway/smtp"},
	"scripts/bench/bare":             {},
	"scripts/bench/clamdload":        {},
	"test/peers":                     {},
	"test/cputime":                   {},
	"filters/spam/specimen/generate": {"filters/spam/specimen"},
	"filters/filtertest":             append([]string{"gateway"}, leaves...),
}

// TestImportsPointOneWay holds the import rules of the architecture.
func TestImportsPointOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, _ := filepath.Rel(root, name)
		checkFile(t, name, filepath.ToSlash(filepath.Dir(rel)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, name, pkg string) {
	allowed, ok := ruleOf(pkg)
	if !ok {
		t.Errorf("package %s has no import rule", pkg)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, imp := range f.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		ours, ok := strings.CutPrefix(p, module)
		if ok && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, ours) }) {
			t.Errorf("%s imports %s: no arrow leads there", name, ours)
		}
		if p == "github.com/miekg/dns" && !strings.HasPrefix(pkg, "gateway/dns") ||
			p == "github.com/hashicorp/go-plugin" && !strings.HasPrefix(pkg, "plugins") {
			t.Errorf("%s imports %s, which stays behind one package of ours", name, p)
		}
	}
}

// ruleOf returns the packages that pkg may import.
func ruleOf(pkg string) ([]string, bool) {
	if allowed, ok := mayImport[pkg]; ok {
		return allowed, true
	}
	allowed, ok := mayImport[path.Dir(pkg)+"/*"]
	return allowed, ok
}

func matches(pattern, pkg string) bool {
	parent, all := strings.CutSuffix(pattern, "*")
	return pattern == pkg || all && strings.HasPrefix(pkg, parent)
}
