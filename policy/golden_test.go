package policy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata/*/*.txtar")

// testFields are facts such as filters have.
func testFields() []gateway.Field {
	f := func(name string, t gateway.FactType, at gateway.Stage) gateway.Field {
		return gateway.Field{Name: name, Type: t, Stage: at, Doc: "a test"}
	}
	each := f("greylist.known", gateway.Bool, gateway.StageRcpt)
	each.Rcpt = true
	result := f("spf.result", gateway.String, gateway.StageMail)
	result.Default = "none"
	return []gateway.Field{
		f("dnsbl.score", gateway.Float, gateway.StageConnect),
		f("dnsbl.allowed", gateway.Bool, gateway.StageConnect),
		f("dnsbl.zones", gateway.Strings, gateway.StageConnect),
		result,
		each,
		f("quota.full", gateway.Bool, gateway.StageRcpt),
		f("dkim.domains", gateway.Strings, gateway.StageMessage),
		f("dmarc.result", gateway.String, gateway.StageMessage),
		f("dmarc.domain", gateway.String, gateway.StageMessage),
		f("dmarc.list_mail", gateway.Bool, gateway.StageMessage),
		f("antivirus.infected", gateway.Bool, gateway.StageMessage),
		f("antivirus.virus", gateway.String, gateway.StageMessage),
		f("spam.score", gateway.Float, gateway.StageMessage),
		f("spam.rules", gateway.Int, gateway.StageMessage),
	}
}

func testEnv() policy.Env {
	return policy.Env{Fields: testFields(), Routes: []string{"example.org", "sandbox", "default"}, Lanes: []string{"transactional", "bulk"}}
}

// question is one call of Check in a golden file.
type question struct {
	At       string                    `yaml:"at"`
	IP       string                    `yaml:"ip"`
	Listener string                    `yaml:"listener"`
	Helo     string                    `yaml:"helo"`
	User     string                    `yaml:"user"`
	TLS      bool                      `yaml:"tls"`
	From     string                    `yaml:"from"`
	Rcpts    []string                  `yaml:"rcpts"`
	Size     int64                     `yaml:"size"`
	Header   string                    `yaml:"header"`
	Now      string                    `yaml:"now"`
	Facts    map[string]any            `yaml:"facts"`
	Each     map[string]map[string]any `yaml:"each"`
}

func (q question) stage(t *testing.T) gateway.Stage {
	for _, s := range gateway.Stages {
		if s.String() == q.At {
			return s
		}
	}
	t.Fatalf("no stage %q", q.At)
	return 0
}

func testAddress(s string) smtp.Address {
	local, domain, _ := strings.Cut(s, "@")
	return smtp.Address{Local: local, Domain: domain}
}

func facts(m map[string]any) (facts gateway.Facts) {
	for name, v := range m {
		switch x := v.(type) {
		case uint64:
			v = int64(x)
		case []any:
			list := []string{}
			for _, s := range x {
				list = append(list, fmt.Sprint(s))
			}
			v = list
		}
		facts = facts.With(gateway.Fact{Name: name, Value: v})
	}
	return facts
}

func (q question) transaction(t *testing.T) *gateway.Transaction {
	t.Helper()
	s := &gateway.Session{Listener: q.Listener, Helo: q.Helo, User: q.User, Extended: true}
	if q.IP != "" {
		s.Remote = netip.AddrPortFrom(netip.MustParseAddr(q.IP), 40000)
	}
	if q.TLS {
		s.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
	}
	tx := &gateway.Transaction{ID: "T", Session: s, Size: q.Size, Facts: facts(q.Facts)}
	tx.From = smtp.ReversePath{Address: testAddress(q.From)}
	for _, to := range q.Rcpts {
		r := gateway.Recipient{To: smtp.ForwardPath{Address: testAddress(to)}, Route: "example.org", Facts: facts(q.Each[to])}
		tx.Rcpts = append(tx.Rcpts, r)
	}
	if q.Header != "" {
		h, err := message.ParseHeader([]byte(strings.ReplaceAll(q.Header, "\n", "\r\n")), message.HeaderLimits{})
		if err != nil {
			t.Fatal(err)
		}
		tx.Header = h
	}
	if q.Now != "" {
		now, err := time.Parse(time.RFC3339, q.Now)
		if err != nil {
			t.Fatal(err)
		}
		tx.Now = now
	}
	return tx
}

// told writes a disposition on one line.
func told(d gateway.Disposition) string {
	var b strings.Builder
	b.WriteString(d.Action.String())
	if !d.Reply.IsZero() {
		fmt.Fprintf(&b, " %q", d.Reply.Error())
	}
	for _, e := range d.Edits {
		switch e.Kind {
		case gateway.AddField:
			fmt.Fprintf(&b, " add %s: %s;", e.Name, e.Value)
		case gateway.RemoveField:
			fmt.Fprintf(&b, " remove %s;", e.Name)
		case gateway.TagSubject:
			fmt.Fprintf(&b, " tag %s;", e.Value)
		}
	}
	if d.Route != "" {
		b.WriteString(" route " + d.Route)
	}
	if q := d.Queue; q != (gateway.Queueing{}) {
		fmt.Fprintf(&b, " queue {Lane:%s Pool:%s Priority:%d Hold:%s}", q.Lane, q.Pool, q.Priority, q.Hold)
	}
	fmt.Fprintf(&b, " %q", d.Rules)
	return b.String()
}

// TestGolden runs the files of testdata: those whose name does not end in .yaml
// and that are called ask are questions, want holds the answers or the errors.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			golden(t, name)
		})
	}
}

func golden(t *testing.T, name string) {
	ar, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var sources []policy.Source
	var ask []question
	want := -1
	for i, f := range ar.Files {
		switch {
		case f.Name == "want":
			want = i
		case f.Name == "ask":
			if err := yaml.UnmarshalWithOptions(f.Data, &ask, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
		default:
			sources = append(sources, policy.Source{Name: f.Name, Data: f.Data})
		}
	}
	if want < 0 {
		ar.Files = append(ar.Files, txtar.File{Name: "want"})
		want = len(ar.Files) - 1
	}
	got := run(t, sources, ask)
	if *update {
		ar.Files[want].Data = got
		if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, ar.Files[want].Data) {
		t.Errorf("got:\n%swant:\n%s", got, ar.Files[want].Data)
	}
}

func run(t *testing.T, sources []policy.Source, ask []question) []byte {
	var out bytes.Buffer
	p, err := policy.Parse(sources, testEnv())
	if err != nil {
		var errs policy.Errors
		if !errors.As(err, &errs) {
			t.Fatal(err)
		}
		return []byte(err.Error() + "\n")
	}
	for _, q := range ask {
		v, err := p.Check(context.Background(), q.stage(t), q.transaction(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Dispositions) == 0 {
			fmt.Fprintf(&out, "%s: nothing\n", q.At)
		}
		for i, d := range v.Dispositions {
			who := ""
			if len(v.Dispositions) > 1 {
				who = " " + q.Rcpts[i]
			}
			fmt.Fprintf(&out, "%s%s: %s\n", q.At, who, told(d))
		}
	}
	return out.Bytes()
}
