package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func reference() string {
	var b bytes.Buffer
	Reference(&b)
	return b.String()
}

// off is a line of an example that is commented out.
var off = regexp.MustCompile(`(?m)^( *)#([^ \n])`)

func TestReferenceIsAConfiguration(t *testing.T) {
	for name, text := range map[string]string{"as printed": reference(), "uncommented": off.ReplaceAllString(reference(), "$1$2")} {
		c, err := Parse("reference.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := sample()
		for i := range c.Domains {
			c.Domains[i].pos = position{}
		}
		for _, part := range []string{"Hostname", "TLS", "DNS", "Storage", "Accounts", "Limits", "SMTP", "Log", "Queue", "Domains", "Listeners"} {
			got, want := reflect.ValueOf(*c).FieldByName(part).Interface(), reflect.ValueOf(*want).FieldByName(part).Interface()
			if g, w := asJSON(t, got), asJSON(t, want); g != w {
				t.Errorf("%s: %s:\n%s\nwant the default:\n%s", name, part, g, w)
			}
		}
		checkFilters(t, name, c, want)
	}
}

func checkFilters(t *testing.T, name string, c, want *Config) {
	n := 0
	for _, f := range want.Filters {
		if name == "as printed" && optional(f.Name) {
			continue
		}
		if n >= len(c.Filters) || c.Filters[n].Name != f.Name || asJSON(t, c.Filters[n].Options) != asJSON(t, f.Options) ||
			c.Filters[n].Timeout != f.Timeout || c.Filters[n].OnError != f.OnError {
			t.Errorf("%s: filter %d is not the default %s", name, n, f.Name)
		}
		n++
	}
}

// asJSON writes empty and missing lists alike.
func asJSON(t *testing.T, v any) string {
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(": []\n", ": null\n", ": {}\n", ": null\n").Replace(string(b))
}

func TestReferenceIsCopiedByNoDefault(t *testing.T) {
	a, b := filterOptions(), filterOptions()
	if reflect.ValueOf(a["antivirus"]).Pointer() == reflect.ValueOf(b["antivirus"]).Pointer() {
		t.Error("two filters share their options")
	}
}

// told is a default in a comment, and the next value.
var told = regexp.MustCompile(`Default (-?[0-9][^\s,;]*[0-9a-zA-Z]|[0-9]|true|false|[a-z-]+)[.,;: ].*`)

// TestTheDefaultsInCommentsAreTheRealOnes: wherever a comment names one, the
// value below is the same.
func TestTheDefaultsInCommentsAreTheRealOnes(t *testing.T) {
	n := 0
	var walk func(keys []key)
	walk = func(keys []key) {
		for _, k := range keys {
			v := k.value
			for v.Kind() == reflect.Pointer && !v.IsNil() {
				v = v.Elem()
			}
			if m := told.FindStringSubmatch(k.doc + " "); m != nil && scalarKind(v.Type()) != "" {
				n++
				got := strings.Trim(value(v), `"`)
				if x, ok := v.Interface().(int); ok { // written as a number
					got = asJSON(t, x)
				}
				if strings.TrimSpace(got) != m[1] {
					t.Errorf("%s: the comment says %s, the value is %s", k.field, m[1], got)
				}
			}
			if v.Kind() == reflect.Struct && scalarKind(v.Type()) == "" {
				walk(keysOf(v.Type(), v, fieldDocs()))
			}
		}
	}
	c := sample()
	walk(keysOf(reflect.TypeFor[Config](), reflect.ValueOf(*c), fieldDocs()))
	for _, f := range c.Filters {
		walk(filterKeys(f.Name, f.Options, fieldDocs()))
	}
	if n < 25 {
		t.Errorf("only %d defaults were looked at", n)
	}
}

func TestEveryKeyHasAComment(t *testing.T) {
	seen := 0
	var walk func(path string, typ reflect.Type, keys []key)
	walk = func(path string, _ reflect.Type, keys []key) {
		for _, k := range keys {
			seen++
			if d := k.doc; d == "" || !strings.HasSuffix(d, ".") {
				t.Errorf("%s.%s: %q is no comment of whole sentences", path, k.name, d)
			}
			typ := k.typ
			for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
				typ = typ.Elem()
			}
			if typ.Kind() == reflect.Struct && scalarKind(typ) == "" && typ != reflect.TypeFor[Filter]() {
				walk(path+"."+k.name, typ, keysOf(typ, reflect.Value{}, fieldDocs()))
			}
		}
	}
	docs := fieldDocs()
	walk("", nil, keysOf(reflect.TypeFor[Config](), reflect.Value{}, docs))
	for name, opt := range filterOptions() {
		walk(name, nil, filterKeys(name, opt, docs))
	}
	if seen < 100 {
		t.Errorf("only %d keys", seen)
	}
}

func TestFilterNamesAreAllFilters(t *testing.T) {
	all := filterOptions()
	for _, name := range filterNames() {
		if all[name] == nil {
			t.Errorf("%s has no options", name)
		}
		delete(all, name)
	}
	for name := range all {
		t.Errorf("%s is in no order", name)
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	b, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gapura.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("gapura.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asInstance(t *testing.T, text string) any {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAcceptsWhatTheProgramDoes(t *testing.T) {
	s := compileSchema(t)
	good := map[string]string{
		"reference": reference(), "uncommented reference": off.ReplaceAllString(reference(), "$1$2"),
		"README": fenced(t, "../README.md"), "demo": read(t, "../cmd/gapura/demo.yaml"),
		"outside": "hostname: {file: /etc/hostname}\ndata: ${STATE}\nlimits: {message: '${SIZE}', hops: 30}\nlisteners: [{protocol: '${P}', address: ':25'}]\n",
	}
	for _, name := range []string{"good", "warnings", "warnings-no-filters"} {
		good[name] = caseInput(t, name)
	}
	for name, text := range good {
		if err := s.Validate(asInstance(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "outside" {
			if _, err := Parse(name, []byte(text)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestSchemaRefusesWhatTheProgramDoes(t *testing.T) {
	s := compileSchema(t)
	for _, name := range []string{"unknown-key", "unknown-words", "missing", "types", "unbuilt", "tls-acme", "contract"} {
		if s.Validate(asInstance(t, caseInput(t, name))) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, text := range []string{
		"hostnam: a", "listeners: [{protocol: smtp}]", "domains: {a.test: {}}",
		"domains: {a.test: {deliver: outbound}}", "listeners: [{protocol: smtp, address: ':25', auth: 1}]", "submission: {check_from: some}", "suppression: {bounces: many}", "quota: {user: 5}", "bounces: {verp: bulk, days: x}", "filters: [{spf: {mail: [outbound]}}]", "limits: {message: 50MB}", "limits: {hop: 5}", "filters: [rspamd]", "filters: [{spf: {}, dkim: {}}]",
		"filters: [{spf: {nothing: 1}}]", "filters: [{spf: {on_error: stop}}]", "dns: {timeout: 5}", "dns: {timeout: soon}", "tls: {mode: acme}", "outbound: mx",
		"data: {path: x}", "data: [x]", "smtp: {strict_syntax: 1}", "smtp: {recipients: 5}",
	} {
		if s.Validate(asInstance(t, text)) == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

func caseInput(t *testing.T, name string) string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", "check", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return string(a.Files[0].Data)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fenced returns the first YAML of a Markdown file.
func fenced(t *testing.T, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, name), "```yaml\n")
	text, _, end := strings.Cut(rest, "```\n")
	if !ok || !end {
		t.Fatalf("%s has no YAML", name)
	}
	return text
}
