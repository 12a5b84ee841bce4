package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

const metricsHead = `# Metrics

` + "`/metrics`" + ` of a listener with ` + "`protocol: http`" + ` answers in the text format of Prometheus. Besides these there are
` + "`go_`, `process_` and `promhttp_`" + `, which Prometheus' client library adds. A histogram is three series: ` + "`_bucket`, `_sum` and `_count`" + `.
Times are in seconds, sizes in octets. This table is written by ` + "`UPDATE=1 go test ./cmd/gapura -run Metrics`" + `.

| name | labels | what |
|---|---|---|
`

// description is how a metric writes itself.
var description = regexp.MustCompile(`^Desc\{fqName: "(.*?)", help: "(.*?)",(?: unit: ".*?",)? constLabels: \{.*?\}, variableLabels: \{(.*)\}\}$`)

// TestMetricsAreDocumented lists all metrics there are, by name, and wants
// docs/metrics.md to do so too.
func TestMetricsAreDocumented(t *testing.T) {
	rows := map[string]string{}
	add := func(reg *prometheus.Registry) {
		descs := make(chan *prometheus.Desc)
		go func() { defer close(descs); reg.Describe(descs) }()
		for d := range descs {
			m := description.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("%s is written in a new way", d)
			}
			name, help, labels := m[1], m[2], strings.ReplaceAll(m[3], ",", ", ")
			switch {
			case strings.HasPrefix(name, "go_"), strings.HasPrefix(name, "process_"), strings.HasPrefix(name, "promhttp_"):
				continue
			case !strings.HasPrefix(name, "gapura_"):
				t.Errorf("%s does not begin with gapura_", name)
			case !strings.HasSuffix(help, "."):
				t.Errorf("%s has no help of whole sentences: %q", name, help)
			}
			rows[name] = fmt.Sprintf("| `%s` | %s | %s |\n", name, labels, strings.ReplaceAll(help, "|", `\|`))
		}
	}
	add(prometheus.DefaultRegisterer.(*prometheus.Registry)) // what packages register themselves
	reg := prometheus.NewRegistry()
	new(server).register(reg)
	add(reg)
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		b.WriteString(rows[name])
	}
	wantFile(t, "../../docs/metrics.md", b.String())
}

// wantFile compares a file that is generated with what it should be; UPDATE in
// the environment writes it.
func wantFile(t *testing.T, name, text string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%s is old: run UPDATE=1 go test ./cmd/gapura -run %s", name, t.Name())
	}
}
