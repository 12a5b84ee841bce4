package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const hush = "5tr1ctly-private"

// TestErrorsShowNoSecrets: what comes from the environment or a file is in no
// error, whatever is wrong with it.
func TestErrorsShowNoSecrets(t *testing.T) {
	t.Setenv("GAPURA_TEST_SECRET", hush)
	file := t.TempDir() + "/secret"
	writeFile(t, file, hush+"\n")
	for _, source := range []string{`"${GAPURA_TEST_SECRET}"`, "{file: " + file + "}"} {
		for _, in := range []string{
			"hostname: [%s]", "data: [%s", "limits: {message: %s}", "dns: {timeout: %s, resolvers: [%s]}", "log: {level: %s}",
			"smtp: {nul: %s, disable_extensions: [%s]}", "tls: {mode: %s}", "networks: {relay: [%s]}", "storage: {database: %s, objects: %s}",
			"listeners: [{protocol: %s, address: %s, proxy_protocol: [%s]}]",
			"domains: {a.test: {deliver: %s}}", "domains: {a.test: {deliver: proxy, backends: [%s], balance: %s}}",
			"domains: {a.test: {deliver: proxy, backends: [\"smtp://u:${GAPURA_TEST_SECRET}@10.0.0.5\", \"smtps://u:${GAPURA_TEST_SECRET}@10.0.0.5:x\", \"u:${GAPURA_TEST_SECRET}\"]}}",
			"filters: [{antivirus: {clamd: %s}}]", "filters: [{dnsbl: {zones: [{zone: %s, type: %s, score: %s}]}}]", "filters: [{spf: {on_error: %s}}]",
			"filters: [{dmarc: {forwarders: [%s]}}, {headers: {own_names: [%s, a b]}}, {attachment: {executable: [./%s]}}, {plugin: {name: %s, sha256: %s}}]",
		} {
			in = strings.ReplaceAll(in, "%s", source)
			_, err := Parse("f.yaml", []byte(in+"\n"))
			if err == nil {
				t.Errorf("no error in %s", in)
				continue
			}
			asJSON, _ := json.Marshal(err)
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), string(asJSON)} {
				if strings.Contains(text, hush) {
					t.Errorf("%s: %s", in, text)
				}
			}
		}
	}
}

// TestLaterErrorsShowNoSecrets: nor in those of parts that the configuration
// makes.
func TestLaterErrorsShowNoSecrets(t *testing.T) {
	t.Setenv("GAPURA_TEST_SECRET", hush)
	c, err := Parse("f.yaml", []byte("filters:\n  - arc: {trusted: [\"${GAPURA_TEST_SECRET}\"]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := c.Errorf(c.Filters[0].Position(), "%q is no domain name", hush).Error()
	if want := `f.yaml:2:5: "${GAPURA_TEST_SECRET}" is no domain name`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSecretsHaveABound(t *testing.T) {
	file := t.TempDir() + "/large"
	writeFile(t, file, strings.Repeat("a", maxSecret+1))
	if _, err := Parse("f.yaml", []byte("hostname: {file: "+file+"}\n")); err == nil || !strings.Contains(err.Error(), "is larger than 64KiB") {
		t.Error(err)
	}
	if _, err := Parse("f.yaml", []byte("hostname: {file: /dev/zero}\n")); err == nil || !strings.Contains(err.Error(), "is larger than 64KiB") {
		t.Error(err)
	}
}

func TestRelativePathsCountFromTheFile(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/name", "mx.example.org\n")
	c, err := Parse(dir+"/gapura.yaml", []byte(`hostname: {file: name}
policy: [a.yaml, /b.yaml]
tls: {mode: files, certificate: c.pem, key: c.key, certificates: [{certificate: d.pem, key: /d.key}]}
domains: {a.test: {deliver: proxy, backends: ["smtps://10.0.0.5"], tls: {ca: ca.pem, certificate: e.pem, key: e.key}}}
networks: {relay: [192.0.2.1, "2001:db8::1", 10.0.0.0/8]}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		c.Hostname, c.Data, c.Policy[0], c.Policy[1], c.TLS.Certificate, c.TLS.Key, c.TLS.Certificates[0].Certificate, c.TLS.Certificates[0].Key,
		c.Domains[0].TLS.CA, c.Domains[0].TLS.Certificate, c.Domains[0].TLS.Key, fmt.Sprint(c.Networks.Relay),
	}
	want := []string{
		"mx.example.org", dir + "/data", dir + "/a.yaml", "/b.yaml", dir + "/c.pem", dir + "/c.key", dir + "/d.pem", "/d.key",
		dir + "/ca.pem", dir + "/e.pem", dir + "/e.key", "[192.0.2.1/32 2001:db8::1/128 10.0.0.0/8]",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}
